"""What people see of a leaderboard: one table a task and size class, and notes under it."""

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from rich.markup import escape
from rich.table import Table as Grid

from energyscore.base.errors import sentence
from energyscore.base.text import one_line
from energyscore.base.units import format_number, format_wh
from energyscore.cli.console import data_console
from energyscore.judge.footprint import Site, describe_site, format_co2, format_cost
from energyscore.judge.leaderboard import (
    DUPLICATE,
    LEFT_OUT,
    OFFICIAL,
    RANKED,
    SAME_FIGURE,
    UNRATED,
    Leaderboard,
    Table,
)
from energyscore.publish.notes import SMALL_COHORT
from energyscore.publish.table import margin_heading, stars_text

if TYPE_CHECKING:
    import pandas as pd

Row: TypeAlias = dict[Hashable, Any]
_MOST_ROWS = 500
_MOST_NOTES = 10


def show_leaderboard(board: Leaderboard) -> None:
    """Print the tables to stdout, each with what must be known to read it."""
    console = data_console()
    for table in board.tables:
        if len(table.ranking()):
            console.print(_grid(table, board.site))
        else:
            console.print(f"[bold]{escape(_title(table))}[/]: nothing can stand in this table")
        for note in notes_of(table):
            console.print(f"  {escape(note)}", style="dim", soft_wrap=True)
        console.print()
    for line in describe_site(board.site) if board.site else ():
        console.print(escape(line), style="dim", soft_wrap=True)


def notes_of(table: Table) -> list[str]:
    """The lines under a table: what its stars stand on, and which rows are not in it and why."""
    return [*_about(table), *_duplicates(table), *_left_out(table)]


def explain_written(board: Leaderboard) -> list[str]:
    """What must be known of the stars in official files, as a file alone cannot say it."""
    lines = []
    for table in board.tables:
        rows = table.set_aside(RANKED)
        if not len(rows):
            continue
        notes = [*_against_published(table, rows, same=False), *_against_reference(table, rows)]
        if not (rows["source"] == OFFICIAL).any():
            by = table.relative_to if table.kind == "reference" else f"{len(rows)} results of yours"
            notes.insert(
                0,
                f"caution: no row of an official leaderboard is among them: these stars are "
                f"relative to {by}, and are not official stars. Name the official CSV too.",
            )
        lines += [f"{_title(table)}: {note}" for note in notes]
    return lines


def explain_unwritten(board: Leaderboard) -> list[str]:
    """Which rows have no place in official files, and why; one line a reason."""
    lines = []
    for table in board.tables:
        for note in (*_duplicates(table), *_left_out(table)):
            lines.append(f"{_title(table)}: {note}")
        unrated = table.set_aside(UNRATED)
        if len(unrated):
            models = _listed(unrated["model"].tolist())
            lines.append(
                sentence(f"{_title(table)}: no stars: {models}: {unrated['reason'].iloc[0]}")
            )
    return lines


def _title(table: Table) -> str:
    size = f", class {table.model_class}" if table.model_class else ""
    mode = f", reasoning {table.reasoning}" if table.reasoning else ""
    return one_line(f"{table.task}{size}{mode}")


