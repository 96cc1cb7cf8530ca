"""A simulated energy counter with known truth: what a driver would show of known work."""

import itertools
from dataclasses import dataclass

import numpy as np

from energyscore.measurement.meter import Ticks
from energyscore.measurement.phases.split import PhaseTimes

NAMES = ("preprocess", "prefill", "decode")


@dataclass(frozen=True)
class Scenario:
    """Work and counter. Times in seconds, power in watts; `*_spread` are relative.

    Attributes:
        prefill_s: mean length of a prefill; lengths are spread around it by `length_spread`.
        decode_s: mean length of a decode, spread by `decode_spread`.
        prefill_w: power of a prefill of mean length.
        length_w: how much more a prefill of twice the mean length draws.
        decode_w: power of a decode.
        decode_onset: how many times that it draws in its first tenth.
        period_s: the counter's update period.
        lag_s: how long an update lags behind.
        duty: share of the period, before each update, in which power is sampled.
        tau_s: time constant of the power's first-order response.
        queries: how many.
        power_spread: spread of the power from one phase to the next of its kind.
        drift: relative standard deviation of a slow wander of all power (over seconds).
        poll_s: the counter is looked at this often.
        irregular_s: spread of the updates' own times.
        rest_s: how long nobody looks after each stretch of 8 to 24 updates.
    """

    prefill_s: float = 0.02
    decode_s: float = 0.2
    prefill_w: float = 450.0
    decode_w: float = 260.0
    decode_onset: float = 1.0
    length_w: float = 0.0
    length_spread: float = 0.5
    decode_spread: float = 0.02
    period_s: float = 0.1
    lag_s: float = 0.0
    duty: float = 1.0
    tau_s: float = 0.0
    queries: int = 1000
    preprocess_s: float = 0.6
    preprocess_w: float = 90.0
    power_spread: float = 0.01
    drift: float = 0.0
    poll_s: float = 0.002
    irregular_s: float = 0.0
    rest_s: float = 0.0


CASES = {
    **{
        f"T{round(period * 1e3)}-{round(pre * 1e3)}ms-{round(dec * 1e3)}ms": Scenario(
            period_s=period, prefill_s=pre, decode_s=dec
        )
        for period, (pre, dec) in itertools.product(
            (0.01, 0.02, 0.1), ((0.005, 0.02), (0.02, 0.2), (0.2, 2.0))
        )
    },
    **{
        f"rests-T{round(period * 1e3)}-{round(pre * 1e3)}ms-{round(dec * 1e3)}ms": Scenario(
            period_s=period, prefill_s=pre, decode_s=dec, rest_s=0.75
        )
        for period, (pre, dec) in itertools.product((0.01, 0.02), ((0.005, 0.02), (0.02, 0.2)))
    },
    "short-in-long": Scenario(period_s=0.02, prefill_s=0.005, decode_s=2.0),
    "100-to-700-W": Scenario(prefill_w=700.0, decode_w=100.0),
    "700-to-100-W": Scenario(prefill_w=100.0, decode_w=700.0),
    "equal": Scenario(prefill_w=300.0, decode_w=300.0),
    "lag": Scenario(period_s=0.02, lag_s=0.08),
    "long-lag": Scenario(lag_s=0.15),
    "quarter-duty": Scenario(duty=0.25),
    "quarter-duty-lag-response": Scenario(duty=0.25, lag_s=0.03, tau_s=0.03),
    "response": Scenario(period_s=0.02, tau_s=0.05),
    "slow-response": Scenario(period_s=0.01, tau_s=0.1),
    "longer-draw-more": Scenario(length_w=100.0),
    "wandering": Scenario(drift=0.03, period_s=0.02),
    "irregular-updates": Scenario(irregular_s=0.002, period_s=0.05),
}
"""What the method covers: power steps, lengths, update periods, and ways of a counter."""


@dataclass(frozen=True)
class Simulated:
    """What was recorded, and the truth that only the simulation knows."""

    times: PhaseTimes
    ticks: Ticks
    total_j: float
    truth_j: dict[str, float]


