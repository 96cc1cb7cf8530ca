"""The star table, laid out by the width there is: nothing in it is cut, names least of all."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from energyscore.base.text import one_line
from energyscore.base.units import format_number, format_wh
from energyscore.judge.footprint import format_co2, format_cost
from energyscore.judge.modes import Multiple, multiples_of, tokens_of
from energyscore.judge.rating import RatedResult, Rating
from energyscore.results.result import Result

_ENDLESS = 10_000
_LEAST = 8  # columns that a model's name gets however narrow it is
_METERED, _RELATIVE = "what was metered", "relative to"
_ENERGY = "energy /\n1,000 queries"


class _Column(NamedTuple):
    name: str
    cells: Sequence[str]
    right: bool = False


def star_table(
    task: str, entries: Sequence[RatedResult], console: Console
) -> tuple[Table, list[str]]:
    """The table of one task, and what is the same in every row, to stand under it once.

    Where all beside each other is too wide, columns that are the same in every row become lines
    under the table; where that is still too wide, figures are stacked, and names fold.
    """
    ranked = sorted(entries, key=lambda entry: entry.rating.energy_wh or float("inf"))
    texts = {
        _METERED: [_metered(entry.result, entry.rating) for entry in ranked],
        _RELATIVE: [one_line(_relative_to(entry.rating)) for entry in ranked],
    }
    wide = _table(task, _beside(ranked, texts, a_line=2))
    if _width(wide, console) <= console.width:
        return wide, []
    notes = [f"{name}: {cells[0]}." for name, cells in texts.items() if len(set(cells)) == 1]
    texts = {name: cells for name, cells in texts.items() if len(set(cells)) > 1}
    table = _table(task, _beside(ranked, texts, a_line=1))
    if _width(table, console) > console.width:
        figures = _stacked(ranked)
        left = console.width - _width(_table("", figures), console) - 1
        table = _table(task, [_names(ranked, texts, max(_LEAST, left)), *figures])
    return table, notes


def fold(text: str, width: int) -> str:
    """A text on lines of at most so many columns: broken at blanks and after `/`, `:`, `-`, `_`.

    Only a part that is wider than a whole line is cut within.
    """
    lines = [""]
    for part in re.findall(r"[^\s/:_-]*(?:[/:_-]+|\s+|$)", text):
        if len(lines[-1]) + len(part.rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += part
        while len(lines[-1].rstrip()) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return "\n".join(line.rstrip() for line in lines)


def _width(table: Table, console: Console) -> int:
    options = console.options.update(width=_ENDLESS)
    return Measurement.get(console, options, table).maximum


def _table(task: str, columns: Sequence[_Column]) -> Table:
    title = escape(one_line(task))
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        justify = "right" if column.right else "left"
        table.add_column(column.name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    return table


def _beside(
    entries: Sequence[RatedResult], texts: Mapping[str, Sequence[str]], a_line: int
) -> list[_Column]:
    """Every figure in a column of its own."""
    margins = [_half_width(entry.result, entry.rating) for entry in entries]
    more = {name: [escape(cell) for cell in cells] for name, cells in texts.items()}
    columns = [
        _Column("model", [escape(_model(entry)) for entry in entries]),
        _Column("class", [_size_class(entry) for entry in entries]),
        _Column(_ENERGY, [_energy(entry.rating) for entry in entries], right=True),
        _Column(margin_heading(), margins, right=True),
        _Column("energy against,\ntokens / query", _modes(entries), right=True),
        _Column(_METERED, more.get(_METERED, ())),
        _Column("stars", [_stars(entry.rating) for entry in entries]),
        _Column("chance", [_chance(entry.rating, a_line) for entry in entries]),
        _Column(_RELATIVE, more.get(_RELATIVE, ())),
        _Column("CO2 /\n1,000 queries", _co2(entries), right=True),
        _Column("cost /\n1,000 queries", _cost(entries), right=True),
    ]
    said = (columns[0], columns[2], columns[3], columns[6])
    return [column for column in columns if column in said or any(column.cells)]


def _stacked(entries: Sequence[RatedResult]) -> list[_Column]:
    """Figures of a kind above each other."""
    figures = []
    sign = margin_heading().partition(" ")[0]
    none = [""] * len(entries)
    for entry, co2, cost in zip(
        entries, _co2(entries) or none, _cost(entries) or none, strict=True
    ):
        margin = _half_width(entry.result, entry.rating)
        lines = [_energy(entry.rating), f"{sign} {margin}" if "%" in margin else margin]
        figures.append("\n".join(filter(None, [*lines, co2 and f"{co2} CO2", cost])))
    stars = [
        "\n".join(filter(None, [*_stars(entry.rating).split(" "), _chance(entry.rating, 1)]))
        for entry in entries
    ]
    columns = [
        _Column("class", [_size_class(entry) for entry in entries]),
        _Column(_ENERGY, figures, right=True),
        _Column("against,\ntokens", _modes(entries), right=True),
        _Column("stars", stars),
    ]
    return [column for column in columns if any(column.cells)]


def _names(
    entries: Sequence[RatedResult], texts: Mapping[str, Sequence[str]], width: int
) -> _Column:
    """The models, folded, and under each what it does not share with the others."""
    cells = []
    for place, entry in enumerate(entries):
        lines = [*_model(entry).split("\n"), *(of[place] for of in texts.values())]
        cells.append(escape("\n".join(fold(line, width) for line in lines)))
    return _Column("model", cells)


def _size_class(entry: RatedResult) -> str:
    return escape(one_line(entry.result.model.model_class or ""))


def _energy(rating: Rating) -> str:
    return "not measured" if rating.energy_wh is None else format_wh(rating.energy_wh)


def _modes(entries: Sequence[RatedResult]) -> list[str]:
    """What the modes take; empty where no model was asked for one."""
    results = [entry.result for entry in entries]
    if not any(result.mode for result in results):
        return []
    return [
        _mode(multiple, result)
        for multiple, result in zip(multiples_of(results), results, strict=True)
    ]


def margin_heading() -> str:
    """The heading over half-widths."""
    return "± 95%" if _shows("±") else "+- 95%"


def _model(entry: RatedResult) -> str:
    mode, name = entry.result.mode, one_line(entry.name)
    return name if mode is None else f"{name}\nreasoning {one_line(mode)}"


def _mode(multiple: Multiple | None, result: Result) -> str:
    """What a mode takes: so many times another's energy, so many tokens, of them thinking."""
    tokens = tokens_of(result)
    lines = [f"{format_number(multiple.times)} x {multiple.of}"] if multiple else []
    lines.append(f"{format_number(tokens.output)} tokens")
    if tokens.thinking is not None:
        lines.append(f"{format_number(tokens.thinking)} thinking")
    return "\n".join(lines)


