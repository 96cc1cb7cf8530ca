"""Energy against batch size, a curve for each precision of a model on one hardware. Pure.

No result is needed but those of the sizes that are shown.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from energyscore.judge.comparability import AS_IT_IS, Condition, Conditions
from energyscore.judge.contenders import why_no_candidate
from energyscore.judge.figures import UNIT
from energyscore.publish import wording
from energyscore.publish.page.cohorts import Listed
from energyscore.publish.page.curves import (
    CurvePlot,
    Drawing,
    MeasuredCurve,
    Upward,
    at_the_end,
    drawn,
    newest_of,
)

_SETTINGS = ("precision", "quantization", "attention", "compile", "power_limit")
"""Conditions in which the curves of a plot may differ."""


class BatchCurves(NamedTuple):
    """The curves of one model at one task on one hardware, drawn wide and narrow."""

    id: str
    title: str
    curves: list[MeasuredCurve]
    plots: list[CurvePlot]

    @property
    def least(self) -> tuple[MeasuredCurve, Listed]:
        """The curve and the batch size with the least energy of all, as measured."""
        found = [(curve, row) for curve in self.curves for row in curve.rows]
        return min(found, key=lambda one: energy_of(one[1]).value)


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
                    _drawn(curves),
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


def _curves(members: dict[tuple[Condition, ...], list[Listed]]) -> list[MeasuredCurve]:
    """A curve for each of the settings; of several results of one size the newest counts."""
    varied = [len({settings[place] for settings in members}) > 1 for place in range(len(_SETTINGS))]
    curves = []
    for settings, rows in members.items():
        known = sorted(newest_of(rows, batch_size), key=batch_size)
        curves.append(MeasuredCurve(_named(settings, varied), known))
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


def _drawn(curves: Sequence[MeasuredCurve]) -> list[CurvePlot]:
    names = at_the_end(curves)
    drawing = Drawing(
        across="batch size",
        across_of=batch_size,
        up=UNIT,
        up_of=energy_of,
        at=lambda row: f"batch size {batch_size(row)}",
        told=lambda row: f"{wording.figure(row.entry)} {UNIT} ({wording.margin(row.entry)})",
        beside=lambda row: names.get(id(row), ""),
        each=True,
    )
    return drawn(curves, drawing)


def energy_of(row: Listed) -> Upward:
    """Its energy, with its interval."""
    return Upward(row.entry.rating.energy_wh or 0.0, wording.interval(row.entry))
