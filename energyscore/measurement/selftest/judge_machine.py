"""From what was seen of processor, clocks and neighbours to the checks of them. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from energyscore.measurement.meter import Notice
from energyscore.measurement.selftest.judge import Observed, cannot, judge_spread, verdict
from energyscore.measurement.selftest.report import Check, Figures
from energyscore.results.parts import Domain

TIME_VARIATION = 0.02
OTHERS_SHARE = 0.10
CLOCK_RATE_PPM = 500.0
"""How much faster or slower the kernel lets an adjusted clock run."""

LATE_MS = 2.0
"""The recorder polls every 2 ms: a machine that wakes it later than that loses readings."""

COARSE_STEP_NS = 10_000


@dataclass(frozen=True)
class Clocks:
    """What was seen of the monotonic clock.

    Attributes:
        step_ns: the least step between two readings.
        backward_steps: how often it went back.
        against_raw_ppm: how much faster than the unadjusted clock it ran, in parts per million;
            None where there is no such clock.
        late_ms: how much later than asked for sleeps of 1 ms ended.
    """

    step_ns: int
    backward_steps: int
    against_raw_ppm: float | None
    late_ms: tuple[float, ...]


def judge_rapl(
    failure: str, idle: Mapping[Domain, Observed], load: Mapping[Domain, Observed]
) -> Check:
    """Processor energy by RAPL: readable, and more under load than without.

    Args:
        failure: why it cannot be read, with the remedy; empty when it can.
        idle: its domains while nothing was done.
        load: the same while all cores worked.
    """
    figures: Figures = {}
    for kind, windows in (("idle", idle), ("load", load)):
        for domain in ("cpu", "dram"):
            figures[f"{domain}_{kind}_w"] = _watts(windows.get(domain))
    if failure:
        return cannot("rapl", "cpu", f"{failure} Processor energy will be an estimate", figures)
    idle_w, load_w = figures["cpu_idle_w"], figures["cpu_load_w"]
    if not isinstance(idle_w, float) or not isinstance(load_w, float):
        reasons = [w.reading.reason for w in (*idle.values(), *load.values())]
        return cannot("rapl", "cpu", next(filter(None, reasons), "it gave no figure"), figures)
    message = f"the packages take {idle_w:.1f} W idle and {load_w:.1f} W under load"
    if isinstance(figures["dram_idle_w"], float) and isinstance(figures["dram_load_w"], float):
        message += f", memory {figures['dram_idle_w']:.1f} W and {figures['dram_load_w']:.1f} W"
    flat = ["RAPL does not follow the load: it may be another machine's, or filtered"]
    limit = "more under load than idle"
    cautions = flat if load_w <= idle_w else []
    return verdict("rapl", "cpu", figures, message, limit=limit, cautions=cautions)


def judge_pace(operation: str, repeats: Sequence[tuple[int, float]]) -> Check:
    """Time of one operation on the processor, over repeats of (operations, seconds)."""
    times_ms = [seconds / done * 1e3 for done, seconds in repeats]
    spread, cautions = judge_spread(times_ms, TIME_VARIATION)
    mean_ms = statistics.fmean(times_ms)
    figures: Figures = {
        "operation": operation,
        "time_ms_per_operation": mean_ms,
        "time_ms_per_operation_of_repeats": times_ms,
    }
    return verdict(
        "cpu_repeatability",
        "cpu",
        figures | spread,
        f"{mean_ms:.3g} ms an operation ({operation}), coefficient of variation "
        f"{spread['coefficient_of_variation']:.2%} over {len(times_ms)} repeats",
        limit=f"coefficient of variation at most {TIME_VARIATION:.0%}",
        cautions=cautions,
    )


def judge_neighbours(others_share: float | None) -> Check:
    """How busy other processes keep the machine while nothing is done here."""
    figures: Figures = {"others_share": others_share}
    if others_share is None:
        why = "the machine does not tell how busy it is"
        return cannot("other_processes", "machine", why, figures)
    busy = ["they slow the work down, and estimates count them in"]
    return verdict(
        "other_processes",
        "machine",
        figures,
        f"other processes use {max(0.0, others_share):.1%} of the processor",
        limit=f"at most {OTHERS_SHARE:.0%}",
        cautions=busy if others_share > OTHERS_SHARE else [],
    )


def judge_clocks(clocks: Clocks) -> Check:
    """Resolution and steadiness of the clock that all durations stand on."""
    late_ms = statistics.quantiles(clocks.late_ms, n=20)[-1]
    ppm = clocks.against_raw_ppm
    figures: Figures = {
        "step_ns": clocks.step_ns,
        "backward_steps": clocks.backward_steps,
        "against_raw_ppm": ppm,
        "late_p95_ms": late_ms,
    }
    cautions = []
    if clocks.step_ns > COARSE_STEP_NS:
        cautions.append("the clock is coarse")
    if ppm is not None and abs(ppm) > CLOCK_RATE_PPM:
        cautions.append("the clock is adjusted by more than the kernel should")
    if late_ms > LATE_MS:
        cautions.append("processes are woken late: the machine is busy or throttled")
    rate = "" if ppm is None else f", runs within {abs(ppm):.1f} ppm of the raw clock"
    return verdict(
        "clock",
        "machine",
        figures,
        f"the clock steps by {clocks.step_ns} ns{rate}; of sleeps of 1 ms, 95% end at most "
        f"{late_ms:.2f} ms late",
        limit=f"steps of at most {COARSE_STEP_NS} ns, {CLOCK_RATE_PPM:.0f} ppm, {LATE_MS:g} ms",
        cautions=cautions,
        invalid=["the clock went backwards"] if clocks.backward_steps else [],
    )


def judge_continuity(notices: Sequence[Notice] | None, watched_s: float) -> Check:
    """Whether time went on during the whole self-test; None when nobody could watch."""
    figures: Figures = {
        "watched_s": watched_s,
        "gaps": None if notices is None else sum(n.code == "suspended" for n in notices),
    }
    if notices is None:
        why = "this system does not tell how long it slept"
        return cannot("continuity", "machine", why, figures)
    return verdict(
        "continuity",
        "machine",
        figures,
        "" if notices else f"neither sleep nor standstill in {watched_s:.0f} s",
        limit="no sleep, no standstill, no clock that is set",
        cautions=[notice.message for notice in notices if not notice.invalidates],
        invalid=[notice.message for notice in notices if notice.invalidates],
    )


def _watts(window: Observed | None) -> float | None:
    if window is None or window.reading.energy_j is None:
        return None
    return window.reading.energy_j / window.duration_s
