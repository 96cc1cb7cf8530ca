"""From what was seen of a GPU to its checks. Pure: no NVML here."""

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce
from operator import or_

from energyscore.measurement.meter import UpdatePeriod
from energyscore.measurement.selftest.judge import (
    Observed,
    cannot,
    judge_spread,
    sort_notices,
    verdict,
)
from energyscore.measurement.selftest.report import Figures, SelfTestCheck

ENERGY_VARIATION = 0.01
AGREEMENT = 0.05
CONTRADICTION = 0.20
"""Counter and integrated power further apart: one is wrong, and nothing says which."""

IDLE_FLOOR_W = 5.0
"""Power meters of GPUs are true to some watts: of little power that is a large share."""

RENEWALS = 2
"""A wave is judged where its power is renewed so often while it is on, and while it is off."""

SLOW_PERIOD_MS = 120.0
OVERHEAD = 1.01

_JUDGED_HERE = frozenset(
    {"counter_power_disagree", "short_window", "counter_unsupported", "module_scope"}
)
# Clocks go up and down with a load that does: that is no fault of the machine.
_IN_CHANGING_LOAD = _JUDGED_HERE | {"clocks_changed"}


def judge_exclusive_use(subject: str, processes: int | None) -> SelfTestCheck:
    """Whether others compute on the GPU before we do."""
    figures: Figures = {"processes_before": processes}
    if processes is None:
        return cannot("exclusive_use", subject, "the driver does not list processes", figures)
    others = [f"{processes} other process(es) compute on it"] if processes else []
    message = "" if processes else "no other process computes on it"
    limit = "no other process on the GPU"
    return verdict("exclusive_use", subject, figures, message, limit=limit, invalid=others)


def judge_counter(
    subject: str, period: UpdatePeriod | None, error: str, watched_s: float
) -> SelfTestCheck:
    """How often the energy counter is updated; energy must come from power where it is not."""
    names = ("median_ms", "iqr_ms", "updates")
    figures: Figures = {name: getattr(period, name, None) for name in names}
    figures["watched_s"] = watched_s
    if error or period is None:
        why = f"no energy counter ({error})" if error else "the energy counter stands still"
        message = f"{why}: energy comes from integrated power"
        return cannot("counter_period", subject, message, figures)
    slow = period.median_ms > SLOW_PERIOD_MS
    return verdict(
        "counter_period",
        subject,
        figures,
        f"the energy counter updates every {period.median_ms:.1f} ms, half of the gaps within "
        f"{period.iqr_ms:.1f} ms of each other",
        limit=f"at most {SLOW_PERIOD_MS:.0f} ms",
        cautions=["windows must be longer, and phases are smeared more"] if slow else [],
    )


def _compare(ratio: float, allowed: float, decides: bool) -> tuple[list[str], list[str]]:
    """Cautions and invalid reasons of counter against integrated power."""
    off = abs(ratio - 1)
    if off > max(CONTRADICTION, allowed) and decides:
        return [], ["the counter contradicts the power"]
    return (["the counter and the power disagree"] if off > allowed else []), []


def judge_idle(subject: str, idle: Observed) -> SelfTestCheck:
    """Idle power by counter and by integrated power."""
    name = "idle_power"
    counter_w, integral_w = idle.watts(idle.counter_j), idle.watts(idle.integral_j)
    ratio = counter_w / integral_w if counter_w is not None and integral_w is not None else None
    figures: Figures = {
        "duration_s": idle.duration_s,
        "power_w": idle.power_w,
        "method": idle.reading.method,
        "counter_w": counter_w,
        "power_integral_w": integral_w,
        "counter_to_power_ratio": ratio,
        "max_temperature_c": idle.fact("max_temperature_c"),
    }
    cautions, invalid = sort_notices(idle.notices, _IN_CHANGING_LOAD)
    if idle.power_w is None:
        if invalid:
            return verdict(name, subject, figures, idle.reading.reason, invalid=invalid)
        return cannot(name, subject, idle.reading.reason, figures)
    source = "its counter" if counter_w is not None else "integrated power"
    message, limit = f"{idle.power_w:.1f} W idle by {source}", ""
    if counter_w is not None and integral_w is not None and ratio is not None:
        message += f", {ratio:.3f} times integrated power"
        allowed = AGREEMENT + idle.quantisation
        limit = f"counter within {allowed:.0%} of integrated power, or {IDLE_FLOOR_W:g} W"
        if abs(counter_w - integral_w) > IDLE_FLOOR_W:
            more, worse = _compare(ratio, allowed, decides=True)
            cautions, invalid = cautions + more, invalid + worse
    return verdict(name, subject, figures, message, limit=limit, cautions=cautions, invalid=invalid)


