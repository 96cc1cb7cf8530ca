"""Where a result must have been measured, for it to count as what is asked for.

The key of an entry says what is asked for, the same everywhere. A result says which machine
measured it: on one machine only its own results count, on a cluster those of any node.
"""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from energyscore.base.stamps import digest_of
from energyscore.measurement.metering import describe_machine
from energyscore.measurement.options import RunOptions
from energyscore.measurement.threads import threads_to_come
from energyscore.results.parts import EnvironmentPart
from energyscore.results.result import Result


@dataclass(frozen=True)
class Where:
    """What the machine of a result must be; None and False: it may be any."""

    machine: str | None = None  # as results name theirs
    gpu: bool = False  # whether GPUs must be metered
    gpu_type: str | None = None  # that each of them must be of

    def has(self, result: Result) -> bool:
        """Whether the result was measured there."""
        if self.machine is not None and result.machine != self.machine:
            return False
        gpus = [gpu.name for gpu in result.environment.gpus]
        if self.gpu and not gpus:
            return False
        return self.gpu_type is None or all(is_of_type(name, self.gpu_type) for name in gpus)


ANYWHERE = Where()

WhereOf: TypeAlias = Callable[[RunOptions], Where]
"""Where what is asked for by these options must be measured."""


def here() -> WhereOf:
    """On this machine, as it is now."""
    machine = functools.partial(
        machine_of,
        describe_machine(),
        visible_gpus=os.environ.get("CUDA_VISIBLE_DEVICES"),
        threads=threads_to_come(),
    )
    return lambda options: Where(machine=machine(options))


def on_nodes(gpu_type: str | None) -> WhereOf:
    """On any node of a cluster, with GPUs of that type unless the processor is asked for."""

    def where(options: RunOptions) -> Where:
        gpus = gpus_for(options)
        return Where(gpu=gpus > 0, gpu_type=gpu_type if gpus else None)

    return where


def machine_of(
    machine: EnvironmentPart, options: RunOptions, *, visible_gpus: str | None, threads: str
) -> str:
    """What tells this machine, as it is when it measures, from every other: SHA-256.

    It counts with all of its GPUs, and with the power limit that is asked for, whatever is set;
    `visible_gpus` (CUDA_VISIBLE_DEVICES) apart, and with what decides of `threads` where the
    options do not.
    """
    content: dict[str, Any] = machine.model_dump(mode="json", exclude={"selftest"})
    for gpu in content["gpus"] if options.power_limit else ():
        gpu["power_limit_w"] = options.power_limit
    return digest_of([content, visible_gpus, None if options.threads else threads])


def gpus_for(options: RunOptions) -> int:
    """How many GPUs it takes: what `spread` or `gpu` say, none on the processor, else one."""
    named = len(options.gpu or ())
    return max(named, 0 if options.device == "cpu" else options.spread or 1)


def is_of_type(name: str, wanted: str) -> bool:
    """Whether a GPU's name has all the words of a type, such as `H100 80GB`."""
    return set(wanted.lower().split()) <= set(name.lower().replace("-", " ").split())
