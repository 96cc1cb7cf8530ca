"""Which meters a measurement gets, and what to say where one is missing."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from energyscore.base.errors import EnergyScoreError, MeterError, UsageError
from energyscore.base.lookup import resolve
from energyscore.base.units import counted
from energyscore.measurement import catalog, environment
from energyscore.measurement.family import ServerFamily
from energyscore.measurement.meter import Meter
from energyscore.measurement.warmup import measure_idle
from energyscore.results.compilation import Compilation
from energyscore.results.parts import Caution, Domain, EnvironmentPart, GpuPart

if TYPE_CHECKING:
    from energyscore.measurement.meters.nvml import NvmlMeter
    from energyscore.measurement.meters.nvml_device import NvmlSession


@dataclass
class Metering:
    """The meters of one measurement."""

    uuids: tuple[str, ...] = ()  # of the metered GPUs
    chosen_by: Literal["model", "user"] | None = None
    meters: list[Meter] = field(default_factory=list)  # opened, in the order of their starts
    absent: dict[Domain, str] = field(default_factory=dict)  # why no meter covers a domain
    failures: list[str] = field(default_factory=list)  # what does not work although it should
    occupied: tuple[str, ...] = ()  # by the model
    # Compute processes on each GPU before this process used any; None: the work is not its own.
    before: Mapping[str, int] | None = None
    shared: bool = False  # whether others may compute on them
    driver: str | None = None
    cuda: str | None = None
    nvml: "NvmlMeter | None" = None
    family: ServerFamily | None = None  # of a server, which does the work beside this process

    def gpu_parts(self) -> list[GpuPart]:
        """The metered GPUs, as results describe them."""
        return [] if self.nvml is None else [facts.part() for facts in self.nvml.facts]

    def cautions(self) -> list[Caution]:
        """The failures, as results keep them."""
        return [Caution(code="meter_failed", message=text) for text in self.failures]

    @property
    def measures(self) -> bool:
        """Whether there is a meter that measures; an estimate tells nothing of idling."""
        return self.nvml is not None or any(meter.name == "rapl" for meter in self.meters)

    @property
    def least_window_s(self) -> float:
        """Seconds that a quick run lasts at least, for its meter to tell its energy.

        25 updates of a GPU's counter where these are 100 ms apart, as on recent GPUs.
        """
        return 0.0 if self.nvml is None else 2.5

    def temperature_c(self) -> float | None:
        """The hottest metered GPU's temperature, None where no GPU is metered."""
        return None if self.nvml is None else self.nvml.temperature_c()

    def idle_cautions(self, asked_s: float, idle_w: Mapping[Domain, float]) -> list[Caution]:
        """A caution where GPUs were metered idle for so long, and their power is not known."""
        if self.nvml is None or asked_s <= 0 or all(f"gpu:{one}" in idle_w for one in self.uuids):
            return []
        why = "the meter could not tell it, or others used the GPU"
        if asked_s < self.least_window_s:
            why = f"it takes {self.least_window_s:g} s on recent GPUs"
        message = (
            f"idle power was not measured in {asked_s:g} s ({why}): no energy is net of idling"
        )
        return [Caution(code="no_idle_power", message=message)]

    def set_idle(self, idle_w: Mapping[Domain, float]) -> None:
        """Tell the GPU meter what the GPUs draw idle: no work can take less."""
        if self.nvml is not None:
            self.nvml.idle_power_w = idle_w

    def close(self) -> None:
        """Close all meters."""
        while self.meters:
            self.meters.pop().close()


def plan_metering(
    device: str,
    gpus: Sequence[str],
    before: Mapping[str, int] | None = None,
    *,
    shared: bool = False,
) -> Metering:
    """Before the model is loaded: find the GPUs that were named.

    Raises:
        MeterError: when GPUs were named and cannot be metered here.
    """
    if device == "cpu" and not gpus:
        return Metering(shared=shared)
    from energyscore.measurement.meters import nvml_device

    try:
        session = nvml_device.NvmlSession()
    except MeterError as error:
        if gpus:
            raise MeterError(
                f"--gpu {gpus[0]} cannot be metered: {error.message}", error.remedy
            ) from error
        failure = f"GPU energy cannot be metered: {error}"
        return Metering(failures=[failure], shared=shared)
    with contextlib.closing(session):
        uuids = tuple(dict.fromkeys(session.resolve(name) for name in gpus))
        metering = Metering(uuids, "user" if uuids else None, before=before, shared=shared)
        metering.driver, metering.cuda = session.driver_version(), session.cuda_version()
        return metering


