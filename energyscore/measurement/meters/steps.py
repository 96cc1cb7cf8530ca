"""What the steps of a meter leave open at the edges of a window. Pure.

A counter keeps its value from one update to the next. At the beginning of a window it lacks what
was drawn since its last update, and at the end likewise. A window's energy is wrong by the
difference of the two: at most by one step, too much or too little, and with both edges anywhere in
a period by a standard error of a step / sqrt(6). The step is that of the highest power seen, as
work that comes in bursts can end in any part of its rhythm. Power that is read anew from time to
time leaves open as much. So does the time that a read of the counter takes at an edge: nobody knows
when in it the value was taken.

So the method is chosen by how many periods the window holds, before its energy is looked at, and
never by whether the counter happened to move: below `FEWEST_PERIODS` it is not used. A period is
learned from the window's own updates, else from those of an earlier window. Where neither had five
of them, the window holds too few whatever the period is.
"""

import itertools
import math
from collections.abc import Sequence
from typing import TypeAlias

from energyscore.measurement.meter import Steps, Window
from energyscore.measurement.meters.update_period import power_period_ms, settled_period_ms

FEWEST_PERIODS = 20
"""With fewer in a window its energy would be wrong by up to 5%, and more."""

MANY_PERIODS = 100
"""From so many on it is wrong by 1% at most."""

POWER_PERIOD_S = {"instant": 0.1, "average": 1.0}
"""Where readings of power do not change often enough to tell: the slowest that is documented for
instantaneous power, and the time over which drivers take the mean."""

GAPS_SHARE = 0.1
"""Samples of power that are further apart than others count if so much of the window lies there."""

STEADY_SHARE = 0.05
"""Power that varies by no more is steady: how seldom it is renewed matters little."""

Readings: TypeAlias = Sequence[tuple[int, float]]
"""(ns, value): the first is the state at the beginning, the others are what came after it."""


def counter_steps(
    window: Window,
    counter: Readings,
    energy_j: float,
    known_ms: float | None = None,
    read_s: float = 0.0,
) -> Steps | None:
    """The steps of a counter in mJ; None where its period is not known, from earlier either.

    `read_s` is what reading it at the edges took: it may have been read at any time of that.
    """
    period_ms = settled_period_ms(counter, known_ms)
    if period_ms is None:
        return None
    period_s = period_ms / 1e3
    changes = _seen(window, counter)[1:]
    steps_j = [
        # Between two that are further apart some were not noted.
        (now_mj - before_mj) / 1e3 * min(1.0, period_s / ((now_ns - before_ns) / 1e9))
        for (before_ns, before_mj), (now_ns, now_mj) in itertools.pairwise(changes)
    ]
    largest_j = max([energy_j / window.duration_s * period_s, *steps_j])
    return Steps(period_s, largest_j * math.hypot(1.0, read_s / period_s))


def power_steps(window: Window, samples: Readings, source: str | None, energy_j: float) -> Steps:
    """The steps of power in W that was integrated over a window, and what lies between samples.

    Where power changed between two samples, it did so anywhere between them.
    """
    period_s, seen = power_period_s(window, samples, source), _seen(window, samples)
    highest_w = max(power_w for _, power_w in seen)
    longest_s = max(period_s, *_gaps_s(window, seen))
    step_j = max(highest_w, energy_j / window.duration_s) * longest_s
    # Each change is wrong by its third in the mean square, a step by its sixth.
    return Steps(period_s, math.hypot(step_j, math.sqrt(2) * _changes_j(window, seen)))


def sampling_error_j(window: Window, samples: Readings) -> float:
    """The standard error of integrated power where the work changes faster than it is sampled.

    Then two samples differ by twice the variance of the power, and each may be any moment's.
    """
    return _changes_j(window, _seen(window, samples)) / math.sqrt(2)


def _changes_j(window: Window, seen: Readings) -> float:
    """The root of the summed squares of all changes of power, times how long the sample served."""
    changes = zip(_gaps_s(window, seen), itertools.pairwise(seen), strict=False)
    return math.hypot(*((now[1] - before[1]) * gap_s for gap_s, (before, now) in changes))


