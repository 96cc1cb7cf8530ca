"""Margins of figures: what stands behind a ±, and how many digits a figure then takes. Pure."""

import math
from dataclasses import dataclass

from energyscore.base.stats import t_quantile
from energyscore.base.units import format_number
from energyscore.results.result import PhaseScore

_DIGITS = 2  # of a margin: a third says nothing
_MOST_DECIMALS = 9
_NOTHING = 1e-9  # a margin below this share of its figure is the rounding of floats


@dataclass(frozen=True)
class PhaseMargin:
    """What a phase's figure is known to.

    Attributes:
        wh: to either side, in Wh per 1,000 queries.
        of_runs: half the 95% interval of the mean over the runs, by Student's t; else, of a single
            run, one standard error of the split.
    """

    wh: float
    of_runs: bool


OF_RUNS = "± is half the 95 % interval over the runs"
OF_SPLIT = "± is one standard error of the split: one run has no interval"


def phase_margin(phase: PhaseScore, runs: int) -> PhaseMargin | None:
    """What a phase's figure is known to; None where nothing is known of it.

    Args:
        phase: of a score, whose `se` is that of the mean over the runs, or of the split of one.
        runs: how many there were.
    """
    if phase.se is None or phase.gpu_wh_per_1k_queries is None:
        return None
    if runs < 2:
        return PhaseMargin(phase.se, of_runs=False)
    return PhaseMargin(t_quantile(0.975, runs - 1) * phase.se, of_runs=True)


def decimals_for(margin: float | None, figure: float) -> int | None:
    """The decimals with which a margin has two significant digits; None: the figure's own three.

    None where there is no margin, or one that no decimals can show.
    """
    if margin is None or not margin > _NOTHING * abs(figure):
        return None
    # Rounded first: 0.0996 has its two digits at 0.10.
    rounded = float(f"{margin:.{_DIGITS - 1}e}")
    decimals = max(0, _DIGITS - 1 - math.floor(math.log10(rounded)))
    return decimals if decimals <= _MOST_DECIMALS else None


def with_decimals(figure: float, decimals: int | None) -> str:
    """A figure with so many decimals; with three significant digits where None."""
    return format_number(figure) if decimals is None else f"{figure:,.{decimals}f}"
