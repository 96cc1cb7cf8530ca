"""What people get of a leaderboard: tables with notes under them, or official files."""

from collections.abc import Iterable
from pathlib import Path

from rich.markup import escape, render

from energyscore.base.errors import InvalidResult, ResultError
from energyscore.base.stats import half_width_of
from energyscore.base.text import one_line
from energyscore.base.units import counted, format_grams, format_wh_alike
from energyscore.base.writing import check_outputs, write_files
from energyscore.cli.console import data_console, say, show_notes
from energyscore.judge.footprint import Site, describe_sites, format_cost
from energyscore.judge.leaderboard import BoardRow, BoardTable, Leaderboard
from energyscore.judge.leaderboard_sources import BOARD, Sources
from energyscore.publish.layout import GAP, fitted
from energyscore.publish.leaderboard_notes import (
    end_of,
    notes_on_unwritten,
    notes_on_written,
    title_of,
)
from energyscore.publish.margins import sides
from energyscore.publish.notes import MOST_ROWS
from energyscore.publish.official_csv import to_official
from energyscore.publish.table import (
    CO2,
    COST,
    ENERGY,
    METERED,
    Column,
    columns_table,
    margin_heading,
    stars_text,
)
from energyscore.publish.table_end import left_to_explain
from energyscore.publish.wording import KINDS


def show_leaderboard(board: Leaderboard, *, explain: bool = False) -> None:
    """Print the tables to stdout, each with what must be known to read it."""
    console, ends = data_console(), [end_of(table) for table in board.tables]
    for table, end in zip(board.tables, ends, strict=True):
        if table.ranking():
            columns = _folded(_columns(table, board.site or Site()), console.width)
            console.print(columns_table(title_of(table), columns))
        else:
            console.print(f"[bold]{escape(title_of(table))}[/]: nothing can stand in this table")
        show_notes(end.lines(explain=explain))
        console.print()
    show_notes([*describe_sites([board.site]), *([] if explain else left_to_explain(ends))])


def write_official(board: Leaderboard, folder: Path, sources: Sources) -> None:
    """Write a file a task; stdout names the files, stderr what they do not hold and why."""
    files = to_official(board)
    unwritten = notes_on_unwritten(board)
    if not files:
        say_all(unwritten)
        why = "Nothing can be written as an official leaderboard: the reasons stand above."
        if is_invalid(sources):
            raise InvalidResult(why, "Measure again.")
        if any(table.of_status("unrated") for table in board.tables):
            raise ResultError(why, "Name the CSV of the official leaderboard, or more results.")
        raise ResultError(
            why, "Official are results of the whole protocol, without --quick, on an H100 80GB."
        )
    named = {f"{task}.csv": content for task, content in files.items()}
    for name in named:
        check_outputs({"": folder / name}, sources.files)
    remedy = "Name another folder with --out, or move the file away."
    write_files(folder, named, kind=BOARD, remedy=remedy, alone=False)
    for name, content in named.items():
        rows = content.count(b"\n") - 1
        print(f"{folder / name}: {counted(rows, 'row')}")
    say_all([*notes_on_written(board), *unwritten])


def is_invalid(sources: Sources) -> bool:
    """Whether nothing is there but invalid results."""
    return not sources.published and not any(result.valid for _, result in sources.results)


def say_all(lines: Iterable[str]) -> None:
    """Print lines for people to stderr."""
    for line in lines:
        say(line)


def _columns(table: BoardTable, site: Site) -> list[Column]:
    rows = table.ranking()[:MOST_ROWS]
    columns = [
        Column("#", [str(place) for place in range(1, len(rows) + 1)]),
        Column("model", [one_line(row.label) for row in rows], folds=True),
        Column(ENERGY, format_wh_alike([row.wh_per_1k_queries or 0 for row in rows])),
        Column(margin_heading(), [_half_width(row) for row in rows]),
        Column("stars", [stars_text(row.stars, estimated=bool(row.estimated)) for row in rows]),
    ]
    if any(row.source == "official" for row in table.ranking()):
        columns.append(Column("published", [str(row.published_stars or "") for row in rows]))
    columns += [
        Column(METERED, [_metered(row) for row in rows], folds=True),
        Column("from", ["published" if row.date is None else row.date[:10] for row in rows]),
    ]
    if site.country is not None:
        grams = [format_grams(row.co2_g_per_1k_queries or 0) for row in rows]
        columns.append(Column(CO2, grams))
    if site.price_per_kwh is not None:
        costs = [format_cost(row.cost_per_1k_queries or 0, site.currency) for row in rows]
        columns.append(Column(COST, costs))
    return columns


def _folded(columns: list[Column], width: int) -> list[Column]:
    """The columns, with those that fold as narrow as the width asks for."""
    fixed = [column for column in columns if not column.folds]
    taken = sum(max(map(_cell_width, (one.name, *one.cells))) + GAP for one in fixed)
    folds = [column for column in columns if column.folds]
    cells = iter(fitted([[one.name, *one.cells] for one in folds], width - taken))
    return [Column(column.name, next(cells)[1:]) if column.folds else column for column in columns]


def _cell_width(cell: str) -> int:
    return max(len(line) for line in render(cell).plain.split("\n"))


def _half_width(row: BoardRow) -> str:
    known = row.ci95_low is not None and row.ci95_high is not None
    half = half_width_of((row.ci95_low or 0.0, row.ci95_high or 0.0)) if known else None
    if half is None:
        return "unknown" if row.source == "official" else "one run"
    return sides(half)


def _metered(row: BoardRow) -> str:
    system = KINDS["estimated" if row.estimated else "system"]
    return one_line(f"{'GPU' if row.basis == 'gpu' else system}, {row.hardware}")
