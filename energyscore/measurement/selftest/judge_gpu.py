"""From what was seen of a GPU to its checks. Pure: no NVML here."""

import statistics
from collections.abc import Sequence
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
from energyscore.measurement.selftest.report import Check, Figures

ENERGY_VARIATION = 0.01
AGREEMENT = 0.05
CONTRADICTION = 0.20
"""Counter and integrated power further apart: one of them is wrong, and nobody knows which."""

IDLE_FLOOR_W = 5.0
"""Power meters of GPUs are true to some watts: of little power that is a large share."""

SLOW_PERIOD_MS = 120.0
OVERHEAD = 1.01

_JUDGED_HERE = frozenset({"counter_power_disagree", "short_window", "counter_unsupported"})
# Clocks go up and down with a load that does: that is no fault of the machine.
_IN_CHANGING_LOAD = _JUDGED_HERE | {"clocks_changed"}


def judge_exclusive_use(subject: str, processes: int | None) -> Check:
    """Whether others compute on the GPU before we do."""
    figures: Figures = {"processes_before": processes}
    if processes is None:
        return cannot("exclusive_use", subject, "the driver does not list processes", figures)
    others = [f"{processes} other process(es) compute on it"] if processes else []
    message = "" if processes else "no other process computes on it"
    limit = "no other process on the GPU"
    return verdict("exclusive_use", subject, figures, message, limit=limit, invalid=others)


def judge_counter(subject: str, period: UpdatePeriod | None, error: str, watched_s: float) -> Check:
    """How often the energy counter is updated; energy must come from power where it is not."""
    name = "counter_period"
    if error or period is None:
        why = f"no energy counter ({error})" if error else "the energy counter stands still"
        figures: Figures = {"median_ms": None, "iqr_ms": None, "updates": None}
        message = f"{why}: energy comes from integrated power"
        return cannot(name, subject, message, figures | {"watched_s": watched_s})
    figures = {
        "median_ms": period.median_ms,
        "iqr_ms": period.iqr_ms,
        "updates": period.updates,
        "watched_s": watched_s,
    }
    slow = period.median_ms > SLOW_PERIOD_MS
    return verdict(
        name,
        subject,
        figures,
        f"the energy counter updates every {period.median_ms:.1f} ms, half of the gaps within "
        f"{period.iqr_ms:.1f} ms of each other",
        limit=f"at most {SLOW_PERIOD_MS:.0f} ms",
        cautions=["windows must be longer, and phases are smeared more"] if slow else [],
    )


def judge_idle(subject: str, idle: Observed) -> Check:
    """Idle power by counter and by integrated power."""
    counter_j, power_j = _both(idle)
    figures: Figures = {
        "duration_s": idle.duration_s,
        "power_w": _watts(idle.reading.energy_j, idle.duration_s),
        "method": idle.reading.method,
        "counter_w": _watts(counter_j, idle.duration_s),
        "power_integral_w": _watts(power_j, idle.duration_s),
        "counter_to_power_ratio": None,
        "max_temperature_c": _number(idle, "max_temperature_c"),
    }
    cautions, invalid = sort_notices([idle], _IN_CHANGING_LOAD)
    if idle.reading.energy_j is None:
        if invalid:
            return verdict("idle_power", subject, figures, idle.reading.reason, invalid=invalid)
        return cannot("idle_power", subject, idle.reading.reason, figures)
    message = f"{idle.reading.energy_j / idle.duration_s:.1f} W idle by {_source(idle)}"
    limit = ""
    if counter_j is not None and power_j is not None:
        ratio = counter_j / power_j
        apart_w = abs(counter_j - power_j) / idle.duration_s
        figures["counter_to_power_ratio"] = ratio
        message += f", {counter_j / power_j:.3f} times integrated power"
        allowed = AGREEMENT + _quantisation(idle)
        limit = f"counter within {allowed:.0%} of integrated power, or {IDLE_FLOOR_W:g} W"
        if apart_w > IDLE_FLOOR_W and abs(ratio - 1) > CONTRADICTION + _quantisation(idle):
            invalid.append("the counter contradicts the power")
        elif apart_w > IDLE_FLOOR_W and abs(ratio - 1) > allowed:
            cautions.append("the counter and the power disagree")
    return verdict(
        "idle_power", subject, figures, message, limit=limit, cautions=cautions, invalid=invalid
    )


