"""NVML devices: opened by UUID, their facts read, NVML's errors turned into ours.

Devices are always named by UUID. NVML's indices follow the PCI bus and ignore
CUDA_VISIBLE_DEVICES, CUDA's do not, so an index alone can mean two different GPUs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pynvml

from energyscore.base.errors import MeterError, did_you_mean

if TYPE_CHECKING:
    from energyscore.results.parts import GpuPart

T = TypeVar("T")

_INSTANT_POWER_FIELD = 186  # NVML_FI_DEV_POWER_INSTANT, milliwatts
_GPU_SCOPE, _MODULE_SCOPE = 0, 1
SUPERCHIPS = ("GH200", "GB200", "GB300")
"""In their names: their counter and averaged power are those of GPU and processor together."""

_MORE_THAN_GPU = 1.02
"""A module takes more than its GPU by this at least; where both read alike it is no module."""

_FIRST_SUPERCHIP = (9, 0)
_CARDS = ("H100", "H200", "H800", "H20")
"""In the names of GPUs of compute capability 9.0 and more that are known to be on boards alone."""

_SCOPE_LOOKS, _SCOPE_PAUSE_S = 8, 0.03
"""Of both scopes: together longer than power is renewed by most drivers."""

# The union's member for the type that the driver names, where it is not `ullVal`.
_MEMBERS = {pynvml.NVML_VALUE_TYPE_DOUBLE: "dVal", pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal"}
GPU_IS_LOST = pynvml.NVML_ERROR_GPU_IS_LOST
NO_PERMISSION = pynvml.NVML_ERROR_NO_PERMISSION
GPU_REMEDY = "Reset the GPU (nvidia-smi --gpu-reset) or restart the machine."

NvmlError = pynvml.NVMLError
"""The error that CodeCarbon, which also uses NVML, lets through."""


@dataclass(frozen=True)
class GpuFacts:
    """What the driver says of one GPU; None where it does not say."""

    uuid: str
    index: int
    name: str
    pci_bus_id: str | None
    memory_total_mb: float | None
    power_limit_w: float | None
    compute_capability: str | None
    mig: bool | None
    vgpu: bool | None
    module: bool | None  # counter and averaged power are a module's; None: it cannot be told
    ecc: bool | None
    persistence: bool | None

    def part(self) -> "GpuPart":
        """What results keep of it."""
        from energyscore.results.parts import GpuPart  # the recorder's process does without

        return GpuPart(**{name: getattr(self, name) for name in GpuPart.model_fields})


class NvmlSession:
    """NVML, opened once and shut down once; every failure names its cause."""

    def __init__(self) -> None:
        """Open the library; a MeterError when it is missing or does not start."""
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError_LibraryNotFound as error:
            raise MeterError(
                "the NVML library (libnvidia-ml.so.1) was not found: no NVIDIA driver is "
                "installed here, or this container does not see it.",
                "In a container, start it with --gpus all.",
            ) from error
        except pynvml.NVMLError as error:
            raise MeterError(f"NVML does not start: {error}.") from error
        self._open = True

    def close(self) -> None:
        """Shut the library down."""
        if self._open:
            self._open = False
            optional(pynvml.nvmlShutdown)

    def driver_version(self) -> str | None:
        """The driver's version."""
        return optional(pynvml.nvmlSystemGetDriverVersion)

    def cuda_version(self) -> str | None:
        """The newest CUDA version that the driver supports, such as `12.8`."""
        number = optional(pynvml.nvmlSystemGetCudaDriverVersion_v2)
        return None if number is None else f"{number // 1000}.{number % 1000 // 10}"

    def uuids(self) -> list[str]:
        """UUIDs of the GPUs that answer, in the order of their NVML indices."""
        return list(self._listed()[0].values())

    def unreadable(self) -> dict[int, str]:
        """The GPUs that do not answer: why, in NVML's words, by NVML index."""
        return self._listed()[1]

    def _listed(self) -> tuple[dict[int, str], dict[int, str]]:
        """UUIDs by index, and for GPUs that have none why: a lost GPU takes no other along."""
        try:
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            raise MeterError(f"NVML cannot list the GPUs: {error}.") from error
        uuids: dict[int, str] = {}
        silent: dict[int, str] = {}
        for index in range(count):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                uuids[index] = pynvml.nvmlDeviceGetUUID(handle)
            except pynvml.NVMLError as error:
                silent[index] = str(error)
        return uuids, silent

    def resolve(self, name: str) -> str:
        """The UUID for an NVML index or (the start of) a UUID; a MeterError unless one GPU fits."""
        by_index, silent = self._listed()
        uuids = list(by_index.values())
        if name.isdecimal():
            if int(name) in by_index:
                return by_index[int(name)]
            if int(name) in silent:
                raise MeterError(
                    f"--gpu {name}: NVML cannot read this GPU: {silent[int(name)]}.", GPU_REMEDY
                )
            count = len(by_index) + len(silent)
            there = "is only 1 GPU" if count == 1 else f"are only {count} GPUs"
            raise MeterError(
                f"--gpu {name}: there {there} here, and the first is 0.",
                "`energyscore doctor` lists them.",
            )
        matches = [uuid for uuid in uuids if uuid.lower().startswith(name.lower())]
        if len(matches) == 1 and len(name) >= 8:
            return matches[0]
        raise MeterError(
            f"--gpu {name}: {'several GPUs fit' if len(matches) > 1 else 'no such GPU'}.",
            did_you_mean(name, uuids),
        )

    def handle(self, uuid: str) -> Any:
        """The device of that UUID."""
        try:
            return pynvml.nvmlDeviceGetHandleByUUID(uuid)
        except pynvml.NVMLError as error:
            raise MeterError(f"GPU {uuid} cannot be opened by NVML: {error}.") from error

    def facts(self, uuid: str) -> GpuFacts:
        """What the driver says of a GPU that does not change with time."""
        device = self.handle(uuid)
        index = optional(pynvml.nvmlDeviceGetIndex, device)
        if index is None:
            index = next((i for i, one in self._listed()[0].items() if one == uuid), None)
        if index is None:
            raise MeterError(f"GPU {uuid} is no longer listed by NVML.", GPU_REMEDY)
        capability = optional(pynvml.nvmlDeviceGetCudaComputeCapability, device)
        memory = optional(pynvml.nvmlDeviceGetMemoryInfo, device)
        pci = optional(pynvml.nvmlDeviceGetPciInfo, device)
        mig = optional(pynvml.nvmlDeviceGetMigMode, device)
        virtual = optional(pynvml.nvmlDeviceGetVirtualizationMode, device)
        ecc = optional(pynvml.nvmlDeviceGetEccMode, device)
        persistence = optional(pynvml.nvmlDeviceGetPersistenceMode, device)
        return GpuFacts(
            uuid=uuid,
            index=index,
            name=optional(pynvml.nvmlDeviceGetName, device) or "unnamed GPU",
            pci_bus_id=None if pci is None else pci.busId,
            memory_total_mb=None if memory is None else memory.total / 2**20,
            power_limit_w=power_limit_w(device),
            compute_capability=None if capability is None else f"{capability[0]}.{capability[1]}",
            mig=None if mig is None else mig[0] == pynvml.NVML_DEVICE_MIG_ENABLE,
            module=_is_on_module(device, capability),
            vgpu=None if virtual is None else virtual == pynvml.NVML_GPU_VIRTUALIZATION_MODE_VGPU,
            ecc=None if ecc is None else bool(ecc[0]),
            persistence=None if persistence is None else bool(persistence),
        )


