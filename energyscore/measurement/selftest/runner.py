"""The self-test from beginning to end: GPUs, processor, clocks; one report."""

import contextlib
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from energyscore.base.errors import EnergyScoreError, MeterError
from energyscore.measurement import environment
from energyscore.measurement.meter import Meter, Metered, metered
from energyscore.measurement.meters import rapl
from energyscore.measurement.meters.continuity import ContinuityMeter
from energyscore.measurement.meters.load import LoadMeter
from energyscore.measurement.meters.nvml import NvmlMeter
from energyscore.measurement.selftest import gpu, judge, judge_gpu
from energyscore.measurement.selftest.gpu import GpusUnderTest, GpuTest, Tell
from energyscore.measurement.selftest.judge import Observed, cannot
from energyscore.measurement.selftest.plan import Loads, SelfTestPlan
from energyscore.measurement.selftest.report import SelfTest, SelfTestCheck, make_selftest
from energyscore.measurement.warmup import watch_idle
from energyscore.results.parts import Domain

_READINGS, _SLEEPS = 20_000, 200

M = TypeVar("M", bound=Meter)


@dataclass
class _Idle:
    """What was seen while nothing was done; every part may be missing."""

    gpus: dict[str, Observed] = field(default_factory=dict)
    failure: str = ""
    rapl: dict[Domain, Observed] = field(default_factory=dict)
    others_share: float | None = None
    recorder_share: float | None = None


def run_selftest(
    plan: SelfTestPlan, gpus: GpusUnderTest | None, no_gpu: str, loads: Loads, tell: Tell
) -> SelfTest:
    """Test this machine.

    GPUs are found before anything in this process uses one; `no_gpu` says why there are none.
    """
    start = time.monotonic()
    found = gpus or GpusUnderTest()
    clocks_at_start = _both_clocks_ns()
    continuity, _ = _opened(ContinuityMeter())
    rapl_meter, rapl_failure = _opened(rapl.RaplMeter())
    try:
        with metered([] if continuity is None else [continuity]) as measurements:
            checks = [] if gpus else [cannot("gpu", "machine", no_gpu)]
            tests = [GpuTest(found, facts, plan, tell) for facts in found.facts]
            for test in tests:
                checks += test.before_load()
            idle = _watch_idle(plan, found, rapl_meter, tell)
            if len(idle.gpus) > 1:
                counting = {c.subject for c in checks if judge_gpu.counts(c)}
                checks.append(judge_gpu.judge_together(idle.gpus, counting))
            for test in tests:
                seen = idle.gpus.get(test.facts.uuid)
                checks.append(
                    cannot("idle_power", test.subject, idle.failure)
                    if seen is None
                    else judge_gpu.judge_idle(test.subject, seen)
                )
                checks += test.under_load(loads, seen, idle.recorder_share)
            checks += _check_processor(plan, idle, rapl_meter, rapl_failure, loads, tell)
            seconds = time.monotonic() - start
        notices = None if continuity is None else measurements[continuity.name].notices
    finally:
        if rapl_meter is not None:
            rapl_meter.close()
    checks += [
        judge.judge_neighbours(idle.others_share),
        _check_clocks(clocks_at_start),
        judge.judge_continuity(notices, seconds),
    ]
    machine = environment.describe(
        [facts.part() for facts in found.facts], found.driver, found.cuda
    )
    duration_s = time.monotonic() - start
    return make_selftest(machine, checks, quick=plan.quick, duration_s=duration_s)


def _watch_idle(
    plan: SelfTestPlan, gpus: GpusUnderTest, rapl_meter: Meter | None, tell: Tell
) -> _Idle:
    """Nothing is done for a while: all that can be metered is, at the same time."""
    tell(f"Nothing is done for {plan.idle_s:g} s: idle power, other processes")
    idle, nvml = _Idle(), None
    if gpus.facts:
        nvml, idle.failure = _opened(gpus.meter(*(facts.uuid for facts in gpus.facts)))
    load, _ = _opened(LoadMeter())
    token = None if load is None else load.start()
    try:
        meters = [meter for meter in (rapl_meter, nvml) if meter is not None]
        before_s = _recorder_cpu_s(nvml)
        measurements, seconds = watch_idle(meters, plan.idle_s)
        after_s = _recorder_cpu_s(nvml)
        if before_s is not None and after_s is not None:
            idle.recorder_share = (after_s - before_s) / seconds
    finally:
        if nvml is not None:
            nvml.close()
    if load is not None and token is not None:
        idle.others_share = load.others_share(token)
    if nvml is not None:
        measured = measurements[nvml.name]
        idle.gpus = {f.uuid: gpu.observe(measured, f, seconds) for f in gpus.facts}
    idle.rapl = _rapl_of(measurements, seconds)
    return idle


def _check_processor(
    plan: SelfTestPlan,
    idle: _Idle,
    rapl_meter: Meter | None,
    rapl_failure: str,
    loads: Loads,
    tell: Tell,
) -> list[SelfTestCheck]:
    tell(f"Processor: {plan.cpu_repeats} repeats of a fixed load, {plan.cpu_repeat_s:g} s each")
    try:
        load = loads.cpu()
    except EnergyScoreError as error:
        return [
            judge.judge_rapl(rapl_failure, idle.rapl, {}),
            cannot("cpu_repeatability", "cpu", error.message),
        ]
    start = time.monotonic()
    with metered([] if rapl_meter is None else [rapl_meter]) as measurements:
        repeats = [gpu.work_for(load, plan.cpu_repeat_s) for _ in range(plan.cpu_repeats)]
        seconds = time.monotonic() - start
    load.close()
    return [
        judge.judge_rapl(rapl_failure, idle.rapl, _rapl_of(measurements, seconds)),
        judge.judge_pace(load.operation, repeats),
    ]


def _recorder_cpu_s(meter: NvmlMeter | None) -> float | None:
    with contextlib.suppress(MeterError):
        return None if meter is None else meter.recorder_cpu_s()
    return None


def _opened(meter: M) -> tuple[M | None, str]:
    """The meter, opened, or why it does not work here."""
    try:
        meter.open()
    except MeterError as error:
        return None, f"{error.message.rstrip('.')}. {error.remedy}".strip()
    return meter, ""


def _rapl_of(measurements: Mapping[str, Metered], seconds: float) -> dict[Domain, Observed]:
    measurement = measurements.get(rapl.RaplMeter.name)
    readings = {} if measurement is None else measurement.readings
    return {domain: Observed(reading, seconds) for domain, reading in readings.items()}


def _both_clocks_ns() -> tuple[int, int] | None:
    """The monotonic clock and the one that is never adjusted, if the system has one."""
    try:
        return time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    except (AttributeError, OSError):
        return None


def _check_clocks(start: tuple[int, int] | None) -> SelfTestCheck:
    """The monotonic clock since `start`, its steps, and how late a sleeper wakes (0.3 s)."""
    readings = [time.monotonic_ns() for _ in range(_READINGS)]
    steps = [b - a for a, b in itertools.pairwise(readings)]
    late_ms = [_late_ms() for _ in range(_SLEEPS)]
    end, ppm = _both_clocks_ns(), None
    if start is not None and end is not None:
        own_ns, raw_ns = (b - a for a, b in zip(start, end, strict=True))
        ppm = (own_ns / raw_ns - 1) * 1e6
    least = min((step for step in steps if step > 0), default=0)
    return judge.judge_clocks(least, sum(step < 0 for step in steps), ppm, late_ms)


def _late_ms() -> float:
    start = time.monotonic_ns()
    time.sleep(0.001)
    return (time.monotonic_ns() - start) / 1e6 - 1.0