def judge_load_energy(subject: str, operation: str, repeats: Sequence[Observed]) -> Check:
    """Energy of one operation: the same over and over, if the machine is steady."""
    energies_j = [
        window.reading.energy_j / window.operations
        for window in repeats
        if window.reading.energy_j is not None and window.operations
    ]
    figures: Figures = {
        "operation": operation,
        "energy_j_per_operation": None,
        "energy_j_per_operation_of_repeats": energies_j,
        "operations_per_s": _rate(repeats),
    }
    if len(energies_j) < max(2, len(repeats)):
        why = next((w.reading.reason for w in repeats if w.reading.reason), "too few repeats")
        return cannot("load_energy", subject, why, figures)
    mean_j = statistics.fmean(energies_j)
    spread, cautions = judge_spread(energies_j, ENERGY_VARIATION)
    figures |= {"energy_j_per_operation": mean_j} | spread
    return verdict(
        "load_energy",
        subject,
        figures,
        f"{mean_j:.4g} J an operation ({operation}), coefficient of variation "
        f"{spread['coefficient_of_variation']:.2%} over {len(energies_j)} repeats",
        limit=f"coefficient of variation at most {ENERGY_VARIATION:.0%}",
        cautions=cautions,
    )


def judge_agreement(
    name: str, subject: str, windows: Sequence[Observed], *, what: str, decides: bool = True
) -> Check:
    """Energy by the counter against integrated power over the windows.

    Args:
        name: the check's name.
        subject: its GPU.
        windows: of the same kind of load.
        what: the load, for people.
        decides: whether a contradiction makes measurements invalid. Not where power is sampled
            too seldom for the load: there it may be the power that is wrong.
    """
    pairs = [_both(window) for window in windows]
    counters_j = [counter_j for counter_j, _ in pairs if counter_j is not None]
    powers_j = [power_j for _, power_j in pairs if power_j is not None]
    figures: Figures = {
        "counter_j": sum(counters_j) if len(counters_j) == len(pairs) else None,
        "power_integral_j": sum(powers_j) if len(powers_j) == len(pairs) else None,
        "counter_to_power_ratio": None,
        "mean_power_w": _mean_power(windows),
    }
    if len(counters_j) < len(pairs) or len(powers_j) < len(pairs):
        missing = "energy counter" if len(counters_j) < len(pairs) else "instantaneous power"
        why = f"nothing to compare: no {missing} that could be read and believed"
        return cannot(name, subject, why, figures)
    ratio = sum(counters_j) / sum(powers_j)
    figures["counter_to_power_ratio"] = ratio
    quantisation = statistics.fmean(_quantisation(window) for window in windows)
    allowed, off = AGREEMENT + quantisation, abs(ratio - 1)
    cautions, invalid = [], []
    if off > CONTRADICTION + quantisation and decides:
        invalid.append("the counter contradicts the power")
    elif off > allowed:
        cautions.append("the counter and the power disagree")
    return verdict(
        name,
        subject,
        figures,
        f"{what}: the counter says {ratio:.3f} times integrated power",
        limit=f"within {allowed:.0%}",
        cautions=cautions,
        invalid=invalid,
    )


