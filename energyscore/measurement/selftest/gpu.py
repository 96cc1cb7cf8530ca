"""What the self-test does to a GPU: watches its counter, its idling, and its work."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from energyscore.base.errors import EnergyScoreError, MeterError
from energyscore.measurement.meter import Measurement, metered
from energyscore.measurement.meters import nvml, nvml_device
from energyscore.measurement.meters.nvml_device import GpuFacts, NvmlSession
from energyscore.measurement.selftest import judge_gpu
from energyscore.measurement.selftest.judge import Observed
from energyscore.measurement.selftest.plan import Load, Loads, Plan, Wave
from energyscore.measurement.selftest.report import Check
from energyscore.results.result import GpuPart

Tell = Callable[[str], None]
"""Says to people what is being done."""


@dataclass(frozen=True)
class Gpus:
    """The GPUs to test, before this process uses any of them.

    Attributes:
        facts: what the driver says of each.
        processes: compute processes on each, by UUID; None where it does not list them.
        driver: its version.
        cuda: the newest CUDA version that it supports.
    """

    facts: tuple[GpuFacts, ...] = ()
    processes: Mapping[str, int | None] | None = None
    driver: str | None = None
    cuda: str | None = None

    @property
    def uuids(self) -> tuple[str, ...]:
        """The UUIDs of all."""
        return tuple(facts.uuid for facts in self.facts)

    def meter(self, *uuids: str) -> nvml.NvmlMeter:
        """A meter for some of them that tells our process from those that were there before."""
        before = {uuid: count or 0 for uuid, count in (self.processes or {}).items()}
        return nvml.NvmlMeter(uuids, before)

    def parts(self) -> list[GpuPart]:
        """The GPUs as the report describes them."""
        names = GpuPart.model_fields
        return [GpuPart(**{name: getattr(facts, name) for name in names}) for facts in self.facts]


def find_gpus(names: Sequence[str]) -> Gpus:
    """The GPUs that were named by index or UUID, or all.

    Raises:
        MeterError: when there is no driver, no GPU, or none of such a name.
    """
    session = NvmlSession()
    try:
        wanted = tuple(dict.fromkeys(session.resolve(name) for name in names))
        uuids = wanted or tuple(session.uuids())
        if not uuids:
            raise MeterError("NVML answers, but lists no GPU.")
        return Gpus(
            facts=tuple(session.facts(uuid) for uuid in uuids),
            processes={u: nvml_device.count_processes(session.handle(u)) for u in uuids},
            driver=session.driver_version(),
            cuda=session.cuda_version(),
        )
    finally:
        session.close()


def check_before_load(gpus: Gpus, facts: GpuFacts, plan: Plan) -> list[Check]:
    """Who else is on the GPU, and how its counter is updated."""
    subject = f"gpu:{facts.uuid}"
    session = NvmlSession()
    try:
        device = session.handle(facts.uuid)
        error = nvml_device.counter_error(device)
        period = None if error else nvml.probe_update_period(device, plan.probe_s)
    finally:
        session.close()
    processes = (gpus.processes or {}).get(facts.uuid)
    return [
        judge_gpu.judge_exclusive_use(subject, processes),
        judge_gpu.judge_counter(subject, period, error, plan.probe_s),
    ]


def observe(
    measurement: Measurement,
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


def check_under_load(
    gpus: Gpus,
    facts: GpuFacts,
    loads: Loads,
    plan: Plan,
    tell: Tell,
    idle: Observed | None,
    recorder_share: float | None,
) -> list[Check]:
    """Everything that needs a GPU at work; where there is no load for it, the reason.

    Args:
        gpus: all GPUs of the self-test.
        facts: the one to test.
        loads: where its load comes from.
        plan: how long.
        tell: told of every step.
        idle: what the GPU took when it did nothing, None when that could not be measured.
        recorder_share: of one core, used by the recorder in that time.
    """
    subject, uuid = f"gpu:{facts.uuid}", facts.uuid
    meter = gpus.meter(uuid)
    try:
        load = loads.gpu(uuid)
        try:
            meter.open()  # now: the load's own process on the GPU is told from others
            if idle is not None and idle.reading.energy_j is not None:
                meter.idle_power_w = {uuid: idle.reading.energy_j / idle.duration_s}
            return _Loaded(facts, load, meter, plan, tell).checks()
        finally:
            meter.close()
            load.close()
    except EnergyScoreError as error:
        waves = [wave.name for wave in plan.waves]
        return judge_gpu.no_load(subject, error.message, waves, recorder_share)


class _Loaded:
    """A GPU with its load and its meter."""

    def __init__(
        self, facts: GpuFacts, load: Load, meter: nvml.NvmlMeter, plan: Plan, tell: Tell
    ) -> None:
        self._facts, self._load, self._meter = facts, load, meter
        self._plan, self._tell = plan, tell
        self._subject = f"gpu:{facts.uuid}"

    def checks(self) -> list[Check]:
        plan, subject = self._plan, self._subject
        self._say(f"{plan.repeats} repeats of a fixed load, {plan.repeat_s:g} s each")
        self._load.work(plan.warmup_s)
        repeats = [self._repeat() for _ in range(plan.repeats)]
        checks = [
            judge_gpu.judge_load_energy(subject, self._load.operation, repeats),
            judge_gpu.judge_agreement(
                "load_agreement", subject, repeats, what="under a steady load"
            ),
            judge_gpu.judge_conditions(subject, repeats),
        ]
        for wave in plan.waves:
            checks.append(self._wave(wave))
        self._say(f"{plan.pairs} pairs of work with and without the recorder")
        return [*checks, self._overhead()]

    def _repeat(self) -> Observed:
        time.sleep(self._plan.pause_s)
        begin_c = self._meter.temperature_c()
        with metered([self._meter]) as measurements:
            done, seconds = work_for(self._load, self._plan.repeat_s)
        temperatures_c = (begin_c, self._meter.temperature_c())
        measurement = measurements[self._meter.name]
        return observe(measurement, self._facts, seconds, done, temperatures_c)

    def _wave(self, wave: Wave) -> Check:
        half = f"{wave.half_s * 1e3:.0f} ms"
        self._say(f"a load that is {half} on and {half} off, {wave.seconds:g} s")
        start = time.monotonic()
        with metered([self._meter]) as measurements:
            for _ in range(wave.cycles):
                self._load.work(wave.half_s)
                time.sleep(wave.half_s)
            seconds = time.monotonic() - start
        window = observe(measurements[self._meter.name], self._facts, seconds)
        # Power is sampled some ten times a second: of faster waves it may miss what the counter
        # has, and the two cannot be told apart.
        return judge_gpu.judge_agreement(
            wave.name,
            self._subject,
            [window],
            what=f"{half} on, {half} off",
            decides=wave.half_s >= 0.5,
        )

    def _overhead(self) -> Check:
        pairs, cpu_s, wall_s = [], 0.0, 0.0
        for number in range(self._plan.pairs):
            rates = {}
            for recording in (False, True) if number % 2 else (True, False):
                if not recording:
                    done, seconds = work_for(self._load, self._plan.pair_s)
                else:
                    before_s = recorder_cpu_s(self._meter)
                    with metered([self._meter]):
                        done, seconds = work_for(self._load, self._plan.pair_s)
                    cpu_s += recorder_cpu_s(self._meter) - before_s
                    wall_s += seconds
                rates[recording] = done / seconds
            pairs.append((rates[False], rates[True]))
        return judge_gpu.judge_overhead(self._subject, pairs, cpu_s / wall_s)

    def _say(self, what: str) -> None:
        self._tell(f"GPU {self._facts.index}: {what}")


def work_for(load: Load, seconds: float) -> tuple[int, float]:
    """Let a load work: the operations it did, and the time they took."""
    start = time.monotonic()
    done = load.work(seconds)
    return done, time.monotonic() - start


def recorder_cpu_s(meter: nvml.NvmlMeter) -> float:
    """Processor time that a meter's recorder has used, in seconds.

    Raises:
        MeterError: when the recorder is gone.
    """
    if meter.recorder_pid is None:
        raise MeterError("the recorder was lost.")
    try:
        times = psutil.Process(meter.recorder_pid).cpu_times()
    except psutil.Error as error:
        raise MeterError("the recorder was lost.") from error
    return float(times.user + times.system)
