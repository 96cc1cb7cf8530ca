"""How one energy compares with another, or with a limit: ratio, interval, and what is decided.

The run is the unit. Two means are compared on the log scale, where a ratio is a difference and
swapping the two only changes its sign:

    ln r = ln(m1 / m0),    u^2 = (s1/m1)^2 / n1 + (s0/m0)^2 / n0 + common^2

(s/m)^2 / n is the variance of ln m to first order; runs that vary by 5% make an error in it of a
few thousandths. The interval is ln r -/+ t(0.975, v) u, with Welch's degrees of freedom v: the two
may vary unlike. `common` is what no repeat shows, such as the error of two meters, and taken to be
known (infinitely many degrees). Each bound alone is a one-sided 97.5% bound: what lies wholly
beyond an allowance lies there by chance in at most 2.5% of cases.

Of fewer than five runs Welch's v is itself a guess, and one of two runs against ten would raise up
to 6% false alarms: there v is that of the smaller of the two, n - 1, which is never too many.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from energyscore.base.stats import MIN_REPEATS_TO_JUDGE, Summary, t_quantile, two_sided_p

Decision = Literal["within", "beyond", "open"]
"""Whether a figure keeps to a limit: within it, beyond it, or open (inconclusive)."""

CONFIDENCE = 0.975
POWER = 0.80
MOST_REPEATS = 1000

_WIDEST = math.log(1e100)  # half an interval of ln r; beyond it a double (to 1e308) has no bounds


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
    """

    runs: int | None
    of: Literal["result", "both"] = "result"


def compare_samples(before: Summary, after: Summary, common: float = 0.0) -> Effect:
    """Compare two energies, both above 0.

    `common` is the standard uncertainty of the ratio that more runs do not show, as a share of it.
    """
    ratio, difference = after.mean / before.mean, after.mean - before.mean
    uncertainty, degrees = _spread(before, after, common) or (math.inf, 1.0)
    half = t_quantile(CONFIDENCE, degrees) * uncertainty
    if not half < _WIDEST:
        return Effect(ratio, None, None, difference, None)
    low, high = ratio * math.exp(-half), ratio * math.exp(half)
    in_units = ((low - 1) * before.mean, (high - 1) * before.mean)
    log_ratio = _log_ratio(before, after)
    if uncertainty == 0:
        p_value = 1.0 if log_ratio == 0 else 0.0
    else:
        p_value = two_sided_p(log_ratio / uncertainty, degrees)
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
    distance = abs(_log_ratio(before, after) - math.log(allowed))

    def decided(first: Summary, second: Summary) -> bool:
        spread = _spread(first, second, common)
        return spread is not None and _margin(spread[1]) * spread[0] <= distance

    alone = _least(lambda runs: decided(before, replace(after, count=runs)))
    if alone is not None:
        return Needed(alone)
    return Needed(
        _least(lambda n: decided(replace(before, count=n), replace(after, count=n))), "both"
    )


def repeats_for_limit(sample: Summary, limit: float) -> Needed | None:
    """How many repeats would tell on which side of `limit` an energy lies; None for one run."""
    std = sample.std
    if std is None:
        return None
    distance = abs(sample.mean - limit)
    return Needed(_least(lambda runs: _margin(runs - 1) * std / math.sqrt(runs) <= distance))


def decide(interval: tuple[float, float] | None, limit: float) -> Decision:
    """Whether a figure is at most `limit`, by its interval; open without an interval."""
    if interval is None:
        return "open"
    low, high = interval
    if high <= limit:
        return "within"
    return "beyond" if low > limit else "open"


def _spread(before: Summary, after: Summary, common: float) -> tuple[float, float] | None:
    """Standard uncertainty of the log ratio, and its degrees of freedom."""
    first, second = _relative_variance(before), _relative_variance(after)
    if first is None or second is None:
        return None
    whole = first + second + common * common
    if not whole * whole < math.inf:
        return math.inf, 1.0
    least = min(before.count, after.count)
    if least < MIN_REPEATS_TO_JUDGE and first + second > 0:
        return math.sqrt(whole), least - 1
    known_by = first**2 / (before.count - 1) + second**2 / (after.count - 1)
    return math.sqrt(whole), whole**2 / known_by if known_by else math.inf


def _relative_variance(sample: Summary) -> float | None:
    """The variance of the mean, relative to the mean; None for one run."""
    if sample.std is None or sample.count < 2:
        return None
    spread = sample.std / sample.mean
    return spread * spread / sample.count  # infinite where `**` would raise


def _log_ratio(before: Summary, after: Summary) -> float:
    """Of the logarithms: the ratio itself may be too small, or too large, for a double."""
    return math.log(after.mean) - math.log(before.mean)


def _margin(degrees: float) -> float:
    """So many uncertainties lie between a limit and what is told from it in 4 of 5 cases."""
    return t_quantile(CONFIDENCE, degrees) + t_quantile(POWER, degrees)


def _least(decided: Callable[[int], bool]) -> int | None:
    """The least number of repeats that decides; more of them decide all the more."""
    runs = bisect_left(range(2, MOST_REPEATS + 1), True, key=decided) + 2
    return runs if runs <= MOST_REPEATS else None
