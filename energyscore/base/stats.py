"""Statistics of repeats. The run is the unit: queries within a run are not independent."""

import functools
import math
import statistics as std
from collections.abc import Sequence
from dataclasses import dataclass

MIN_REPEATS_TO_JUDGE = 5
"""Fewer values show neither a trend nor an outlier."""

NOTEWORTHY = 0.01
"""Trends and outliers of a smaller share are not reported, however certain."""

DRIFT_P_VALUE = 0.01
OUTLIER_Z_SCORE = 3.5


@dataclass(frozen=True)
class Summary:
    """Mean of the repeats and their sample standard deviation (None for a single repeat)."""

    mean: float
    std: float | None
    count: int

    @property
    def ci95(self) -> tuple[float, float] | None:
        """The 95% t interval, mean -/+ t(n-1, 0.975) s / sqrt(n); None for one repeat."""
        if self.std is None or self.count < 2:
            return None
        half = t_quantile(0.975, self.count - 1) * self.std / math.sqrt(self.count)
        # Of very large figures the bounds may not be finite.
        return (self.mean - half, self.mean + half) if half < math.inf else None

    @property
    def half_width(self) -> float | None:
        """Half the interval's width."""
        interval = self.ci95
        return None if interval is None else (interval[1] - interval[0]) / 2


def summarize(values: Sequence[float]) -> Summary:
    """Mean and standard deviation of repeats; a ValueError where none are given, or not finite."""
    if not values or not all(math.isfinite(value) for value in values):
        raise ValueError("summarize needs at least one value, all finite")
    spread = sample_std(values) if len(values) > 1 else None
    return Summary(std.fmean(values), spread, len(values))


def sample_std(values: Sequence[float]) -> float:
    """The sample standard deviation of two values or more; 0 where all are the same.

    That of the library calculates with fractions, and takes fifteen times as long.
    """
    if min(values) == max(values):
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


@functools.lru_cache(maxsize=1000)
def t_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t distribution; with infinitely many degrees the normal one."""
    from scipy.special import stdtrit  # imported here: `--help` needs none of it

    return float(stdtrit(degrees, probability))


def t_below(t: float, degrees: float) -> float:
    """Student's t distribution function; with infinitely many degrees the normal one."""
    from scipy.special import stdtr  # imported here, as above

    return float(stdtr(degrees, t))


def two_sided_p(t: float, degrees: float) -> float:
    """How often chance gives a value of Student's t at least as far from 0."""
    return 2 * t_below(-abs(t), degrees)


def is_steady(block_rates: Sequence[float], tolerance: float = 0.01, blocks: int = 3) -> bool:
    """Whether the last blocks of a warm-up agree: the largest within `tolerance` of the least."""
    if len(block_rates) < blocks:
        return False
    last = block_rates[-blocks:]
    return min(last) > 0 and max(last) / min(last) - 1 < tolerance


def are_apart(values: Sequence[float], share: float) -> bool:
    """Whether the largest exceeds the least by more than that share of it."""
    return bool(values) and max(values) > min(values) * (1 + share)


@dataclass(frozen=True)
class Drift:
    """A trend over the repeats: its change from first to last as a share of the mean."""

    change: float
    p_value: float


def find_drift(values: Sequence[float]) -> Drift | None:
    """A trend over the repeats in their order, by the least-squares line.

    It takes five repeats, a slope that chance gives in under 1 of 100 cases (two-sided t test),
    and a change of over 1% of the mean: a smaller trend is not worth a caution.
    """
    count = len(values)
    if count < MIN_REPEATS_TO_JUDGE:
        return None
    slope, start = std.linear_regression(range(count), values)
    change = slope * (count - 1) / std.fmean(values)
    rest = sum((value - start - slope * place) ** 2 for place, value in enumerate(values))
    spread = count * (count**2 - 1) / 12  # of the places 0 to count - 1
    error = math.sqrt(rest / (count - 2) / spread)
    p_value = two_sided_p(slope / error, count - 2) if error else 0.0
    found = p_value < DRIFT_P_VALUE and abs(change) > NOTEWORTHY
    return Drift(change, p_value) if found else None


def find_outliers(values: Sequence[float]) -> list[int]:
    """Places of values far from the rest: by modified z-score, and over 1% off the median.

    The score is 0.6745 (value - median) / MAD, and 3.5 its bound, as Iglewicz and Hoaglin (1993)
    have it: unlike the standard deviation, the median absolute deviation (MAD) is not widened by
    what it is to find. That of few values varies, and 3.5 alone would name an outlier in 20 of
    100 normal samples of five, so the bound is widened by 1 + 4 / n: 4 to 8 in 100 for any n.
    It takes five values.
    """
    if len(values) < MIN_REPEATS_TO_JUDGE:
        return []
    median = std.median(values)
    deviations = [abs(value - median) for value in values]
    z_score = OUTLIER_Z_SCORE * (1 + 4 / len(values))
    bound = max(z_score * std.median(deviations) / 0.6745, NOTEWORTHY * abs(median))
    return [place for place, deviation in enumerate(deviations) if deviation > bound]
