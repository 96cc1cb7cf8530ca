"""Curves of results that differ in one thing alone: how they are drawn. Pure.

What is drawn across and up is up to whoever has such results: batch sizes, or loads of a server.
The curves are made of the results as they are listed, whoever measured them and why.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from energyscore.publish.page.axis import Axis, log_axis
from energyscore.publish.page.cohorts import Listed
from energyscore.publish.page.plots import (
    FRAMES,
    Frame,
    Name,
    Point,
    Tick,
    names_with_room,
    ticks_with_room,
)

_DASHES = ("", "7 4", "2 3", "10 3 2 3", "14 4", "4 6")
_STEP = 4.0  # px from one place on a line to the next


class MeasuredCurve(NamedTuple):
    """Results that differ in one thing alone, in its order."""

    name: str
    rows: list[Listed]


class Upward(NamedTuple):
    """A figure that is drawn upward, above zero, and its interval where it has one."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Drawing:
    """What is drawn, and how it is told.

    Attributes:
        across: the name of the axis across; `across_of` its figure, above zero.
        up: the name of the axis upward; `up_of` its figure.
        at: where a result lies on its curve, for people: `batch size 8`.
        told: the figure upward for people.
        beside: what stands beside a point; nothing where it is empty.
        each: whether every figure across has a tick, and not round ones.
    """

    across: str
    across_of: Callable[[Listed], float]
    up: str
    up_of: Callable[[Listed], Upward]
    at: Callable[[Listed], str]
    told: Callable[[Listed], str]
    beside: Callable[[Listed], str]
    each: bool = False


class DrawnCurve(NamedTuple):
    """A curve's line and its points."""

    curve: MeasuredCurve
    path: str
    dashes: str
    points: list[Point]


class CurvePlot(NamedTuple):
    """All curves in one frame."""

    frame: Frame
    drawing: Drawing
    curves: list[DrawnCurve]
    names: list[Name]
    across: list[Tick]
    up: list[Tick]


def drawn(curves: Sequence[MeasuredCurve], drawing: Drawing) -> list[CurvePlot]:
    """The plot of some curves, wide and narrow."""
    return [_plot(curves, drawing, frame) for frame in FRAMES]


def newest_of(rows: Sequence[Listed], key: Callable[[Listed], object]) -> list[Listed]:
    """Of several results of one place on a curve the newest."""
    newest: dict[object, Listed] = {}
    for row in sorted(rows, key=lambda one: one.entry.result.created_at):
        newest[key(row)] = row
    return list(newest.values())


def at_the_end(curves: Sequence[MeasuredCurve]) -> Mapping[int, str]:
    """The names of curves by the last result of each."""
    return {id(curve.rows[-1]): curve.name for curve in curves}


def _plot(curves: Sequence[MeasuredCurve], drawing: Drawing, frame: Frame) -> CurvePlot:
    rows = [row for curve in curves for row in curve.rows]
    across = log_axis(map(drawing.across_of, rows), frame.left, frame.right)
    up = log_axis(_reach(map(drawing.up_of, rows)), frame.bottom, frame.top)
    found = []
    for place, curve in enumerate(curves):
        points = [_point(row, drawing, across, up) for row in curve.rows]
        path = "M" + "L".join(f"{point.x} {point.y}" for point in points)
        found.append(DrawnCurve(curve, path, _DASHES[place % len(_DASHES)], points))
    points = [point for one in found for point in one.points]
    return CurvePlot(
        frame,
        drawing,
        found,
        names_with_room(points, frame, _along(found), drawing.beside),
        _ticks(across, frame, sorted({drawing.across_of(row) for row in rows}), drawing),
        [Tick(round(up.at(one), 1), f"{one:,g}") for one in up.ticks()],
    )


def _point(row: Listed, drawing: Drawing, across: Axis, up: Axis) -> Point:
    value, interval = drawing.up_of(row)
    low, high = (round(up.at(end), 1) for end in interval) if interval else (None, None)
    x = round(across.at(drawing.across_of(row)), 1)
    return Point(row, x, round(up.at(value), 1), low, high)


def _along(curves: Iterable[DrawnCurve]) -> list[tuple[float, float, float, float]]:
    """Small boxes along the lines: their left, top, right and bottom."""
    found = []
    for curve in curves:
        for one, other in pairwise(curve.points):
            steps = max(1, round(math.dist((one.x, one.y), (other.x, other.y)) / _STEP))
            for step in range(steps + 1):
                x = one.x + (other.x - one.x) * step / steps
                y = one.y + (other.y - one.y) * step / steps
                found.append((x, y, x, y))
    return found


def _ticks(axis: Axis, frame: Frame, figures: Sequence[float], drawing: Drawing) -> list[Tick]:
    shown = figures if drawing.each else axis.ticks(frame.ticks)
    return ticks_with_room(Tick(round(axis.at(one), 1), f"{one:,g}") for one in shown)


def _reach(figures: Iterable[Upward]) -> list[float]:
    """What an axis must hold; a lower end near zero, or below, leaves room for a decade."""
    found = []
    for value, interval in figures:
        low, high = interval or (value, value)
        found += [value, max(low, value / 10), high]
    return found
