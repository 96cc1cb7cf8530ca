"""What the index shows: a section for each task and size class, a table a cohort. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby

from energyscore.judge.rating import RatedResult
from energyscore.publish import wording
from energyscore.publish.page.axis import Axis, log_axis
from energyscore.publish.page.cohorts import Cohort, Listed, cohorts_of
from energyscore.publish.page.names import slug, unique

_RAIL, _EDGE = 120, 6  # px of the mark in a table's row


@dataclass(frozen=True)
class Section:
    """A task's results, of one size class where it has them: a table for each cohort."""

    id: str
    title: str
    tables: list[Cohort]

    @property
    def rows(self) -> list[Listed]:
        """The rows of all tables."""
        return [row for table in self.tables for row in table.rows]


def sections_of(listed: Sequence[Listed]) -> list[Section]:
    """The sections of the index, of results in the order that they have in their tables."""
    sections: list[Section] = []
    for (task, size), group in groupby(sorted(listed, key=_task_and_class), key=_task_and_class):
        title = wording.task_title(task) + (f", class {size}" if size else "")
        # No slug has an underscore: what is named after a section has, and nothing else is.
        name = unique(f"task-{slug(title)}", [section.id for section in sections])
        tables = [
            _table(f"{name}_{number}", cohort)
            for number, cohort in enumerate(cohorts_of(list(group)), start=1)
        ]
        sections.append(Section(name, title, tables))
    return sections


def _task_and_class(listed: Listed) -> tuple[str, str]:
    result = listed.entry.result
    return result.task.id, result.model.model_class or ""


def _table(name: str, cohort: Cohort) -> Cohort:
    figures = [_figures(row.entry) for row in cohort.rows]
    several = cohort.comparable and sum(map(bool, figures)) > 1
    axis = log_axis(chain.from_iterable(figures), _EDGE, _RAIL - _EDGE) if several else None
    rows = [
        replace(row, id=f"{name}_{place}", mark=_mark(own, axis))
        for place, (row, own) in enumerate(zip(cohort.rows, figures, strict=True), start=1)
    ]
    return replace(cohort, rows=rows, id=name, axis=axis)


def _figures(entry: RatedResult) -> list[float]:
    """What a mark shows: the ends of the interval, and the figure between them."""
    wh = entry.rating.energy_wh
    if wh is None or not entry.result.valid:
        return []
    low, high = wording.interval(entry) or (wh, wh)
    return [low, wh, high]


def _mark(figures: Sequence[float], axis: Axis | None) -> tuple[float, float, float] | None:
    if axis is None or not figures:
        return None
    low, at, high = (round(axis.at(figure), 1) for figure in figures)
    return low, at, high
