"""From a window's raw NVML records to joules, the method behind them, and notices.

Pure. The counter's difference where it can be trusted, else integrated power, else None: never 0.
"""

import itertools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from energyscore.base.stats import are_apart
from energyscore.measurement.meter import Facts, Reading, Ticks, Window, notice
from energyscore.measurement.meters.agreement import margin
from energyscore.measurement.meters.steps import (
    MANY_PERIODS,
    counter_steps,
    power_steps,
    why_counter_too_slow,
    why_power_too_slow,
)
from energyscore.measurement.meters.update_period import (
    power_period_ms,
    settled_period_ms,
    update_period_ms,
)
from energyscore.results.parts import Notice
from energyscore.results.plausibility import CLOCKS_APART

STALL_S = 1.0
"""A counter that is seen to stand still for longer while the GPU is on is not counting."""


_CLOCK_SAMPLES = 9
"""Fewer in a window (some 2 s) are no ground to say that the clocks changed in it."""

IDLE_TOLERANCE = 0.9
"""Work cannot take less power than doing nothing; what idling takes is known to about this."""

LEAST_SHARE_OF_LIMIT = 0.01
"""GPUs idle at 3% of their power limit and more: a lower reading is implausible."""

# Bits of nvmlDeviceGetCurrentClocksEventReasons (NVML reference).
_POWER_CAP, _THERMAL, _POWER_BRAKE = 0x04, 0x20 | 0x40, 0x80
_LIMIT_TOLERANCE = 1.05
_JUMP = 2.0


@dataclass
class Trace:
    """What was recorded of one GPU in one window; times in monotonic ns."""

    start_mj: int | None = None
    end_mj: int | None = None
    counter_error: str = ""  # NVML's
    lost: bool = False  # off the bus
    counter: list[tuple[int, float]] = field(default_factory=list)  # an entry for each change
    still: list[tuple[int, int]] = field(default_factory=list)  # looks from when to when saw none
    power: list[tuple[int, float]] = field(default_factory=list)
    average_power: list[tuple[int, float]] = field(default_factory=list)  # where `power` is missing
    event_reasons: int = 0  # all bits seen of why clocks were held down
    max_temperature_c: float | None = None
    sm_clocks_mhz: list[tuple[int, float]] = field(default_factory=list)
    power_limits_w: set[float] = field(default_factory=set)
    max_processes: int | None = None
    read_ns: int | None = None  # what reading the counter took at the edges, at most

    @property
    def samples(self) -> list[tuple[int, float]]:
        """The samples of power to go by."""
        return self.power or self.average_power

    @property
    def power_source(self) -> Literal["instant", "average"] | None:
        """What those samples are."""
        return "instant" if self.power else "average" if self.average_power else None


@dataclass(frozen=True)
class Circumstances:
    """What is known of a GPU apart from the window."""

    label: str
    own_processes: int = 0  # compute processes that belong to the work
    mig: bool = False
    vgpu: bool = False
    module: bool = False  # its counter and averaged power are those of a module with a processor
    shared: bool = False  # whether others may compute on it
    idle_power_w: float | None = None  # before the work began; None: not measured
    update_period_ms: float | None = None  # the counter's, as an earlier window had it


def evaluate(
    window: Window, trace: Trace, about: Circumstances
) -> tuple[Reading, tuple[Notice, ...]]:
    """Turn a window's trace into a reading and its notices."""
    label = about.label
    notices = [*_circumstance_notices(trace, about), *_clocks_changed(window, trace, label)]
    if trace.lost:
        return Reading(None, None, f"{label} was lost during the window"), tuple(notices)
    distrust = _of_module(trace, about) or _why_distrust_counter(window, trace, about)
    power_j, power_reason = _integrate_power(window, trace)
    facts = _facts(window, trace, power_j, about.update_period_ms)
    if distrust is None and trace.start_mj is not None and trace.end_mj is not None:
        energy_j = (trace.end_mj - trace.start_mj) / 1000.0
        ticks = Ticks(
            tuple(t for t, _ in trace.counter), tuple(mj / 1000.0 for _, mj in trace.counter)
        )
        steps = counter_steps(window, trace.counter, energy_j, about.update_period_ms)
        reading = Reading(energy_j, "counter", ticks=ticks, facts=facts, steps=steps)
        if power_j is not None:
            notices += _disagreement(energy_j, power_j, window, trace, label)
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
    notices += _short(window, reading, label)
    return reading, (*notices, *_out_of_bounds(reading, window, trace, about))


