"""Energy against batch size, a curve for each precision of a model on one hardware. Pure.

The curves are made of the results as they are listed, whoever measured them and why: no result is
needed but those of the sizes that are shown.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from energyscore.judge.comparability import AS_IT_IS, Condition, Conditions
from energyscore.judge.contenders import why_no_candidate
from energyscore.publish import wording
from energyscore.publish.page.axis import log_axis
from energyscore.publish.page.cohorts import Listed
from energyscore.publish.page.plots import (
    FRAMES,
    Frame,
    Name,
    Point,
    Tick,
    energy_reach,
    energy_ticks,
    names_with_room,
    ticks_with_room,
)

_SETTINGS = ("precision", "quantization", "attention", "compile", "power_limit")
"""Conditions in which the curves of a plot may differ."""

_DASHES = ("", "7 4", "2 3", "10 3 2 3", "14 4", "4 6")


class BatchCurve(NamedTuple):
    """Results that differ in their batch size alone, ascending."""

    name: str
    rows: list[Listed]

    @property
    def best(self) -> Listed:
        """The batch size with the least energy, as measured."""
        return min(self.rows, key=lambda row: row.entry.rating.energy_wh or 0.0)


class DrawnCurve(NamedTuple):
    """A curve's line and its points."""

    curve: BatchCurve
    path: str
    dashes: str
    points: list[Point]


class CurvePlot(NamedTuple):
    """All curves in one frame."""

    frame: Frame
    curves: list[DrawnCurve]
    names: list[Name]
    across: list[Tick]
    up: list[Tick]


class BatchCurves(NamedTuple):
    """The curves of one model at one task on one hardware, drawn wide and narrow."""

    id: str
    title: str
    curves: list[BatchCurve]
    plots: list[CurvePlot]

    @property
    def least(self) -> tuple[BatchCurve, Listed]:
        """The curve and the batch size with the least energy of all, as measured."""
        found = [(curve, curve.best) for curve in self.curves]
        return min(found, key=lambda one: one[1].entry.rating.energy_wh or 0.0)


def batch_curves_of(rows: Sequence[Listed]) -> list[BatchCurves]:
    """The curves of all models of which two batch sizes at least are known in one precision."""
    groups: dict[object, dict[tuple[Condition, ...], list[Listed]]] = {}
    for row in rows:
        result = row.entry.result
        if why_no_candidate(row.entry) or result.of_function or result.of_server:
            continue
        known = row.entry.conditions
        settings = tuple(known.get(name, ()) for name in _SETTINGS)
        groups.setdefault(_group(row, known), {}).setdefault(settings, []).append(row)
    found: list[BatchCurves] = []
    for members in groups.values():
        curves = _curves(members)
        if any(len(curve.rows) > 1 for curve in curves):
            result = curves[0].rows[0].entry.result
            model = wording.name(replace(curves[0].rows[0].entry, setting=""))
            title = f"{model}: {wording.task_name(result)}"
            found.append(
                BatchCurves(
                    f"batches_{len(found) + 1}",
                    f"{title}, {result.hardware}",
                    curves,
                    [_plot(curves, frame) for frame in FRAMES],
                )
            )
    return found


def batch_size(row: Listed) -> int:
    """How many queries are done at once."""
    return row.entry.result.workload.batch_size


def _group(row: Listed, known: Conditions) -> tuple[object, ...]:
    """What the results of one plot share: all but the settings, the size, and how long it took."""
    shared = {name: value for name, value in known.items() if name not in _SETTINGS}
    del shared["batch_size"]
    shared["quick"] = known["quick"][:1]
    return row.entry.name, *sorted(shared.items())


def _curves(members: dict[tuple[Condition, ...], list[Listed]]) -> list[BatchCurve]:
    """A curve for each of the settings; of several results of one size the newest counts."""
    varied = [len({settings[place] for settings in members}) > 1 for place in range(len(_SETTINGS))]
    curves = []
    for settings, rows in members.items():
        newest: dict[int, Listed] = {}
        for row in sorted(rows, key=lambda one: one.entry.result.created_at):
            newest[batch_size(row)] = row
        curves.append(
            BatchCurve(_named(settings, varied), [newest[size] for size in sorted(newest)])
        )
    return sorted(curves, key=lambda curve: (curve.name, -len(curve.rows)))


def _named(settings: tuple[Condition, ...], varied: Sequence[bool]) -> str:
    """The precision, and in which else this curve's settings are unlike another's."""
    (precision,), quantization, *others = settings
    name = str(precision)
    if quantization[:1] not in ((), ("none",)):
        name = f"{quantization[0]} in {precision}"
    more = [
        " and ".join(str(part) for part in one if part is not None) or "not known"
        for one, varies in zip(others, varied[2:], strict=True)
        if varies and one not in AS_IT_IS.values()
    ]
    return ", ".join([name, *more])


def _plot(curves: Sequence[BatchCurve], frame: Frame) -> CurvePlot:
    rows = [row for curve in curves for row in curve.rows]
    sizes = log_axis(map(batch_size, rows), frame.left, frame.right)
    energies = log_axis(energy_reach(rows), frame.bottom, frame.top)
    drawn = []
    for place, curve in enumerate(curves):
        points = []
        for row in curve.rows:
            interval = wording.interval(row.entry)
            low, high = (
                (round(energies.at(end), 1) for end in interval) if interval else (None,) * 2
            )
            x, y = sizes.at(batch_size(row)), energies.at(row.entry.rating.energy_wh or 0.0)
            points.append(Point(row, round(x, 1), round(y, 1), low, high))
        path = "M" + "L".join(f"{point.x} {point.y}" for point in points)
        drawn.append(DrawnCurve(curve, path, _DASHES[place % len(_DASHES)], points))
    last = {id(curve.rows[-1]): curve.name for curve in curves}
    return CurvePlot(
        frame,
        drawn,
        names_with_room(
            [point for one in drawn for point in one.points],
            frame,
            text_of=lambda row: last.get(id(row), ""),
        ),
        ticks_with_room(
            Tick(round(sizes.at(size), 1), f"{size:,}")
            for size in sorted(set(map(batch_size, rows)))
        ),
        energy_ticks(energies),
    )