def optional(function: Callable[..., T], *arguments: Any) -> T | None:
    """Call NVML for something that may be missing: None when the driver does not give it."""
    try:
        return function(*arguments)
    except pynvml.NVMLError:
        return None


def read_counter_mj(device: Any) -> int:
    """The energy counter in millijoules since the driver was loaded; raises NVMLError."""
    return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(device))


@dataclass(frozen=True)
class CounterState:
    """An energy counter's value, or None and NVML's error; `lost` if the GPU fell off the bus."""

    mj: int | None
    error: str = ""
    lost: bool = False


def read_counter(device: Any) -> CounterState:
    """The energy counter now, or why it cannot be read."""
    try:
        return CounterState(read_counter_mj(device))
    except pynvml.NVMLError as error:
        return CounterState(None, str(error), error.value == GPU_IS_LOST)


def read_instant_power_w(device: Any) -> float | None:
    """Instantaneous power of the GPU in watts, or None where the driver does not give it."""
    return _instant_power_w(device, _GPU_SCOPE)


def _instant_power_w(device: Any, scope: int) -> float | None:
    values = optional(pynvml.nvmlDeviceGetFieldValues, device, [(_INSTANT_POWER_FIELD, scope)])
    if values is None or values[0].nvmlReturn != pynvml.NVML_SUCCESS:
        return None
    member = _MEMBERS.get(values[0].valueType, "ullVal")
    return float(getattr(values[0].value, member)) / 1000.0


