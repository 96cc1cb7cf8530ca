"""Leaderboards: results of ours and official files merged, one table a task and size class. Pure.

Only comparable figures stand in one table: official rows with results that hold the official
protocol on the official GPU, results without official rows with those of their cohort. The
others are kept with the reason why they were left out, as are the rows of a model that others
replace. Stars are given anew, by the official rule, over all rows that are left, and so follow from
them alone. A model's rows in one official file stay together: the published stars stand on all of
them, so an official file alone keeps every one of its published stars.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from energyscore.base.text import one_line
from energyscore.base.units import WH_PER_KWH, format_wh
from energyscore.judge.comparable import official_departures, why_left_out, why_official_left_out
from energyscore.judge.footprint import Site
from energyscore.judge.headline import headline_of
from energyscore.judge.official import Published
from energyscore.judge.rating import Kind
from energyscore.judge.stars import BANDS, inner_edges, stars_for
from energyscore.protocol.scales import Scale
from energyscore.results.names import tell_apart
from energyscore.results.result import Result

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array: TypeAlias = np.ndarray[Any, Any]
    Columns: TypeAlias = dict[str, Array]

RANKED, UNRATED, DUPLICATE, LEFT_OUT = "ranked", "unrated", "duplicate", "left_out"
OFFICIAL, OURS = "official", "result"
SAME_FIGURE = "of the file that comes later, with the same figure"
_NUMBERS = (
    *("stars", "published_stars", "energy_wh", "energy_kwh", "ci95_low_wh", "ci95_high_wh"),
    *("runs", "line", "reference_stars"),
)
_WORDS = (
    *("model", "revision", "status", "basis", "estimated", "method", "hardware", "date"),
    *("official", "cautions", "source", "file", "reason"),
)


@dataclass(frozen=True)
class Table:
    """One task, size class and mode of reasoning.

    Attributes:
        task: the task.
        model_class: size class; None where the task has none.
        reasoning: mode of reasoning; None where the task has none, or a file does not say.
        relative_to: what the stars are relative to: a scale's name, or `cohort of N`.
        kind: which of the two.
        low_wh: the least energy of it, in Wh per 1,000 queries; None without a range.
        high_wh: the greatest.
        rows: a row each in the order of the sources, those that are not ranked too. `status` says
            what became of a row, `reason` why; `cautions` are a result's messages; figures are in
            Wh and kWh per 1,000 queries; NaN and None stand for what is not known.
            `reference_stars` are those that an official result has by the reference's bands.
        reference: the name of that reference.
    """

    task: str
    model_class: str | None
    reasoning: str | None
    relative_to: str
    kind: Kind
    low_wh: float | None
    high_wh: float | None
    rows: "pd.DataFrame"
    reference: str

    def ranking(self) -> "pd.DataFrame":
        """The rows that stand in the table, from least energy to most."""
        standing = self.rows[self.rows["status"].isin((RANKED, UNRATED))]
        return standing.sort_values("energy_wh", kind="stable")

    def set_aside(self, status: str) -> "pd.DataFrame":
        """The rows of that status, in the order of the sources."""
        return self.rows[self.rows["status"] == status]


@dataclass(frozen=True)
class Leaderboard:
    """All tables, and where their energy would be drawn, if CO2 or cost were asked for."""

    tables: Sequence[Table]
    site: Site | None = None


@dataclass
class _Group:
    """The sources of one table: rows of official files, and results."""

    official: "list[tuple[str, pd.DataFrame]]" = field(default_factory=list)
    results: list[tuple[str, Result]] = field(default_factory=list)


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
    groups: dict[tuple[str, str, str], _Group] = {}
    for table in published:
        for size, rows in table.rows.groupby("model_class", sort=False):
            key = (table.task, str(size), "")
            groups.setdefault(key, _Group()).official.append((table.file, rows))
    for file, result in results:
        key = (result.task.id, result.model.model_class or "", result.mode or "")
        groups.setdefault(key, _Group()).results.append((file, result))
    rules = _Rules(reference, scale, every, official_only)
    tables = [_table(key, groups[key], rules) for key in sorted(groups)]
    return Leaderboard(tables, site)


def stars_of(energies: "Array", low: float, high: float) -> "Array":
    """`stars_for` of many energies at once."""
    import numpy as np

    # The place of the first edge that is not below the energy is the number of its band.
    return BANDS - np.searchsorted(inner_edges(low, high), energies, side="left")


@dataclass(frozen=True)
class _Rules:
    """How tables are made; the fields are the arguments of `build`."""

    reference: Scale
    scale: Scale | None
    every: bool
    official_only: bool


def _table(key: tuple[str, str, str], group: _Group, rules: _Rules) -> Table:
    task, size, mode = key
    # In this order a later row of a model replaces an earlier one: results replace official rows.
    group.results.sort(key=lambda entry: entry[1].created_at)
    scale = rules.scale
    columns = _columns(group, rules, (task, size or None))
    if not rules.every:
        _set_duplicates_aside(columns)
    ranked, energy_wh = columns["status"] == RANKED, columns["energy_wh"]
    models = len(set(columns["model"][ranked].tolist()))
    low = high = None
    band = scale.band(task, size or None) if scale else None
    if band is not None:
        low, high = band.min_wh_per_1k_queries, band.max_wh_per_1k_queries
    elif ranked.any():
        low, high = float(energy_wh[ranked].min()), float(energy_wh[ranked].max())
    why = ""
    if band is None and _is_as_published(columns, ranked):
        pass  # a range of nothing is five stars by the official rule, and so it is published
    elif band is None and models < 2:
        why = "stars are relative: at least two comparable models are needed"
    elif low == high:
        why = "stars are relative: all comparable rows have the same energy"
    if why:
        columns["status"][ranked], columns["reason"][ranked] = UNRATED, why
    elif low is not None and high is not None:
        columns["stars"][ranked] = stars_of(energy_wh[ranked], low, high)
    name = scale.name if scale else f"cohort of {int(ranked.sum())}"
    kind: Kind = "reference" if scale else "cohort"
    frame = _frame(columns)
    return Table(
        task, size or None, mode or None, name, kind, low, high, frame, rules.reference.name
    )


def _is_as_published(columns: "Columns", ranked: "Array") -> bool:
    """Whether all rows that stand in a table are official ones with stars."""
    import numpy as np

    official = columns["source"][ranked] == OFFICIAL
    known = ~np.isnan(columns["published_stars"][ranked])
    return bool(ranked.any() and official.all() and known.all())


def _columns(group: _Group, rules: _Rules, band: tuple[str, str | None]) -> "Columns":
    """The rows of all sources, by column; those that may not stand in the table say why."""
    reference, scale = rules.reference, rules.scale
    parts = [_official_rows(file, rows, reference) for file, rows in group.official]
    if scale is not None:
        for part in parts:
            part["reason"][:] = why_official_left_out(reference, scale, *band)
    reasons = why_left_out(
        [result for _, result in group.results],
        reference,
        scale,
        official_protocol=rules.official_only or (scale is None and bool(group.official)),
    )
    parts.append(_result_rows(group.results, reasons, reference, every=rules.every))
    import numpy as np

    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    columns["status"][columns["reason"] != ""] = LEFT_OUT
    return columns


def _official_rows(file: str, rows: "pd.DataFrame", reference: Scale) -> "Columns":
    columns = _empty(len(rows))
    for name in ("published_stars", "energy_wh", "energy_kwh", "line"):
        columns[name][:] = rows[name].to_numpy()
    columns["model"][:] = rows["model"].to_numpy(dtype=object)
    columns["basis"][:], columns["estimated"][:], columns["official"][:] = "gpu", False, True
    columns["hardware"][:] = reference.gpu
    columns["source"][:], columns["file"][:] = OFFICIAL, file
    return columns


def _result_rows(
    results: Sequence[tuple[str, Result]],
    reasons: Sequence[str],
    reference: Scale,
    *,
    every: bool,
) -> "Columns":
    columns = _empty(len(results))
    names = _names([result for _, result in results], every=every)
    for row, ((file, result), reason, name) in enumerate(zip(results, reasons, names, strict=True)):
        headline, score = headline_of(result), result.score
        on_gpu = headline is not None and headline.basis == "gpu"
        low, high = (headline and headline.ci95) or (None, None)
        official = on_gpu and not official_departures(result, reference)
        fields: dict[str, Any] = {
            "model": name,
            "revision": result.model.revision,
            "ci95_low_wh": low,
            "ci95_high_wh": high,
            "runs": score.runs,
            "official": official,
            "method": headline and headline.method,
            "hardware": result.hardware,
            "date": result.created_at,
            "cautions": tuple(caution.message for caution in result.cautions) or None,
            "source": OURS,
            "file": file,
            "reason": reason,
        }
        if headline is not None:
            fields["energy_wh"], fields["basis"] = headline.energy_wh, headline.basis
            fields["estimated"] = headline.estimated
            fields["energy_kwh"] = headline.energy_wh / WH_PER_KWH
            band = reference.band(result.task.scale_task, result.model.model_class)
            if official and band is not None:
                fields["reference_stars"] = stars_for(
                    headline.energy_wh, band.min_wh_per_1k_queries, band.max_wh_per_1k_queries
                )
        for field_name, value in fields.items():
            columns[field_name][row] = value
    return columns


def _names(results: Sequence[Result], *, every: bool) -> list[str]:
    """What models are called: folders of one name are several, and random weights say so.

    Revisions of a model on the hub replace one another, and need telling apart only where all stay.
    """
    models = [
        (
            f"{one_line(model.id) or 'unnamed'} (random weights)"
            if model.weights == "random" and model.source != "builtin"
            else one_line(model.id) or "unnamed",
            model.revision if every or model.source == "local" else None,
        )
        for model in (result.model for result in results)
    ]
    return tell_apart(models)


def _empty(rows: int) -> "Columns":
    """Columns in which nothing is known yet."""
    import numpy as np

    columns: Columns = {
        **{name: np.full(rows, None, dtype=object) for name in _WORDS},
        **{name: np.full(rows, np.nan) for name in _NUMBERS},
    }
    columns["status"][:], columns["reason"][:] = RANKED, ""
    return columns


def _frame(columns: "Columns") -> "pd.DataFrame":
    import pandas as pd

    # As they are: pandas 3 would make text of its own of columns of objects.
    return pd.DataFrame(
        {name: pd.Series(values, dtype=values.dtype) for name, values in columns.items()}
    )


def _set_duplicates_aside(columns: "Columns") -> None:
    """Keep the last row of each model, and say of the others why.

    With a row of an official file all rows of the model in that file stay.
    """
    import numpy as np
    import pandas as pd

    live = np.flatnonzero(columns["status"] == RANKED)
    codes, models = pd.factorize(columns["model"][live])
    last = np.empty(len(models), dtype=np.int64)
    last[codes] = live  # of several rows of a model the last one stays
    kept = last[codes]
    source, file = columns["source"], columns["file"]
    together = (source[kept] == OFFICIAL) & (file[live] == file[kept])
    replaced = (live != kept) & ~together
    rows, by = live[replaced], kept[replaced]
    columns["status"][rows] = DUPLICATE
    columns["reason"][rows] = np.array(
        [_why_replaced(columns, row, other) for row, other in zip(rows, by, strict=True)],
        dtype=object,
    )


def _why_replaced(columns: "Columns", row: int, kept: int) -> str:
    file, energy_wh, line = columns["file"], columns["energy_wh"], columns["line"]
    official = columns["source"][kept] == OFFICIAL
    where = f"{file[kept]}, line {line[kept]:.0f}" if official else str(file[kept])
    if not official and columns["source"][row] == OFFICIAL:
        why = "measured here, with its runs"
    elif not official:
        why = f"newer, of {columns['date'][kept]}"
    elif energy_wh[row] == energy_wh[kept]:
        why = SAME_FIGURE
    else:
        why = "of the file that comes later"
    return f"kept: {where}, {format_wh(energy_wh[kept])}: {why}"
