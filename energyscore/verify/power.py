"""Power samples against the counter: two readings of one GPU that must tell of the same energy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from energyscore.results.result import Run
from energyscore.verify.findings import Level, Problem
from energyscore.verify.raw_record import RawDomain
from energyscore.verify.subject import Subject, apart, is_number, name_of, period_of

STALL_S = 1.0
"""Between samples further apart than this, power is not known."""

POWER_SHARE = 0.001
"""Power samples are kept in whole milliwatts and microseconds: an integral moves by less."""

APART = 0.06
"""Counter and power of one window may differ by this: GPUs sample their power in part only."""

ALL_APART = 0.03
"""Where all runs differ alike, by this: chance does not explain it."""

LEAST_COVERED = 0.9
"""The share of a window in which an official result's power must be known."""

_LAG_S = {"instant": 0.1, "average": 1.0}
_MANY = 60
_FEW_RUNS = 3
_SLACK_S = 1e-5
_SURELY = 0.9


@dataclass(frozen=True)
class Compared:
    """Power against the counter, where power is known.

    Attributes:
        share: how much more energy power tells of than the counter; None where nothing can be
            compared.
        covered: the share of the window in which power is known.
        covered_s: the same in seconds.
        edge_s: what both may miss at the edges of that time.
    """

    share: float | None
    covered: float
    covered_s: float
    edge_s: float

    @property
    def edge(self) -> float:
        """What both may miss at the edges, as a share."""
        return self.edge_s / self.covered_s if self.covered_s else 1.0


def check_power_samples(subject: Subject) -> Iterator[Problem]:
    """Power samples, integrated, are what the result says; and agree with the counter."""
    same_way: dict[str, list[Compared]] = {}
    for run, _, domain, found in subject.recorded():
        yield from _check_integral(run, domain, found)
        if found.method != "counter" or not run.energy_j.get(domain):
            continue
        compared = _compare(found, run.energy_j[domain] or 0.0)
        same_way.setdefault(domain, []).append(compared)
        yield from _check_compared(subject, run, domain, found, compared)
    for domain, all_of_it in same_way.items():
        yield from _check_all(subject, domain, all_of_it)


def _check_integral(run: Run, domain: str, found: RawDomain) -> Iterator[Problem]:
    """What the result says of its power is what the samples say."""
    where, facts = f"{name_of(run)}: {domain}", run.facts.get(domain, {})
    integral_j = _integral_j(found)
    if facts and facts.get("power_source") != found.power_source:
        yield Problem(f"{where}: power is {found.power_source}, the result has another source")
    stated = facts.get("power_integral_j")
    longest_s = max((until - since for since, until in _stretches(found)), default=STALL_S)
    if stated is None:
        if found.method == "power_integral":
            yield Problem(f"{where}: energy by integrated power, but no integral is stated")
        elif found.method == "counter" and integral_j and longest_s < _SURELY * STALL_S:
            yield Problem(f"{where}: power was read all the time, and no integral is stated")
        return
    if not is_number(stated):
        yield Problem(f"{where}: the integrated power {str(stated)[:40]!r} is no number")
        return
    if integral_j is None or abs(integral_j - stated) > POWER_SHARE * abs(stated):
        yield Problem(f"{where}: integrated power is {integral_j} J, stated are {stated} J")
    if found.method == "power_integral" and apart(run.energy_j.get(domain), stated):
        yield Problem(f"{where}: the energy is not the integrated power that is stated")
    if longest_s > STALL_S + _SLACK_S:
        yield Problem(
            f"{where}: power was not read for {longest_s:.1f} s, and is integrated all the same"
        )


def _check_compared(
    subject: Subject, run: Run, domain: str, found: RawDomain, compared: Compared
) -> Iterator[Problem]:
    """The counter is backed by power; without that, or against it, no result is official."""
    where, official = f"{name_of(run)}: {domain}", subject.listed.official
    strict: Level = "failed" if official else "warning"
    if compared.share is None:
        yield Problem(f"{where}: no power samples stand beside the counter", strict)
        return
    if compared.covered < 1 - _SLACK_S:
        few = compared.covered < LEAST_COVERED
        yield Problem(
            f"{where}: power is known of {compared.covered:.0%} of the window only, and the "
            "counter is not checked in the rest",
            strict if few else "warning",
        )
    if abs(compared.share) <= APART + compared.edge:
        return
    told = any(notice.code == "counter_power_disagree" for notice in run.notices)
    # The runner tells of it where it has so many updates, and only for instant power.
    untold = found.power_source == "instant" and len(found.ticks.t_s) > _MANY and not told
    yield Problem(
        f"{where}: counter and integrated power are {compared.share:+.1%} apart",
        "failed" if official or untold else "warning",
    )


def _check_all(subject: Subject, domain: str, found: Sequence[Compared]) -> Iterator[Problem]:
    """A difference that is the same in all runs is none of chance."""
    shares = [one.share for one in found if one.share is not None]
    if len(shares) < min(_FEW_RUNS, len(subject.result.runs)) or len(shares) < len(found):
        return
    least = ALL_APART + max(one.edge for one in found)
    if min(shares) > least or max(shares) < -least:
        yield Problem(
            f"{domain}: integrated power is {min(shares):+.1%} to {max(shares):+.1%} off the "
            f"counter in all of {len(shares)} runs",
            "warning",
        )


def _compare(found: RawDomain, energy_j: float) -> Compared:
    """Power and counter over the time in which power is known."""
    start_s, end_s = found.window_s or (0.0, 0.0)
    known = [one for one in _stretches(found) if one[1] - one[0] <= STALL_S + _SLACK_S]
    covered_s = sum(until - since for since, until in known)
    covered = covered_s / (end_s - start_s) if end_s > start_s else 0.0
    edge_s = _LAG_S.get(found.power_source or "", 1.0) + 2 * (period_of(found) or STALL_S)
    if not known or covered_s <= 0 or len(found.power.t_s) < 2:
        return Compared(None, 0.0, 0.0, edge_s)
    values = dict(zip(_starts(found), found.power.values, strict=True))
    power_j = sum(values[since] * (until - since) for since, until in known)
    if covered < 1 - _SLACK_S:
        energy_j = _counted_j(found, known, energy_j * covered)
    share = power_j / energy_j - 1 if energy_j > 0 else None
    return Compared(share, covered, covered_s, edge_s)


def _counted_j(found: RawDomain, known: Sequence[tuple[float, float]], otherwise_j: float) -> float:
    """By how much the counter rose in these stretches; without updates, what is said otherwise."""
    import numpy as np

    if len(found.ticks.t_s) < 2:
        return otherwise_j
    reached_j = np.interp(np.array(known), np.array(found.ticks.t_s), np.array(found.ticks.values))
    return float((reached_j[:, 1] - reached_j[:, 0]).sum())


def _starts(found: RawDomain) -> list[float]:
    """Since when each sample holds: the first from the beginning of the window."""
    return [(found.window_s or (0.0, 0.0))[0], *found.power.t_s[1:]]


def _stretches(found: RawDomain) -> list[tuple[float, float]]:
    """Since when and until when each sample holds."""
    if len(found.power.t_s) < 2 or found.window_s is None:
        return []
    return list(pairwise([*_starts(found), found.window_s[1]]))


def _integral_j(found: RawDomain) -> float | None:
    """Each sample holds until the next, the last until the end of the window."""
    stretches = _stretches(found)
    if not stretches:
        return None
    return sum(
        power_w * (until - since)
        for power_w, (since, until) in zip(found.power.values, stretches, strict=True)
    )
