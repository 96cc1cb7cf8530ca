"""What the self-test does to a GPU: watches its counter, its idling, and its work."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from energyscore.base.errors import EnergyScoreError, MeterError
from energyscore.measurement.meter import Metered, metered
from energyscore.measurement.meters import nvml, nvml_device
from energyscore.measurement.meters.nvml_device import GpuFacts, NvmlSession
from energyscore.measurement.selftest import judge_gpu
from energyscore.measurement.selftest.judge import Observed, cannot
from energyscore.measurement.selftest.plan import Load, Loads, SelfTestPlan, Wave
from energyscore.measurement.selftest.report import SelfTestCheck

Tell = Callable[[str], None]
"""Says to people what is being done."""


@dataclass(frozen=True)
class GpusUnderTest:
    """The GPUs to test, before this process uses any of them."""

    facts: tuple[GpuFacts, ...] = ()
    # Compute processes by UUID; None if the driver does not list them.
    processes: Mapping[str, int | None] = field(default_factory=dict)
    driver: str | None = None
    cuda: str | None = None

    def meter(self, *uuids: str) -> nvml.NvmlMeter:
        """A meter for some of them that tells our process from those that were there before."""
        return nvml.NvmlMeter(uuids, {uuid: n or 0 for uuid, n in self.processes.items()})


def find_gpus(names: Sequence[str]) -> GpusUnderTest:
    """The GPUs that were named by index or UUID, or all; a MeterError where there is none."""
    with closing(NvmlSession()) as session:
        wanted = tuple(dict.fromkeys(session.resolve(name) for name in names))
        uuids = wanted or tuple(session.uuids())
        if not uuids:
            raise MeterError("NVML answers, but lists no GPU.")
        return GpusUnderTest(
            facts=tuple(session.facts(uuid) for uuid in uuids),
            processes={u: nvml_device.count_processes(session.handle(u)) for u in uuids},
            driver=session.driver_version(),
            cuda=session.cuda_version(),
        )


def observe(
    measurement: Metered,
    facts: GpuFacts,
    duration_s: float,
    operations: int = 0,
    temperatures_c: tuple[float | None, float | None] = (None, None),
) -> Observed:
    """One GPU's part of a measurement; notices that name another GPU are left out.

    The meter's own window is taken where it tells it: on a busy machine the work's time, taken
    within, can be shorter by a few hundredths of a second.
    """
    label = f"GPU {facts.index} ("  # as the meter calls it
    notices = tuple(
        notice
        for notice in measurement.notices
        if label in notice.message or "GPU " not in notice.message
    )
    reading = measurement.readings[f"gpu:{facts.uuid}"]
    window_s = reading.facts.get("window_s")
    duration_s = window_s if isinstance(window_s, float) else duration_s
    return Observed(reading, duration_s, notices, operations, temperatures_c)


@dataclass(frozen=True)
class GpuTest:
    """The tests of one of them."""

    gpus: GpusUnderTest
    facts: GpuFacts
    plan: SelfTestPlan
    tell: Tell

    @property
    def subject(self) -> str:
        """The GPU, as checks name it."""
        return f"gpu:{self.facts.uuid}"

    def before_load(self) -> list[SelfTestCheck]:
        """Who else is on the GPU, and how its counter is updated."""
        probe_s, uuid = self.plan.probe_s, self.facts.uuid
        self._say(f"the energy counter, {probe_s:g} s")
        with closing(NvmlSession()) as session:
            device = session.handle(uuid)
            error = nvml_device.read_counter(device).error
            if self.facts.module:
                error = "only its whole module has one"
            period = None if error else nvml.probe_update_period(device, probe_s)
        return [
            judge_gpu.judge_exclusive_use(self.subject, self.gpus.processes.get(uuid)),
            judge_gpu.judge_counter(self.subject, period, error, probe_s),
        ]

    def under_load(
        self, loads: Loads, idle: Observed | None, recorder_share: float | None
    ) -> list[SelfTestCheck]:
        """Everything that needs a GPU at work; where there is no load for it, the reason.

        `idle` is what the GPU took when it did nothing, None when that could not be measured;
        `recorder_share` is the share of one core that the recorder used in that time.
        """
        meter = self.gpus.meter(self.facts.uuid)
        try:
            load = loads.gpu(self.facts.uuid)
            try:
                meter.open()  # now: so the load's own process is not counted as foreign
                if idle is not None and idle.power_w is not None:
                    meter.idle_power_w = {self.subject: idle.power_w}
                return self._loaded(load, meter)
            finally:
                meter.close()
                load.close()
        except EnergyScoreError as error:
            waves = [wave.name for wave in self.plan.waves]
            return judge_gpu.no_load(self.subject, error.message, waves, recorder_share)

    def _loaded(self, load: Load, meter: nvml.NvmlMeter) -> list[SelfTestCheck]:
        plan, subject = self.plan, self.subject
        self._say(f"{plan.repeats} repeats of a fixed load, {plan.repeat_s:g} s each")
        load.work(plan.warmup_s)
        repeats = [self._repeat(load, meter) for _ in range(plan.repeats)]
        checks = [
            judge_gpu.judge_load_energy(subject, load.operation, repeats),
            judge_gpu.judge_agreement(
                "load_agreement", subject, repeats, what="under a steady load"
            ),
            judge_gpu.judge_conditions(subject, repeats),
            *(self._wave(wave, load, meter, repeats) for wave in plan.waves),
        ]
        self._say(f"{plan.pairs} pairs of work with and without the recorder")
        return [*checks, self._overhead(load, meter)]

    def _repeat(self, load: Load, meter: nvml.NvmlMeter) -> Observed:
        time.sleep(self.plan.pause_s)
        begin_c = meter.temperature_c()
        with metered([meter]) as measurements:
            done, seconds = work_for(load, self.plan.repeat_s)
        temperatures_c = (begin_c, meter.temperature_c())
        return observe(measurements[meter.name], self.facts, seconds, done, temperatures_c)

    def _wave(
        self, wave: Wave, load: Load, meter: nvml.NvmlMeter, repeats: Sequence[Observed]
    ) -> SelfTestCheck:
        if why := judge_gpu.why_wave_too_fast(wave.half_s, repeats):
            return cannot(wave.name, self.subject, why, {"counter_to_power_ratio": None})
        half = f"{wave.half_s * 1e3:.0f} ms"
        self._say(f"a load that is {half} on and {half} off, {wave.seconds:g} s")
        start = time.monotonic()
        with metered([meter]) as measurements:
            for _ in range(wave.cycles):
                load.work(wave.half_s)
                time.sleep(wave.half_s)
            seconds = time.monotonic() - start
        window = observe(measurements[meter.name], self.facts, seconds)
        # Power is sampled some 25 times a second: of faster waves it may miss what the counter
        # has, so a difference proves nothing.
        slow, what = wave.half_s >= 0.5, f"{half} on, {half} off"
        return judge_gpu.judge_agreement(wave.name, self.subject, [window], what=what, decides=slow)

    def _overhead(self, load: Load, meter: nvml.NvmlMeter) -> SelfTestCheck:
        pairs, cpu_s, wall_s = [], 0.0, 0.0
        for number in range(self.plan.pairs):
            rates = {}
            for recording in (False, True) if number % 2 else (True, False):
                before_s = meter.recorder_cpu_s()
                with metered([meter] if recording else []):
                    done, seconds = work_for(load, self.plan.pair_s)
                if recording:
                    cpu_s += meter.recorder_cpu_s() - before_s
                    wall_s += seconds
                rates[recording] = done / seconds
            pairs.append((rates[False], rates[True]))
        return judge_gpu.judge_overhead(self.subject, pairs, cpu_s / wall_s)

    def _say(self, what: str) -> None:
        self.tell(f"GPU {self.facts.index}: {what}")


def work_for(load: Load, seconds: float) -> tuple[int, float]:
    """Let a load work: the operations it did, and the time they took."""
    start = time.monotonic()
    done = load.work(seconds)
    return done, time.monotonic() - start
