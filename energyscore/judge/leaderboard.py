"""Leaderboards: results of ours and official files merged, one table a task and size class. Pure.

Only comparable figures stand in one table: official rows with results that hold the official
protocol on the official GPU, results without official rows with those of their cohort. The
others are kept with the reason why they were left out, as are the rows of a model that others
replace. Stars are given anew, by the official rule, over all rows that are left, and so follow from
them alone. A model's rows in one official file stay together: the published stars stand on all of
them, so an official file alone keeps every one of its published stars.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from energyscore.base.text import one_line
from energyscore.base.units import WH_PER_KWH, format_wh
from energyscore.judge.comparable import (
    LeftOut,
    official_departures,
    why_left_out,
    why_official_left_out,
)
from energyscore.judge.footprint import Site
from energyscore.judge.headline import Basis, headline_of
from energyscore.judge.official import Published, PublishedRow
from energyscore.judge.rating import Kind
from energyscore.judge.stars import stars_for
from energyscore.protocol.scales import Scale
from energyscore.results.names import tell_apart
from energyscore.results.result import Result

Status: TypeAlias = Literal["ranked", "unrated", "duplicate", "left_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """One model in a table, or a row that was set aside; None where something is not known.

    The fields down to `reason` are those of the JSON and CSV, in their order.

    Attributes:
        status: what became of the row.
        basis: what was metered.
        official: whether it was measured as official rows are.
        cautions: messages of the result.
        source: where it is from.
        file: the file's path as it was given.
        line: the line in an official file.
        reason: why it is not ranked; empty where it is.
        kwh_per_1k_queries: as in the official file.
        reference_stars: of an official result by the bands of the reference.
        left_out: why it may not stand in the table.
        replaced_by: the row of the same model that stands there instead.
    """

    model: str
    revision: str | None = None
    status: Status = "ranked"
    stars: int | None = None
    published_stars: int | None = None
    wh_per_1k_queries: float | None
    ci95_low: float | None = None
    ci95_high: float | None = None
    basis: Basis | None
    estimated: bool | None
    method: str | None = None
    runs: int | None = None
    hardware: str
    date: str | None = None
    official: bool
    co2_g_per_1k_queries: float | None
    cost_per_1k_queries: float | None
    cautions: tuple[str, ...] = ()
    source: Literal["official", "result"]
    file: str
    line: int | None = None
    reason: str = ""

    kwh_per_1k_queries: float | None
    reference_stars: int | None = None
    left_out: LeftOut | None = None
    replaced_by: "BoardRow | None" = None


@dataclass(frozen=True)
class BoardTable:
    """One task, size class and mode of reasoning.

    Attributes:
        task: the task.
        model_class: size class; None where the task has none.
        reasoning: mode of reasoning; None where the task has none, or a file does not say.
        relative_to: what the stars are relative to: a scale's name, or `cohort of N`.
        kind: which of the two.
        low_wh: the least energy of it, in Wh per 1,000 queries; None without a range.
        high_wh: the greatest.
        rows: in the order of the sources, with those that were set aside.
        reference: the name of the reference that `reference_stars` stand on.
    """

    task: str
    model_class: str | None
    reasoning: str | None
    relative_to: str
    kind: Kind
    low_wh: float | None
    high_wh: float | None
    rows: Sequence[BoardRow]
    reference: str

    def ranking(self) -> list[BoardRow]:
        """The rows that stand in the table, from least energy to most."""
        standing = (row for row in self.rows if row.status in ("ranked", "unrated"))
        return sorted(standing, key=lambda row: row.wh_per_1k_queries or 0)

    def of_status(self, status: Status) -> list[BoardRow]:
        """The rows of that status, in the order of the sources."""
        return [row for row in self.rows if row.status == status]


@dataclass(frozen=True)
class Leaderboard:
    """All tables, and where their energy would be drawn, if CO2 or cost were asked for."""

    tables: Sequence[BoardTable]
    site: Site | None = None


@dataclass
class _Sources:
    """What one table is made of, each with its file."""

    official: list[tuple[str, PublishedRow]] = field(default_factory=list)
    results: list[tuple[str, Result]] = field(default_factory=list)


@dataclass(frozen=True)
class _Builder:
    """How tables are made; the fields are the arguments of `build`."""

    reference: Scale
    scale: Scale | None
    every: bool
    official_only: bool
    site: Site


def build(
    results: Iterable[tuple[str, Result]],
    published: Iterable[Published],
    reference: Scale,
    scale: Scale | None = None,
    *,
    every: bool = False,
    official_only: bool = False,
    site: Site | None = None,
) -> Leaderboard:
    """Merge and rate.

    Args:
        results: results, each with its file.
        published: official files, in the order in which a later one replaces an earlier one.
        reference: what official rows were measured by: hardware and protocol.
        scale: bands to rate by; None cuts them from the merged rows of each table.
        every: keep all rows of a model, also those that a newer or later one replaces.
        official_only: leave out what was not measured as official rows are.
        site: where the energy would be drawn.
    """
    sources: dict[tuple[str, str, str], _Sources] = {}
    for table in published:
        for row in table.rows:
            key = (table.task, row.model_class, "")
            sources.setdefault(key, _Sources()).official.append((table.file, row))
    for file, result in results:
        key = (result.task.id, result.model.model_class or "", result.mode or "")
        sources.setdefault(key, _Sources()).results.append((file, result))
    how = _Builder(reference, scale, every, official_only, site or Site())
    return Leaderboard([_table(key, sources[key], how) for key in sorted(sources)], site)


def _table(key: tuple[str, str, str], sources: _Sources, how: _Builder) -> BoardTable:
    task, size, mode = key[0], key[1] or None, key[2] or None
    # In this order a later row of a model replaces an earlier one: results replace official rows.
    sources.results.sort(key=lambda entry: entry[1].created_at)
    rows = [*_official_rows(sources, how, task, size), *_result_rows(sources, how)]
    if not how.every:
        rows = _without_duplicates(rows)
    band = how.scale.band(task, size) if how.scale else None
    ranked = [row for row in rows if row.status == "ranked"]
    figures = [row.wh_per_1k_queries for row in ranked if row.wh_per_1k_queries is not None]
    low, high = (min(figures), max(figures)) if figures else (None, None)
    if band is not None:
        low, high = band.min_wh_per_1k_queries, band.max_wh_per_1k_queries
    why = _why_no_stars(ranked, same=low == high) if band is None else ""
    return BoardTable(
        task,
        size,
        mode,
        relative_to=how.scale.name if how.scale else f"cohort of {len(ranked)}",
        kind="reference" if how.scale else "cohort",
        low_wh=low,
        high_wh=high,
        rows=[_rated(row, low, high, why) for row in rows],
        reference=how.reference.name,
    )


def _why_no_stars(ranked: Sequence[BoardRow], *, same: bool) -> str:
    """Why the rows of a table cannot be rated against each other; empty where they can."""
    if ranked and all(row.published_stars is not None for row in ranked):
        return ""  # a range of nothing is five stars by the official rule, and so it is published
    if len({row.model for row in ranked}) < 2:
        return "stars are relative: at least two comparable models are needed"
    return "stars are relative: all comparable rows have the same energy" if same else ""


def _rated(row: BoardRow, low: float | None, high: float | None, why: str) -> BoardRow:
    energy_wh = row.wh_per_1k_queries
    if row.status != "ranked" or energy_wh is None or low is None or high is None:
        return row
    if why:
        return replace(row, status="unrated", reason=why)
    return replace(row, stars=stars_for(energy_wh, low, high))


def _official_rows(
    sources: _Sources, how: _Builder, task: str, size: str | None
) -> Iterator[BoardRow]:
    left_out = None
    if how.scale is not None:
        left_out = why_official_left_out(how.reference, how.scale, task, size)
    for file, row in sources.official:
        yield BoardRow(
            model=row.model,
            status="left_out" if left_out else "ranked",
            published_stars=row.stars,
            wh_per_1k_queries=row.energy_wh,
            basis="gpu",
            estimated=False,
            hardware=how.reference.gpu,
            official=True,
            co2_g_per_1k_queries=how.site.co2_g(row.energy_wh),
            cost_per_1k_queries=how.site.cost(row.energy_wh),
            source="official",
            file=file,
            line=row.line,
            reason=str(left_out or ""),
            kwh_per_1k_queries=row.energy_kwh,
            left_out=left_out,
        )


def _result_rows(sources: _Sources, how: _Builder) -> Iterator[BoardRow]:
    results = [result for _, result in sources.results]
    by_protocol = how.official_only or (how.scale is None and bool(sources.official))
    reasons = why_left_out(results, how.reference, how.scale, official_protocol=by_protocol)
    names = _names(results, every=how.every)
    for (file, result), left_out, name in zip(sources.results, reasons, names, strict=True):
        headline = headline_of(result)
        energy_wh = headline.energy_wh if headline else None
        low, high = (headline.ci95 if headline else None) or (None, None)
        official = bool(
            headline and headline.basis == "gpu" and not official_departures(result, how.reference)
        )
        yield BoardRow(
            model=name,
            revision=result.model.revision,
            status="left_out" if left_out else "ranked",
            wh_per_1k_queries=energy_wh,
            ci95_low=low,
            ci95_high=high,
            basis=headline.basis if headline else None,
            estimated=headline.estimated if headline else None,
            method=headline.method if headline else None,
            runs=result.score.runs,
            hardware=result.hardware,
            date=result.created_at,
            official=official,
            co2_g_per_1k_queries=how.site.co2_g(energy_wh),
            cost_per_1k_queries=how.site.cost(energy_wh),
            cautions=tuple(caution.message for caution in result.cautions),
            source="result",
            file=file,
            reason=str(left_out or ""),
            kwh_per_1k_queries=energy_wh / WH_PER_KWH if energy_wh else None,
            reference_stars=_stars_alone(result, energy_wh, how.reference) if official else None,
            left_out=left_out,
        )


def _stars_alone(result: Result, energy_wh: float | None, reference: Scale) -> int | None:
    """The stars of an official result by the bands of the reference."""
    band = reference.band(result.task.scale_task, result.model.model_class)
    if band is None or energy_wh is None:
        return None
    return stars_for(energy_wh, band.min_wh_per_1k_queries, band.max_wh_per_1k_queries)


def _names(results: Sequence[Result], *, every: bool) -> list[str]:
    """What models are called: folders of one name are several, and random weights say so.

    Revisions of a model on the hub replace one another, and need telling apart only where all stay.
    """
    models = []
    for model in (result.model for result in results):
        name = one_line(model.id) or "unnamed"
        if model.weights == "random" and model.source != "builtin":
            name += " (random weights)"
        models.append((name, model.revision if every or model.source == "local" else None))
    return tell_apart(models)


def _without_duplicates(rows: Sequence[BoardRow]) -> list[BoardRow]:
    """Keep the last row of each model, and say of the others why.

    With a row of an official file all rows of the model in that file stay.
    """
    kept = {row.model: row for row in rows if row.status == "ranked"}
    return [
        row
        if row.status != "ranked" or _stay_together(row, kept[row.model])
        else replace(
            row,
            status="duplicate",
            reason=_why_replaced(row, kept[row.model]),
            replaced_by=kept[row.model],
        )
        for row in rows
    ]


def _stay_together(row: BoardRow, kept: BoardRow) -> bool:
    return row is kept or (row.source == kept.source == "official" and row.file == kept.file)


def _why_replaced(row: BoardRow, kept: BoardRow) -> str:
    where, why = kept.file, f"newer, of {kept.date}"
    if kept.source == "official":
        where += f", line {kept.line}"
        same = row.wh_per_1k_queries == kept.wh_per_1k_queries
        why = "of the file that comes later" + (", with the same figure" if same else "")
    elif row.source == "official":
        why = "measured here, with its runs"
    return f"kept: {where}, {format_wh(kept.wh_per_1k_queries or 0)}: {why}"