def judge_conditions(subject: str, repeats: Sequence[Observed]) -> Check:
    """Power, temperature and clocks under load, and what held them down."""
    mean_w, limit_w = _mean_power(repeats), max(_all(repeats, "power_limit_w"), default=None)
    begin_c, end_c = repeats[0].temperatures_c[0], repeats[-1].temperatures_c[1]
    least = min(_all(repeats, "min_sm_clock_mhz"), default=None)
    greatest = max(_all(repeats, "max_sm_clock_mhz"), default=None)
    reasons = reduce(or_, (int(bits) for bits in _all(repeats, "clocks_event_reasons")), 0)
    figures: Figures = {
        "mean_power_w": mean_w,
        "power_limit_w": limit_w,
        "power_to_limit_ratio": mean_w / limit_w if mean_w and limit_w else None,
        "temperature_begin_c": begin_c,
        "temperature_end_c": end_c,
        "min_sm_clock_mhz": least,
        "max_sm_clock_mhz": greatest,
        "clocks_event_reasons": reasons,
    }
    said = []
    if mean_w is not None:
        said.append(f"{mean_w:.0f} W" + (f" of {limit_w:.0f} W" if limit_w else ""))
    if begin_c is not None and end_c is not None:
        said.append(f"{begin_c:.0f} to {end_c:.0f} degrees Celsius")
    if least is not None and greatest is not None:
        said.append(f"SM clock {least:.0f} to {greatest:.0f} MHz")
    cautions, invalid = sort_notices(repeats, _JUDGED_HERE)
    return verdict(
        "load_conditions",
        subject,
        figures,
        ", ".join(said) or "the driver tells neither power nor temperature nor clocks",
        limit="no slowdown by heat, power brake or power limit, no other process",
        cautions=cautions,
        invalid=invalid,
    )


def judge_overhead(
    subject: str, pairs: Sequence[tuple[float, float]], recorder_share: float | None
) -> Check:
    """What metering costs the work.

    Args:
        subject: the GPU.
        pairs: operations per second without the recorder and with it.
        recorder_share: of one core, used by the recorder's process.
    """
    ratio = statistics.median(without / with_it for without, with_it in pairs)
    figures: Figures = {
        "pairs": len(pairs),
        "overhead_ratio": ratio,
        "recorder_cpu_share": recorder_share,
    }
    share = "" if recorder_share is None else f"; the recorder takes {recorder_share:.1%} of a core"
    return verdict(
        "meter_overhead",
        subject,
        figures,
        f"the load runs {ratio:.3f} times as fast without the recorder{share}",
        limit=f"at most {OVERHEAD} times",
        cautions=["metering slows the work down"] if ratio > OVERHEAD else [],
    )


def no_load(
    subject: str, why: str, waves: Sequence[str], recorder_share: float | None
) -> list[Check]:
    """The checks that need a load, when there is none; figures are null."""
    share: Figures = {"overhead_ratio": None, "recorder_cpu_share": recorder_share}
    figures: dict[str, Figures] = {
        "load_energy": {"energy_j_per_operation": None, "coefficient_of_variation": None},
        "load_agreement": {"counter_to_power_ratio": None},
        "load_conditions": {"mean_power_w": None},
        **{wave: {"counter_to_power_ratio": None} for wave in waves},
        "meter_overhead": share,
    }
    return [cannot(name, subject, why, values) for name, values in figures.items()]


def _both(window: Observed) -> tuple[float | None, float | None]:
    """Joules by the counter, and by instantaneous power integrated."""
    facts, by_counter = window.reading.facts, window.reading.method == "counter"
    power_j = _number(window, "power_integral_j") if facts.get("power_source") == "instant" else 0
    return (window.reading.energy_j if by_counter else None), power_j or None


def _number(window: Observed, fact: str) -> float | None:
    value = window.reading.facts.get(fact)
    return None if isinstance(value, str) else value


def _all(windows: Sequence[Observed], fact: str) -> list[float]:
    values = [_number(window, fact) for window in windows]
    return [value for value in values if value is not None]


def _quantisation(window: Observed) -> float:
    """The share of a window's energy that the counter's steps leave open."""
    period_ms = _number(window, "update_period_ms")
    return 0.0 if period_ms is None else period_ms / 1e3 / window.duration_s


def _mean_power(windows: Sequence[Observed]) -> float | None:
    energies_j = [window.reading.energy_j for window in windows]
    known_j = [energy for energy in energies_j if energy is not None]
    if not known_j or len(known_j) < len(energies_j):
        return None
    return sum(known_j) / sum(window.duration_s for window in windows)


def _rate(windows: Sequence[Observed]) -> float | None:
    seconds = sum(window.duration_s for window in windows)
    return sum(window.operations for window in windows) / seconds if seconds else None


def _watts(energy_j: float | None, seconds: float) -> float | None:
    return None if energy_j is None else energy_j / seconds


def _source(window: Observed) -> str:
    return "its counter" if window.reading.method == "counter" else "integrated power"
