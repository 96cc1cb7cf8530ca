"""Energy a day against requests an hour, for each policy, as an SVG that stands alone. Pure.

The curves are closed forms for requests that come by chance, also where a profile or a trace was
given: those are marked by their mean rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from energyscore.base.units import JOULES_PER_WH, format_number, format_wh
from energyscore.judge.schedule.arrivals import DAY_S, HOUR_S
from energyscore.judge.schedule.closed_forms import steady, utilization
from energyscore.judge.schedule.decision import ALWAYS, AT_ONCE, Decision
from energyscore.judge.schedule.measured import MeasuredService
from energyscore.judge.schedule.service import Service
from energyscore.publish.drawings import drawing
from energyscore.publish.page.axis import Axis, log_axis
from energyscore.publish.typesetting import Step, fit

_LEFT, _RIGHT, _TOP, _BOTTOM = 74.0, 620.0, 56.0, 330.0
_DECADES = 2.0  # on each side of what matters
_BUSIEST = 0.98
_POINTS = 60
_COLOURS = ("#1b5e9b", "#b3541e", "#3d7d3a")


@dataclass(frozen=True)
class Curve:
    """A policy's curve, as the points of a polyline."""

    name: str
    points: str
    colour: str
    row: float


@dataclass(frozen=True)
class Mark:
    """A place on an axis, and what stands there."""

    at: float
    text: str


def schedule_svg(decision: Decision, measured: MeasuredService) -> str:
    """The plot; the break-even and the rate that was asked for are marked."""
    service = decision.service
    rates = _rates(decision)
    policies = [(ALWAYS.name, math.inf), (AT_ONCE.name, 0.0)]
    if 0 < service.insurance_s < math.inf:
        policies.append((f"unloaded after {service.insurance_s:.3g} s", service.insurance_s))
    drawn = [
        (name, [_wh_per_day(service, rate, timeout) for rate in rates])
        for name, timeout in policies
    ]
    across = log_axis(rates, _LEFT, _RIGHT, margin=0.0)
    up = log_axis([wh for _, day in drawn for wh in day], _BOTTOM, _TOP)
    curves = [
        Curve(name, _points(rates, day, across, up), colour, _TOP + 16 * place)
        for place, ((name, day), colour) in enumerate(zip(drawn, _COLOURS, strict=False))
    ]
    even = decision.break_even_per_h
    asked = decision.requests_per_hour
    return drawing("schedule.svg").render(
        title=fit(f"{measured.name}{' (estimated)' * measured.estimated}", 580, (Step(14, 1),)),
        curves=curves,
        across=[Mark(across.at(tick), format_number(tick)) for tick in across.ticks()],
        up=[Mark(up.at(tick), format_wh(tick)) for tick in up.ticks()],
        even=Mark(across.at(even), f"break-even {format_number(even)}/h")
        if even and even <= rates[-1]
        else None,
        asked=Mark(across.at(asked), f"{format_number(asked)}/h") if asked <= rates[-1] else None,
        frame=(_LEFT, _TOP, _RIGHT, _BOTTOM),
    )


def _rates(decision: Decision) -> list[float]:
    """Rates around the break-even and the one that was asked for, in even steps of logarithms.

    They end where one server can answer no more requests one by one.
    """
    known = [decision.requests_per_hour, decision.break_even_per_h or 0.0]
    known = [math.log10(one) for one in known if one > 0]
    most = math.log10(_BUSIEST * HOUR_S / (utilization(decision.service, 1.0) or 1.0))
    low, high = min(most, *known) - _DECADES, min(most, max(known) + _DECADES)
    step = (high - low) / (_POINTS - 1)
    return [10 ** (low + step * place) for place in range(_POINTS)]


def _wh_per_day(service: Service, per_hour: float, timeout_s: float) -> float:
    return steady(service, per_hour / HOUR_S, timeout_s).power_w * DAY_S / JOULES_PER_WH


def _points(rates: Sequence[float], day: Sequence[float], across: Axis, up: Axis) -> str:
    pairs = zip(rates, day, strict=True)
    return " ".join(f"{across.at(rate):.1f},{up.at(wh):.1f}" for rate, wh in pairs)