def simulate(case: Scenario, seed: int = 0) -> Simulated:
    """Do the work and record the counter."""
    random = np.random.default_rng(seed)
    n = case.queries
    sigma = np.sqrt(np.log1p(case.length_spread**2))
    prefill_s = case.prefill_s * np.exp(random.normal(0, sigma, n) - sigma**2 / 2)
    decode_s = case.decode_s * np.maximum(0.5, 1 + case.decode_spread * random.normal(size=n))
    lengths = np.concatenate([[case.preprocess_s], np.stack([prefill_s, decode_s], 1).ravel()])
    entered = np.concatenate([[0], np.tile([1, 2], n)])
    prefill_w = case.prefill_w + case.length_w * (prefill_s / prefill_s.mean() - 1)
    watts = np.concatenate(
        [[case.preprocess_w], np.stack([prefill_w, np.full(n, case.decode_w)], 1).ravel()]
    )
    watts = watts * (1 + case.power_spread * random.normal(size=len(watts)))
    edges = np.concatenate([[0.0], np.cumsum(lengths)])
    watts = watts * _wander(edges[:-1], case.drift, random)
    onset = 0.9 + 0.1 * case.decode_onset
    truth = {
        name: float((watts * lengths * np.where(entered == 2, onset, 1.0))[entered == place].sum())
        for place, name in enumerate(NAMES)
    }
    first = -random.uniform(0, case.period_s) - 3 * case.period_s
    updates = np.arange(first, edges[-1] + case.period_s, case.period_s)
    updates = updates + case.irregular_s * random.normal(size=len(updates))
    fine_edges, fine_watts = _with_onset(case, edges, watts, entered)
    shown = _shown(case, fine_edges, fine_watts, np.sort(updates))
    shown = np.round(shown, 3)
    looked = np.ceil(updates / case.poll_s) * case.poll_s + random.uniform(0, 1e-4, len(updates))
    start = np.searchsorted(looked, 0.0) - 1
    end = np.searchsorted(looked, edges[-1], "right")
    origin_ns = 10**12
    seen = _seen(case, looked[start:end], random)
    ticks = Ticks(
        tuple(int(origin_ns + t * 1e9) for t in np.append(0.0, looked[start:end][seen][1:])),
        tuple(map(float, shown[start:end][seen])),
    )
    starts_ns = [int(origin_ns + t * 1e9) for t in edges[:-1]]
    times = PhaseTimes(NAMES, entered.tolist(), starts_ns, int(origin_ns + edges[-1] * 1e9))
    return Simulated(times, ticks, float(shown[end - 1] - shown[start]), truth)


def _seen(case, looked, random):
    """Which updates are noted: all, or stretches between rests."""
    if case.rest_s == 0:
        return np.ones(len(looked), bool)
    seen, resumed = [], -np.inf
    left = 16
    for t in looked:
        seen.append(t >= resumed)
        left -= seen[-1]
        if left == 0:
            left, resumed = int(random.integers(8, 24)), t + case.rest_s
    return np.array(seen)


def _with_onset(case, edges, watts, entered):
    """The same work, each decode in two parts of unlike power."""
    lengths = np.diff(edges)
    cuts = edges[:-1] + 0.1 * lengths
    fine_edges = np.append(np.stack([edges[:-1], cuts], axis=1).ravel(), edges[-1])
    first = np.where(entered == 2, case.decode_onset, 1.0)
    return fine_edges, np.stack([watts * first, watts], axis=1).ravel()


def _wander(t, drift, random):
    """A slow multiplicative wander: a sum of sines of periods from 2 to 20 s."""
    periods = np.array([2.0, 5.0, 9.0, 20.0])
    phases = random.uniform(0, 2 * np.pi, 4)
    waves = np.sin(2 * np.pi * t[:, None] / periods + phases)
    return 1 + drift * waves.sum(1) / np.sqrt(2)


def _shown(case, edges, watts, updates):
    """The counter's values at its updates: power through the response, summed over windows."""
    ends = updates - case.lag_s
    gaps = np.diff(ends, prepend=ends[0] - case.period_s)
    mean_w = (
        _energy(case, edges, watts, ends) - _energy(case, edges, watts, ends - case.duty * gaps)
    ) / (case.duty * gaps)
    return 1e6 + np.cumsum(mean_w * gaps)


def _energy(case, edges, watts, t):
    """Integral of the responding power up to t; step by step, apart from the code under test."""
    joules = np.concatenate([[0.0], np.cumsum(watts * np.diff(edges))])
    place = np.clip(np.searchsorted(edges, t, "right") - 1, 0, len(watts) - 1)
    since = t - edges[place]
    energy = joules[place] + watts[place] * since
    if case.tau_s == 0:
        return energy
    state = [watts[0]]
    for power, length in zip(watts, np.diff(edges), strict=True):
        state.append(power + (state[-1] - power) * np.exp(-length / case.tau_s))
    states = np.array(state)
    now = watts[place] + (states[place] - watts[place]) * np.exp(-np.maximum(since, 0) / case.tau_s)
    return energy - case.tau_s * (now - watts[0])
