"""Exporters: one format a module, each a pure function from rated results to bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from energyscore.judge.footprint import Footprint
from energyscore.judge.modes import label_of
from energyscore.judge.rating import Rating
from energyscore.results.names import tell_apart
from energyscore.results.result import Result


@dataclass(frozen=True)
class RatedResult:
    """A result, its rating, and the file it is kept in (empty when in none).

    `footprint` is its CO2 and cost, where they were asked for; `called` is what its model is called
    where another one in the view has the same name.
    """

    result: Result
    rating: Rating
    file: str = ""
    footprint: Footprint | None = None
    called: str = ""

    @property
    def name(self) -> str:
        """The model's name in this view."""
        return self.called or self.result.model.id

    @property
    def label(self) -> str:
        """The model for people, with its mode of reasoning where it was asked for one."""
        return label_of(self.result, self.name)

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


def told_apart(report: Report) -> list[RatedResult]:
    """The results of one view, models that share a name called by their revisions."""
    models = [(entry.result.model.id, entry.result.model.revision) for entry in report]
    return [
        replace(entry, called=name) for entry, name in zip(report, tell_apart(models), strict=True)
    ]
