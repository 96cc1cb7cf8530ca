"""When a model should be loaded, in every format: table, JSON, CSV and Markdown. Pure."""

import math
from typing import Any, Literal

from pydantic import Field

from energyscore.base.errors import sentence
from energyscore.base.form import Part, schema_of
from energyscore.base.text import csv_table, json_text, markdown_table, markdown_text
from energyscore.base.units import (
    JOULES_PER_WH,
    format_duration,
    format_number,
    format_wh,
    with_ends,
)
from energyscore.judge.footprint import Site
from energyscore.judge.schedule.arrivals import DAYS_A_YEAR, HOUR_S
from energyscore.judge.schedule.closed_forms import utilization
from energyscore.judge.schedule.decision import ALWAYS, AT_ONCE, Decision, PolicyFigures
from energyscore.judge.schedule.measured import MeasuredService
from energyscore.publish.derived import derived_from
from energyscore.publish.flat import cells_of, column_names

_ESTIMATED = (
    "caution: estimated by time and load, not by a meter: it does not tell what idling draws."
)
_NEXT_TO_NOTHING = 0.01  # a difference of a smaller share is none


class SchedulePolicy(Part):
    """What a policy comes to."""

    name: str
    wh_per_day: float
    wh_per_year: float = Field(description="of 365 such days")
    wh_per_day_ci95: tuple[float, float] | None = Field(
        description="of the energy of a request and of the simulated requests; idle power and "
        "loading were measured once. null: the energy of a request has no interval"
    )
    idle_share: float = Field(description="of the energy, drawn by the loaded model without work")
    loads_per_day: float
    delayed_share: float = Field(description="of the requests, which waited for a load")
    wait_p50_s: float = Field(description="from a request's arrival until its work begins")
    wait_p95_s: float
    meets: bool = Field(description="whether 95 of 100 requests wait no longer than was asked for")
    co2_g_per_day: float | None
    cost_per_day: float | None
    co2_g_per_year: float | None
    cost_per_year: float | None


