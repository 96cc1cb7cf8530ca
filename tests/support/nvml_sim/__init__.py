"""A simulated NVML library: builds it, configures its devices, knows their true energy.

Times in device fields (`*_s`) are seconds after the simulation's `origin_ns`, an instant of
CLOCK_MONOTONIC (`time.monotonic_ns()`). What each key does is written at the top of `nvml_sim.c`.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "nvml_sim.c"
SONAME = "libnvidia-ml.so.1"
OMITTABLE = {
    "total_energy": "-DNVML_SIM_OMIT_TOTAL_ENERGY",
    "field_values": "-DNVML_SIM_OMIT_FIELD_VALUES",
}


class BuildError(RuntimeError):
    """The simulated library could not be compiled."""


@dataclass(frozen=True)
class Process:
    """A compute process seen on a device while `from_s` <= now < `to_s`."""

    pid: int
    used_mb: float = 500.0
    from_s: float = 0.0
    to_s: float = 9e9


@dataclass(frozen=True)
class EventReasons:
    """Clock event (throttle) reason bits reported while `from_s` <= now < `to_s`."""

    mask: int
    from_s: float = 0.0
    to_s: float = 9e9


@dataclass(frozen=True)
class Gpu:
    """One simulated device; the field names are the keys of the configuration file.

    `Simulation` fills in an empty `uuid` or `pci_bus_id` from the device's index.
    `power_schedule` and `power_limit_change` hold (seconds, watts); `wave`, which takes the place
    of the schedule, is (low W, high W, period s, duty). A negative `ecc` is a board without ECC.
    """

    uuid: str = ""
    name: str = "NVIDIA H100 80GB HBM3"
    pci_bus_id: str = ""
    power_limit_w: float = 700.0
    power_limit_change: tuple[tuple[float, float], ...] = ()
    power_schedule: tuple[tuple[float, float], ...] = ((0.0, 100.0),)
    wave: tuple[float, float, float, float] | None = None
    update_period_ms: float = 20.0
    update_phase_ms: float = 0.0
    counter: Literal["on", "unsupported", "frozen"] = "on"
    counter_offset_mj: int = 0
    counter_gain: float = 1.0
    counter_frozen_after_s: float | None = None
    counter_reset_after_s: float | None = None
    power: Literal["on", "unsupported"] = "on"
    instant_power: Literal["on", "unsupported"] = "on"
    power_gain: float = 1.0
    module_w: float = 0.0
    energy_latency_ms: float = 0.0
    power_latency_ms: float = 0.0
    status_latency_ms: float = 0.0
    latency: Literal["sleep", "spin"] = "sleep"
    set_limit: Literal["on", "unsupported", "denied", "ignored"] = "on"
    lost_after_s: float | None = None
    clocks_event_reasons: tuple[EventReasons, ...] = ()
    process: tuple[Process, ...] = ()
    mig: bool = False
    vgpu: bool = False
    memory_total_mb: int = 81559
    memory_used_mb: int = 4
    temperature_c: int = 35
    sm_clock_mhz: int = 1980
    mem_clock_mhz: int = 2619
    persistence: bool = True
    ecc: int = 1
    compute_mode: int = 0
    utilization: int = 0
    architecture: int = 9
    compute_capability: str = "9.0"


def build(directory: Path, omit: Iterable[str] = ()) -> Path:
    """Compiles the library into `directory`, or finds it there from before.

    Returns its path, alone in a folder named by the hash of its source. `omit` holds keys of
    `OMITTABLE`, symbols to leave out.

    Raises:
        BuildError: There is no C compiler, or it failed.
    """
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra"]
    flags += sorted(OMITTABLE[name] for name in set(omit))
    digest = hashlib.sha256(SOURCE.read_bytes() + "\0".join(flags).encode()).hexdigest()[:16]
    library = directory.resolve() / f"nvml-{digest}" / SONAME
    if library.exists():
        return library
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if not compiler:
        raise BuildError(f"no C compiler (cc, gcc or clang) on PATH to build {SOURCE}")
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        made = Path(scratch) / SONAME
        command = [compiler, *flags, "-o", str(made), str(SOURCE)]
        command += [f"-Wl,-soname,{SONAME}", "-lpthread", "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(f"{' '.join(command)} failed:\n{done.stderr}")
        made.replace(library)
    return library


class Simulation:
    """A set of simulated devices: their configuration file, environment and true energy.

    Simulations may share a directory: they share the library there, not the configuration file.

    Attributes:
        gpus: The devices as configured now.
        library: The simulated `libnvidia-ml.so.1`.
        config: The configuration file, which `NVML_SIM_CONFIG` names.
        origin_ns: The instant of CLOCK_MONOTONIC that is time zero of all schedules.
    """

    def __init__(
        self,
        directory: Path,
        gpus: Sequence[Gpu],
        *,
        omit: Iterable[str] = (),
        init_error: int = 0,
        origin_ns: int | None = None,
    ) -> None:
        """Builds the library if needed and writes the configuration.

        `init_error` is the NVML code that initialisation fails with. `origin_ns`, now by default,
        makes devices that have been running when it lies in the past.
        """
        self.library = build(directory, omit)
        self.origin_ns = time.monotonic_ns() if origin_ns is None else origin_ns
        self.init_error = init_error
        self.gpus = [
            replace(
                gpu,
                uuid=gpu.uuid or f"GPU-{index:08x}-0000-4000-8000-{index:012x}",
                pci_bus_id=gpu.pci_bus_id or f"00000000:{index + 1:02X}:00.0",
            )
            for index, gpu in enumerate(gpus)
        ]
        handle, name = tempfile.mkstemp(prefix="sim-", suffix=".conf", dir=directory)
        os.close(handle)
        self.config = Path(name).resolve()
        self.write()

    def write(self) -> None:
        """Writes the configuration file in one step: readers see the old one or the new one."""
        lines = [f"origin_ns {self.origin_ns}", f"init_error {self.init_error}"]
        for gpu in self.gpus:
            lines += ["", "[gpu]", *_gpu_lines(gpu)]
        scratch = self.config.with_suffix(".tmp")
        scratch.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.utime(scratch, ns=(time.time_ns(),) * 2)  # The kernel's own stamps are coarse.
        scratch.replace(self.config)

    def update(self, index: int, **changes: Any) -> None:
        """Changes fields of a device; running processes follow within about 5 ms.

        The device's state is a function of the present configuration alone, so a new schedule
        must repeat the past steps or the counter jumps. `counter="frozen"` freezes the counter at
        its present value and `counter="on"` undoes that, unless `counter_frozen_after_s` is given.
        """
        if changes.get("counter") in ("frozen", "on"):
            frozen_s = self.elapsed_s() if changes["counter"] == "frozen" else None
            changes.setdefault("counter_frozen_after_s", frozen_s)
        self.gpus[index] = replace(self.gpus[index], **changes)
        self.write()

    def elapsed_s(self) -> float:
        """Seconds since the origin: "now" in the unit of the devices' `*_s` fields."""
        return (time.monotonic_ns() - self.origin_ns) / 1e9

    def env(self) -> dict[str, str]:
        """The environment in which a new process sees this simulation."""
        env = dict(os.environ, NVML_SIM_CONFIG=str(self.config))
        for variable, folder in (("LD_LIBRARY_PATH", self.library.parent), ("PATH", HERE)):
            env[variable] = os.pathsep.join(filter(None, (str(folder), env.get(variable))))
        return env

    def power_limit_w(self, index: int) -> float:
        """The power limit of a device: the last one that was set, else as configured."""
        set_lines = self._limits.read_text().splitlines() if self._limits.exists() else []
        found = [line.split()[2] for line in set_lines if line.split()[0] == str(index)]
        return float(found[-1]) / 1e6 if found else self.gpus[index].power_limit_w

    def set_limit(self, index: int, watts: float) -> None:
        """Sets the power limit of a device, as a process does that may."""
        with self._limits.open("a") as file:
            file.write(f"{index} {time.monotonic_ns()} {round(watts * 1e6)}\n")

    @property
    def _limits(self) -> Path:
        return Path(f"{self.config}.limits")

    def true_energy_j(self, index: int, start_ns: int, end_ns: int) -> float:
        """The configured power of a device integrated over [start_ns, end_ns).

        In joules, between instants of CLOCK_MONOTONIC. Gains, offsets, faults, the update period
        and limits that a process set do not enter; changes of the power by `update` count as if
        they had always been there.
        """
        gpu = self.gpus[index]
        return (_area(gpu, end_ns - self.origin_ns) - _area(gpu, start_ns - self.origin_ns)) / 1e15


