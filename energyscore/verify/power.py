"""Power samples against the counter: two readings of one GPU that must tell of the same energy."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from energyscore.verify.examined import ExaminedResult, RecordedGpu
from energyscore.verify.findings import NOT_APPLICABLE, Derived, Finds, Problem
from energyscore.verify.raw_record import RawDomain
from energyscore.verify.steps import STEPS_SHARE, sampling_error_j

STALL_S = 1.0  # Between samples further apart than this, power is not known
POWER_SHARE = 0.001  # the rounding of samples to milliwatts and microseconds moves it by less
APART = 0.06  # Counter and power of a window may differ by this: power is sampled in part only
ALL_APART = 0.03  # Where all runs differ alike, by this: chance does not explain it
LEAST_COVERED = 0.95  # The share of a window in which an official result's power must be known
MOST_GAP_S = 0.75  # On average: so seldom is power read where reading it takes long
_LAG_S = {"instant": 0.1, "average": 1.0}
_TOLD_S = 1.0  # of instant power; in short windows the runner tells of what is this share of them
_MANY = 60
_FEW_RUNS = 3
_SLACK_S = 1e-5
_SURELY = 0.9
_SURE = 4.0  # standard errors for what lies between the samples
_MOST_SAMPLED = 0.04  # That explains no more, or samples that were left out would excuse it

Array = NDArray[np.float64]


class Compared(NamedTuple):
    """Power against the counter, over the time in which power is known."""

    share: float | None  # how much more energy power tells of; None: nothing to compare
    covered: float  # the share of the window in which power is known
    edge: float  # what both may miss at the edges of that time, and between samples, as a share
    whole: float = 0.0  # the same as `share` of all the window, as if power had stayed as it was


def check_integral(gpu: RecordedGpu) -> Finds:
    """What the result says of its power is what the samples say."""
    since, until, watts = _samples(gpu.found)
    integral_j = float(watts @ (until - since)) if len(watts) else None
    longest_s = float((until - since).max()) if len(watts) else STALL_S
    if gpu.facts:
        yield Derived("power_source", gpu.facts.get("power_source"), gpu.found.power.source)
    stated = gpu.number("power_integral_j")
    if stated is None:
        if gpu.found.method == "power_integral":
            yield "the energy is by integrated power, but power_integral_j is missing"
        elif gpu.found.method == "counter" and integral_j and longest_s < _SURELY * STALL_S:
            yield "power was read all the time, but power_integral_j is missing"
        return
    yield Derived("power_integral_j", stated, integral_j, POWER_SHARE * abs(stated))
    error_j = gpu.number("power_sampling_se_j")
    if error_j is not None:  # older versions did not state it
        within = STEPS_SHARE * error_j + POWER_SHARE * abs(stated)
        yield Derived("power_sampling_se_j", error_j, sampling_error_j(gpu), within)
    if gpu.found.method == "power_integral":
        yield Derived("the energy by integrated power (J)", gpu.energy_j, stated)
    if longest_s > STALL_S + _SLACK_S:
        yield f"power was integrated although it was not read for {longest_s:.1f} s"


def check_against_counter(gpu: RecordedGpu) -> Finds:
    """The counter is backed by power; without that, or against it, no result is official."""
    compared = _compared(gpu)
    if compared is None:
        return
    if compared.share is None:
        yield Problem("the counter has no power samples beside it", gpu.it.strictly)
        return
    if compared.covered < 1 - _SLACK_S:
        yield Problem(
            f"power is known of {compared.covered:.0%} of the window only, and the counter is not "
            "checked in the rest",
            gpu.it.strictly if compared.covered < LEAST_COVERED else "warning",
        )
    window_s = gpu.window_s[1] - gpu.window_s[0]
    samples = len(gpu.found.power.t_s) - 1
    if samples < compared.covered * window_s / MOST_GAP_S:
        few = f"{samples} power samples in {compared.covered * window_s:.0f} s are few"
        yield Problem(f"{few}: some may have been left out", gpu.it.strictly)
    if abs(compared.whole) > APART + compared.edge >= abs(compared.share):
        message = "with the time in which power is not known, it and the counter are"
        yield Problem(f"{message} {compared.whole:+.1%} apart", gpu.it.strictly)
    if abs(compared.share) > APART + compared.edge:
        told = "counter_power_disagree" in gpu.codes
        # Of averaged power it was not always told.
        many = len(gpu.found.ticks.t_s) > _MANY
        sure = abs(compared.share) > _TOLD_S / window_s + compared.edge
        must_tell = gpu.found.power.source == "instant" and many and sure
        message = f"counter and integrated power are {compared.share:+.1%} apart"
        yield Problem(message, "failed" if must_tell and not told else gpu.it.strictly)


def check_at_samples(gpu: RecordedGpu) -> Finds:
    """When power was read, the counter rose by as much: whatever samples were left out."""
    found, window_s = gpu.found, gpu.window_s[1] - gpu.window_s[0]
    ticks_s, joules = np.array(found.ticks.t_s[1:]), np.array(found.ticks.values[1:])
    times_s, watts = np.array(found.power.t_s), np.array(found.power.values)
    if found.method != "counter" or len(ticks_s) < _MANY or (np.diff(ticks_s) <= 0).any():
        yield NOT_APPLICABLE
        return
    within = (times_s > ticks_s[0]) & (times_s <= ticks_s[-1])
    if within.sum() < _MANY:
        yield NOT_APPLICABLE
        return
    rates_w = np.diff(joules) / np.diff(ticks_s)
    counted_w = rates_w[np.searchsorted(ticks_s, times_s[within]) - 1]
    apart_w = watts[within] - counted_w
    mean_w = float(counted_w.mean())
    error = _SURE * float(apart_w.std()) / math.sqrt(len(apart_w)) / mean_w if mean_w > 0 else 0.0
    edge = math.hypot(_edge_s(found) / window_s, min(error, _MOST_SAMPLED))
    share = float(apart_w.mean()) / mean_w if mean_w > 0 else math.inf
    if abs(share) > APART + edge:
        message = f"when power was read, it was {share:+.1%} off the counter's rise"
        yield Problem(message, gpu.it.strictly)


def check_all_runs(it: ExaminedResult) -> Finds:
    """A difference that is the same in all runs does not come by chance."""
    places = list(RecordedGpu.each(it))
    if not places:
        yield NOT_APPLICABLE
    for domain in it.gpu_domains:
        of_domain = [_compared(gpu) for gpu in places if gpu.domain == domain]
        found = [one for one in of_domain if one is not None]
        shares = [one.share for one in found if one.share is not None]
        if len(shares) < max(len(found), min(_FEW_RUNS, len(it.result.runs))):
            continue
        least = ALL_APART + max(one.edge for one in found)
        if min(shares) > least or max(shares) < -least:
            yield Problem(
                f"{domain}: integrated power is {min(shares):+.1%} to {max(shares):+.1%} off the "
                f"counter in all of {len(shares)} runs",
                "warning",
            )


def _compared(gpu: RecordedGpu) -> Compared | None:
    """Power and counter over the time in which power is known; None without a counter."""
    found, energy_j = gpu.found, gpu.energy_j
    if found.method != "counter" or not energy_j:
        return None
    since, until, watts = _samples(found)
    whole_j, counted_j = float(watts @ (until - since)), energy_j
    known = until - since <= STALL_S + _SLACK_S
    since, until, watts = since[known], until[known], watts[known]
    covered_s, window_s = float((until - since).sum()), gpu.window_s[1] - gpu.window_s[0]
    if covered_s <= 0:
        return Compared(None, 0.0, 1.0)
    covered = covered_s / window_s if window_s > 0 else 0.0
    if covered < 1 - _SLACK_S:
        energy_j *= covered
        if len(found.ticks.t_s) > 1:
            times, joules = np.array(found.ticks.t_s), np.array(found.ticks.values)
            rises = np.interp(until, times, joules) - np.interp(since, times, joules)
            energy_j = float(rises.sum())
    power_j = float(watts @ (until - since))
    share = power_j / energy_j - 1 if energy_j > 0 else None
    sampled = _SURE * sampling_error_j(gpu) / energy_j if energy_j > 0 else 0.0
    edge = math.hypot(_edge_s(found) / covered_s, min(sampled, _MOST_SAMPLED))
    return Compared(share, covered, edge, whole_j / counted_j - 1)


def _edge_s(found: RawDomain) -> float:
    """How late power and counter tell of the beginning and the end of a window."""
    return _LAG_S.get(found.power.source or "", 1.0) + 2 * found.late_s


def _samples(found: RawDomain) -> tuple[Array, Array, Array]:
    """From when until when each sample holds, from edge to edge of the window, and its watts."""
    if len(found.power.t_s) < 2 or found.window_s is None:
        return np.empty(0), np.empty(0), np.empty(0)
    edges = np.array([found.window_s[0], *found.power.t_s[1:], found.window_s[1]])
    return edges[:-1], edges[1:], np.array(found.power.values)
