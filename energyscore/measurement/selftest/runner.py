"""The self-test from beginning to end: GPUs, processor, clocks; one report."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from energyscore.base.errors import EnergyScoreError, MeterError
from energyscore.measurement import environment
from energyscore.measurement.meter import Measurement, Meter, metered
from energyscore.measurement.meters import rapl
from energyscore.measurement.meters.continuity import ContinuityMeter
from energyscore.measurement.meters.load import LoadMeter
from energyscore.measurement.meters.nvml import NvmlMeter
from energyscore.measurement.selftest import gpu, judge_gpu, judge_machine
from energyscore.measurement.selftest.clock import ClockWatch
from energyscore.measurement.selftest.gpu import Gpus, Tell
from energyscore.measurement.selftest.judge import Observed, cannot
from energyscore.measurement.selftest.plan import Loads, Plan
from energyscore.measurement.selftest.report import Check, SelfTest, make_selftest
from energyscore.measurement.warmup import watch_idle
from energyscore.results.parts import Domain

M = TypeVar("M", bound=Meter)


@dataclass
class _Idle:
    """What was seen while nothing was done; every part may be missing."""

    gpus: dict[str, Observed] = field(default_factory=dict)
    failure: str = ""
    rapl: dict[Domain, Observed] = field(default_factory=dict)
    others_share: float | None = None
    recorder_share: float | None = None


def run_selftest(plan: Plan, gpus: Gpus | None, no_gpu: str, loads: Loads, tell: Tell) -> SelfTest:
    """Test this machine.

    Args:
        plan: how long to look at what.
        gpus: the GPUs to test, found before anything in this process used one; None for none.
        no_gpu: why there are none.
        loads: where the fixed loads come from.
        tell: told of every step.
    """
    start = time.monotonic()
    found = gpus or Gpus()
    clocks = ClockWatch()
    continuity = _opened(ContinuityMeter())
    rapl_meter, rapl_failure = _open_rapl()
    meters = [] if continuity is None else [continuity]
    try:
        with metered(meters) as measurements:
            checks = [] if gpus else [cannot("gpu", "machine", no_gpu)]
            for facts in found.facts:
                tell(f"GPU {facts.index}: the energy counter, {plan.probe_s:g} s")
                checks += gpu.check_before_load(found, facts, plan)
            idle = _watch_idle(plan, found, rapl_meter, tell)
            checks += _check_gpus(plan, found, idle, loads, tell)
            checks += _check_processor(plan, idle, rapl_meter, rapl_failure, loads, tell)
            seconds = time.monotonic() - start
        notices = None if continuity is None else measurements[continuity.name].notices
    finally:
        if rapl_meter is not None:
            rapl_meter.close()
    checks += [
        judge_machine.judge_neighbours(idle.others_share),
        judge_machine.judge_clocks(clocks.stop()),
        judge_machine.judge_continuity(notices, seconds),
    ]
    machine = environment.describe(found.parts(), found.driver, found.cuda)
    duration_s = time.monotonic() - start
    return make_selftest(machine, checks, quick=plan.quick, duration_s=duration_s)


def _watch_idle(plan: Plan, gpus: Gpus, rapl_meter: Meter | None, tell: Tell) -> _Idle:
    """Nothing is done for a while: all that can be metered is, at the same time."""
    tell(f"Nothing is done for {plan.idle_s:g} s: idle power, other processes")
    idle = _Idle()
    nvml = gpus.meter(*gpus.uuids) if gpus.facts else None
    try:
        if nvml is not None:
            nvml.open()
    except MeterError as error:
        idle.failure = error.message
        nvml = None
    load = _opened(LoadMeter())
    token = None if load is None else load.start()
    try:
        meters = [meter for meter in (rapl_meter, nvml) if meter is not None]
        before_s = _recorder_cpu_s(nvml)
        measurements, seconds = watch_idle(meters, plan.idle_s)
        after_s = _recorder_cpu_s(nvml)
    finally:
        if nvml is not None:
            nvml.close()
    if load is not None and token is not None:
        idle.others_share = load.others_share(token)
    if before_s is not None and after_s is not None:
        idle.recorder_share = (after_s - before_s) / seconds
    if nvml is not None:
        measured = measurements[nvml.name]
        idle.gpus = {f.uuid: gpu.observe(measured, f, seconds) for f in gpus.facts}
    idle.rapl = _rapl_of(measurements, seconds)
    return idle


def _check_gpus(plan: Plan, gpus: Gpus, idle: _Idle, loads: Loads, tell: Tell) -> list[Check]:
    checks = []
    for facts in gpus.facts:
        subject, seen = f"gpu:{facts.uuid}", idle.gpus.get(facts.uuid)
        checks.append(
            cannot("idle_power", subject, idle.failure)
            if seen is None
            else judge_gpu.judge_idle(subject, seen)
        )
        checks += gpu.check_under_load(gpus, facts, loads, plan, tell, seen, idle.recorder_share)
    return checks


def _check_processor(
    plan: Plan,
    idle: _Idle,
    rapl_meter: Meter | None,
    rapl_failure: str,
    loads: Loads,
    tell: Tell,
) -> list[Check]:
    tell(f"Processor: {plan.cpu_repeats} repeats of a fixed load, {plan.cpu_repeat_s:g} s each")
    try:
        load = loads.cpu()
    except EnergyScoreError as error:
        return [
            judge_machine.judge_rapl(rapl_failure, idle.rapl, {}),
            cannot("cpu_repeatability", "cpu", error.message),
        ]
    start = time.monotonic()
    with metered([] if rapl_meter is None else [rapl_meter]) as measurements:
        repeats = [gpu.work_for(load, plan.cpu_repeat_s) for _ in range(plan.cpu_repeats)]
        seconds = time.monotonic() - start
    load.close()
    return [
        judge_machine.judge_rapl(rapl_failure, idle.rapl, _rapl_of(measurements, seconds)),
        judge_machine.judge_pace(load.operation, repeats),
    ]


def _open_rapl() -> tuple[rapl.RaplMeter | None, str]:
    """The opened meter, or why there is none."""
    meter = rapl.RaplMeter()
    try:
        meter.open()
    except MeterError as error:
        return None, f"{error.message.rstrip('.')}. {error.remedy}".strip()
    return meter, ""


def _opened(meter: M) -> M | None:
    try:
        meter.open()
    except MeterError:
        return None
    return meter


def _rapl_of(measurements: Mapping[str, Measurement], seconds: float) -> dict[Domain, Observed]:
    measurement = measurements.get(rapl.RaplMeter.name)
    readings = {} if measurement is None else measurement.readings
    return {domain: Observed(reading, seconds) for domain, reading in readings.items()}


def _recorder_cpu_s(meter: NvmlMeter | None) -> float | None:
    try:
        return None if meter is None else gpu.recorder_cpu_s(meter)
    except MeterError:
        return None
