"""What the index shows: a section for each task and size class, with a table and a plot. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from energyscore.base.units import format_number
from energyscore.judge.footprint import describe_site
from energyscore.judge.modes import Multiple, tokens_of
from energyscore.judge.rating import RatedResult
from energyscore.publish.page.axes import LogAxis, log_axis
from energyscore.publish.page.cohorts import Group, groups_of
from energyscore.publish.page.names import slug, unique
from energyscore.publish.page.plot import Plot, plots_of
from energyscore.publish.page.words import (
    basis_of,
    bounds_of,
    chance_of,
    date_of,
    derived_of,
    figure_of,
    format_count,
    margin_of,
    name_of,
    stars_label,
    why_no_figure,
)
from energyscore.publish.wording import against, is_pale, title_of
from energyscore.results.result import Result

_Item: TypeAlias = tuple[RatedResult, Multiple | None, str]
"""A result, its energy as a multiple of a lower mode's, and the address of its page."""

_WIDTH = 120  # px of the mark in a table's row
_EDGE = 6


@dataclass(frozen=True)
class Mark:
    """A figure and its interval on a table's logarithmic axis: px from its left end."""

    low: float
    at: float
    high: float


@dataclass(frozen=True)
class Row:
    """One result in a table. What it is sorted by is empty where it has no figure."""

    id: str
    href: str
    model: str
    flags: tuple[str, ...]
    cautions: int
    size: str
    size_key: str
    stars: int | None
    stars_label: str
    stars_key: str
    chance: str
    relative_to: str
    estimated: bool
    pale: bool
    energy: str
    energy_key: str
    interval: str
    derived: str
    mark: Mark | None
    basis_key: str
    what: str
    how: str
    tokens: str
    more_tokens: str
    tokens_key: str
    hardware: str
    date: str
    moment: str


@dataclass(frozen=True)
class Table:
    """Results of a task that are comparable; or such as compare to nothing, which says so.

    Attributes:
        id: its place in the page.
        title: what the results share, for people.
        about: what their stars are relative to; empty where none has any.
        rows: in order of energy.
        axis: from and to what the rail of the table's marks reaches; empty without marks.
        plots: energy against size, wide and narrow; none where that would show nothing.
    """

    id: str
    title: str
    about: str
    rows: tuple[Row, ...]
    axis: str
    plots: tuple[Plot, ...]


@dataclass(frozen=True)
class Section:
    """A task's results, of one size class where it has them: a table for each cohort."""

    id: str
    title: str
    tables: tuple[Table, ...]
    results: int


@dataclass(frozen=True)
class Index:
    """All sections, and what stands around them."""

    sections: tuple[Section, ...]
    results: int
    models: int
    tasks: int
    newest: str
    derived: tuple[str, ...]
    bases: tuple[tuple[str, str], ...]
    hardware: tuple[str, ...]


_BASES = {
    "gpu": "GPU, measured",
    "system": "Processor and memory, measured",
    "estimated": "Estimated",
    "none": "Not measured",
}


def index_of(
    entries: Sequence[RatedResult], multiples: Sequence[Multiple | None], hrefs: Sequence[str]
) -> Index:
    """The index of results, which are in the order that their tables will have.

    Args:
        entries: the results.
        multiples: of each, its energy as a multiple of a lower mode of reasoning.
        hrefs: of each, the address of its page.
    """
    items = sorted(zip(entries, multiples, hrefs, strict=True), key=lambda item: _section(item[0]))
    sections: list[Section] = []
    for _, group in groupby(items, key=lambda item: _section(item[0])):
        part = list(group)
        result = part[0][0].result
        size = result.model.model_class
        title = title_of(result.task.id) + (f", class {size}" if size else "")
        # No slug has an underscore: what is named after a section has, and nothing else is.
        name = unique(f"task-{slug(title)}", [section.id for section in sections])
        sections.append(_section_of(name, title, part))
    rows = [row for section in sections for table in section.tables for row in table.rows]
    bases = {row.basis_key for row in rows}
    return Index(
        sections=tuple(sections),
        results=len(entries),
        models=len({entry.name for entry in entries}),
        tasks=len({entry.result.task.id for entry in entries}),
        newest=max((date_of(entry.result.created_at)[0] for entry in entries), default=""),
        derived=tuple(
            dict.fromkeys(
                line
                for entry in entries
                if entry.footprint
                for line in describe_site(entry.footprint)
            )
        ),
        bases=tuple((key, name) for key, name in _BASES.items() if key in bases),
        hardware=tuple(sorted({row.hardware for row in rows})),
    )