def power_period_s(window: Window, samples: Readings, source: str | None) -> float:
    """The time between readings of power that differ, else the longest that is documented.

    It is never less than the time between the samples, whatever they show. Where power changed a
    few times only, and by more than a little, it may be renewed as seldom as it kept its value.
    """
    seen = _seen(window, samples)
    period_ms = power_period_ms(seen)
    period_s = POWER_PERIOD_S.get(source or "", 1.0)
    if period_ms is not None and period_ms <= 1000:
        period_s = period_ms / 1e3
    elif kept_s := _kept_s(window, seen):
        period_s = max(period_s, kept_s)
    return max(period_s, _usual_gap_s(window, seen))


def _gaps_s(window: Window, seen: Readings) -> list[float]:
    """How long each sample serves."""
    edges_ns = [window.start_ns, *(t for t, _ in seen[1:]), window.end_ns]
    return [(b - a) / 1e9 for a, b in itertools.pairwise(edges_ns)]


def _usual_gap_s(window: Window, seen: Readings) -> float:
    """A tenth of the window lies between samples that are as far apart as that, or further."""
    covered_s, gap_s = 0.0, 0.0
    for gap_s in sorted(_gaps_s(window, seen), reverse=True):
        covered_s += gap_s
        if covered_s >= GAPS_SHARE * window.duration_s:
            break
    return gap_s


def _kept_s(window: Window, seen: Readings) -> float:
    """How long power kept its value at most; 0 where it is steady: then it does not matter."""
    watts = [power_w for _, power_w in seen]
    if not watts or max(watts) - min(watts) <= STEADY_SHARE * max(watts):
        return 0.0
    changes = [now[0] for before, now in itertools.pairwise(seen) if now[1] != before[1]]
    edges_ns = [window.start_ns, *changes, window.end_ns]
    return max(b - a for a, b in itertools.pairwise(edges_ns)) / 1e9


def why_counter_too_slow(window: Window, counter: Readings, known_ms: float | None = None) -> str:
    """Why a window is too short for a counter; empty where it is not, or nobody watched it.

    `known_ms` is its update period as an earlier window had it.
    """
    lasted = f"a window of {window.duration_s:.2f} s"
    period_ms = settled_period_ms(counter, known_ms)
    if period_ms is None:
        updates = len(_seen(window, counter)[1:])
        came = f"its energy counter was updated {updates} time{'s' * (updates != 1)} in {lasted}"
        return f"{came}, and it takes {FEWEST_PERIODS} updates" if counter else ""
    if not _is_short(window, period_ms / 1e3):
        return ""
    holds = f"{lasted} holds {window.duration_s * 1e3 / period_ms:.1f} updates"
    return f"{holds} of its energy counter ({period_ms:.0f} ms each), and it takes {FEWEST_PERIODS}"


def why_power_too_slow(window: Window, samples: Readings, source: str | None) -> str:
    """Why a window is too short for readings of power; empty where it is not."""
    period_s = power_period_s(window, samples, source)
    if not _is_short(window, period_s):
        return ""
    takes = f"which takes windows of {FEWEST_PERIODS * period_s:.1f} s or more"
    if period_s <= POWER_PERIOD_S.get(source or "", 1.0):
        return f"its power is renewed every {period_s * 1e3:.0f} ms, {takes}"
    return f"its power is known {period_s * 1e3:.0f} ms apart, as far as its samples tell, {takes}"


def _is_short(window: Window, period_s: float) -> bool:
    return window.duration_s < FEWEST_PERIODS * period_s


def _seen(window: Window, readings: Readings) -> Readings:
    """Those in the window, and the last before it: the state at its beginning."""
    before = [one for one in readings if one[0] <= window.start_ns][-1:] or list(readings[:1])
    after = before[-1][0] if before else 0
    return before + [one for one in readings if after < one[0] <= window.end_ns]
