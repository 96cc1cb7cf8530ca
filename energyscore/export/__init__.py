"""Exporters: one format a module, each a pure function from rated results to bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

from energyscore.footprint import Footprint
from energyscore.rating import Rating
from energyscore.result import Result


@dataclass(frozen=True)
class RatedResult:
    """A result, its rating, and the file it is kept in (empty when in none).

    `footprint` is its CO2 and cost, where they were asked for.
    """

    result: Result
    rating: Rating
    file: str = ""
    footprint: Footprint | None = None

    @property
    def co2_g_per_1k_queries(self) -> float | None:
        """Grams of CO2 of the figure that was rated; None where it or the grid is missing."""
        if self.footprint is None or self.rating.basis is None:
            return None
        gpu, system = (
            self.footprint.gpu_co2_g_per_1k_queries,
            self.footprint.system_co2_g_per_1k_queries,
        )
        return gpu if self.rating.basis == "gpu" else system

    @property
    def cost_per_1k_queries(self) -> float | None:
        """Cost of the figure that was rated; None where it or the price is missing."""
        if self.footprint is None or self.rating.basis is None:
            return None
        gpu, system = (
            self.footprint.gpu_cost_per_1k_queries,
            self.footprint.system_cost_per_1k_queries,
        )
        return gpu if self.rating.basis == "gpu" else system


Report = Sequence[RatedResult]
