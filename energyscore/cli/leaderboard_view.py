"""What people see of a leaderboard: one table a task and size class, and notes under it."""

from collections.abc import Callable

from rich.markup import escape
from rich.table import Table

from energyscore.base.text import one_line
from energyscore.base.units import format_grams, format_number, format_wh
from energyscore.cli.console import data_console
from energyscore.judge.footprint import Site, describe_sites, format_cost
from energyscore.judge.leaderboard import BoardRow, BoardTable, Leaderboard
from energyscore.publish.leaderboard_notes import MOST_ROWS, notes_of, title_of
from energyscore.publish.table import margin_heading, stars_text


def show_leaderboard(board: Leaderboard) -> None:
    """Print the tables to stdout, each with what must be known to read it."""
    console = data_console()
    for table in board.tables:
        if table.ranking():
            console.print(_grid(table, board.site or Site()))
        else:
            console.print(f"[bold]{escape(title_of(table))}[/]: nothing can stand in this table")
        for note in notes_of(table):
            console.print(f"  {escape(note)}", style="dim", soft_wrap=True)
        console.print()
    for line in describe_sites([board.site]):
        console.print(escape(line), style="dim", soft_wrap=True)


def _grid(table: BoardTable, site: Site) -> Table:
    rows = table.ranking()
    title = escape(title_of(table))
    grid = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    grid.add_column("#", justify="right")
    grid.add_column("model", overflow="fold")
    figures: list[tuple[str, Callable[[BoardRow], str]]] = [
        ("energy /\n1,000 queries", lambda row: format_wh(row.wh_per_1k_queries or 0)),
        (margin_heading(), _half_width),
        ("stars", lambda row: stars_text(row.stars, estimated=bool(row.estimated))),
    ]
    if any(row.source == "official" for row in rows):
        figures.append(("published", lambda row: str(row.published_stars or "")))
    for name, _ in figures:
        right = name not in ("stars", "published")
        grid.add_column(name, justify="right" if right else "left", no_wrap=True)
    grid.add_column("what was metered", overflow="fold")
    grid.add_column("from")
    derived: list[Callable[[BoardRow], str]] = []
    if site.country is not None:
        grid.add_column("CO2 /\n1,000 queries", justify="right", no_wrap=True)
        derived.append(lambda row: format_grams(row.co2_g_per_1k_queries or 0))
    if site.price_per_kwh is not None:
        grid.add_column("cost /\n1,000 queries", justify="right", no_wrap=True)
        derived.append(lambda row: format_cost(row.cost_per_1k_queries or 0, site.currency))
    for place, row in enumerate(rows[:MOST_ROWS], start=1):
        grid.add_row(
            str(place),
            escape(one_line(row.model)),
            *(text(row) for _, text in figures),
            escape(one_line(_metered(row))),
            "published" if row.date is None else escape(one_line(row.date[:10])),
            *(escape(text(row)) for text in derived),
        )
    return grid


def _half_width(row: BoardRow) -> str:
    if row.ci95_low is None or row.ci95_high is None or not row.wh_per_1k_queries:
        return "unknown" if row.source == "official" else "one run"
    return f"{format_number((row.ci95_high - row.ci95_low) / 2 / row.wh_per_1k_queries * 100)} %"


def _metered(row: BoardRow) -> str:
    if row.basis == "gpu":
        return f"GPU, {row.hardware}"
    return f"CPU and RAM, {'estimated' if row.estimated else 'measured'}, {row.hardware}"