def _of_module(trace: Trace, about: Circumstances) -> Notice | None:
    """On a superchip only instant power is read at the scope of the GPU alone."""
    if not (about.module and trace.power):
        return None
    return notice(
        "module_scope",
        f"the energy counter of {about.label} is that of its whole module, processor included: "
        "energy is from the GPU's own power",
    )


def _why_distrust_counter(window: Window, trace: Trace, about: Circumstances) -> Notice | None:
    label = about.label
    if trace.start_mj is None or trace.end_mj is None:
        why = trace.counter_error or "it could not be read"
        return notice("counter_unsupported", f"{label} has no energy counter ({why})")
    values = [mj for _, mj in trace.counter]
    if trace.end_mj < trace.start_mj or any(b < a for a, b in itertools.pairwise(values)):
        return notice(
            "counter_reset",
            f"the energy counter of {label} went backwards (driver reload or GPU reset)",
        )
    if jump := _jump(trace):
        return notice("counter_jumped", f"the energy counter of {label} {jump}")
    if not trace.counter and trace.end_mj > trace.start_mj:
        return None  # not watched in between, but it moved
    still_s = _longest_still_s(window, trace)
    if still_s <= STALL_S and (
        why := why_counter_too_slow(window, trace.counter, about.update_period_ms)
    ):
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
    looks = [(start_ns, trace.start_mj), *_inside(window, trace.counter), (end_ns, trace.end_mj)]
    spans = [(max(a, start_ns), min(b, end_ns)) for a, b in trace.still]
    for _, same in itertools.groupby(looks, lambda look: look[1]):
        times = [t for t, _ in same]
        spans.append((times[0], times[-1]))
    return max(b - a for a, b in spans) / 1e9


def _jump(trace: Trace) -> str:
    """A single update of more energy than the GPU can take in that time."""
    period_ms = update_period_ms(trace.counter)
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


