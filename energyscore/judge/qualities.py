"""How one quality compares with another: in pairs where both are of the same rows. Pure.

Where both results tell of each row what the metric is made of, rows are drawn again for both alike
(bootstrap, seeded), and the metric of each draw is that of its sums. Where the two differ in fewer
than `FEW` rows, the draws say too little: there the interval contains 0 and, on both sides, what so
many rows leave unseen. Otherwise the two intervals are taken to be of independent rows, and normal.
"""

import functools
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from energyscore.base.bootstrap import FEW, draw_rows, ratio_of_sums, unseen_share
from energyscore.base.stats import NORMAL_975
from energyscore.results.quality import Quality

if TYPE_CHECKING:
    import numpy

CONFIDENCE = 0.975
DRAWS = 2000
_SEED = 0

_DECISIVE = {"normalization": "normalization", "clip_revision": "revision of the CLIP model"}
"""Settings that a value depends on so much that others are no longer comparable, in words."""

_LESS_IS_BETTER = re.compile(
    r"(^|[^a-z])(wer|cer|mer|wil|ter|brier|bpb|bits.per.byte|perplexity|ppl|likelihood.diff|loss)"
    r"([^a-z]|$)"
)


def less_is_better(metric: str) -> bool:
    """Whether less is better of a metric of this name, where its figures do not say so."""
    return _LESS_IS_BETTER.search(metric.casefold()) is not None


@dataclass(frozen=True)
class QualityContrast:
    """By how much the first quality is better than the second; negative: worse.

    `draws` are what it came to where rows were drawn again, sorted; else `error` is its standard
    error, or None where one of the two has no interval. `most` is by how much they could differ in
    each row, where they do in very few; else it is 0.
    """

    better_by: float
    draws: "numpy.ndarray | None" = None
    error: float | None = None
    most: float = 0.0
    rows: int = 1

    @property
    def paired(self) -> bool:
        """Whether it is by pairs of rows."""
        return self.draws is not None

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Bounds of which each holds with `confidence`: of 0.975 both make a 95% interval."""
        if self.draws is not None:
            import numpy

            low, high = map(float, numpy.quantile(self.draws, [1 - confidence, confidence]))
            if not self.most:
                return low, high
            unseen = self.most * unseen_share(self.rows, confidence)
            low = min(low, max(-self.most, min(0.0, self.better_by) - unseen))
            return low, max(high, min(self.most, max(0.0, self.better_by) + unseen))
        if self.error is None:
            return None
        from scipy.special import ndtri

        margin = float(ndtri(confidence)) * self.error
        return self.better_by - margin, self.better_by + margin


def why_unlike(one: Quality, other: Quality) -> str:
    """Why two qualities are not of one kind; empty where they can be compared."""
    if one.metric != other.metric:
        return f"metric: {one.metric} and {other.metric}"
    if one.higher_is_better != other.higher_is_better:
        return f"direction: more {one.metric} is better in one, less in the other"
    mine, its = ((part.dataset, part.revision) for part in (one, other))
    if None not in (one.dataset, other.dataset) and mine != its:
        return "dataset: " + " and ".join(" at ".join(filter(None, part)) for part in (mine, its))
    for name, shown in _DECISIVE.items():
        ours, theirs = (part.settings.get(name) for part in (one, other))
        if None not in (ours, theirs) and ours != theirs:
            return f"{shown}: {ours} and {theirs}"
    return ""


def kind_of(quality: Quality) -> tuple[object, ...]:
    """What two qualities share that may stand in one plot: `why_unlike`, all known."""
    decisive = (quality.settings.get(name) for name in _DECISIVE)
    known = quality.metric, quality.higher_is_better, quality.dataset, quality.revision
    return *known, *decisive


def are_paired(one: Quality, other: Quality) -> bool:
    """Whether both are of the same rows, and each row's part in them is known."""
    return bool(
        one.rows is not None
        and one.rows == other.rows
        and one.items
        and other.items
        and len(one.items) == len(other.items)
    )


def contrast(one: Quality, other: Quality, draws: int = DRAWS) -> QualityContrast | None:
    """By how much `one` is better than `other`; None where one has no value."""
    if one.value is None or other.value is None:
        return None
    sign = 1 if one.higher_is_better else -1
    better_by = sign * (one.value - other.value)
    if are_paired(one, other):
        import numpy

        first, second = (resampled(_rows_of(part), draws) for part in (one, other))
        found = sign * (first - second)
        known = numpy.sort(found[numpy.isfinite(found)])
        if not len(known):
            return QualityContrast(better_by)
        return QualityContrast(better_by, known, None, *_few_unlike(one, other))
    errors = [_error_of(part) for part in (one, other)]
    if errors[0] is None or errors[1] is None:
        return QualityContrast(better_by)
    return QualityContrast(better_by, error=math.hypot(errors[0], errors[1]))


def _few_unlike(one: Quality, other: Quality) -> tuple[float, int]:
    """`most` and `rows` of two that differ in very few rows; 0 where they differ in enough."""
    first, second = one.items or [], other.items or []
    if sum(mine != its for mine, its in zip(first, second, strict=True)) >= FEW:
        return 0.0, len(first)
    shares = [abs(part / weight) for part, weight in (*first, *second) if weight]
    return max(1.0, *shares), len(first)


def _rows_of(quality: Quality) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, quality.items or ()))


@functools.lru_cache(maxsize=64)
def resampled(items: tuple[tuple[float, ...], ...], draws: int) -> "numpy.ndarray":
    """The metric of each draw of as many rows; NaN where a draw has nothing to divide by.

    The rows of a draw depend on how many rows there are alone: they are the same for all models.
    """
    import numpy

    parts, weights = numpy.asarray(items, dtype=float).T
    return numpy.concatenate(
        [ratio_of_sums(parts, weights, places) for places in draw_rows(len(parts), draws, _SEED)]
    )


def _error_of(quality: Quality) -> float | None:
    """The standard error that an interval stands for; None without one.

    One without width is none: that rows were alike does not make a quality certain.
    """
    if quality.ci95 is None or quality.ci95[0] == quality.ci95[1]:
        return None
    return (quality.ci95[1] - quality.ci95[0]) / 2 / NORMAL_975