def counts(check: SelfTestCheck) -> bool:
    """Whether it says that its GPU's counter counts."""
    return check.name == "counter_period" and check.status != "cannot"


def judge_together(idle: Mapping[str, Observed], counting: Collection[str]) -> SelfTestCheck:
    """Whether counters that count by themselves are believed when all GPUs are metered at once."""
    name, counted = "all_gpus", [seen for uuid, seen in idle.items() if f"gpu:{uuid}" in counting]
    believed = sum(seen.counter_j is not None for seen in counted)
    figures: Figures = {"gpus": len(idle), "counters": len(counted), "believed": believed}
    if not counted:
        return cannot(name, "machine", "no GPU has an energy counter", figures)
    notices = [notice for seen in counted if seen.counter_j is None for notice in seen.notices]
    cautions = [notice.message for notice in notices if notice.code.startswith("counter_")]
    return verdict(
        name,
        "machine",
        figures,
        f"metered at once, the counters of {believed} of {len(counted)} GPUs are believed",
        limit="all of them",
        cautions=cautions or ["energy comes from integrated power"] * (believed < len(counted)),
    )


def judge_load_energy(subject: str, operation: str, repeats: Sequence[Observed]) -> SelfTestCheck:
    """Energy of one operation: the same in every repeat, if the machine is steady."""
    energies_j = [
        window.reading.energy_j / window.operations
        for window in repeats
        if window.reading.energy_j is not None and window.operations
    ]
    seconds = sum(window.duration_s for window in repeats)
    operations = sum(window.operations for window in repeats)
    figures: Figures = {
        "operation": operation,
        "energy_j_per_operation": None,
        "energy_j_per_operation_of_repeats": energies_j,
        "operations_per_s": operations / seconds if seconds else None,
    }
    if len(energies_j) < max(2, len(repeats)):
        why = next((w.reading.reason for w in repeats if w.reading.reason), "too few repeats")
        return cannot("load_energy", subject, why, figures)
    mean_j = statistics.fmean(energies_j)
    spread, spread_figures, cautions = judge_spread(energies_j, ENERGY_VARIATION)
    return verdict(
        "load_energy",
        subject,
        figures | {"energy_j_per_operation": mean_j} | spread_figures,
        f"{mean_j:.4g} J an operation ({operation}), coefficient of variation {spread:.2%} over "
        f"{len(energies_j)} repeats",
        limit=f"coefficient of variation at most {ENERGY_VARIATION:.0%}",
        cautions=cautions,
    )


def judge_agreement(
    name: str, subject: str, windows: Sequence[Observed], *, what: str, decides: bool = True
) -> SelfTestCheck:
    """Energy by the counter against integrated power over windows of the same kind of load.

    A contradiction makes measurements invalid if it `decides`: not where power is sampled too
    seldom for the load, for there the power may be wrong. Work that begins and ends with a window
    parts the two at its edges: a window of up to a second tells nothing.
    """
    counter_j = _total(window.counter_j for window in windows)
    integral_j = _total(window.integral_j for window in windows)
    ratio = counter_j / integral_j if counter_j is not None and integral_j is not None else None
    figures: Figures = {
        "counter_j": counter_j,
        "power_integral_j": integral_j,
        "counter_to_power_ratio": ratio,
        "mean_power_w": _mean_power(windows),
    }
    if ratio is None:
        missing = "energy counter" if counter_j is None else "instantaneous power"
        why = f"nothing to compare: no {missing} that could be read and believed"
        return cannot(name, subject, why, figures)
    allowed = statistics.fmean(window.margin for window in windows)
    if allowed >= 1:
        longest_s = max(window.duration_s for window in windows)
        why = f"windows of {longest_s:.1f} s are too short to hold counter and power against"
        return cannot(name, subject, f"{why} each other", figures)
    cautions, invalid = _compare(ratio, allowed, decides)
    return verdict(
        name,
        subject,
        figures,
        f"{what}: the counter says {ratio:.3f} times integrated power",
        limit=f"within {allowed:.0%}",
        cautions=cautions,
        invalid=invalid,
    )


