"""Statistics of repeats. The run is the unit: queries within a run are not independent."""

import math
import statistics as std
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """Mean of the repeats and what is known about its precision.

    Attributes:
        mean: arithmetic mean.
        std: sample standard deviation, None for a single repeat.
        ci95: bounds of the 95% t interval of the mean, None for a single repeat.
        count: number of repeats.
    """

    mean: float
    std: float | None
    ci95: tuple[float, float] | None
    count: int

    @property
    def half_width(self) -> float | None:
        """Half the interval's width."""
        return None if self.ci95 is None else (self.ci95[1] - self.ci95[0]) / 2


def summarize(values: Sequence[float]) -> Summary:
    """Mean with its 95% t interval: half-width t(n-1, 0.975) s / sqrt(n).

    Raises:
        ValueError: when there are no values, or one is not finite.
    """
    if not values or not all(math.isfinite(value) for value in values):
        raise ValueError("summarize needs at least one value, all finite")
    mean = std.fmean(values)
    if len(values) == 1:
        return Summary(mean, None, None, 1)
    spread = std.stdev(values)
    half = t_quantile(0.975, len(values) - 1) * spread / math.sqrt(len(values))
    return Summary(mean, spread, (mean - half, mean + half), len(values))


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t distribution."""
    from scipy.special import stdtrit  # imported here: `--help` needs none of it

    return float(stdtrit(degrees, probability))


def is_steady(block_rates: Sequence[float], tolerance: float = 0.01, blocks: int = 3) -> bool:
    """Whether the last blocks of a warm-up agree: the largest within `tolerance` of the least."""
    if len(block_rates) < blocks:
        return False
    last = block_rates[-blocks:]
    return min(last) > 0 and max(last) / min(last) - 1 < tolerance
