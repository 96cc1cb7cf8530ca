"""Leaderboards: results of ours and official files merged, one table a task and size class. Pure.

Only comparable figures stand in one table: official rows with results that hold the official
protocol on the official GPU, results without official rows with those of their cohort. The
others are kept with the reason why they were left out, as are the rows of a model that others
replace. Stars are given anew, by the official rule, over all rows that are left, and so follow from
them alone. A model's rows in one official file stay together: the published stars stand on all of
them, so an official file alone keeps every one of its published stars.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from energyscore.base.text import one_line
from energyscore.base.units import WH_PER_KWH, format_wh
from energyscore.judge.cautions import cautions_on
from energyscore.judge.comparable import (
    LeftOut,
    official_departures,
    why_left_out,
    why_official_left_out,
)
from energyscore.judge.figures import Basis, headline_of
from energyscore.judge.footprint import Site
from energyscore.judge.official import Published, PublishedRow
from energyscore.judge.rating import Kind
from energyscore.judge.references import of_unknown_method
from energyscore.protocol.scales import Scale
from energyscore.protocol.stars import stars_for
from energyscore.results.names import settings_of, tell_apart, tell_settings_apart, with_details
from energyscore.results.result import Result

Status: TypeAlias = Literal["ranked", "unrated", "duplicate", "left_out"]


class _Key(NamedTuple):
    """What a table is of; empty where there is none. Loads of servers come by how much they are."""

    task: str
    size: str
    mode: str = ""
    amount: float = 0.0
    load: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """One model in a table, or a row that was set aside; None where something is not known.

    The fields down to `reason` are those of the JSON and CSV, in their order; `reason` says why a
    row is not ranked. `reference_stars` are those of an official result by the bands of the
    reference, and `replaced_by` is the row of the same model that stands in the table instead.
    `setting` is what tells a result from others of the model in its table.
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
    setting: str = ""
    result: Result | None = None

    @property
    def label(self) -> str:
        """The model for people, with what tells it from others."""
        return with_details(self.model, self.setting)


