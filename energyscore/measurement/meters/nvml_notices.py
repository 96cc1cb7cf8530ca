"""What a window's records tell besides its energy: what spoils it, or makes it uncertain. Pure."""

import statistics
from collections.abc import Iterator

from energyscore.base.stats import are_apart
from energyscore.measurement.meter import Reading, Window, notice
from energyscore.measurement.meters.nvml_trace import Circumstances, Trace, within
from energyscore.measurement.meters.steps import MANY_PERIODS
from energyscore.measurement.meters.update_period import settled_period_ms
from energyscore.results.parts import Notice
from energyscore.results.plausibility import CLOCKS_APART

_CLOCK_SAMPLES = 9
"""Fewer in a window (some 2 s) are no ground to say that the clocks changed in it."""

IDLE_TOLERANCE = 0.9
"""Work cannot take less power than doing nothing; what idling takes is known to about this."""

LEAST_SHARE_OF_LIMIT = 0.01
"""GPUs idle at 3% of their power limit and more: a lower reading is implausible."""

# Bits of nvmlDeviceGetCurrentClocksEventReasons (NVML reference).
_POWER_CAP, _THERMAL, _POWER_BRAKE = 0x04, 0x20 | 0x40, 0x80
_LIMIT_TOLERANCE = 1.05

_USUAL_READ_NS = 30_000_000
_LONG_READ = 0.005
"""A read of the counter that took longer was held up (no driver is known to need it), and is told
from this share of the window on."""


def circumstances(trace: Trace, about: Circumstances) -> Iterator[Notice]:
    """What held the GPU's clocks down, others that used it, and a power that is not its own."""
    label, bits = about.label, trace.event_reasons
    if about.mig or about.vgpu:
        kind = "split into MIG instances" if about.mig else "a virtual GPU"
        yield notice(
            "mig_or_vgpu", f"{label} is {kind}: its power is not that of its work", invalidates=True
        )
    if about.module is None:
        message = "its driver gives averaged power only, so nothing tells whether its energy is "
        message += "the GPU's alone or that of a module with a processor"
        yield notice("module_unknown", f"{label}: {message}")
    if about.module and not trace.power:
        message = "only the energy of its whole module can be read, processor included"
        yield notice("module_energy", f"{label}: {message}", invalidates=True)
    others = trace.max_strangers
    if others is None:
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


def disagreement(counter_j: float, power_j: float, allowed: float, label: str) -> Iterator[Notice]:
    """Counter and integrated power that are further apart than this share."""
    if abs(power_j / counter_j - 1) > allowed:
        message = f"the counter says {counter_j:.1f} J, integrated power {power_j:.1f} J"
        yield notice("counter_power_disagree", f"{label}: {message}")


def slow_read(window: Window, trace: Trace, label: str) -> Iterator[Notice]:
    """A read at an edge that was held up, and took a share of the window that matters."""
    share = (read_ns := trace.read_ns or 0) / 1e9 / window.duration_s
    if read_ns > _USUAL_READ_NS and share > _LONG_READ:
        yield notice(
            "slow_read",
            f"{label}: reading its energy counter took {read_ns / 1e6:.0f} ms at an edge of the "
            f"window, {share:.1%} of it: the energy of so much time may be missing, or too much",
        )


def short_window(window: Window, reading: Reading, label: str) -> Iterator[Notice]:
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


def clocks_changed(window: Window, trace: Trace, label: str) -> Iterator[Notice]:
    """Beginning against end: a clock that varies from moment to moment has equal medians."""
    clocks = within(window, trace.sm_clocks_mhz)
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


def out_of_bounds(
    reading: Reading, window: Window, trace: Trace, about: Circumstances
) -> Iterator[Notice]:
    """More power than the limit, or less than idling takes, is impossible.

    The counter's last update before an edge counts as the edge: one period's energy may come
    early, or be missing.
    """
    assert reading.energy_j is not None
    energy_j, idle_w = reading.energy_j, about.idle_power_w
    known_ms = trace.learned_ms or about.update_period_ms
    period_s = (settled_period_ms(trace.counter, known_ms) or 100.0) / 1e3
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