def why_wave_too_fast(half_s: float, repeats: Sequence[Observed]) -> str:
    """Why a wave cannot be judged: power that is seldom renewed misses it; empty if it can.

    How often it is renewed is known from a steady load, in which no two readings are alike.
    """
    periods_ms = _all(repeats, "power_period_ms")
    if not periods_ms or half_s * 1e3 >= RENEWALS * (period_ms := statistics.median(periods_ms)):
        return ""
    return f"power is renewed every {period_ms:.0f} ms only, too seldom to follow this load"


def judge_conditions(subject: str, repeats: Sequence[Observed]) -> SelfTestCheck:
    """Power, temperature and clocks under load, and what held them down."""
    mean_w, limit_w = _mean_power(repeats), max(_all(repeats, "power_limit_w"), default=None)
    begin_c, end_c = repeats[0].temperatures_c[0], repeats[-1].temperatures_c[1]
    least = min(_all(repeats, "min_sm_clock_mhz"), default=None)
    greatest = max(_all(repeats, "max_sm_clock_mhz"), default=None)
    figures: Figures = {
        "mean_power_w": mean_w,
        "power_limit_w": limit_w,
        "power_to_limit_ratio": mean_w / limit_w if mean_w and limit_w else None,
        "temperature_begin_c": begin_c,
        "temperature_end_c": end_c,
        "min_sm_clock_mhz": least,
        "max_sm_clock_mhz": greatest,
        "clocks_event_reasons": reduce(or_, map(int, _all(repeats, "clocks_event_reasons")), 0),
    }
    seen = []
    if mean_w is not None:
        seen.append(f"{mean_w:.0f} W" + (f" of {limit_w:.0f} W" if limit_w else ""))
    if begin_c is not None and end_c is not None:
        seen.append(f"{begin_c:.0f} to {end_c:.0f} degrees Celsius")
    if least is not None and greatest is not None:
        seen.append(f"SM clock {least:.0f} to {greatest:.0f} MHz")
    notices = [notice for window in repeats for notice in window.notices]
    cautions, invalid = sort_notices(notices, _JUDGED_HERE)
    return verdict(
        "load_conditions",
        subject,
        figures,
        ", ".join(seen) or "the driver tells neither power nor temperature nor clocks",
        limit="no slowdown by heat, power brake or power limit, no other process",
        cautions=cautions,
        invalid=invalid,
    )


def judge_overhead(
    subject: str, pairs: Sequence[tuple[float, float]], recorder_share: float | None
) -> SelfTestCheck:
    """What metering costs; pairs are operations per second without and with the recorder."""
    ratio = statistics.median(without / with_it for without, with_it in pairs)
    share = "" if recorder_share is None else f"; the recorder takes {recorder_share:.1%} of a core"
    return verdict(
        "meter_overhead",
        subject,
        {"pairs": len(pairs), "overhead_ratio": ratio, "recorder_cpu_share": recorder_share},
        f"the load runs {ratio:.3f} times as fast without the recorder{share}",
        limit=f"at most {OVERHEAD} times",
        cautions=["metering slows the work down"] if ratio > OVERHEAD else [],
    )


def no_load(
    subject: str, why: str, waves: Sequence[str], recorder_share: float | None
) -> list[SelfTestCheck]:
    """The checks that need a load, when there is none; figures are null."""
    figures: dict[str, Figures] = {
        "load_energy": {"energy_j_per_operation": None, "coefficient_of_variation": None},
        "load_agreement": {"counter_to_power_ratio": None},
        "load_conditions": {"mean_power_w": None},
        **{wave: {"counter_to_power_ratio": None} for wave in waves},
        "meter_overhead": {"overhead_ratio": None, "recorder_cpu_share": recorder_share},
    }
    return [cannot(name, subject, why, values) for name, values in figures.items()]


def _all(windows: Sequence[Observed], fact: str) -> list[float]:
    values = [window.fact(fact) for window in windows]
    return [value for value in values if value is not None]


def _total(values: Iterable[float | None]) -> float | None:
    """The sum; None if there are no values, or one is not known."""
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) if known and len(known) == len(found) else None


def _mean_power(windows: Sequence[Observed]) -> float | None:
    energy_j = _total(window.reading.energy_j for window in windows)
    return None if energy_j is None else energy_j / sum(window.duration_s for window in windows)