def _grid(table: Table, site: Site | None) -> Grid:
    rows = table.ranking()
    shown = rows.head(_MOST_ROWS)
    published = bool((rows["source"] == OFFICIAL).any())
    title = escape(_title(table))
    grid = Grid(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    grid.add_column("#", justify="right")
    grid.add_column("model", overflow="fold")
    for name in ("energy /\n1,000 queries", margin_heading()):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("stars", no_wrap=True)
    if published:
        grid.add_column("published", no_wrap=True)
    grid.add_column("what was metered", overflow="fold")
    grid.add_column("from")
    derived = [
        *([("CO2", site.co2_g, format_co2)] if site and site.country else []),
        *([("cost", site.cost, _cost(site))] if site and site.price_per_kwh else []),
    ]
    for name, _, _ in derived:
        grid.add_column(f"{name} /\n1,000 queries", justify="right", no_wrap=True)
    for place, row in enumerate(shown.to_dict("records"), start=1):
        energy_wh = row["energy_wh"]
        grid.add_row(
            str(place),
            escape(one_line(row["model"])),
            format_wh(energy_wh),
            _half_width(row),
            _stars(row),
            *([_published(row)] if published else []),
            escape(one_line(_metered(row))),
            "published" if row["source"] == OFFICIAL else escape(one_line(row["date"][:10])),
            *(escape(text(figure(energy_wh))) for _, figure, text in derived),
        )
    return grid


def _cost(site: Site) -> Any:
    return lambda cost: format_cost(cost, site.currency)


def _half_width(row: Row) -> str:
    low, high = row["ci95_low_wh"], row["ci95_high_wh"]
    if low != low:
        return "unknown" if row["source"] == OFFICIAL else "one run"
    return f"{format_number((high - low) / 2 / row['energy_wh'] * 100)} %"


def _stars(row: Row) -> str:
    stars = row["stars"]
    return stars_text(None if stars != stars else int(stars), estimated=row["estimated"])


def _published(row: Row) -> str:
    stars = row["published_stars"]
    return "" if stars != stars else str(int(stars))


def _metered(row: Row) -> str:
    if row["basis"] == "gpu":
        return f"GPU, {row['hardware']}"
    kind = "estimated" if row["estimated"] else "measured"
    return f"CPU and RAM, {kind}, {row['hardware']}"


def _about(table: Table) -> Iterator[str]:
    rows = table.ranking()
    if len(rows) > _MOST_ROWS:
        yield f"the first {_MOST_ROWS} of {len(rows):,} rows; --format csv and json have all."
    reasons = rows["reason"][rows["reason"] != ""]
    if len(reasons):
        yield sentence(f"no stars: {reasons.iloc[0]}")
    elif table.low_wh == table.high_wh and table.low_wh is not None and len(rows):
        yield f"all rows take {format_wh(table.low_wh)}: by the official rule that is five stars."
    elif table.low_wh is not None and table.high_wh is not None and len(rows):
        yield (
            f"stars are relative to the {table.relative_to}: five bands of equal width from "
            f"{format_wh(table.low_wh)} to {format_wh(table.high_wh)}."
        )
        if table.relative_to == "cohort of 2":
            yield SMALL_COHORT
    if rows["estimated"].astype(bool).any():
        yield (
            "estimated: by the load of the whole machine and its memory size (CodeCarbon), not by "
            "a meter. In effect it follows time; it is not GPU energy."
        )
    yield from _against_published(table, rows)
    yield from _against_reference(table, rows)
    yield from _several(rows)
    yield from _cautions(rows)


def _against_published(table: Table, rows: "pd.DataFrame", *, same: bool = True) -> Iterator[str]:
    """Whether the published stars are kept; `same`: say so too where all of them are."""
    official = rows[rows["published_stars"].notna() & rows["stars"].notna()]
    other = official[official["stars"] != official["published_stars"]]
    if not len(other):
        if same and len(official):
            yield f"the stars of all {len(official):,} published rows are the published ones."
        return
    why = "the rows that they are relative to are not the same"
    if table.kind == "reference":
        why = f"these are relative to {table.relative_to}"
    elif len(rows) == len(table.rows) and _is_of_one_file(rows):
        why = "by the official rule the published ones do not follow from the file's rows"
    yield (
        f"{len(other):,} of {len(official):,} published rows have other stars than published: "
        f"{why} ({_listed(other['model'].tolist())})."
    )


def _is_of_one_file(rows: "pd.DataFrame") -> bool:
    return set(rows["source"]) == {OFFICIAL} and rows["file"].nunique() == 1


def _against_reference(table: Table, rows: "pd.DataFrame") -> Iterator[str]:
    """Which results have other stars than alone, by the bands of the reference."""
    known = rows[rows["reference_stars"].notna() & rows["stars"].notna()]
    other = known[known["stars"] != known["reference_stars"]]
    if len(other) and table.kind == "cohort":
        said = [
            f"{model} {stars:.0f}"
            for model, stars in zip(other["model"], other["reference_stars"], strict=True)
        ]
        yield (
            f"by {table.reference}, as `energyscore rate` gives them, the stars would be: "
            f"{_listed(said)}; here they are relative to these {len(rows):,} rows."
        )


def _several(rows: "pd.DataFrame") -> Iterator[str]:
    """Models of which a file has several rows."""
    official = rows[rows["source"] == OFFICIAL]
    models = official["model"][official.duplicated(["model", "file"])].drop_duplicates()
    if len(models):
        yield (
            f"more than once in one file: {_listed(models.tolist())}; all the rows stay, as the "
            "published stars stand on them."
        )


def _duplicates(table: Table) -> Iterator[str]:
    rows = table.set_aside(DUPLICATE)
    alike = rows["reason"].str.endswith(SAME_FIGURE)
    if alike.any():
        yield f"not shown: {alike.sum():,} rows that a later file has with the same figure."
    rows = rows[~alike]
    for row in rows.head(_MOST_NOTES).to_dict("records"):
        place = f", line {row['line']:.0f}" if row["line"] == row["line"] else ""
        yield (
            f"not shown: {row['model']} of {row['file']}{place}, {format_wh(row['energy_wh'])}; "
            f"{row['reason']}."
        )
    if len(rows) > _MOST_NOTES:
        yield f"and {len(rows) - _MOST_NOTES:,} more such rows; --format csv and json have all."


def _left_out(table: Table) -> Iterator[str]:
    """One line for all that are left out in the same points; how far each is off may differ."""
    rows = table.set_aside(LEFT_OUT)
    alike: dict[tuple[str, ...], list[tuple[str, list[str]]]] = {}
    for model, reason in zip(rows["model"], rows["reason"], strict=True):
        points: list[str] = [reason]
        names: tuple[str, ...] = (reason,)
        if reason.startswith("not comparable") and "; " in reason:
            points = reason.split("; ")
            names = tuple(point.rpartition(": ")[0] for point in points)
        alike.setdefault(names, []).append((model, points))
    for names, group in alike.items():
        first, *others = (points for _, points in group)
        common = set(first).intersection(*others)
        said = [
            point if point in common else name for name, point in zip(names, first, strict=True)
        ]
        models = list(dict.fromkeys(model for model, _ in group))
        yield sentence(f"left out: {_listed(models)}: {'; '.join(said)}")


def _cautions(rows: "pd.DataFrame") -> Iterator[str]:
    seen: dict[str, list[str]] = {}
    known = rows[rows["cautions"].notna()]
    for model, messages in zip(known["model"], known["cautions"], strict=True):
        for message in dict.fromkeys(messages):
            seen.setdefault(message, []).append(model)
    for message, models in seen.items():
        whose = "" if len(models) == len(rows) else f" ({_listed(models)})"
        yield sentence(f"caution: {message.rstrip('.')}{whose}")


def _listed(models: list[str]) -> str:
    more = len(models) - _MOST_NOTES
    return ", ".join(models[:_MOST_NOTES]) + (f" and {more:,} more" if more > 0 else "")
