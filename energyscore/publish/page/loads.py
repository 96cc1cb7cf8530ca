"""Energy of a server's model under several loads: against its throughput, and its latency. Pure.

Of work that writes text it is the energy of a token, else that of 1,000 queries.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from energyscore.base.stats import Summary
from energyscore.base.units import format_number, format_seconds
from energyscore.judge.comparability import Condition
from energyscore.judge.contenders import why_no_candidate
from energyscore.judge.figures import UNIT, figure_of
from energyscore.publish import margins, wording
from energyscore.publish.page.cohorts import Listed
from energyscore.publish.page.curves import (
    CurvePlot,
    Drawing,
    MeasuredCurve,
    Upward,
    drawn,
    newest_of,
)
from energyscore.results.performance import Performance

TOKEN = "J per output token"
_KINDS = {"closed": "requests in flight", "open": "requests a second"}


class LoadFigure(NamedTuple):
    """One drawing of the curves, wide and narrow, and what is drawn against what."""

    about: str
    plots: list[CurvePlot]


class LoadCurves(NamedTuple):
    """The curves of one model on one hardware: one for each kind of load that it was under."""

    id: str
    title: str
    curves: list[MeasuredCurve]
    figures: list[LoadFigure]
    unit: str  # of the energies
    by_tokens: bool

    @property
    def least(self) -> Listed:
        """The load with the least energy, as measured."""
        rows = [row for curve in self.curves for row in curve.rows]
        return min(rows, key=lambda row: _energy_of(row, by_tokens=self.by_tokens).value)

    def energy(self, row: Listed) -> str:
        """Its energy for people, with the digits that its interval allows."""
        found = _by_token(row) if self.by_tokens else None
        if found is None:
            return wording.figure(row.entry)
        margin = None if found.half_width is None else found.half_width * found.mean
        return margins.with_decimals(found.mean, margins.decimals_for(margin, found.mean))

    def margin(self, row: Listed) -> str:
        """What its energy is known to, for people."""
        found = _by_token(row) if self.by_tokens else None
        if found is None or found.half_width is None:
            return wording.margin(row.entry)
        return margins.margin_of(found.mean, found.half_width, "J")

    def throughput(self, row: Listed) -> str:
        """What it did each second."""
        unit = "tokens/s" if self.by_tokens else "queries/s"
        return f"{format_number(_throughput(row, by_tokens=self.by_tokens))} {unit}"


def load_curves_of(rows: Sequence[Listed]) -> list[LoadCurves]:
    """The curves of all models of servers of which two loads at least are known."""
    groups: dict[object, dict[tuple[str, Condition], list[Listed]]] = {}
    for row in rows:
        load = row.entry.result.load
        if load is None or why_no_candidate(row.entry) or not _latency(row):
            continue
        known = dict(row.entry.conditions)
        kind = load.kind, known.pop("load")[1:]
        known["quick"] = known["quick"][:1]
        group = row.entry.name, *sorted(known.items())
        groups.setdefault(group, {}).setdefault(kind, []).append(row)
    found: list[LoadCurves] = []
    for members in groups.values():
        curves = _curves(members)
        if any(len(curve.rows) > 1 for curve in curves):
            found.append(_set_of(f"loads_{len(found) + 1}", curves))
    return found


def load_of(row: Listed) -> str:
    """The load that it was measured under, for people."""
    load = row.entry.result.load
    return load.words if load else ""


def first_token_of(row: Listed) -> str:
    """The time to the first token of half its requests, for people."""
    speed = row.entry.result.performance
    first = speed.time_to_first_token_s if speed else None
    return format_seconds(first.p50) if first else "not recorded"


def median_of(row: Listed) -> str:
    """The latency of half its requests, for people."""
    return format_seconds(_latency(row))


def _curves(members: dict[tuple[str, Condition], list[Listed]]) -> list[MeasuredCurve]:
    """A curve for each kind of load and each way to ask; of one load the newest counts."""
    asked = {how for _, how in members}
    curves = []
    for (kind, how), rows in members.items():
        more = [str(part) for part in how] if len(asked) > 1 else []
        name = ", ".join([_KINDS.get(kind, kind), *more])
        curves.append(MeasuredCurve(name, sorted(newest_of(rows, load_of), key=_amount)))
    return sorted(curves, key=lambda curve: (curve.name, -len(curve.rows)))


def _set_of(name: str, curves: list[MeasuredCurve]) -> LoadCurves:
    rows = [row for curve in curves for row in curve.rows]
    first = rows[0].entry
    by_tokens = all(_by_token(row) is not None and _tokens_per_s(row) for row in rows)
    task = wording.task_name(first.result, under_load=False)
    title = f"{wording.name(replace(first, setting=''))}: {task}"
    unit = TOKEN if by_tokens else UNIT
    made = LoadCurves(name, f"{title}, {first.result.hardware}", curves, [], unit, by_tokens)
    work = "output tokens a second" if by_tokens else "queries a second"
    for about, across, across_of in (
        ("throughput", work, lambda row: _throughput(row, by_tokens=by_tokens)),
        ("latency", "latency of half the requests, s", _latency),
    ):
        made.figures.append(LoadFigure(about, drawn(curves, _drawing(made, across, across_of))))
    return made


def _drawing(made: LoadCurves, across: str, across_of: Callable[[Listed], float]) -> Drawing:
    return Drawing(
        across=across,
        across_of=across_of,
        up=made.unit,
        up_of=lambda row: _energy_of(row, by_tokens=made.by_tokens),
        at=load_of,
        told=lambda row: (
            f"{made.energy(row)} {made.unit} ({made.margin(row)}), {made.throughput(row)}, "
            f"latency {median_of(row)}"
        ),
        beside=load_of,
    )


def _amount(row: Listed) -> float:
    """How much is asked: requests in flight, or requests a second."""
    load = row.entry.result.load
    assert load is not None
    return load.request_rate or load.concurrency or 0.0


def _energy_of(row: Listed, *, by_tokens: bool) -> Upward:
    if by_tokens and (found := _by_token(row)) is not None:
        return Upward(found.mean, found.ci95)
    return Upward(row.entry.rating.energy_wh or 0.0, wording.interval(row.entry))


def _by_token(row: Listed) -> Summary | None:
    """Joules of an output token; None where it writes none."""
    metric = f"{row.entry.rating.basis}_joules_per_output_token"
    return figure_of(row.entry.result, metric).summary


def _speed(row: Listed) -> Performance:
    speed = row.entry.result.performance
    assert speed is not None  # others have no latency
    return speed


def _tokens_per_s(row: Listed) -> float:
    return _speed(row).output_tokens_per_s or 0.0


def _throughput(row: Listed, *, by_tokens: bool) -> float:
    return _tokens_per_s(row) if by_tokens else _speed(row).queries_per_s


def _latency(row: Listed) -> float:
    """That of half its requests; 0 where it was not recorded."""
    speed = row.entry.result.performance
    return speed.latency_s.p50 if speed and speed.latency_s else 0.0
