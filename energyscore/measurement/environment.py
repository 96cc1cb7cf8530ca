"""The machine and the software that a result was measured with."""

import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from energyscore.base.version import __version__
from energyscore.results.parts import EnvironmentPart, GpuPart

PACKAGES = (
    "accelerate",
    "codecarbon",
    "datasets",
    "diffusers",
    "huggingface-hub",
    "numpy",
    "nvidia-ml-py",
    "tokenizers",
    "torch",
    "transformers",
)


def describe(
    gpus: Sequence[GpuPart] = (), driver: str | None = None, cuda: str | None = None
) -> EnvironmentPart:
    """This machine, with what the meter found out of its GPUs; `with_selftest` adds a self-test."""
    return EnvironmentPart(
        os=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        cpu=processor_name() or platform.processor() or platform.machine() or None,
        cpu_count=os.cpu_count(),
        memory_total_mb=_memory_total_mb(),
        driver=driver,
        cuda=cuda,
        gpus=list(gpus),
        packages=installed_packages(),
        energyscore=__version__,
        selftest=None,
    )


def installed_packages() -> dict[str, str]:
    """Versions of the packages that take part, without importing them."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def processor_name() -> str | None:
    """The processor's name as the kernel tells it, None where it does not."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip() or None
    return None


def _memory_total_mb() -> float | None:
    import psutil

    with suppress(OSError, ValueError, KeyError):
        return float(round(psutil.virtual_memory().total / 2**20, 1))
    return None
