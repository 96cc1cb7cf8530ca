"""The star table, laid out by the width there is: nothing in it is cut, names least of all."""

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from energyscore.base.text import one_line
from energyscore.base.units import format_grams, format_number, format_wh_alike
from energyscore.judge.footprint import format_cost
from energyscore.judge.modes import tokens_of
from energyscore.judge.rating import RatedResult
from energyscore.publish import margins, wording
from energyscore.publish.layout import fold
from energyscore.results.names import under

_ENDLESS = 10_000
_LEAST = 8  # columns that a model's name gets however narrow it is
METERED, _RELATIVE, _CHANCE = "what was metered", "relative to", "chance"
ENERGY, _MODES = "energy /\n1,000 queries", "energy against,\ntokens / query"
_MODES_SHORT = "against,\ntokens"
CO2, COST = "CO2 /\n1,000 queries", "cost /\n1,000 queries"
_RIGHT = ("#", ENERGY, _MODES, _MODES_SHORT, CO2, COST, "± 95%", "+- 95%")


class Column(NamedTuple):
    """A column; its cells are plain text, but for the stars, which are markup."""

    name: str
    cells: Sequence[str]
    folds: bool = False


def star_table(
    task: str, entries: Sequence[RatedResult], console: Console
) -> tuple[Table, list[str]]:
    """The table of one task, and what is the same in every row, to stand under it once.

    Where all beside each other is too wide, columns that are the same in every row become lines
    under the table; where that is still too wide, figures are stacked, and names fold.
    """
    columns = _columns(ranked(entries))
    if _width(columns, console) <= console.width:
        return columns_table(task, columns), []
    shared = [
        column
        for column in columns
        if column.name in (METERED, _RELATIVE) and len(set(column.cells)) == 1
    ]
    notes = [f"{column.name}: {column.cells[0]}" for column in shared if column.cells[0]]
    notes = [f"{'; '.join(notes)}."] if notes else []
    columns = [
        Column(name, [cell.replace(", ", ",\n") for cell in cells] if name == _CHANCE else cells)
        for name, cells, _ in columns
        if name not in [column.name for column in shared]
    ]
    if _width(columns, console) <= console.width:
        return columns_table(task, columns), notes
    names, figures = _stacked(columns)
    left = console.width - _width(figures, console) - 1
    folded = [
        "\n".join(fold(line, max(_LEAST, left)) for line in cell.split("\n"))
        for cell in names.cells
    ]
    return columns_table(task, [Column("model", folded), *figures]), notes


def ranked(entries: Sequence[RatedResult]) -> list[RatedResult]:
    """The results as the table has them: from the least energy to none that is known."""
    return sorted(entries, key=lambda entry: entry.rating.energy_wh or float("inf"))


def columns_table(title: str, columns: Sequence[Column]) -> Table:
    """Columns beside each other, without lines; only those that fold may be narrowed."""
    table = Table(
        title=escape(one_line(title)) or None,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
    )
    for column in columns:
        justify = "right" if column.name in _RIGHT else "left"
        table.add_column(
            column.name,
            justify=justify,  # type: ignore[arg-type]
            no_wrap=not column.folds,
            overflow="fold" if column.folds else "ellipsis",
        )
    markup = [column.name == "stars" for column in columns]
    for row in zip(*(column.cells for column in columns), strict=True):
        cells = zip(row, markup, strict=True)
        table.add_row(*(cell if as_it_is else escape(cell) for cell, as_it_is in cells))
    return table


def margin_heading() -> str:
    """The heading over half-widths."""
    return "± 95%" if _shows("±") else "+- 95%"


def stars_text(given: int | None, *, estimated: bool) -> str:
    """One to five stars as rich's markup, marked where they stand on an estimate."""
    full, empty = ("★", "☆") if _shows("★☆") else ("*", "-")
    text = wording.stars(given, estimated=estimated, full=full, empty=empty)
    style = "dim" if given is None else "yellow" if estimated else "green"
    return f"[{style}]{text[:5]}[/]{text[5:]}"


def _columns(entries: Sequence[RatedResult]) -> list[Column]:
    """Every figure in a column of its own; columns in which nothing stands are left out."""
    star = "★" if _shows("★") else "*"
    ratings = [entry.rating for entry in entries]
    columns = [
        Column("model", [_model(entry) for entry in entries]),
        Column("class", [one_line(entry.result.model.model_class or "") for entry in entries]),
        Column(ENERGY, _energies(entries)),
        Column(margin_heading(), [wording.share(entry) for entry in entries]),
        Column(_MODES, _modes(entries)),
        Column(METERED, [wording.metered(entry) for entry in entries]),
        Column("stars", [_stars(entry) for entry in entries]),
        Column(_CHANCE, [_two_a_line(wording.chances(one, star)) for one in ratings]),
        Column(_RELATIVE, [one_line(_relative_to(entry)) for entry in entries]),
        Column(CO2, _co2(entries)),
        Column(COST, _cost(entries)),
    ]
    kept = ("model", ENERGY, margin_heading(), "stars")
    return [column for column in columns if column.name in kept or any(column.cells)]