@dataclass(frozen=True)
class BoardTable:
    """One task, size class, mode of reasoning and load; None where the task, or a file, has none.

    Servers are comparable under the same load only, and so each load has a table.

    Stars are `relative_to` a scale by its name, or a `cohort of N`, from `low_wh` to `high_wh`.
    `rows` come in the order of the sources, with those that were set aside.
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
    load: str | None = None

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


@dataclass(frozen=True)
class BoardRules:
    """How tables are made.

    Attributes:
        reference: what official rows were measured by: hardware and protocol.
        scale: bands to rate by; None cuts them from the merged rows of each table.
        every: keep all rows of a model, also those that a newer or later one replaces.
        official_only: leave out what was not measured as official rows are.
        site: where the energy would be drawn.
        without_method: the official files that are taken to be by the reference's official method,
            as nothing tells theirs.
    """

    reference: Scale
    scale: Scale | None = None
    every: bool = False
    official_only: bool = False
    site: Site | None = None
    without_method: Collection[str] = ()


def build(
    results: Iterable[tuple[str, Result]], published: Iterable[Published], how: BoardRules
) -> Leaderboard:
    """Merge and rate results, each with its file, and official files, where a later one wins."""
    official: dict[_Key, list[BoardRow]] = {}
    for file in published:
        for row in file.rows:
            key = _Key(file.task, row.model_class, row.reasoning or "")
            official.setdefault(key, []).append(_official_row(file, row, how))
    ours: dict[_Key, list[tuple[str, Result]]] = {}
    # In this order a later row of a model replaces an earlier one: results replace official rows.
    for path, result in sorted(results, key=lambda entry: entry[1].created_at):
        key = _key_of(result)
        ours.setdefault(key, []).append((path, result))
    tables = []
    for key in sorted({*official, *ours}):
        rows = official.get(key, [])
        by_protocol = how.official_only or (how.scale is None and bool(rows))
        rows += _result_rows(ours.get(key, []), how, official_protocol=by_protocol)
        tables.append(_table(key, rows, how))
    return Leaderboard(tables, how.site)


def _key_of(result: Result) -> _Key:
    key, load = _Key(result.task.id, result.model.model_class or "", result.mode or ""), result.load
    if load is None:
        return key
    return key._replace(amount=load.request_rate or load.concurrency or 0, load=load.words)


def _official_row(file: Published, row: PublishedRow, how: BoardRules) -> BoardRow:
    left_out, site = None, how.site or Site()
    if how.scale is not None:
        size, mode = row.model_class or None, row.reasoning
        left_out = why_official_left_out(how.reference, how.scale, file.task, size, mode)
    return BoardRow(
        model=row.model,
        status="left_out" if left_out else "ranked",
        published_stars=row.stars,
        wh_per_1k_queries=row.energy_wh,
        basis="gpu",
        estimated=False,
        hardware=how.reference.gpu if file.protocol is None else "not stated",
        official=True,
        co2_g_per_1k_queries=site.co2_g(row.energy_wh),
        cost_per_1k_queries=site.cost(row.energy_wh),
        cautions=(of_unknown_method(how.reference),) if file.file in how.without_method else (),
        source="official",
        file=file.file,
        line=row.line,
        reason=str(left_out or ""),
        kwh_per_1k_queries=row.energy_kwh,
        left_out=left_out,
    )


def _result_rows(
    entries: Sequence[tuple[str, Result]], how: BoardRules, *, official_protocol: bool
) -> Iterator[BoardRow]:
    results = [result for _, result in entries]
    reasons = why_left_out(results, how.reference, how.scale, official_protocol=official_protocol)
    names, site = _names(results, every=how.every), how.site or Site()
    for (file, result), left_out, name in zip(entries, reasons, names, strict=True):
        headline = headline_of(result)
        energy_wh = headline.energy_wh if headline else None
        on_gpu = headline is not None and headline.basis == "gpu"
        official = on_gpu and not official_departures(result, how.reference)
        low, high = (headline.ci95 if headline else None) or (None, None)
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
            co2_g_per_1k_queries=site.co2_g(energy_wh),
            cost_per_1k_queries=site.cost(energy_wh),
            cautions=tuple(caution.message for caution in cautions_on(result)),
            source="result",
            file=file,
            reason=str(left_out or ""),
            kwh_per_1k_queries=energy_wh / WH_PER_KWH if energy_wh else None,
            reference_stars=_stars_alone(result, energy_wh, how.reference) if official else None,
            left_out=left_out,
            result=result,
        )


def _table(key: _Key, rows: Sequence[BoardRow], how: BoardRules) -> BoardTable:
    task, size = key.task, key.size or None
    if not how.every:
        rows = _without_duplicates(rows)
    rows = _told_apart(rows)
    ranked = [row for row in rows if row.status == "ranked"]
    figures = [row.wh_per_1k_queries for row in ranked if row.wh_per_1k_queries is not None]
    low, high = (min(figures), max(figures)) if figures else (None, None)
    band = how.scale.band(task, size, key.mode or None) if how.scale else None
    if band is not None:
        low, high = band.range_wh
    why = _why_no_stars(ranked, same=low == high) if band is None else ""
    return BoardTable(
        task,
        size,
        key.mode or None,
        relative_to=how.scale.name if how.scale else f"cohort of {len(ranked)}",
        kind="reference" if how.scale else "cohort",
        low_wh=low,
        high_wh=high,
        rows=[_rated(row, low, high, why) for row in rows],
        reference=how.reference.name,
        load=key.load or None,
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


def _stars_alone(result: Result, energy_wh: float | None, reference: Scale) -> int | None:
    """The stars of an official result by the bands of the reference."""
    band = reference.band(result.task.scale_task, result.model.model_class, result.mode)
    if band is None or energy_wh is None:
        return None
    return stars_for(energy_wh, *band.range_wh)


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


def _told_apart(rows: Sequence[BoardRow]) -> list[BoardRow]:
    """The rows, results of one model with the settings in which they differ."""
    shown = [row for row in rows if row.result is not None and row.status != "duplicate"]
    settings = tell_settings_apart(
        [row.model for row in shown], [settings_of(row.result) for row in shown if row.result]
    )
    said = {id(row): setting for row, setting in zip(shown, settings, strict=True)}
    return [replace(row, setting=said.get(id(row), "")) for row in rows]


def _without_duplicates(rows: Sequence[BoardRow]) -> list[BoardRow]:
    """Keep the last row of each model, or all that its official file has; say why not others."""
    last = {row.model: row for row in rows if row.status == "ranked"}
    found = []
    for row in rows:
        kept = last.get(row.model, row)
        together = kept.source == row.source == "official" and kept.file == row.file
        if row.status == "ranked" and row is not kept and not together:
            reason = _why_replaced(row, kept)
            row = replace(row, status="duplicate", reason=reason, replaced_by=kept)
        found.append(row)
    return found


def _why_replaced(row: BoardRow, kept: BoardRow) -> str:
    where, why = kept.file, f"newer, of {kept.date}"
    if kept.source == "official":
        where += f", line {kept.line}"
        same = row.wh_per_1k_queries == kept.wh_per_1k_queries
        why = "of the file that comes later" + (", with the same figure" if same else "")
    elif row.source == "official":
        why = "measured here, with its runs"
    return f"kept: {where}, {format_wh(kept.wh_per_1k_queries or 0)}: {why}"
