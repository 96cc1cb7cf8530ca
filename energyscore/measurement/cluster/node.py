"""What a node says of itself before it is given anything, and what it keeps until it is fetched."""

import platform
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from energyscore.base.places import state_folder
from energyscore.base.version import __version__
from energyscore.measurement.metering import describe_machine, gpus_with_energy
from energyscore.measurement.suite.where import is_of_type
from energyscore.protocol import hub

LEAST_FREE_GB = 1.0


@dataclass(frozen=True)
class NodeFacts:
    """One node, as it described itself."""

    node: str  # its name
    machine: str  # nodes of one machine, such as containers, share its processor and power
    version: str  # of energyscore
    python: str
    torch: str | None
    gpus: tuple[tuple[str, str], ...]  # (UUID, name) of those that the driver lists
    metered: tuple[str, ...]  # UUIDs of those whose energy can be told
    driver: str | None
    free_gb: float
    hub: bool
    kept: tuple[str, ...]  # names of what it finished and could not deliver

    def why_not(self, *, promised: int, gpu_type: str | None) -> tuple[str, str]:
        """Why it can measure nothing, and what to do; empty if it can.

        `promised`: how many GPUs the cluster counts there.
        """
        doctor = "There, `energyscore doctor` says why."
        if self.version != __version__:
            why = f"it has energyscore {self.version}, and here is {__version__}"
            return why, f"There: pip install energyscore=={__version__}"
        if self.python != (mine := platform.python_version()):
            why = f"it has Python {self.python}, and here is {mine}"
            return why, "Ray needs the same one, to the last digit."
        if promised and not self.gpus:
            return "NVML lists no GPU there", doctor
        if promised and not self.metered:
            return "no GPU there tells its energy", doctor
        if gpu_type and not any(is_of_type(name, gpu_type) for _, name in self.gpus):
            return f"it has no {gpu_type}", "--gpu-type chooses nodes by the names of their GPUs."
        if self.free_gb < LEAST_FREE_GB:
            return f"only {self.free_gb:.1f} GB are free on its disk", "Make room there."
        return "", ""


def examine_node() -> NodeFacts:
    """This node; it loads no heavy library."""
    machine = describe_machine()
    return NodeFacts(
        socket.gethostname(),
        _machine(),
        __version__,
        platform.python_version(),
        machine.packages.get("torch"),
        tuple((gpu.uuid, gpu.name) for gpu in machine.gpus),
        tuple(gpus_with_energy()),
        machine.driver,
        shutil.disk_usage(Path.home()).free / 1e9,
        hub.is_reachable(),
        tuple(path.stem for path in sorted(kept_folder().glob("*.zip"))),
    )


def _machine() -> str:
    """What all containers on one machine have in common, and no two machines."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def kept_folder() -> Path:
    """Where a node keeps what it has not delivered."""
    return state_folder() / "undelivered"