def _stacked(columns: Sequence[Column]) -> tuple[Column, list[Column]]:
    """Figures of a kind above each other, and each model with what it does not share."""
    cells = {column.name: column.cells for column in columns}
    margin = margin_heading()
    sign = margin.partition(" ")[0]
    cells[margin] = [margins.signed(cell, sign) if "%" in cell else cell for cell in cells[margin]]
    cells["stars"] = [cell.replace(" ", "\n") for cell in cells["stars"]]
    if CO2 in cells:
        cells[CO2] = [f"{cell} CO2" if cell else "" for cell in cells[CO2]]

    def above(*names: str) -> Column:
        rows = zip(*(cells[name] for name in names if name in cells), strict=True)
        return Column(names[0], ["\n".join(filter(None, row)) for row in rows])

    figures = [above(ENERGY, margin, CO2, COST), above("stars", _CHANCE)]
    figures[:0] = [above("class")] if "class" in cells else []
    figures[-1:-1] = [Column(_MODES_SHORT, cells[_MODES])] if _MODES in cells else []
    return above("model", METERED, _RELATIVE), figures


def _width(columns: Sequence[Column], console: Console) -> int:
    """How wide their table is: as with the widest cell of each column alone."""
    options = console.options.update(width=_ENDLESS)
    widest = [column._replace(cells=[_widest(column)]) for column in columns]
    return Measurement.get(console, options, columns_table("", widest)).maximum


def _widest(column: Column) -> str:
    def width(cell: str) -> int:
        shown = Text.from_markup(cell).plain if column.name == "stars" else cell
        return max(map(cell_len, shown.split("\n")))

    return max(dict.fromkeys(column.cells), key=width, default="")


def _shows(text: str) -> bool:
    """Whether stdout can show these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _stars(entry: RatedResult) -> str:
    if not entry.result.valid:
        return "[bold red]INVALID[/]"
    return stars_text(entry.rating.stars, estimated=entry.rating.estimated)


def _model(entry: RatedResult) -> str:
    details = ", ".join(filter(None, (under(entry.result), entry.setting)))
    return "\n".join(filter(None, (one_line(entry.name) or " ", one_line(details))))


def _energies(entries: Sequence[RatedResult]) -> list[str]:
    known = [entry.rating.energy_wh for entry in entries]
    shown = iter(format_wh_alike([wh for wh in known if wh is not None]))
    return ["not measured" if wh is None else next(shown) for wh in known]


def _modes(entries: Sequence[RatedResult]) -> list[str]:
    """What the modes take; empty where no model was asked for one."""
    if not any(entry.result.mode for entry in entries):
        return [""] * len(entries)
    return [_mode(entry) for entry in entries]


def _mode(entry: RatedResult) -> str:
    """What a mode takes: so many times another's energy, so many tokens, of them thinking."""
    tokens, multiple = tokens_of(entry.result), entry.multiple
    lines = [f"{format_number(multiple.times)} x {multiple.of}"] if multiple else []
    if tokens.output is not None:
        lines.append(f"{format_number(tokens.output)} tokens")
    if tokens.thinking is not None:
        lines.append(f"{format_number(tokens.thinking)} thinking")
    return "\n".join(lines)


def _two_a_line(chances: Sequence[str]) -> str:
    places = range(0, len(chances), 2)
    return ",\n".join(", ".join(chances[place : place + 2]) for place in places)


def _relative_to(entry: RatedResult) -> str:
    return str(entry.rating.scale) if entry.rating.stars is not None else ""


def _co2(entries: Sequence[RatedResult]) -> list[str]:
    """Grams by entry; nothing where no country was named."""
    cells = _if_any([entry.co2_g_per_1k_queries for entry in entries], format_grams)
    sites = (entry.footprint for entry in entries)
    return [cell if site and site.country else "" for cell, site in zip(cells, sites, strict=True)]


def _cost(entries: Sequence[RatedResult]) -> list[str]:
    currency = next((entry.footprint.currency for entry in entries if entry.footprint), None)
    costs = [entry.cost_per_1k_queries for entry in entries]
    return _if_any(costs, lambda cost: format_cost(cost, currency))


def _if_any(figures: Sequence[float | None], text: Callable[[float], str]) -> list[str]:
    """The figures as text; no text at all where none of them is known."""
    unknown = "unknown" if any(figure is not None for figure in figures) else ""
    return [unknown if figure is None else text(figure) for figure in figures]
