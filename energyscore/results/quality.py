"""How good a model's answers were: a task's standard metric, on rows with references.

Quality stands beside the energy and is never part of score or stars. It is evaluated after the
measured runs, and nothing of it is metered. What could not be evaluated is null with a reason.
"""

from typing import Annotated

from pydantic import Field

from energyscore.base.form import Part
from energyscore.base.units import counted


class Quality(Part):
    """One metric with its interval, and what it is of."""

    metric: str = Field(description="the field's name of it: accuracy, wer, rougeL, ...")
    value: float | None
    higher_is_better: bool
    ci95: tuple[float, float] | None = Field(
        description="percentile bootstrap over queries, seeded; null: none, or too few"
    )
    n: Annotated[int, Field(ge=0)] = Field(description="queries that were evaluated")
    dataset: str | None
    revision: str | None
    settings: dict[str, str | int | float | bool | None] = Field(
        description="what the value depends on: library, version, normalization, generation"
    )
    reason: str = Field(description="why there is no value; empty where there is one")
    beside: dict[str, float | None] = Field(
        default={}, description="further metrics of the same answers"
    )
    rows: str | None = Field(
        default=None, description="SHA-256 of the rows: equal ones are compared in pairs"
    )
    items: list[list[float]] | None = Field(
        default=None,
        description="of each query what the metric is made of, in the dataset's order: "
        "[part, weight], the value being the sum of parts by the sum of weights; null: a metric "
        "that is not such a ratio",
    )


def in_words(quality: Quality) -> str:
    """One line for people: the metric with its interval, or why there is none."""
    if quality.value is None:
        return f"quality: not known ({quality.reason})"
    known = f"{quality.metric} {quality.value:.4g}"
    if quality.ci95 is not None:
        low, high = quality.ci95
        known += f" ({low:.4g} to {high:.4g})"
    beside = [f"{name} {one:.4g}" for name, one in quality.beside.items() if one is not None]
    return ", ".join([f"quality: {known}", *beside, counted(quality.n, "query", "queries")])
