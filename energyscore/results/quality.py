"""How good a model's answers were: a task's standard metric, on rows with references.

Quality stands beside the energy and is never part of score or stars. It is evaluated after the
measured runs, and nothing of it is metered. What could not be evaluated is null with a reason.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from energyscore.base.form import Part
from energyscore.base.units import counted, four_digits, with_ends

BOUNDS = {
    **dict.fromkeys(("accuracy", "squad_f1", "rougeL", "exact_match", "mAP"), (0.0, 1.0)),
    "spearman": (-1.0, 1.0),
    "clip_score": (0.0, 100.0),
    **dict.fromkeys(("wer", "bits_per_byte"), (0.0, float("inf"))),
}
"""Between which values a metric lies."""

_LESS_IS_BETTER = ("wer", "bits_per_byte")

_ROUNDING = 1e-6


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
        return f"not known ({quality.reason})"
    known = f"{quality.metric} {with_ends(quality.value, quality.ci95, four_digits)}"
    beside = [f"{name} {one:.4g}" for name, one in quality.beside.items() if one is not None]
    return ", ".join([known, *beside, counted(quality.n, "query", "queries")])


def quality_contradictions(quality: Quality) -> Iterator[str]:
    """The fields of a quality that disagree with the others, and how."""
    value, interval, items = quality.value, quality.ci95, quality.items
    if (value is None) != bool(quality.reason):
        yield "quality.reason: it says why there is no value, and only that"
    if value is None:
        if interval is not None or items is not None:
            yield "quality.value: it is null, but there is an interval, or what it is made of"
        return
    if quality.metric in BOUNDS and quality.higher_is_better == (quality.metric in _LESS_IS_BETTER):
        better = "less" if quality.higher_is_better else "more"
        yield f"quality.higher_is_better: {better} is better for {quality.metric}"
    low, high = BOUNDS.get(quality.metric, (float("-inf"), float("inf")))
    if not low <= value <= high:
        yield f"quality.value: {quality.metric} is never {value:.7g}"
    if quality.n < 1:
        yield "quality.n: there is a value, but no query"
    if interval is not None and not low <= interval[0] <= interval[1] <= high:
        yield f"quality.ci95: no interval of {quality.metric} is {interval[0]:g} to {interval[1]:g}"
    if items is None:
        return
    if len(items) != quality.n or any(len(one) != 2 for one in items):
        yield f"quality.items: they are not {quality.n} pairs, one for each query"
        return
    weights = sum(weight for _, weight in items)
    made = sum(part for part, _ in items) / weights if weights > 0 else None
    if made is None or not abs(made - value) <= _ROUNDING * max(abs(value), 1e-3):
        shown = "nothing" if made is None else f"{made:.7g}"
        yield f"quality.value: it is {value:.7g}, but {shown} follows from the items"
    if interval is not None and not interval[0] <= value * (1 + _ROUNDING) + _ROUNDING:
        yield "quality.ci95: it lies above the value"
    if interval is not None and not value * (1 - _ROUNDING) - _ROUNDING <= interval[1]:
        yield "quality.ci95: it lies below the value"