def _stars(rating: Rating) -> str:
    return stars_text(rating.stars, estimated=rating.estimated)


def stars_text(given: int | None, *, estimated: bool) -> str:
    """One to five stars for a table, marked where they stand on an estimate."""
    if given is None:
        return "[dim]none[/]"
    full, empty = ("★", "☆") if _shows("★☆") else ("*", "-")
    stars = full * given + empty * (5 - given)
    return f"[yellow]{stars}[/] estimated" if estimated else f"[green]{stars}[/]"


def _chance(rating: Rating, a_line: int) -> str:
    """The likeliest stars first, without those below half a per cent: `4★ 93 %, 5★ 7 %`."""
    if rating.probabilities is None:
        return ""
    if max(rating.probabilities) >= 0.995:
        return "> 99 %"
    star = "★" if _shows("★") else "*"
    by_stars = enumerate(rating.probabilities, start=1)
    ranked = sorted(by_stars, key=lambda entry: entry[1], reverse=True)
    shown = [f"{stars}{star} {p * 100:.0f} %" for stars, p in ranked if p >= 0.005]
    places = range(0, len(shown), a_line)
    return ",\n".join(", ".join(shown[place : place + a_line]) for place in places)


def _co2(entries: Sequence[RatedResult]) -> list[str]:
    grams = [entry.co2_g_per_1k_queries for entry in entries]
    if not any(co2_g is not None for co2_g in grams):
        return []
    return ["unknown" if co2_g is None else format_co2(co2_g) for co2_g in grams]


def _cost(entries: Sequence[RatedResult]) -> list[str]:
    site = next((entry.footprint for entry in entries if entry.footprint), None)
    if site is None or site.price_per_kwh is None:
        return []
    costs = [(entry.cost_per_1k_queries, entry.footprint) for entry in entries]
    return [
        "unknown" if cost is None or at is None else escape(format_cost(cost, at.currency))
        for cost, at in costs
    ]


def _shows(text: str) -> bool:
    """Whether stdout can show these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _relative_to(rating: Rating) -> str:
    if rating.no_stars == "departs":
        return "not comparable, see below"
    if rating.stars is None:
        return rating.reason
    return str(rating.scale)


def _metered(result: Result, rating: Rating) -> str:
    if rating.basis == "gpu":
        method = {"counter": "counter", "power_integral": "integrated power"}
        return f"GPU, {method.get(result.score.method or '', 'unknown')}"
    if rating.basis == "system":
        kind = "estimated" if rating.estimated else "measured"
        return f"CPU and RAM, {kind}"
    return "nothing"


def _half_width(result: Result, rating: Rating) -> str:
    interval = result.score.ci95 if rating.basis == "gpu" else result.score.system_ci95
    if interval is None or not rating.energy_wh:
        return "one run" if result.score.runs == 1 else ""
    return f"{format_number((interval[1] - interval[0]) / 2 / rating.energy_wh * 100)} %"
