"""A screen: the energy of the whole workload from blocks of some of its queries. Pure.

A block is a metered window in which some of the units of a pass were done; a unit is a query, or a
batch of them. Of each unit the size is known before anything runs (tokens, pixels, seconds), and
so of the whole workload. The energies of the blocks are regressed on the sums of what is known
(units, size, size squared), and that of the workload is predicted:

    E_b = a units_b + b size_b + c square_b + noise_b

Certain blocks hold the largest units. They are always measured, so their energy is added as it is,
and only the rest of the workload is predicted. Where the others are too few for the square of
sizes, the certain ones are regressed with them: the largest units tell most of a square.

Which features are needed is decided by the features alone, never by the energies: blocks that are
as large as the workload, unit by unit, need no regression. Weights are 1 / v, where v is what a
block is expected to take, a sum of the same features: the residuals then sum to zero, so what no
feature explains is still counted at its mean in the blocks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from energyscore.base.stats import WIDEST, Summary, about, t_below, t_quantile

if TYPE_CHECKING:
    import numpy

Features: TypeAlias = tuple[float, float, float]
"""Sums over units: how many they are, their size, and their size squared."""

LEAST_DEGREES = 2
"""Of fewer degrees of freedom the spread itself is hardly known."""

LEAST_WINDOWS = 4
"""So many windows are measured before anything is estimated."""

IMBALANCE = 0.03
"""Blocks whose mean differs by less from that of the workload need no regression on it."""

WANDER = 0.01
"""The level of a GPU moves within about so much over a long measurement, and a short one sees one
moment of it: a value within 1%, of which no more is known, has a standard error of 1% / sqrt 12."""

_SQUARE = 2  # the place of the square among the features
_COLLINEAR = 1e-3  # a feature that the others explain up to this share tells nothing of its own


@dataclass(frozen=True)
class ScreenBlock:
    """A metered window: the sums of what was known of its units, and the energy it took."""

    features: Features
    energy_j: float
    certain: bool = False


@dataclass(frozen=True)
class Prediction:
    """A figure with its standard error, known by so many degrees of freedom (Student's).

    Attributes:
        mean: the energy of one pass over the workload in joules, or in what it was turned into.
        blocks: how many it was estimated from.
        regressors: how many features they were regressed on; 1: their mean by units.
    """

    mean: float
    se: float
    degrees: float
    blocks: int
    regressors: int

    def times(self, factor: float) -> "Prediction":
        """The same in another unit."""
        return replace(self, mean=self.mean * factor, se=self.se * factor)

    def half_width(self, error: float = 0.05) -> float:
        """Half the interval that misses with at most this chance, as a share of the mean."""
        return t_quantile(1 - error / 2, self.degrees) * self.se / self.mean

    def interval(self, error: float = 0.05) -> tuple[float, float]:
        """The interval itself, on the log scale like that of repeats."""
        return about(self.mean, min(self.half_width(error), WIDEST))

    def as_repeats(self, half_width: float) -> Summary:
        """It as if it were the mean of repeats that give this interval, a share of the mean."""
        std = half_width * self.mean * math.sqrt(self.blocks) / t_quantile(0.975, self.blocks - 1)
        return Summary(self.mean, std, self.blocks)

    def chance_below(self, figure: float) -> float:
        """How probable it is that the true figure is at most this; on the log scale too."""
        if figure <= 0:
            return 0.0
        return t_below((math.log(figure) - math.log(self.mean)) * self.mean / self.se, self.degrees)


def estimate(blocks: Sequence[ScreenBlock], population: Features) -> Prediction | None:
    """The energy of one pass over the whole workload, of which the features are summed up.

    None where the blocks are too few to tell how far off it may be, or come to no energy.
    """
    import numpy as np

    if len(blocks) < LEAST_WINDOWS:
        return None
    certain = [block for block in blocks if block.certain]
    drawn = [block for block in blocks if not block.certain]
    rest = _rest(certain, population)
    chosen = regressors_of([block.features for block in drawn], rest)
    # The largest units tell more of a square than all others do. But where a law is none of these
    # features they mislead: they stand in only for blocks that are not there yet.
    few = len(drawn) - len(chosen) < LEAST_DEGREES
    told, apart = ([*drawn, *certain], []) if few and _SQUARE in chosen else (drawn, certain)
    energies = np.array([block.energy_j for block in told])
    if len(told) - len(chosen) < LEAST_DEGREES or energies.sum() <= 0:
        return None
    features = np.array([block.features for block in told])
    fitted = _fit(features[:, chosen], energies, np.array(rest)[list(chosen)])
    mean = fitted.total + sum(block.energy_j for block in certain)
    if mean <= 0:
        return None
    # A certain block counts as it is, and varies as a drawn one does, as a share of its energy.
    counted = fitted.gains + np.array([float(block.certain) for block in told])
    varies = (*(counted * fitted.expected), *(block.energy_j for block in apart))
    shown = fitted.noise * math.hypot(*varies)
    hidden = mean * WANDER / math.sqrt(12)
    degrees = _degrees(shown, hidden, len(told) - len(chosen))
    return Prediction(mean, math.hypot(shown, hidden), degrees, len(blocks), len(chosen))


def regressors_of(drawn: Sequence[Features], whole: Features) -> tuple[int, ...]:
    """The places of the features that are regressed on, known before anything is measured.

    Units always; size where blocks differ in it, unit by unit, from the workload; and its square
    where that differs and is not told by the other two. Blocks that repeat tell nothing new.
    """
    import numpy as np

    most = len(set(drawn))
    if most < 2:
        return (0,)
    features = np.array(drawn)
    ratios = features / features[:, :1] * (whole[0] / np.maximum(whole, 1e-300))
    imbalance = np.sqrt(((ratios - 1) ** 2).mean(axis=0))
    wanted = [0]
    for place in (1, 2):
        if imbalance[place] > IMBALANCE and len(wanted) < most:
            column = ratios[:, place]
            if _told_by(ratios[:, wanted], column) > _COLLINEAR:
                wanted.append(place)
    return tuple(wanted)


def _told_by(others: "numpy.ndarray", column: "numpy.ndarray") -> float:
    """What is left of a column that the others do not explain, as a share of it."""
    import numpy as np

    known = np.linalg.lstsq(others, column, rcond=None)[0]
    return float(np.linalg.norm(column - others @ known) / np.linalg.norm(column))


def _rest(certain: Sequence[ScreenBlock], population: Features) -> Features:
    """What the whole workload has besides the certain blocks; never below nothing."""
    units, size, square = (
        max(0.0, total - sum(block.features[place] for block in certain))
        for place, total in enumerate(population)
    )
    return units, size, square


@dataclass(frozen=True)
class _Fit:
    """The predicted total, a sum of `gains` times the energies of the blocks.

    `expected` is what each block is expected to take, and `noise` how far off that it is, as a
    share of it.
    """

    total: float
    gains: "numpy.ndarray"
    expected: "numpy.ndarray"
    noise: float


def _fit(features: "numpy.ndarray", energies: "numpy.ndarray", whole: "numpy.ndarray") -> _Fit:
    """Weighted least squares.

    A block's noise grows with its energy, so v_i is what it is expected to take: by its units at
    first, and then as fitted to those. The estimate is a sum g_i y_i over the blocks; with a noise
    of s v_i its variance is s^2 sum (g_i v_i)^2. The residuals are (1 - P) y; s^2 is the sum of
    their squares by v^2, over what that sum has as its mean for s = 1.
    """
    import numpy as np

    expected = features[:, 0] * (energies.sum() / features[:, 0].sum())
    for _ in range(2):
        weighted = features / expected[:, None]
        solve = np.linalg.solve(features.T @ weighted, weighted.T)
        fitted = features @ (solve @ energies)
        if fitted.min() <= 0 or features.shape[1] == 1:
            break
        expected = fitted
    weighted = features / expected[:, None]
    solve = np.linalg.solve(features.T @ weighted, weighted.T)
    gains = whole @ solve
    left = np.eye(len(energies)) - features @ solve
    unit = float((((left * expected) / expected[:, None]) ** 2).sum())
    noise = math.sqrt(float((((left @ energies) / expected) ** 2).sum()) / unit)
    return _Fit(float(gains @ energies), gains, expected, noise)


def _degrees(shown: float, hidden: float, degrees: int) -> float:
    """Of the sum of what the blocks show and what is known apart.

    Welch and Satterthwaite have the ratio squared; but of few blocks `shown` is itself a guess,
    and where it is small by chance that would claim far too many degrees.
    """
    if shown == 0:
        return math.inf
    return degrees * (1 + (hidden / shown) ** 2)
