"""A family in every format: a parent and its children in energy, quality, memory, speed. Pure."""

from pydantic import Field

from energyscore.base.errors import sentence
from energyscore.base.form import Part
from energyscore.base.units import format_bytes, format_number
from energyscore.judge.contenders import Contender
from energyscore.judge.families import Child, ModelFamily
from energyscore.protocol.parentage import Relation
from energyscore.publish import margins
from energyscore.publish.beside import relation
from energyscore.publish.choice_cells import (
    REPORTED,
    difference,
    energy_cell,
    latency_cell,
    quality_cell,
)

COLUMNS = ("model", "made by", "energy", "quality", "memory", "latency p90", "queries / s")
"""The columns of a family's table; a child's energy and quality are against its parent's."""

_NOUNS = {"quantized": "quantization", "pruned": "pruning", "distilled": "distillation"}


class FamilyMember(Part):
    """One result of a family; null: not recorded."""

    model: str
    file: str
    weights_bytes: int | None
    peak_gpu_bytes: int | None
    latency_p90_s: float | None
    queries_per_s: float | None


class FamilyChild(FamilyMember):
    """A child against that result of its parent in the file `against`."""

    relation: Relation | None
    against: str | None
    energy_ratio: float | None = Field(description="its energy over the parent's")
    energy_ratio_ci95: tuple[float, float] | None
    costs_energy: bool = Field(
        description="whether it was compressed and surely needs more energy than its parent"
    )
    quality_difference: float | None = Field(description="by how much it is better; below 0: worse")
    quality_difference_ci95: tuple[float, float] | None
    paired: bool | None = Field(description="whether that is of the same rows, in pairs")
    family_why: str = Field(description="why a figure against the parent is null")


class ChoiceFamily(Part):
    """A parent, its results among the candidates, and its children."""

    parent: str
    parents: list[FamilyMember]
    children: list[FamilyChild]


def family_report(family: ModelFamily) -> ChoiceFamily:
    """A family in the form that is published."""
    return ChoiceFamily(
        parent=family.name,
        parents=[FamilyMember(**_figures(one)) for one in family.parents],
        children=[
            FamilyChild(
                **_figures(one.candidate),
                relation=one.origin.relation,
                against=one.parent.entry.file if one.parent else None,
                energy_ratio=one.effect.ratio if one.effect else None,
                energy_ratio_ci95=one.effect.ci95 if one.effect else None,
                costs_energy=one.costs_energy,
                quality_difference=one.quality.better_by if one.quality else None,
                quality_difference_ci95=one.quality.interval() if one.quality else None,
                paired=one.quality.paired if one.quality else None,
                family_why=one.why or one.why_no_quality,
            )
            for one in family.children
        ],
    )


def title_of(family: ModelFamily) -> str:
    """The heading of its table."""
    return f"{family.name} and what was made from it"


def rows_of(family: ModelFamily) -> list[tuple[str, ...]]:
    """A row a member, the parent's results first."""
    parents = [_row(one, "parent", _energy(one), _quality(one)) for one in family.parents]
    return parents + [
        _row(one.candidate, relation(one.origin), _energy_against(one), _quality_against(one))
        for one in family.children
    ]


def words_of(family: ModelFamily) -> list[str]:
    """What the table says in words: where compressing costs energy, and what is not told."""
    costs = [
        f"{one.candidate.entry.label} needs {_times(one)} times more energy than "
        f"{one.parent.entry.label}{_how(one.candidate)}: here {_NOUNS[one.origin.relation]} "
        "costs energy."
        for one in family.children
        if one.costs_energy and one.parent and one.effect and one.origin.relation
    ]
    missing = [
        sentence(f"{one.candidate.entry.label}: no factor, {one.why}")
        for one in family.children
        if one.why and family.parents
    ]
    return [*costs, *missing]


def _figures(one: Contender) -> dict[str, str | float | int | None]:
    result = one.entry.result
    return {
        "model": one.entry.label,
        "file": one.entry.file,
        "weights_bytes": result.memory.weights_bytes if result.memory else None,
        "peak_gpu_bytes": result.memory.peak_gpu_bytes if result.memory else None,
        "latency_p90_s": one.latency_s,
        "queries_per_s": result.performance.queries_per_s if result.performance else None,
    }


def _row(one: Contender, made_by: str, energy: str, quality: str) -> tuple[str, ...]:
    speed = one.entry.result.performance
    per_s = format_number(speed.queries_per_s) if speed else "not recorded"
    return one.entry.label, made_by, energy, quality, _memory(one), latency_cell(one), per_s


def _memory(one: Contender) -> str:
    memory = one.entry.result.memory
    if memory is None:
        return "not recorded"
    peak = memory.peak_gpu_bytes
    at_most = "" if peak is None else f", at most {format_bytes(peak)}"
    return f"{format_bytes(memory.weights_bytes)}{at_most}"


def _times(one: Child) -> str:
    assert one.effect is not None
    return margins.factor(one.effect.ratio, one.effect.ci95)


def _energy(one: Contender) -> str:
    return f"{energy_cell(one)}{_how(one)}"


def _how(one: Contender) -> str:
    return " (estimated)" * one.entry.rating.estimated


def _energy_against(one: Child) -> str:
    if one.effect is None:
        return _energy(one.candidate)
    how = ", costs energy" if one.costs_energy else "" if one.effect.ci95 else ", no interval"
    return f"{_times(one)} times{how}"


def _quality(one: Contender) -> str:
    return f"{quality_cell(one)}{f', {REPORTED}' if one.reported else ''}"


def _quality_against(one: Child) -> str:
    """Against the parent's; else its own."""
    if one.quality is None or one.candidate.quality is None:
        return _quality(one.candidate)
    how = f", {REPORTED}" if one.candidate.reported else ", in pairs" * one.quality.paired
    return f"{difference(one.candidate.quality, one.quality)}{how}"