def _section(entry: RatedResult) -> tuple[str, str]:
    return entry.result.task.id, entry.result.model.model_class or ""


def _section_of(name: str, title: str, items: Sequence[_Item]) -> Section:
    groups = groups_of([entry for entry, _, _ in items])
    tables = tuple(
        _table_of(f"{name}_{number}", group, [items[place] for place in group.places])
        for number, group in enumerate(groups, start=1)
    )
    return Section(name, title, tables, len(items))


def _table_of(name: str, group: Group, items: Sequence[_Item]) -> Table:
    figures = [figure for entry, _, _ in items for figure in _figures(entry)]
    several = group.comparable and sum(bool(_figures(entry)) for entry, _, _ in items) > 1
    axis = log_axis(figures, _EDGE, _WIDTH - _EDGE) if several else None
    ids = [f"{name}_{place}" for place in range(1, len(items) + 1)]
    points = [(e, one, href) for one, (e, _, href) in zip(ids, items, strict=True)]
    return Table(
        id=name,
        title=group.title,
        about=group.about,
        rows=tuple(_row(one, *item, axis) for one, item in zip(ids, items, strict=True)),
        axis="" if axis is None else _reach(axis),
        plots=plots_of(points) if several else (),
    )


def _reach(axis: LogAxis) -> str:
    """From and to what the rail reaches: farther than the marks on it."""
    low, high = (format_number(10**end) for end in (axis.low, axis.high))
    return f"{low} to {high} Wh"


def _figures(entry: RatedResult) -> list[float]:
    """What a mark shows: the figure, and the ends of its interval that lie above 0."""
    if entry.rating.energy_wh is None or not entry.result.valid:
        return []
    ends = bounds_of(entry.result, entry.rating) or ()
    return [entry.rating.energy_wh, *(end for end in ends if end > 0)]


def _row(
    row_id: str, entry: RatedResult, multiple: Multiple | None, href: str, axis: LogAxis | None
) -> Row:
    result, rating = entry.result, entry.rating
    basis, tokens = basis_of(result, rating), tokens_of(result)
    energy_wh = rating.energy_wh
    date, moment = date_of(result.created_at)
    read = result.workload.input_tokens / result.workload.queries
    in_tokens = f"{format_number(read)} in" if read else ""
    out_tokens = f"{format_number(tokens.output)} out" if tokens.output else ""
    more = [
        "" if tokens.thinking is None else f"{format_number(tokens.thinking)} of them thinking",
        in_tokens if out_tokens else "",
        f"{format_number(multiple.times)} times the energy of {multiple.of}" if multiple else "",
    ]
    return Row(
        id=row_id,
        href=href,
        model=name_of(entry),
        flags=_flags(result),
        cautions=len(result.cautions),
        size=format_count(result.model.parameters),
        size_key=str(result.model.parameters),
        stars=rating.stars,
        stars_label=stars_label(rating),
        stars_key=str(rating.stars or ""),
        chance=chance_of(rating),
        relative_to=against(rating) if rating.stars else rating.reason,
        estimated=rating.estimated,
        pale=is_pale(rating),
        energy="not measured" if energy_wh is None else figure_of(result, rating),
        energy_key=repr(energy_wh) if energy_wh is not None and result.valid else "",
        interval=why_no_figure(result) if energy_wh is None else margin_of(result, rating),
        derived=", ".join(
            text if name == "Cost" else f"{text} {name}" for name, text in derived_of(entry).items()
        ),
        mark=_mark(entry, axis),
        basis_key=basis.key,
        what=basis.what,
        how=basis.how,
        tokens=out_tokens or in_tokens or "none",
        more_tokens=", ".join(part for part in more if part),
        tokens_key=repr(tokens.output),
        hardware=result.hardware,
        date=date,
        moment=moment,
    )


def _flags(result: Result) -> tuple[str, ...]:
    """What sets a result apart from others of its table, in a word or two."""
    mode = result.mode
    words = {
        "invalid": not result.valid,
        f"reasoning {mode}": mode is not None,
        "random weights": result.model.weights == "random",
        "quick run": result.protocol.quick,
        f"quantized: {result.model.quantization}": result.model.quantization is not None,
        f"batch size {result.workload.batch_size}": result.workload.batch_size != 1,
    }
    return tuple(word for word, applies in words.items() if applies)


def _mark(entry: RatedResult, axis: LogAxis | None) -> Mark | None:
    figure = entry.rating.energy_wh
    if axis is None or figure is None or not entry.result.valid:
        return None
    low, high = bounds_of(entry.result, entry.rating) or (figure, figure)
    return Mark(*(round(axis.at(one), 1) for one in (low, figure, high)))