@contextlib.contextmanager
def _driver() -> "Iterator[NvmlSession | None]":
    """NVML; None where it does not answer: metering says why, for the GPU that it needs."""
    from energyscore.measurement.meters.nvml_device import NvmlSession

    try:
        session = NvmlSession()
    except MeterError:
        yield None
        return
    with contextlib.closing(session):
        yield session


def list_gpus() -> list[str]:
    """UUIDs of the GPUs that the driver lists, in its order; none where it does not answer."""
    with _driver() as nvml:
        return nvml.uuids() if nvml else []


def count_gpu_processes() -> Mapping[str, int]:
    """Compute processes on every GPU now; call it before this process uses one."""
    with _driver() as nvml:
        return {uuid: _processes(nvml, uuid) for uuid in nvml.uuids()} if nvml else {}


def gpus_of(pids: Collection[int]) -> tuple[str, ...] | None:
    """UUIDs of the GPUs that one of these processes computes on; None where there is no GPU."""
    with _driver() as nvml:
        if nvml is None or not (uuids := nvml.uuids()):
            return None
        from energyscore.measurement.meters.nvml_device import compute_pids

        return tuple(uuid for uuid in uuids if compute_pids(nvml.handle(uuid)) & set(pids))


def strangers_now(metering: Metering) -> list[str]:
    """What is to be said of others that compute on a server's GPUs, before it is measured.

    Where none of the server's own is listed, who is a stranger cannot be told.
    """
    if metering.nvml is None or metering.family is None:
        return []
    means = "each run beside them will be invalid; end them, or measure with --allow-shared"
    if metering.shared:
        means = "what they take is measured, too"
    found = []
    with _driver() as nvml:
        from energyscore.measurement.meters.nvml_device import compute_pids

        for facts in metering.nvml.facts if nvml else ():
            pids = compute_pids(nvml.handle(facts.uuid)) if nvml else set()
            others = metering.family.strangers(pids)
            if 0 < len(others) < len(pids):
                count = counted(len(others), "other process", "other processes")
                found.append(f"{count} on GPU {facts.index} ({facts.name}): {means}")
    return found


def free_gpu_memory() -> Mapping[str, int]:
    """Free bytes of every GPU for which NVML tells them, by UUID."""
    with _driver() as nvml:
        if nvml is None:
            return {}
        from energyscore.measurement.meters.nvml_device import read_free_bytes

        found = {uuid: read_free_bytes(nvml.handle(uuid)) for uuid in nvml.uuids()}
        return {uuid: free for uuid, free in found.items() if free is not None}


def read_gpu_counters() -> Mapping[str, int]:
    """The energy counter of every GPU in millijoules, by UUID, of those that can be read."""
    found: dict[str, int] = {}
    with _driver() as nvml, contextlib.suppress(MeterError):
        for uuid in nvml.uuids() if nvml else []:
            from energyscore.measurement.meters.nvml_device import read_counter

            counted = read_counter(nvml.handle(uuid)).mj if nvml else None
            if counted is not None:
                found[uuid] = counted
    return found


def gpus_with_energy() -> list[str]:
    """UUIDs of the GPUs whose energy can be told: by a counter, or by power over time."""
    found: list[str] = []
    with _driver() as nvml, contextlib.suppress(MeterError):
        for uuid in nvml.uuids() if nvml else []:
            from energyscore.measurement.meters.nvml_device import (
                read_average_power_w,
                read_counter,
                read_instant_power_w,
            )

            device = nvml.handle(uuid) if nvml else None
            powers = (read(device) for read in (read_instant_power_w, read_average_power_w))
            if read_counter(device).mj is not None or any(one is not None for one in powers):
                found.append(uuid)
    return found


def describe_machine() -> EnvironmentPart:
    """This machine with all GPUs that its driver lists; the driver is let go at once."""
    with _driver() as nvml:
        if nvml is None:
            return environment.describe()
        parts = [nvml.facts(uuid).part() for uuid in nvml.uuids()]
        return environment.describe(parts, nvml.driver_version(), nvml.cuda_version())