def env_without_library(directory: Path) -> dict[str, str]:
    """An environment in which no NVML library loads, even where a real one is installed."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / SONAME).write_bytes(b"")  # Found first, and too short to be a library.
    paths = filter(None, (str(directory), os.environ.get("LD_LIBRARY_PATH")))
    return dict(os.environ, LD_LIBRARY_PATH=os.pathsep.join(paths))


def _gpu_lines(gpu: Gpu) -> list[str]:
    """The configuration lines of one device."""
    values = {field.name: getattr(gpu, field.name) for field in fields(gpu)}
    schedule = " ".join(f"{at!r}:{watts!r}" for at, watts in values.pop("power_schedule"))
    wave = values.pop("wave")
    lines = ["wave " + " ".join(map(repr, wave)) if wave else f"power_schedule {schedule}"]
    lines += [f"power_limit_change {s!r} {w!r}" for s, w in values.pop("power_limit_change")]
    for p in values.pop("process"):
        lines.append(f"process {p.pid} {p.used_mb!r} {p.from_s!r} {p.to_s!r}")
    for r in values.pop("clocks_event_reasons"):
        lines.append(f"clocks_event_reasons {r.mask:x} {r.from_s!r} {r.to_s!r}")
    for key, value in values.items():
        if value is not None:
            lines.append(f"{key} {int(value) if isinstance(value, bool) else value}")
    return lines


def _area(gpu: Gpu, t_ns: int) -> int:
    """The antiderivative of a device's power at `t_ns` after the origin, in microwatt ns."""
    if gpu.wave is not None:
        low, high = (round(watts * 1e6) for watts in gpu.wave[:2])
        period_ns = round(gpu.wave[2] * 1e9)
        high_ns = round(gpu.wave[3] * period_ns)
        whole, part = divmod(t_ns, period_ns)
        cycle = high * high_ns + low * (period_ns - high_ns)
        return whole * cycle + high * min(part, high_ns) + low * max(part - high_ns, 0)
    steps = [(round(at * 1e9), round(watts * 1e6)) for at, watts in gpu.power_schedule]
    start, watts = steps[0]
    total = min(t_ns - start, 0) * watts
    for (at, watts), (until, _) in zip(steps, [*steps[1:], (max(t_ns, start), 0)], strict=True):
        total += max(min(t_ns, until) - at, 0) * watts
    return total
