"""The headline of a result: the one figure that is shown first, compared and rated."""

from dataclasses import dataclass
from typing import Literal

from energyscore.results.result import Result

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
