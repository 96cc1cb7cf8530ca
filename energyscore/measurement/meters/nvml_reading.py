"""From a window's raw NVML records to joules, the method behind them, and notices.

Pure. The counter's difference where it can be trusted, else integrated power, else None: never 0.
"""

import itertools
import statistics

from energyscore.measurement.meter import Facts, Reading, Ticks, Window, notice
from energyscore.measurement.meters import nvml_notices as notices_of
from energyscore.measurement.meters.agreement import margin
from energyscore.measurement.meters.nvml_trace import Circumstances, Trace, inside, within
from energyscore.measurement.meters.steps import (
    counter_steps,
    power_steps,
    sampling_error_j,
    why_counter_too_slow,
    why_power_too_slow,
)
from energyscore.measurement.meters.update_period import power_period_ms, settled_period_ms
from energyscore.results.parts import Notice

STALL_S = 1.0
"""A counter that is seen to stand still for longer while the GPU is on is not counting."""

_JUMP = 2.0


def evaluate(
    window: Window, trace: Trace, about: Circumstances
) -> tuple[Reading, tuple[Notice, ...]]:
    """Turn a window's trace into a reading and its notices."""
    label, known_ms = about.label, trace.learned_ms or about.update_period_ms
    notices = [
        *notices_of.circumstances(trace, about),
        *notices_of.clocks_changed(window, trace, label),
    ]
    if trace.lost:
        return Reading(None, None, f"{label} was lost during the window"), tuple(notices)
    distrust = _of_module(trace, about) or _why_distrust_counter(window, trace, label, known_ms)
    power_j, power_reason = _integrate_power(window, trace)
    facts = _facts(window, trace, power_j, known_ms)
    if distrust is None and trace.start_mj is not None and trace.end_mj is not None:
        energy_j = (trace.end_mj - trace.start_mj) / 1000.0
        ticks = Ticks(
            tuple(t for t, _ in trace.counter), tuple(mj / 1000.0 for _, mj in trace.counter)
        )
        read_s = (trace.read_ns or 0) / 1e9
        steps = counter_steps(window, trace.counter, energy_j, known_ms, read_s)
        reading = Reading(energy_j, "counter", ticks=ticks, facts=facts, steps=steps)
        if power_j is not None:
            allowed = _margin(window, trace, energy_j, known_ms)
            notices += notices_of.disagreement(energy_j, power_j, allowed, label)
        else:
            why = power_reason if trace.samples else "none can be read"
            message = f"the energy counter of {label} is not checked by its power: {why}"
            notices.append(notice("counter_unchecked", message))
    else:
        assert distrust is not None
        notices.append(distrust)
        power_reason = power_reason or why_power_too_slow(window, trace.samples, trace.power_source)
        if power_j is None or power_reason:
            reason = f"{distrust.message}; {power_reason}"
            return Reading(None, None, reason, facts=facts), tuple(notices)
        steps = power_steps(window, trace.samples, trace.power_source, power_j)
        reading = Reading(power_j, "power_integral", facts=facts, steps=steps)
    notices += notices_of.slow_read(window, trace, label)
    notices += notices_of.short_window(window, reading, label)
    notices += notices_of.out_of_bounds(reading, window, trace, about)
    return reading, tuple(notices)


def _of_module(trace: Trace, about: Circumstances) -> Notice | None:
    """On a superchip only instant power is read at the scope of the GPU alone."""
    if not (about.module and trace.power):
        return None
    return notice(
        "module_scope",
        f"the energy counter of {about.label} is that of its whole module, processor included: "
        "energy is from the GPU's own power",
    )


def _why_distrust_counter(
    window: Window, trace: Trace, label: str, known_ms: float | None
) -> Notice | None:
    if trace.start_mj is None or trace.end_mj is None:
        why = trace.counter_error or "it could not be read"
        return notice("counter_unsupported", f"{label} has no energy counter ({why})")
    values = [mj for _, mj in trace.counter]
    if trace.end_mj < trace.start_mj or any(b < a for a, b in itertools.pairwise(values)):
        return notice(
            "counter_reset",
            f"the energy counter of {label} went backwards (driver reload or GPU reset)",
        )
    if jump := _jump(trace, known_ms):
        return notice("counter_jumped", f"the energy counter of {label} {jump}")
    if not trace.counter and trace.end_mj > trace.start_mj:
        return None  # not watched in between, but it moved
    still_s = _longest_still_s(window, trace)
    if still_s <= STALL_S and (why := why_counter_too_slow(window, trace.counter, known_ms)):
        return notice("counter_too_slow", f"{label}: {why}")
    if still_s > STALL_S or trace.end_mj == trace.start_mj:
        return notice(
            "counter_frozen",
            f"the energy counter of {label} stood still for {still_s:.1f} s of work",
        )
    return None


