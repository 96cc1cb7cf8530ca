"""The plot of energy against quality, and families, for the page. Pure.

Only qualities of one kind stand in a plot: those that were measured on the same rows by the same
metric, or those that were reported by one.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from energyscore.judge.comparability import candidate_conditions
from energyscore.judge.contenders import Contender, why_no_candidate
from energyscore.judge.families import families_of
from energyscore.judge.qualities import kind_of
from energyscore.publish import family, wording
from energyscore.publish.page.axis import even_axis, log_axis
from energyscore.publish.page.cohorts import Listed
from energyscore.publish.page.plots import (
    FRAMES,
    Frame,
    Plot,
    Point,
    Tick,
    energy_reach,
    energy_ticks,
    names_with_room,
    ticks_with_room,
)


class Join(NamedTuple):
    """A line from a parent to its child, which is in this row."""

    row: Listed
    text: str
    path: str


class QualityPlot(NamedTuple):
    """Energy against quality: the plot, the front as measured, and families."""

    plot: Plot
    front: str  # the line; empty where one point stands for it
    on_front: list[Listed]
    joins: list[Join]
    left_out: int  # results whose quality is of another kind


class ShownFamily(NamedTuple):
    """A family's table: a row a member, each with the address of its page."""

    id: str
    title: str
    rows: list[tuple[str, tuple[str, ...]]]
    words: list[str]


def quality_plots_of(rows: Sequence[Listed]) -> list[QualityPlot]:
    """The plot of a cohort, wide and narrow; none for fewer than two results of one kind."""
    kinds: dict[object, list[Listed]] = {}
    for row in rows:
        if row.told.quality and row.told.quality.value is not None and _has_energy(row):
            kinds.setdefault(_kind(row.told), []).append(row)
    shown = max(kinds.values(), key=len, default=[])
    left_out = sum(map(len, kinds.values())) - len(shown)
    return [_plot(shown, left_out, frame) for frame in FRAMES] if len(shown) > 1 else []


def shown_families(rows: Sequence[Listed]) -> list[ShownFamily]:
    """The families of all results: those of one task and hardware, whatever their class."""
    groups: dict[object, list[Listed]] = {}
    for row in rows:
        conditions = candidate_conditions(row.entry.result, row.entry.conditions)
        if conditions is not None and _has_energy(row):
            key = (row.entry.result.task.id, *conditions.values())
            groups.setdefault(key, []).append(row)
    found: list[ShownFamily] = []
    for members in groups.values():
        href = {id(row.told): row.href for row in members}
        known = sorted((row.told for row in members), key=lambda one: one.energy_wh)
        for one in families_of(known):
            result = one.children[0].candidate.entry.result
            title = f"{wording.task_title(result.task.id)}, {result.hardware}"
            of = [*one.parents, *(child.candidate for child in one.children)]
            cells = [(href[id(who)], row) for who, row in zip(of, family.rows_of(one), strict=True)]
            name = f"family_{len(found) + 1}"
            words = family.words_of(one)
            found.append(ShownFamily(name, f"{family.title_of(one)}: {title}", cells, words))
    return found


def _has_energy(row: Listed) -> bool:
    return not why_no_candidate(row.entry)


def _kind(one: Contender) -> tuple[object, ...]:
    assert one.quality is not None
    return bool(one.reported), *kind_of(one.quality)


def _value(row: Listed) -> float:
    assert row.told.quality is not None
    assert row.told.quality.value is not None
    return row.told.quality.value


def _ends(row: Listed) -> tuple[float, float] | None:
    return row.told.quality.ci95 if row.told.quality else None


def _plot(rows: Sequence[Listed], left_out: int, frame: Frame) -> QualityPlot:
    reach = [value for row in rows for value in (_value(row), *(_ends(row) or ()))]
    across = even_axis(reach, frame.left, frame.right)
    up = log_axis(energy_reach(rows), frame.bottom, frame.top)
    points = []
    for row in rows:
        interval, ends = wording.interval(row.entry), _ends(row)
        low, high = (round(up.at(end), 1) for end in interval) if interval else (None, None)
        left, right = (round(across.at(end), 1) for end in ends) if ends else (None, None)
        x, y = across.at(_value(row)), up.at(row.entry.rating.energy_wh or 0.0)
        points.append(Point(row, round(x, 1), round(y, 1), low, high, left, right))
    front = _front(points)
    ticks = [Tick(round(across.at(one), 1), f"{one:g}") for one in across.ticks(frame.ticks)]
    plot = Plot(
        frame,
        points,
        names_with_room(points, frame, _sides(front)),
        ticks_with_room(ticks),
        energy_ticks(up),
    )
    return QualityPlot(
        plot, _staircase(front), [one.row for one in front], _joins(points), left_out
    )


def _front(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats in both, as measured; from the least energy to the most."""
    quality = points[0].row.told.quality
    sign = 1 if quality is None or quality.higher_is_better else -1
    front: list[Point] = []
    for one in sorted(points, key=lambda p: (p.row.told.energy_wh, -sign * _value(p.row))):
        if not front or sign * _value(one.row) > sign * _value(front[-1].row):
            front.append(one)
    return front


def _staircase(front: Sequence[Point]) -> str:
    """So good a model needs at least so much energy: up to the next, then across."""
    if len(front) < 2:
        return ""
    return f"M{front[0].x} {front[0].y}" + "".join(f"V{one.y}H{one.x}" for one in front[1:])


def _sides(front: Sequence[Point]) -> list[tuple[float, float, float, float]]:
    """The pieces of the staircase."""
    pairs = list(itertools.pairwise(front))
    up = [(one.x, min(one.y, other.y), one.x, max(one.y, other.y)) for one, other in pairs]
    across = [(min(one.x, other.x), other.y, max(one.x, other.x), other.y) for one, other in pairs]
    return [*up, *across]


def _joins(points: Sequence[Point]) -> list[Join]:
    by_told = {id(point.row.told): point for point in points}
    known = sorted((point.row.told for point in points), key=lambda one: one.energy_wh)
    joins = []
    for one in families_of(known):
        for child in one.children:
            if child.parent is None:
                continue
            parent, of = by_told[id(child.parent)], by_told[id(child.candidate)]
            text = f"{of.row.entry.label}: {child.origin.relation or 'made'} from {one.name}"
            joins.append(Join(of.row, text, f"M{parent.x} {parent.y}L{of.x} {of.y}"))
    return joins