def _facts(window: Window, trace: Trace, power_j: float | None, known_ms: float | None) -> Facts:
    period_ms = settled_period_ms(trace.counter, known_ms)
    power_ms = power_period_ms(trace.samples)
    clocks = [mhz for _, mhz in trace.sm_clocks_mhz]
    at_work = _within(window, trace.sm_clocks_mhz)
    return {
        "window_s": window.duration_s,
        "update_period_ms": None if period_ms is None else round(period_ms, 2),
        "counter_read_ms": None if trace.read_ns is None else round(trace.read_ns / 1e6, 2),
        "counter_start_mj": trace.start_mj,
        "counter_end_mj": trace.end_mj,
        "power_integral_j": power_j,
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


def _circumstance_notices(trace: Trace, about: Circumstances) -> Iterator[Notice]:
    label, bits = about.label, trace.event_reasons
    if about.mig or about.vgpu:
        kind = "split into MIG instances" if about.mig else "a virtual GPU"
        yield notice(
            "mig_or_vgpu", f"{label} is {kind}: its power is not that of its work", invalidates=True
        )
    if about.module and not trace.power:
        message = "only the energy of its whole module can be read, processor included"
        yield notice("module_energy", f"{label}: {message}", invalidates=True)
    others = (trace.max_processes or 0) - about.own_processes
    if others > 0:
        message = f"{others} other process(es) computed on {label} meanwhile"
        yield notice("contention", message, invalidates=not about.shared)
    if bits & _THERMAL:
        yield notice("thermal_slowdown", f"{label} was slowed down by heat", invalidates=True)
    if bits & _POWER_BRAKE:
        yield notice("power_brake", f"the power brake slowed {label} down", invalidates=True)
    if bits & _POWER_CAP:
        yield notice("power_cap", f"{label} ran into its power limit")
    if len(trace.power_limits_w) > 1:
        limits = ", ".join(f"{limit_w:g} W" for limit_w in sorted(trace.power_limits_w))
        message = f"the power limit of {label} changed during the window: {limits}"
        yield notice("power_limit_changed", message, invalidates=True)
    if trace.lost:
        yield notice("gpu_lost", f"{label} was lost during the window", invalidates=True)


def _disagreement(
    counter_j: float, power_j: float, window: Window, trace: Trace, label: str
) -> Iterator[Notice]:
    assert trace.power_source is not None  # there is an integral
    periods_ms = update_period_ms(trace.counter), power_period_ms(trace.samples)
    allowed = margin(window.duration_s, trace.power_source, *periods_ms)
    if abs(power_j / counter_j - 1) > allowed:
        message = f"the counter says {counter_j:.1f} J, integrated power {power_j:.1f} J"
        yield notice("counter_power_disagree", f"{label}: {message}")


def _short(window: Window, reading: Reading, label: str) -> Iterator[Notice]:
    """A window in which the steps of the meter leave more than a little open."""
    steps, energy_j = reading.steps, reading.energy_j
    if steps is None or not energy_j or window.duration_s >= MANY_PERIODS * steps.period_s:
        return
    what = "energy counter" if reading.method == "counter" else "power readings"
    yield notice(
        "short_window",
        f"{label}: a window of {window.duration_s:.2f} s is short for the updates of its {what} "
        f"({steps.period_s * 1e3:.0f} ms each); its energy may be up to "
        f"{steps.largest_j / energy_j:.1%} too much or too little",
    )


def _within(window: Window, samples: Sequence[tuple[int, float]]) -> list[float]:
    return [value for _, value in _inside(window, samples)]


def _inside(window: Window, samples: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    return [one for one in samples if window.start_ns <= one[0] <= window.end_ns]


def _clocks_changed(window: Window, trace: Trace, label: str) -> Iterator[Notice]:
    """Beginning against end: a clock that varies from moment to moment has equal medians."""
    clocks = _within(window, trace.sm_clocks_mhz)
    if len(clocks) < _CLOCK_SAMPLES:
        return
    third = len(clocks) // 3
    first_mhz = statistics.median(clocks[:third])
    last_mhz = statistics.median(clocks[-third:])
    if are_apart((first_mhz, last_mhz), CLOCKS_APART):
        yield notice(
            "clocks_changed",
            f"the SM clock of {label} went from {first_mhz:.0f} MHz in the window's first third "
            f"to {last_mhz:.0f} MHz in its last",
        )


def _out_of_bounds(
    reading: Reading, window: Window, trace: Trace, about: Circumstances
) -> Iterator[Notice]:
    """More power than the limit, or less than idling takes, is impossible.

    The counter's last update before an edge counts as the edge: one period's energy may come
    early, or be missing.
    """
    assert reading.energy_j is not None
    energy_j, idle_w = reading.energy_j, about.idle_power_w
    period_s = (update_period_ms(trace.counter) or 100.0) / 1e3
    surely_s, at_most_s = window.duration_s - period_s, window.duration_s + period_s
    limit_w = max(trace.power_limits_w, default=None)
    label, mean_w = about.label, energy_j / window.duration_s
    if limit_w is not None and energy_j > limit_w * _LIMIT_TOLERANCE * at_most_s:
        message = f"{label}: {mean_w:.0f} W on average is more than its limit of {limit_w:.0f} W"
        yield notice("impossible_power", message, invalidates=True)
    elif idle_w is not None:
        if energy_j < IDLE_TOLERANCE * idle_w * surely_s:
            message = f"{mean_w:.1f} W on average is less than the {idle_w:.1f} W of its idling"
            yield notice("implausible_power", f"{label}: {message}", invalidates=True)
    elif limit_w is not None and energy_j < LEAST_SHARE_OF_LIMIT * limit_w * surely_s:
        yield notice(
            "implausible_power",
            f"{label}: {mean_w:.1f} W on average is under {LEAST_SHARE_OF_LIMIT:.0%} of its limit "
            f"of {limit_w:.0f} W, less than such a GPU takes when it does nothing",
        )
