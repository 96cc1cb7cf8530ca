"""Checks of processor, clocks and other processes, and what all checks share. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from energyscore.base.stats import find_drift
from energyscore.measurement.meter import Reading
from energyscore.measurement.meters.agreement import margin
from energyscore.measurement.meters.continuity import CLOCK_RATE
from energyscore.measurement.selftest.report import Figures, SelfTestCheck
from energyscore.results.parts import Domain, Notice

TIME_VARIATION = 0.02
OTHERS_SHARE = 0.10
LATE_MS = 2.0
"""The recorder polls every 2 ms: a machine that wakes it later than that loses readings."""

COARSE_STEP_NS = 10_000


@dataclass(frozen=True)
class Observed:
    """One domain in one metered window, with the operations of a load that were done in it."""

    reading: Reading
    duration_s: float
    notices: tuple[Notice, ...] = ()
    operations: int = 0
    temperatures_c: tuple[float | None, float | None] = (None, None)  # at beginning and end

    @property
    def power_w(self) -> float | None:
        """Mean power; None if no energy was measured."""
        return self.watts(self.reading.energy_j)

    @property
    def counter_j(self) -> float | None:
        """Joules by the energy counter."""
        return self.reading.energy_j if self.reading.method == "counter" else None

    @property
    def integral_j(self) -> float | None:
        """Joules by integrating instantaneous power."""
        instant = self.reading.facts.get("power_source") == "instant"
        return (self.fact("power_integral_j") or None) if instant else None

    @property
    def quantisation(self) -> float:
        """The share of a window's energy that the counter's steps leave open."""
        return (self.fact("update_period_ms") or 0.0) / 1e3 / self.duration_s

    @property
    def margin(self) -> float:
        """How far counter and instantaneous power may be apart: the edges of work explain it."""
        periods_ms = self.fact("update_period_ms"), self.fact("power_period_ms")
        counter_j, error_j = self.counter_j, self.fact("power_sampling_se_j")
        share = error_j / counter_j if error_j and counter_j else 0.0
        return margin(self.duration_s, "instant", *periods_ms, share)

    def watts(self, energy_j: float | None) -> float | None:
        """The mean power of so much energy in this window."""
        return None if energy_j is None else energy_j / self.duration_s

    def fact(self, name: str) -> float | None:
        """A figure about the measurement; None if it is not known."""
        value = self.reading.facts.get(name)
        return None if isinstance(value, str) else value


def verdict(
    name: str,
    subject: str,
    figures: Figures,
    message: str,
    *,
    limit: str = "",
    cautions: Sequence[str] = (),
    invalid: Sequence[str] = (),
) -> SelfTestCheck:
    """A check of something that could be tested: `ok` without cautions and invalid reasons."""
    parts = dict.fromkeys([message, *invalid, *cautions])
    return SelfTestCheck(
        name=name,
        subject=subject,
        status="caution" if cautions or invalid else "ok",
        invalidates=bool(invalid),
        figures=figures,
        message="; ".join(filter(None, parts)),
        limit=limit,
    )


def cannot(name: str, subject: str, why: str, figures: Figures | None = None) -> SelfTestCheck:
    """A check of something that could not be tested, and why."""
    return SelfTestCheck(
        name=name,
        subject=subject,
        status="cannot",
        invalidates=False,
        figures=figures or {},
        message=why.rstrip("."),
        limit="",
    )


def sort_notices(
    notices: Sequence[Notice], ignore: frozenset[str] = frozenset()
) -> tuple[list[str], list[str]]:
    """Messages of notices, each code once: cautions, and those that invalidate measurements."""
    once = {notice.code: notice for notice in notices if notice.code not in ignore}.values()
    cautions = [notice.message for notice in once if not notice.invalidates]
    return cautions, [notice.message for notice in once if notice.invalidates]


def judge_spread(values: Sequence[float], limit: float) -> tuple[float, Figures, list[str]]:
    """The coefficient of variation of repeats, all figures about them, and the cautions."""
    spread = statistics.stdev(values) / statistics.fmean(values)
    drift = find_drift(values)
    figures: Figures = {
        "repeats": len(values),
        "coefficient_of_variation": spread,
        "drift_share": None if drift is None else drift.change,
        "drift_p_value": None if drift is None else drift.p_value,
    }
    cautions = []
    if spread > limit:
        cautions.append(f"the repeats vary by more than {limit:.0%}: other work, heat or clocks")
    if drift is not None:
        cautions.append(f"they drift by {drift.change:+.1%} from the first to the last")
    return spread, figures, cautions


def judge_rapl(
    failure: str, idle: Mapping[Domain, Observed], load: Mapping[Domain, Observed]
) -> SelfTestCheck:
    """Processor energy by RAPL: readable (else `failure` says why not), and more under load."""
    figures: Figures = {}
    for kind, windows in (("idle", idle), ("load", load)):
        for domain in ("cpu", "dram"):
            window = windows.get(domain)
            figures[f"{domain}_{kind}_w"] = None if window is None else window.power_w
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


def judge_pace(operation: str, repeats: Sequence[tuple[int, float]]) -> SelfTestCheck:
    """Time of one operation on the processor, over repeats of (operations, seconds)."""
    times_ms = [seconds / done * 1e3 for done, seconds in repeats]
    spread, spread_figures, cautions = judge_spread(times_ms, TIME_VARIATION)
    mean_ms = statistics.fmean(times_ms)
    figures: Figures = {
        "operation": operation,
        "time_ms_per_operation": mean_ms,
        "time_ms_per_operation_of_repeats": times_ms,
    }
    return verdict(
        "cpu_repeatability",
        "cpu",
        figures | spread_figures,
        f"{mean_ms:.3g} ms an operation ({operation}), coefficient of variation {spread:.2%} over "
        f"{len(times_ms)} repeats",
        limit=f"coefficient of variation at most {TIME_VARIATION:.0%}",
        cautions=cautions,
    )


def judge_neighbours(others_share: float | None) -> SelfTestCheck:
    """How busy other processes keep the machine while we do nothing."""
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


def judge_clocks(
    step_ns: int, backward_steps: int, ppm: float | None, sleeps_late_ms: Sequence[float]
) -> SelfTestCheck:
    """Resolution and steadiness of the clock that all durations are measured by.

    `ppm` is how much faster than the unadjusted clock it ran, None if there is no such clock;
    `sleeps_late_ms` is how much later than asked for sleeps of 1 ms ended.
    """
    late_ms = statistics.quantiles(sleeps_late_ms, n=20)[-1]
    cautions = []
    if step_ns > COARSE_STEP_NS:
        cautions.append("the clock is coarse")
    if ppm is not None and abs(ppm) > CLOCK_RATE * 1e6:
        cautions.append("the clock is adjusted by more than the kernel should")
    if late_ms > LATE_MS:
        cautions.append("processes are woken late: the machine is busy or throttled")
    rate = "" if ppm is None else f", runs within {abs(ppm):.1f} ppm of the raw clock"
    return verdict(
        "clock",
        "machine",
        {
            "step_ns": step_ns,
            "backward_steps": backward_steps,
            "against_raw_ppm": ppm,
            "late_p95_ms": late_ms,
        },
        f"the clock steps by {step_ns} ns{rate}; of sleeps of 1 ms, 95% end at most "
        f"{late_ms:.2f} ms late",
        limit=f"steps of at most {COARSE_STEP_NS} ns, {CLOCK_RATE * 1e6:.0f} ppm, {LATE_MS:g} ms",
        cautions=cautions,
        invalid=["the clock went backwards"] if backward_steps else [],
    )


def judge_continuity(notices: Sequence[Notice] | None, watched_s: float) -> SelfTestCheck:
    """Whether the machine ran on during the whole self-test; None if nothing could watch it."""
    gaps = None if notices is None else sum(notice.code == "suspended" for notice in notices)
    figures: Figures = {"watched_s": watched_s, "gaps": gaps}
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