def _longest_still_s(window: Window, trace: Trace) -> float:
    """The longest time in the window in which all who looked saw the counter at one value.

    Where nobody looked for a while, it may have moved: updates that are not in the records prove
    nothing. The readings at the window's edges are looks like any other.
    """
    start_ns, end_ns = window.start_ns, window.end_ns
    looks = [(start_ns, trace.start_mj), *inside(window, trace.counter), (end_ns, trace.end_mj)]
    spans = [(max(a, start_ns), min(b, end_ns)) for a, b in trace.still]
    for _, same in itertools.groupby(looks, lambda look: look[1]):
        times = [t for t, _ in same]
        spans.append((times[0], times[-1]))
    return max(b - a for a, b in spans) / 1e9


def _jump(trace: Trace, known_ms: float | None) -> str:
    """A single update of more energy than the GPU can take in that time."""
    period_ms = settled_period_ms(trace.counter, known_ms)
    if not trace.power_limits_w or period_ms is None:
        return ""
    limit_w = max(trace.power_limits_w)
    # Updates come late and short gaps are noted inexactly: a period more, and twice the limit.
    for (before_ns, before_mj), (now_ns, now_mj) in itertools.pairwise(trace.counter[1:]):
        rise_j = (now_mj - before_mj) / 1e3
        if rise_j > _JUMP * limit_w * ((now_ns - before_ns) / 1e9 + period_ms / 1e3):
            return f"rose by {rise_j:.0f} J at once, more than it can have taken"
    return ""


def _integrate_power(window: Window, trace: Trace) -> tuple[float | None, str]:
    """Joules from power samples, each of which holds until the next, or why there are none."""
    samples = trace.samples
    if len(samples) < 2:
        return None, "its power cannot be read either"
    times = [t for t, _ in samples]
    edges = [min(times[0], window.start_ns), *times[1:], max(times[-1], window.end_ns)]
    if max(b - a for a, b in itertools.pairwise(edges)) > STALL_S * 1e9:
        return None, "its power could not be read for over a second"
    total = 0.0
    for place, (t, power_w) in enumerate(samples):
        begin = window.start_ns if place == 0 else max(t, window.start_ns)
        until = times[place + 1] if place + 1 < len(times) else window.end_ns
        total += power_w * max(0, min(until, window.end_ns) - begin) / 1e9
    return (total, "") if total > 0 else (None, "its power reads as zero")


def _margin(window: Window, trace: Trace, counter_j: float, known_ms: float | None) -> float:
    """How far apart counter and integrated power of a window may be, as a share."""
    assert trace.power_source is not None  # there is an integral
    period_ms = settled_period_ms(trace.counter, known_ms)
    power_ms = power_period_ms(trace.samples)
    error = sampling_error_j(window, trace.samples) / counter_j
    return margin(window.duration_s, trace.power_source, period_ms, power_ms, error)


def _facts(window: Window, trace: Trace, power_j: float | None, known_ms: float | None) -> Facts:
    period_ms = settled_period_ms(trace.counter, known_ms)
    power_ms = power_period_ms(trace.samples)
    clocks = [mhz for _, mhz in trace.sm_clocks_mhz]
    at_work = within(window, trace.sm_clocks_mhz)
    return {
        "window_s": window.duration_s,
        "update_period_ms": None if period_ms is None else round(period_ms, 2),
        "counter_read_ms": None if trace.read_ns is None else round(trace.read_ns / 1e6, 2),
        "counter_start_mj": trace.start_mj,
        "counter_end_mj": trace.end_mj,
        "power_integral_j": power_j,
        "power_sampling_se_j": None if power_j is None else sampling_error_j(window, trace.samples),
        "power_source": trace.power_source,
        "power_period_ms": None if power_ms is None else round(power_ms, 2),
        "max_power_w": max((w for _, w in trace.samples), default=None),
        "max_temperature_c": trace.max_temperature_c,
        "min_sm_clock_mhz": min(clocks, default=None),
        "median_sm_clock_mhz": statistics.median(at_work) if at_work else None,
        "max_sm_clock_mhz": max(clocks, default=None),
        "power_limit_w": max(trace.power_limits_w, default=None),
        "clocks_event_reasons": trace.event_reasons,
        "max_processes": trace.max_processes,
    }