class ScheduleReport(Part):
    """Policies from the least energy to the most, and the one to choose."""

    schema_version: Literal[1] = 1
    model: str
    task: str
    files: list[str]
    estimated: bool
    gpu_off: bool = Field(description="whether 0 W were counted while the model is not loaded")
    requests_per_hour: float
    policies: list[SchedulePolicy]
    break_even_requests_per_hour: float | None = Field(
        description="above it an always loaded model needs less than one loaded on demand, for "
        "requests that come by chance; null: at any rate it needs more"
    )
    recommended: str | None
    reason: str


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `schedule --format json` prints."""
    return schema_of(ScheduleReport, "energyscore-schedule-1")


def report_of(
    decision: Decision, measured: MeasuredService, site: Site | None = None
) -> ScheduleReport:
    """A decision in the form that is published."""
    best = decision.recommended
    return ScheduleReport(
        model=measured.entries[0].label,
        task=measured.entries[0].result.task.id,
        files=[entry.file for entry in measured.entries],
        estimated=measured.estimated,
        gpu_off=measured.gpu_off,
        requests_per_hour=decision.requests_per_hour,
        policies=[_policy(one, site) for one in decision.figures],
        break_even_requests_per_hour=decision.break_even_per_h,
        recommended=best.policy.name if best else None,
        reason=" ".join(answer(decision, measured, site)),
    )


def _policy(one: PolicyFigures, site: Site | None) -> SchedulePolicy:
    year_wh = one.wh_per_day * DAYS_A_YEAR
    return SchedulePolicy(
        name=one.policy.name,
        wh_per_day=one.wh_per_day,
        wh_per_year=year_wh,
        wh_per_day_ci95=one.wh_per_day_ci95,
        idle_share=one.idle_share,
        loads_per_day=one.loads_per_day,
        delayed_share=one.delayed_share,
        wait_p50_s=one.wait_p50_s,
        wait_p95_s=one.wait_p95_s,
        meets=one.meets,
        co2_g_per_day=site.co2_g(one.wh_per_day) if site else None,
        cost_per_day=site.cost(one.wh_per_day) if site else None,
        co2_g_per_year=site.co2_g(year_wh) if site else None,
        cost_per_year=site.cost(year_wh) if site else None,
    )


def answer(decision: Decision, measured: MeasuredService, site: Site | None = None) -> list[str]:
    """What to do and what it saves, a sentence each; or why nothing keeps to the wait."""
    best, estimated = decision.recommended, " (estimated)" * measured.estimated
    if best is None:
        nearest = min(decision.figures, key=lambda one: one.wait_p95_s)
        return [
            f"No policy keeps to the wait of {_seconds(decision.max_wait_s or 0.0)}: "
            f"{nearest.policy.name} comes nearest with {_seconds(nearest.wait_p95_s)} (p95)."
        ]
    said = [
        f"Choose {best.policy.name}: {_energy(best)} a day{estimated}, "
        f"{format_wh(best.wh_per_day * DAYS_A_YEAR)} a year{_beside(best, site)}; 95 of 100 "
        f"requests wait at most {_seconds(best.wait_p95_s)}."
    ]
    for other in (decision.of(ALWAYS), decision.of(AT_ONCE)):
        if other is not None and other is not best:
            said.append(f"{other.policy.name.capitalize()} {_against(best, other)}{estimated}.")
    cheapest = decision.figures[0]
    if cheapest is not best and cheapest.policy not in (ALWAYS, AT_ONCE):
        said.append(
            f"The least energy is that of {cheapest.policy.name}: it {_price(cheapest)}{estimated}."
        )
    return [*said, f"{_break_even(decision)}{estimated}."]


def _against(best: PolicyFigures, other: PolicyFigures) -> str:
    """`needs 2.1 times as much, and saves a wait of 8 s`."""
    ratio = other.wh_per_day / best.wh_per_day
    times = f"{format_number(ratio)} times as much" if ratio >= 1 else f"{1 - ratio:.0%} less"
    if abs(ratio - 1) < _NEXT_TO_NOTHING:
        times = "as much"
    return f"needs {times} ({_energy(other)}), with a wait of {_seconds(other.wait_p95_s)}"


def _price(cheapest: PolicyFigures) -> str:
    return f"needs {_energy(cheapest)}, and lets requests wait {_seconds(cheapest.wait_p95_s)}"


def _break_even(decision: Decision) -> str:
    rate = decision.break_even_per_h
    if rate is None:
        return "At any rate of requests an always loaded model needs more than one on demand"
    if rate == 0:
        return (
            "The loaded model draws no more than the machine without it: keeping it loaded costs "
            "nothing that was measured"
        )
    if utilization(decision.service, rate / HOUR_S) >= 1:
        return (
            "At any rate that one server can answer, an always loaded model needs more than one on "
            "demand"
        )
    return (
        f"The break-even lies at {rate_of(rate)} that come by chance: above it, keep the model "
        "loaded"
    )


def notes_of(decision: Decision, measured: MeasuredService) -> list[str]:
    """What the figures stand on."""
    service = decision.service
    loads = (
        f"loading takes {_seconds(service.load_s)} and {format_wh(service.load_j / JOULES_PER_WH)} "
        f"above the {format_number(service.floor_w)} W without the model; loaded and idle it draws "
        f"{format_number(service.idle_w)} W"
    )
    left_out = [
        sentence(f"{name}: left out: one server cannot keep up with the requests")
        for name in decision.left_out
    ]
    off = ["--gpu-off: the GPU counts as powered down while the model is not loaded."]
    return [
        sentence(loads),
        *(off if measured.gpu_off else []),
        *left_out,
        *(f"caution: {text}" for text in cautions_of(measured)),
        *([_ESTIMATED] if measured.estimated else []),
    ]


def cautions_of(measured: MeasuredService) -> list[str]:
    """What makes the figures doubtful, a sentence each."""
    free = ["loading seemed to take less than the floor, and counts as nothing."]
    least = measured.service.batches[0].size
    singly = [
        f"a request alone counts as a batch of {least}, the least that was measured: name "
        "a result of --batch-size 1 too."
    ]
    return [*(free if measured.free_load else []), *(singly if least > 1 else [])]


def columns_of(site: Site | None) -> tuple[str, ...]:
    """The columns of its table."""
    derived = (
        *(["CO2 / day"] if site and site.grid_g_per_kwh is not None else []),
        *(["cost / day"] if site and site.price_per_kwh is not None else []),
    )
    return (
        "policy",
        "energy / day",
        "a year",
        *derived,
        "idling",
        "loads / day",
        "wait p50",
        "p95",
        "meets",
    )


def rows_of(decision: Decision, site: Site | None) -> list[tuple[str, ...]]:
    """A row a policy, from the least energy to the most."""
    return [
        (
            one.policy.name,
            _energy(one),
            format_wh(one.wh_per_day * DAYS_A_YEAR),
            *derived_from(one.wh_per_day, site),
            f"{one.idle_share:.0%}",
            format_number(one.loads_per_day),
            _seconds(one.wait_p50_s),
            _seconds(one.wait_p95_s),
            "yes" if one.meets else "no",
        )
        for one in decision.figures
    ]


def _beside(one: PolicyFigures, site: Site | None) -> str:
    """CO2 and cost of a year, in words."""
    parts = derived_from(one.wh_per_day * DAYS_A_YEAR, site, " of CO2")
    return f", {' and '.join(parts)}" if parts else ""


def _energy(one: PolicyFigures) -> str:
    return with_ends(one.wh_per_day, one.wh_per_day_ci95, format_wh)


def _seconds(seconds: float) -> str:
    return "0 s" if math.isclose(seconds, 0.0, abs_tol=1e-6) else format_duration(seconds)


def to_json(decision: Decision, measured: MeasuredService, site: Site | None) -> bytes:
    """As JSON."""
    report = report_of(decision, measured, site)
    return (json_text(report.model_dump_json(indent=2)) + "\n").encode()


def to_csv(decision: Decision, measured: MeasuredService, site: Site | None) -> bytes:
    """As CSV, a row a policy; the interval is two columns."""
    report = report_of(decision, measured, site)
    names = [*SchedulePolicy.model_fields]
    rows = ([*cells_of(one, names), one.name == report.recommended] for one in report.policies)
    return csv_table([*column_names(names), "recommended"], rows)


def to_markdown(decision: Decision, measured: MeasuredService, site: Site | None) -> bytes:
    """As Markdown."""
    rows = ([markdown_text(cell) for cell in cells] for cells in rows_of(decision, site))
    notes = [*answer(decision, measured, site), *notes_of(decision, measured)]
    lines = [
        f"## {markdown_text(title_of(decision, measured))}",
        "",
        *markdown_table(columns_of(site), rows),
        *("", *(f"- {markdown_text(note)}" for note in notes)),
    ]
    return ("\n".join(lines).rstrip("\n") + "\n").encode()


def rate_of(per_hour: float) -> str:
    """`40 requests an hour`: a rate that was asked for is shown as it was asked."""
    whole = f"{per_hour:,.0f}" if per_hour == round(per_hour) else format_number(per_hour)
    return f"{whole} requests an hour"


def title_of(decision: Decision, measured: MeasuredService) -> str:
    """Of its table."""
    return f"{measured.name}: {rate_of(decision.requests_per_hour)}"
