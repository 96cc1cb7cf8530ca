"""Which model to choose, in every format: table, JSON, CSV and Markdown. Pure."""

from typing import Any, Literal

from pydantic import Field

from energyscore.base.form import Part, schema_of
from energyscore.base.text import csv_table, json_text, markdown_table, markdown_text
from energyscore.judge.choose import Choice, Placed
from energyscore.judge.families import ModelFamily
from energyscore.publish import family
from energyscore.publish.choice_cells import (
    REPORTED,
    energy_cell,
    energy_name,
    joules_per_token,
    latency_cell,
    quality_cell,
    throughput_cell,
    token_cell,
    ttft_cell,
)
from energyscore.publish.choice_words import answer, end_of, front, lacking
from energyscore.publish.flat import cells_of, column_names


class ChoiceCandidate(Part):
    """One candidate; a figure that was not measured is null, and `why` tells of it."""

    model: str
    file: str
    energy_wh_per_1k_queries: float | None
    energy_ci95: tuple[float, float] | None
    quality: float | None
    quality_ci95: tuple[float, float] | None
    latency_p90_s: float | None
    pareto: bool | None = Field(
        description="whether it is not dominated in energy and quality; null: undecided, or its "
        "quality was not measured"
    )
    meets: bool | None = Field(
        description="whether it meets the requirements; null: a figure that decides is missing"
    )
    why: str
    load: str | None = Field(default=None, description="of a server; null: of none")
    output_tokens_per_s: float | None = None
    queries_per_s: float | None = None
    ttft_p90_s: float | None = Field(default=None, description="time to the first token")
    joules_per_output_token: float | None = Field(
        default=None, description="of the same energy; null: it writes none, or does not tell"
    )


