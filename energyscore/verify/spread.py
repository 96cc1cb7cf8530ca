"""Mean, spread and 95% interval of the runs, by tables and series of our own."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from energyscore.verify.findings import ROUNDING

_WIDEST = 100 * math.log(10)  # an interval that is wider has no bounds
_STUDENT = (
    12.706204736, 4.30265273, 3.182446305, 2.776445105, 2.570581836, 2.446911851, 2.364624252,
    2.306004135, 2.262157163, 2.228138852, 2.20098516, 2.17881283, 2.160368656, 2.144786688,
    2.131449546, 2.119905299, 2.109815578, 2.10092204, 2.093024054, 2.085963447,
)  # fmt: skip
_STUDENT_SERIES = (1.959963985, 2.37227123, 2.822498616, 2.55584968, 1.589534053)


def student_975(degrees: int) -> float:
    """The 97.5% point of Student's t: a table, and its series in 1/degrees (to 1e-7)."""
    if degrees <= len(_STUDENT):
        return _STUDENT[degrees - 1]
    return sum(term / float(degrees) ** power for power, term in enumerate(_STUDENT_SERIES))


NORMAL = _STUDENT_SERIES[0]
_LEAST_CHI2 = (
    0.003932140, 0.102586589, 0.351846318, 0.710723021, 1.145476226, 1.635382894, 2.167349909,
    2.732636793, 3.325112843, 3.940299136, 4.574813079, 5.226029488, 5.891864338, 6.570631384,
    7.260943928, 7.961645572, 8.671760205, 9.390455081, 10.117013064, 10.850811395,
)  # fmt: skip


def chi2_05(degrees: int) -> float:
    """The 5% point of chi-squared: a table, then by Wilson and Hilferty (to 2 in 10,000)."""
    if degrees <= len(_LEAST_CHI2):
        return _LEAST_CHI2[degrees - 1]
    part = 2 / (9 * degrees)
    return degrees * float((1 - part - 1.644853627 * math.sqrt(part)) ** 3)


class RunSpread(NamedTuple):
    """Mean of the runs; standard deviation, standard error and half of the 95% interval.

    `symmetric` is half the t interval of the runs alone, as older versions had it.
    """

    mean: float | None = None
    std: float | None = None
    error: float | None = None
    half: float | None = None
    symmetric: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval, as wide to either side on the log scale."""
        if not self.mean or self.half is None or self.half / self.mean > _WIDEST:
            return None
        return self.mean * math.exp(-self.half / self.mean), self.mean * math.exp(
            self.half / self.mean
        )

    @property
    def slack(self) -> float:
        """By how much figures of this size may differ."""
        return ROUNDING * max(self.mean or 0.0, self.half or 0.0, (self.interval or (0.0, 0.0))[1])


def spread_of(figures: Sequence[float] | None, steps: float = 0.0) -> RunSpread:
    """Mean and spread of the runs' figures: None what they are too few for.

    `steps` is the standard error that each run has for the steps of its counter. The runs show it
    in their spread. What that surely lacks is the same in all of them, and added whole.
    """
    if figures is None:
        return RunSpread()
    count, mean = len(figures), math.fsum(figures) / len(figures)
    if count < 2:
        return RunSpread(mean)
    variance = math.fsum((figure - mean) ** 2 for figure in figures) / (count - 1)
    error = math.sqrt(variance / count)
    symmetric = student_975(count - 1) * error
    lacking = max(
        0.0,
        steps**2 - variance * (count - 1) / chi2_05(count - 1),
        (steps**2 - variance) / count,
    )
    half = math.sqrt(symmetric**2 + NORMAL**2 * lacking)
    return RunSpread(mean, math.sqrt(variance), error, half, symmetric)
