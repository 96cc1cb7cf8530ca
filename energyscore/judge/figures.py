"""The figures of a result: its headline, and those that limits can name, as in our CSV."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from energyscore.base.stats import Summary
from energyscore.protocol.task import Phase
from energyscore.results.result import Result

GPU = "gpu_wh_per_1k_queries"
SYSTEM = "system_wh_per_1k_queries"
PHASES = {f"gpu_{phase}_wh_per_1k_queries": phase for phase in get_args(Phase)}
METRICS = (GPU, *PHASES, SYSTEM)
UNIT = "Wh per 1,000 queries"  # of all metrics

LEAST_WH = 1e-12  # what is below it is no measurement; a ratio to it would be none either

Basis = Literal["gpu", "system"]


@dataclass(frozen=True)
class Headline:
    """Energy of 1,000 queries: measured GPU energy, else the energy of processor and memory.

    It is the mean over the runs, with its sample standard deviation and 95% t interval (both None
    for one run). `basis` is what was metered, `estimated` whether no meter did.
    """

    energy_wh: float
    std: float | None
    ci95: tuple[float, float] | None
    runs: int
    basis: Basis
    estimated: bool
    method: str

    @property
    def half_width(self) -> float | None:
        """Half the width of the interval, as a share of the figure."""
        if self.ci95 is None:
            return None
        return (self.ci95[1] - self.ci95[0]) / 2 / self.energy_wh


def headline_of(result: Result) -> Headline | None:
    """The headline of a result; None when no energy was measured or estimated."""
    score, runs = result.score, result.score.runs
    gpu_wh, system_wh = score.gpu_wh_per_1k_queries, score.system_wh_per_1k_queries
    if gpu_wh is not None:
        return Headline(gpu_wh, score.std, score.ci95, runs, "gpu", False, str(score.method))
    if system_wh is None:
        return None
    method = str(score.system_method)
    spread = score.system_std, score.system_ci95
    return Headline(system_wh, *spread, runs, "system", method == "estimated", method)


@dataclass(frozen=True)
class EnergyFigure:
    """One figure of a result, or the reason why there is none; `estimated`: by no meter."""

    summary: Summary | None
    reason: str = ""
    estimated: bool = False


def figure_of(result: Result, metric: str) -> EnergyFigure:
    """A figure of a result by its name, or why there is none."""
    score = result.score
    if metric == GPU:
        return _figure(score.gpu_wh_per_1k_queries, score.std, score.runs, score.reason)
    if metric == SYSTEM:
        return _figure(
            score.system_wh_per_1k_queries,
            score.system_std,
            score.runs,
            score.system_reason,
            estimated=score.system_method == "estimated",
        )
    part = score.phases.get(PHASES[metric])
    if part is None:
        return EnergyFigure(None, f"it has no phase {PHASES[metric]}")
    # Of a single run the standard error is that of the split, not a spread of runs.
    known = part.se is not None and score.runs > 1
    std = part.se * math.sqrt(score.runs) if known and part.se is not None else None
    return _figure(part.gpu_wh_per_1k_queries, std, score.runs, part.reason)


def _figure(
    energy_wh: float | None, std: float | None, runs: int, reason: str, *, estimated: bool = False
) -> EnergyFigure:
    # A phase can come out at zero or below by its split; no ratio stands on that.
    if energy_wh is None or energy_wh <= 0:
        reason = reason or "its energy is not above zero"
    elif energy_wh < LEAST_WH:
        reason = f"its energy is below {LEAST_WH:g} Wh: no meter tells so little"
    else:
        return EnergyFigure(Summary(energy_wh, std, runs), estimated=estimated)
    return EnergyFigure(None, reason, estimated)
