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

NORMAL_975 = 1.959963984540054
"""The 97.5% point of the normal distribution."""

DRIFT_P_VALUE = 0.01
OUTLIER_Z_SCORE = 3.5


@dataclass(frozen=True)
class Spread:
    """What a figure is known to: standard errors in its unit, or as shares of it.

    `shown` is what the spread of the runs tells, known by so many `degrees` of freedom; `unshown`
    is known from elsewhere, such as the steps of a counter, and no repeat shows it.
    """

    shown: float
    unshown: float
    degrees: float

    @property
    def half_width(self) -> float:
        """Half of the 95% interval: both parts at 95%, added as squares.

        It is Student's where nothing is unshown, the normal one where nothing is shown, and never
        narrower than either.
        """
        student = t_quantile(0.975, self.degrees) * self.shown if self.shown else 0.0
        return math.hypot(student, NORMAL_975 * self.unshown)

    def p_value(self, distance: float) -> float:
        """How often chance gives such a distance: 0.05 at the end of the interval."""
        half, degrees = self.half_width, self.degrees if self.shown else math.inf
        if half == 0:
            return 1.0 if distance == 0 else 0.0
        return two_sided_p(distance / half * t_quantile(0.975, degrees), degrees)


@dataclass(frozen=True)
class Summary:
    """Mean of the repeats and their sample standard deviation (None for a single repeat).

    `run_se` is the standard error that a run by itself has at least, as far as it is known: that of
    its counter's steps. Repeats whose errors are independent show it in their spread. Where they
    surely spread by less (by the 95% bound of their variance), they began and ended at the same
    point of the counter's steps: then the mean errs as each of them does, and what the spread lacks
    is added whole. Errors of the steps are counted once in either case.
    """

    mean: float
    std: float | None
    count: int
    run_se: float = 0.0

    def spread(self, count: int | None = None) -> Spread | None:
        """What the mean is known to, or would be with `count` repeats that spread alike.

        None for one repeat.
        """
        return self._spread if count in (None, self.count) else self._spread_of(count)

    @functools.cached_property
    def _spread(self) -> Spread | None:
        return self._spread_of(self.count)

    def _spread_of(self, count: int) -> Spread | None:
        if self.std is None or self.count < 2:
            return None
        shown = self.std / math.sqrt(count)
        at_most = self.std / math.sqrt(_chi2_05(self.count - 1) / (self.count - 1))
        alike = _leg(self.run_se, at_most)
        unshown = max(alike, _leg(self.run_se / math.sqrt(count), shown))
        return Spread(shown, unshown, count - 1)

    @functools.cached_property
    def half_width(self) -> float | None:
        """Half the 95% interval on the log scale, as a share of the mean; None without one.

        The interval goes from mean / e^h to mean x e^h: -/+ h of the mean while h is small.
        """
        spread = self.spread()
        if spread is None or self.mean <= 0:
            return None
        half = spread.half_width / self.mean
        return half if half < WIDEST else None

    @property
    def ci95(self) -> tuple[float, float] | None:
        """The 95% interval on the log scale, where no energy is negative.

        It is mean x exp(-/+ h), with h the relative half-width (delta method: to first order the
        standard error of ln m is s / m). None for one repeat, and where it has no finite bounds.
        """
        half = self.half_width
        return None if half is None else about(self.mean, half)


WIDEST = math.log(1e100)
"""Half an interval on the log scale; beyond it a double (to 1e308) has no bounds."""


def about(figure: float, half_width: float) -> tuple[float, float]:
    """The interval of a half-width on the log scale."""
    return figure * math.exp(-half_width), figure * math.exp(half_width)


def inverted(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    """The interval of a ratio turned around: of 1 / ratio."""
    return None if interval is None else (1 / interval[1], 1 / interval[0])


def half_width_of(interval: tuple[float, float]) -> float | None:
    """Half the width of an interval on the log scale; None for one that reaches to 0."""
    low, high = interval
    return (math.log(high) - math.log(low)) / 2 if 0 < low <= high else None


def summarize(values: Sequence[float], run_se: float = 0.0) -> Summary:
    """Mean and standard deviation of repeats; a ValueError where none are given, or not finite."""
    if not values or not all(math.isfinite(value) for value in values):
        raise ValueError("summarize needs at least one value, all finite")
    spread = sample_std(values) if len(values) > 1 else None
    return Summary(std.fmean(values), spread, len(values), run_se)


def _leg(hypotenuse: float, other: float) -> float:
    """The third side of a right triangle; 0 where the other leg is longer already."""
    return math.sqrt((hypotenuse - other) * (hypotenuse + other)) if other < hypotenuse else 0.0


def sample_std(values: Sequence[float]) -> float:
    """The sample standard deviation of two values or more; 0 where all are the same.

    That of the library calculates with fractions, and takes fifteen times as long.
    """
    if values.count(values[0]) == len(values):
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum([(value - mean) ** 2 for value in values]) / (len(values) - 1))


@functools.lru_cache(maxsize=1000)
def t_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t distribution; with infinitely many degrees the normal one."""
    from scipy.special import stdtrit  # imported here: `--help` needs none of it

    return float(stdtrit(degrees, probability))


def t_below(t: float, degrees: float) -> float:
    """Student's t distribution function; with infinitely many degrees the normal one."""
    from scipy.special import stdtr  # imported here, as above

    return float(stdtr(degrees, t))


@functools.lru_cache(maxsize=1000)
def _chi2_05(degrees: int) -> float:
    """The lowest 5% of chi-squared end here: so little do few repeats spread by chance."""
    from scipy.special import chdtri  # imported here, as above

    return float(chdtri(degrees, 0.95))


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
