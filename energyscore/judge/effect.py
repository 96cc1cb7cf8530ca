"""How one energy compares with another, or with a limit: ratio, interval, and what is decided.

The run is the unit. Two means are compared on the log scale, where a ratio is a difference and
swapping the two only changes its sign:

    ln r = ln(m1 / m0),    u^2 = (s1/m1)^2 / n1 + (s0/m0)^2 / n0

(s/m)^2 / n is the variance of ln m to first order; runs that vary by 5% make an error in it of a
few thousandths. The interval is ln r -/+ t(0.975, v) u, with Welch's degrees of freedom v: the two
may vary unlike. What no repeat shows, such as the steps of a counter or the error of two meters
(`common`), is taken to be known and normal; 1.96 times it is added as a square. Each bound alone is
a one-sided 97.5% bound: what lies wholly beyond an allowance lies there by chance in at most 2.5%
of cases.

Of fewer than five runs Welch's v is itself a guess, and one of two runs against ten would raise up
to 6% false alarms: there v is that of the smaller of the two, n - 1, which is never too many.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from energyscore.base.stats import (
    MIN_REPEATS_TO_JUDGE,
    WIDEST,
    Spread,
    Summary,
    about,
    t_quantile,
)

Decision = Literal["within", "beyond", "open"]
"""Whether a figure keeps to a limit: within it, beyond it, or open (inconclusive)."""

CONFIDENCE = 0.975
POWER = 0.80
MOST_REPEATS = 1000


@dataclass(frozen=True)
class Effect:
    """How two energies compare: `ratio` is after / before, `difference` after - before.

    There is no interval, and no two-sided `p_value`, where one of the two has a single run, and
    where the runs spread so much that it has no finite bounds. `difference_ci95` is the interval of
    the ratio in the unit of both: (bound - 1) x before.
    """

    ratio: float
    ci95: tuple[float, float] | None
    p_value: float | None
    difference: float
    difference_ci95: tuple[float, float] | None

    @property
    def significant(self) -> bool | None:
        """Whether the interval excludes 1; None without one."""
        return None if self.ci95 is None else not self.ci95[0] <= 1 <= self.ci95[1]


@dataclass(frozen=True)
class Needed:
    """How many repeats would decide, in four of five cases, should the figures stay as they are.

    They are repeats of the later result, or of both; None where not even `MOST_REPEATS` would.
    `steps`: they would, were it not for the steps of the meters, which longer windows make smaller.
    """

    runs: int | None
    of: Literal["result", "both"] = "result"
    steps: bool = False


def compare_samples(before: Summary, after: Summary, common: float = 0.0) -> Effect:
    """Compare two energies, both above 0.

    `common` is the standard uncertainty of the ratio that more runs do not show, as a share of it.
    """
    ratio, difference = after.mean / before.mean, after.mean - before.mean
    spread = _spread(before, after, common)
    if spread is None or not spread.half_width < WIDEST:
        return Effect(ratio, None, None, difference, None)
    low, high = about(ratio, spread.half_width)
    in_units = ((low - 1) * before.mean, (high - 1) * before.mean)
    p_value = spread.p_value(_log_ratio(before.mean, after.mean))
    return Effect(ratio, (low, high), p_value, difference, in_units)


def decide_limit(sample: Summary, limit: float) -> Decision:
    """Whether an energy is at most `limit`.

    By its interval. A single run has none: beyond the limit it is beyond it as measured, but
    within it nothing is known of how sure that is.
    """
    if sample.ci95 is None:
        alone = sample.std is None or sample.count < 2
        return "beyond" if alone and sample.mean > limit else "open"
    return decide(sample.ci95, limit)


def repeats_for_ratio(
    before: Summary, after: Summary, allowed: float, common: float = 0.0
) -> Needed | None:
    """How many repeats would tell on which side of `allowed` the ratio lies; None for one run."""
    if before.std is None or after.std is None:
        return None
    distance = abs(_log_ratio(before.mean, after.mean) - math.log(allowed))

    def decided(first: int, second: int) -> bool:
        spread = _spread(before, after, common, (first, second))
        return spread is not None and _margin(spread) <= distance

    alone = _least(lambda runs: decided(before.count, runs))
    if alone is not None:
        return Needed(alone)
    runs = _least(lambda runs: decided(runs, runs))
    if runs is None and (before.run_se or after.run_se):
        without = replace(before, run_se=0.0), replace(after, run_se=0.0)
        needed = repeats_for_ratio(*without, allowed, common)
        return Needed(None, "both", needed is not None and needed.runs is not None)
    return Needed(runs, "both")


def repeats_for_limit(sample: Summary, limit: float) -> Needed | None:
    """How many repeats would tell on which side of `limit` an energy lies; None for one run."""
    if sample.std is None:
        return None
    distance = abs(_log_ratio(limit, sample.mean)) if limit > 0 else math.inf

    def decided(runs: int) -> bool:
        spread = sample.spread(runs)
        return spread is not None and _margin(_relative(spread, sample.mean)) <= distance

    runs = _least(decided)
    if runs is None and sample.run_se:
        needed = repeats_for_limit(replace(sample, run_se=0.0), limit)
        return Needed(None, steps=needed is not None and needed.runs is not None)
    return Needed(runs)


def decide(interval: tuple[float, float] | None, limit: float) -> Decision:
    """Whether a figure is at most `limit`, by its interval; open without an interval."""
    if interval is None:
        return "open"
    low, high = interval
    if high <= limit:
        return "within"
    return "beyond" if low > limit else "open"


def _spread(
    before: Summary, after: Summary, common: float, counts: tuple[int, int] | None = None
) -> Spread | None:
    """What the log ratio is known to, with as many runs as there are or `counts`."""
    counts = counts or (before.count, after.count)
    spreads = before.spread(counts[0]), after.spread(counts[1])
    if spreads[0] is None or spreads[1] is None:
        return None
    first, second = _relative(spreads[0], before.mean), _relative(spreads[1], after.mean)
    shown = math.hypot(first.shown, second.shown)
    unshown = math.hypot(first.unshown, second.unshown, common)
    if not shown < math.inf:
        return Spread(shown, unshown, 1.0)
    if min(counts) < MIN_REPEATS_TO_JUDGE or not shown:
        return Spread(shown, unshown, min(counts) - 1)
    shares = (
        (first.shown / shown) ** 4 / first.degrees,
        (second.shown / shown) ** 4 / second.degrees,
    )
    return Spread(shown, unshown, 1 / sum(shares))


def _relative(spread: Spread, mean: float) -> Spread:
    """As shares of the mean: to first order the standard errors of its logarithm."""
    return replace(spread, shown=spread.shown / mean, unshown=spread.unshown / mean)


def _log_ratio(before: float, after: float) -> float:
    """Of the logarithms: the ratio itself may be too small, or too large, for a double."""
    return math.log(after) - math.log(before)


def _margin(spread: Spread) -> float:
    """So far from a limit lies what is told from it in 4 of 5 cases."""
    degrees = spread.degrees if spread.shown else math.inf
    power = t_quantile(POWER, degrees) / t_quantile(CONFIDENCE, degrees)
    return spread.half_width * (1 + power)


def _least(decided: Callable[[int], bool]) -> int | None:
    """The least number of repeats that decides; more of them decide all the more."""
    runs = bisect_left(range(2, MOST_REPEATS + 1), True, key=decided) + 2
    return runs if runs <= MOST_REPEATS else None