class ChoiceReport(Part):
    """The candidates from the least energy to the most, and the one to choose."""

    schema_version: Literal[1] = 1
    candidates: list[ChoiceCandidate]
    recommended: str | None
    reason: str
    families: list[family.ChoiceFamily] = Field(
        default=[], description="models and what was made from them, among the candidates"
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `choose --format json` prints."""
    return schema_of(ChoiceReport, "energyscore-choice-1")


def report_of(choice: Choice) -> ChoiceReport:
    """A choice in the form that is published."""
    best = choice.recommended
    return ChoiceReport(
        candidates=[
            *map(_candidate, choice.judged),
            *(
                ChoiceCandidate(
                    model=entry.label,
                    file=entry.file,
                    energy_wh_per_1k_queries=None,
                    energy_ci95=None,
                    quality=None,
                    quality_ci95=None,
                    latency_p90_s=None,
                    pareto=None,
                    meets=None,
                    why=why,
                )
                for entry, why in choice.without_energy
            ),
        ],
        recommended=best.candidate.entry.label if best else None,
        reason=" ".join(answer(choice)),
        families=[family.family_report(one) for one in choice.families],
    )


def _candidate(one: Placed) -> ChoiceCandidate:
    entry, quality = one.candidate.entry, one.candidate.quality
    return ChoiceCandidate(
        model=entry.label,
        file=entry.file,
        energy_wh_per_1k_queries=entry.rating.energy_wh,
        energy_ci95=entry.headline.ci95 if entry.headline else None,
        quality=quality and quality.value,
        quality_ci95=quality and quality.ci95,
        latency_p90_s=one.candidate.latency_s,
        pareto={"dominated": False, "not dominated": True}.get(one.front),
        meets=one.meets,
        why="; ".join((front(one), *lacking(one), *_source(one))),
        load=entry.result.load.words if entry.result.load else None,
        output_tokens_per_s=one.candidate.tokens_per_s,
        queries_per_s=one.candidate.queries_per_s,
        ttft_p90_s=one.candidate.ttft_s,
        joules_per_output_token=joules_per_token(one.candidate),
    )


def _source(one: Placed) -> list[str]:
    reported = one.candidate.reported
    return [f"quality: {REPORTED} ({reported})"] if reported else []


def to_json(choice: Choice) -> bytes:
    """As JSON."""
    return (json_text(report_of(choice).model_dump_json(indent=2)) + "\n").encode()


def to_csv(choice: Choice) -> bytes:
    """As CSV, a row a candidate with what it is in its family; intervals are two columns."""
    report = report_of(choice)
    children = {one.file: (it.parent, one) for it in report.families for one in it.children}
    own = [*ChoiceCandidate.model_fields]
    of_child = [name for name in family.FamilyChild.model_fields if name not in own]
    rows = []
    for one in report.candidates:
        parent, child = children.get(one.file, (None, None))
        chosen = one.model == report.recommended
        rows.append([*cells_of(one, own), chosen, parent, *cells_of(child, of_child)])
    columns = [*column_names(own), "recommended", "parent", *column_names(of_child)]
    return csv_table(columns, rows)


def to_markdown(choice: Choice) -> bytes:
    """As Markdown."""
    rows = ([markdown_text(cell) for cell in cells] for cells in rows_of(choice))
    notes = [*answer(choice), *end_of(choice).lines(explain=True)]
    lines = [
        *("## Which model to choose", "", *markdown_table(columns_of(choice), rows)),
        *("", *(f"- {markdown_text(note)}" for note in notes)),
        *(line for one in choice.families for line in _family_lines(one)),
    ]
    return ("\n".join(lines).rstrip("\n") + "\n").encode()


def _family_lines(one: ModelFamily) -> list[str]:
    rows = ([markdown_text(cell) for cell in cells] for cells in family.rows_of(one))
    return [
        *("", f"### {markdown_text(family.title_of(one))}", ""),
        *markdown_table(family.COLUMNS, rows),
        *("", *(f"- {markdown_text(line)}" for line in family.words_of(one))),
    ]


def columns_of(choice: Choice) -> tuple[str, ...]:
    """The columns of its table."""
    known = [one.candidate for one in choice.judged]
    return (
        "model",
        f"{energy_name(known)} / 1,000 queries",
        *([f"{energy_name(known)} / output token"] if tells_tokens(choice) else []),
        quality_name(choice),
        "latency p90",
        *(["first token p90"] if choice.requirements.ttft_s is not None else []),
        *(["throughput"] if tells_throughput(choice) else []),
        "front",
        "meets",
    )


def tells_throughput(choice: Choice) -> bool:
    """Whether it is asked for, or depends on the loads of servers."""
    asked = choice.requirements
    return any(one.candidate.entry.result.load for one in choice.judged) or (
        asked.tokens_per_s is not None or asked.queries_per_s is not None
    )


def tells_tokens(choice: Choice) -> bool:
    """Whether energy by tokens stands beside that of queries: loads of servers differ in both."""
    return any(
        one.candidate.entry.result.load and joules_per_token(one.candidate) is not None
        for one in choice.judged
    )


def quality_name(choice: Choice) -> str:
    """Of the column: the metric, and whether it is reported."""
    reported = any(one.candidate.reported for one in choice.judged)
    return f"{choice.metric or 'quality'}{', reported' * reported}"


def rows_of(choice: Choice) -> list[tuple[str, ...]]:
    """A row a candidate, from the least energy to the most."""
    throughput, tokens = tells_throughput(choice), tells_tokens(choice)
    return [
        (
            one.candidate.entry.label,
            energy_cell(one.candidate),
            *([token_cell(one.candidate)] if tokens else []),
            quality_cell(one.candidate),
            latency_cell(one.candidate),
            *([ttft_cell(one.candidate)] if choice.requirements.ttft_s is not None else []),
            *([throughput_cell(one.candidate)] if throughput else []),
            one.front,
            {True: "yes", False: "no", None: "not known"}[one.meets],
        )
        for one in choice.judged
    ]