def _is_on_module(device: Any, capability: tuple[int, int] | None) -> bool | None:
    """Whether a GPU shares a module with a processor: by its name, or because more is read.

    None where it may (since Hopper), and only averaged power is read, whose scope is not told.
    """
    name = optional(pynvml.nvmlDeviceGetName, device) or ""
    if any(chip in name for chip in SUPERCHIPS):
        return True
    may_be = capability is None or capability >= _FIRST_SUPERCHIP
    return _module_takes_more(device, may_be=may_be and not any(one in name for one in _CARDS))


def _module_takes_more(device: Any, *, may_be: bool) -> bool | None:
    """Whether a module is seen to take more than its GPU in all looks but one.

    Power that changes may be higher at the second look than at the first: so each of the module
    lies between two of the GPU.
    """
    missed = 0
    for _ in range(_SCOPE_LOOKS):
        before_w = _instant_power_w(device, _GPU_SCOPE)
        module_w = _instant_power_w(device, _MODULE_SCOPE)
        after_w = _instant_power_w(device, _GPU_SCOPE)
        if before_w is None or after_w is None:
            return None if may_be else False
        if module_w is not None and module_w > _MORE_THAN_GPU * max(before_w, after_w):
            time.sleep(_SCOPE_PAUSE_S)
        elif module_w is None or (missed := missed + 1) > 1:
            return False
    return True


def read_average_power_w(device: Any) -> float | None:
    """Power averaged by the driver (over 1 s on Ampere and newer) in watts, or None."""
    milliwatts = optional(pynvml.nvmlDeviceGetPowerUsage, device)
    return None if milliwatts is None else milliwatts / 1000.0


def read_temperature_c(device: Any) -> float | None:
    """Temperature in degrees Celsius, or None."""
    return optional(pynvml.nvmlDeviceGetTemperature, device, pynvml.NVML_TEMPERATURE_GPU)


def power_limit_w(device: Any) -> float | None:
    """The power limit in force, in watts."""
    milliwatts = optional(pynvml.nvmlDeviceGetEnforcedPowerLimit, device)
    return None if milliwatts is None else milliwatts / 1000.0


def read_set_limit_w(device: Any) -> float | None:
    """The power limit that was set, in watts; another may be lower, and then in force."""
    milliwatts = optional(pynvml.nvmlDeviceGetPowerManagementLimit, device)
    return None if milliwatts is None else milliwatts / 1000.0


def read_limit_range_w(device: Any) -> tuple[float, float] | None:
    """The least and the most watts that may be set as the power limit."""
    milliwatts = optional(pynvml.nvmlDeviceGetPowerManagementLimitConstraints, device)
    return None if milliwatts is None else (milliwatts[0] / 1000.0, milliwatts[1] / 1000.0)


def set_power_limit(device: Any, limit_w: float) -> None:
    """Set the power limit; raises NvmlError, whose `value` is NO_PERMISSION for most users."""
    pynvml.nvmlDeviceSetPowerManagementLimit(device, round(limit_w * 1000))


def read_free_bytes(device: Any) -> int | None:
    """Memory that no process has taken, in bytes, or None."""
    memory = optional(pynvml.nvmlDeviceGetMemoryInfo, device)
    return None if memory is None else int(memory.free)


def read_sm_clock_mhz(device: Any) -> int | None:
    """The SM clock in megahertz, or None."""
    return optional(pynvml.nvmlDeviceGetClockInfo, device, pynvml.NVML_CLOCK_SM)


def read_event_reasons(device: Any) -> int | None:
    """The bits that say why clocks are held down, or None."""
    return optional(pynvml.nvmlDeviceGetCurrentClocksEventReasons, device)


def count_processes(device: Any) -> int | None:
    """How many processes compute on a GPU.

    They are counted, not named: inside a container NVML shows the host's process ids, so our own
    id is not among them.
    """
    processes = optional(pynvml.nvmlDeviceGetComputeRunningProcesses, device)
    return None if processes is None else len(processes)


def compute_pids(device: Any) -> set[int]:
    """The processes that compute on a GPU, by the numbers that the host gives them.

    None of them may be known: that is no sign that there are none.
    """
    processes = optional(pynvml.nvmlDeviceGetComputeRunningProcesses, device)
    return {process.pid for process in processes or ()}