def open_metering(
    metering: Metering,
    occupied: Sequence[str],
    compiled: Callable[[], Compilation | None] = lambda: None,
) -> None:
    """Once the model is loaded: open every meter that works here, NVML last.

    The last has the tightest window. A meter that fails is left out with its reason; without
    the one that was needed, the result will be invalid, which is for the checks to say. `compiled`
    tells what torch.compile has made so far; None: it makes nothing.
    """
    metering.occupied = tuple(occupied)
    if not metering.uuids and occupied:
        metering.uuids, metering.chosen_by = tuple(occupied), "model"
    if metering.uuids:
        nvml: NvmlMeter = resolve(catalog.METERS, "nvml")(
            metering.uuids, metering.before, shared=metering.shared, family=metering.family
        )
        if _try_open(metering, nvml, absent=[f"gpu:{uuid}" for uuid in metering.uuids]):
            metering.nvml = nvml
    indices = tuple(facts.index for facts in metering.nvml.facts) if metering.nvml else ()
    _try_open(metering, resolve(catalog.METERS, "codecarbon")(indices), absent=["cpu", "ram"])
    # RAPL is missing on many machines; CodeCarbon's estimate stands in, and says so.
    _try_open(metering, resolve(catalog.METERS, "rapl")())
    _try_open(metering, resolve(catalog.METERS, "load")(metering.family))
    _try_open(metering, resolve(catalog.METERS, "continuity")())
    if compiled() is not None:
        _try_open(metering, resolve(catalog.METERS, "recompiling")(compiled))
    if metering.nvml is not None:
        metering.meters.remove(metering.nvml)
        metering.meters.append(metering.nvml)


def check_power_limit(device: str, named: Sequence[str], limit_w: float | None) -> None:
    """An error where GPUs are to be limited to so many watts and cannot be; nothing changes."""
    if limit_w is None:
        return
    if device == "cpu" and not named:
        raise UsageError(
            f"--power-limit {limit_w:g} is for GPUs, and none is metered here.",
            "Leave it out; `energyscore doctor` says why there is no GPU.",
        )
    from energyscore.measurement.meters.power_limit import check_limit

    check_limit(named, limit_w)


@contextlib.contextmanager
def power_limited(
    uuids: Sequence[str], limit_w: float | None, warn: Callable[[str], None]
) -> Iterator[None]:
    """GPUs limited to so many watts; None: as they are.

    `warn` is told where a process that was killed left another limit than it found.
    """
    if limit_w is None:
        with _driver() if uuids else contextlib.nullcontext() as nvml:
            _say_limits_left(nvml, uuids, warn)
        yield
        return
    from energyscore.measurement.meters.power_limit import limited

    with limited(uuids, limit_w, warn):
        yield


def _say_limits_left(
    nvml: "NvmlSession | None", uuids: Sequence[str], warn: Callable[[str], None]
) -> None:
    if nvml is None:
        return
    from energyscore.measurement.meters.power_limit import in_words, limits_left

    with contextlib.suppress(MeterError):
        for label, note in limits_left(nvml, uuids):
            warn(f"{in_words(label, note)}. {note.remedy}")


def measure_idle_gpus(uuids: Sequence[str], seconds: float) -> dict[Domain, float]:
    """Mean power of GPUs, in watts, while this process does not use them; none given: of all.

    GPUs on which others compute are left out: they are not idle.
    """
    with _driver() as nvml, contextlib.suppress(MeterError):
        free = [u for u in uuids or nvml.uuids() if not _processes(nvml, u)] if nvml else []
        if free:
            meter: NvmlMeter = resolve(catalog.METERS, "nvml")(free)
            with contextlib.closing(meter):
                meter.open()
                return measure_idle([meter], seconds)
    return {}


def _processes(nvml: "NvmlSession", uuid: str) -> int:
    from energyscore.measurement.meters.nvml_device import count_processes

    return count_processes(nvml.handle(uuid)) or 0


def _try_open(metering: Metering, meter: Meter, absent: Sequence[Domain] = ()) -> bool:
    """Whether a meter works here; if not, the reason is kept for each domain that it was for."""
    try:
        meter.open()
    except EnergyScoreError as error:
        meter.close()
        metering.absent |= {domain: error.message for domain in absent}
        if absent:
            metering.failures.append(f"{meter.name}: {error}")
        return False
    metering.meters.append(meter)
    return True
