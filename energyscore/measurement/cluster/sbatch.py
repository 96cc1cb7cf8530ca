"""Array jobs of Slurm as text: each element measures one order. Pure.

They need nothing of Slurm but `sbatch`: an element is a process that reads its order from a file in
a folder that all nodes see, and writes what came of it into that folder as one file.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from energyscore.base.errors import UsageError
from energyscore.measurement.cluster.order import Order

MOST_ELEMENTS = 1000
"""Of one array: the number of the last one stays under Slurm's usual MaxArraySize of 1001."""

GRACE_S = 90
"""How long before its time limit an element is asked to end: it keeps its finished runs."""

ATTEMPTS, LOGS = "attempts", "logs"

_NAME = re.compile(r"[a-z][a-z-]*")
_OURS = ("array", "output", "error", "signal", "chdir", "ntasks")
_GPUS = ("gres", "gpus", "gpus-per-node", "gpus-per-task")


@dataclass(frozen=True)
class Script:
    """One script, and how many orders it measures."""

    name: str
    text: str
    elements: int


def read_slurm(settings: Sequence[str]) -> dict[str, str]:
    """Options of sbatch from texts such as `partition=gpu`; a UsageError for what is none."""
    found: dict[str, str] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        name = name.strip().removeprefix("--")
        if not _NAME.fullmatch(name) or not (equals and value) or not value.isprintable():
            raise UsageError(
                f"--slurm {text!r} is no option of sbatch.", "Write it as partition=gpu."
            )
        if name in _OURS:
            raise UsageError(f"--slurm {name}: this option is set by energyscore.", "Leave it out.")
        found[name] = value
    return found


def gpu_options(slurm: Mapping[str, str], gpus: int, gpu_type: str | None) -> dict[str, str]:
    """What asks for so many GPUs; nothing where the options say it themselves."""
    if not gpus or any(name in slurm for name in _GPUS):
        return {}
    return {"gres": f"gpu:{gpu_type}:{gpus}" if gpu_type else f"gpu:{gpus}"}


def make_scripts(
    orders: Sequence[Order],
    file: str,
    logs: str,
    python: Sequence[str],
    slurm: Mapping[str, str],
    *,
    gpu_type: str | None = None,
    shared_node: bool = False,
    most: int = MOST_ELEMENTS,
) -> list[Script]:
    """The scripts for these orders, which lie in `file` in this order.

    Orders next to each other that need as many GPUs share an array, at most `most` of them.
    """
    scripts: list[Script] = []
    start = 0
    for gpus, group in groupby(orders, key=lambda order: order.gpus):
        left = len(list(group))
        while left:
            count = min(left, most)
            options = {
                "job-name": "energyscore",
                "array": f"0-{count - 1}",
                "output": f"{logs}/%A_%a.txt",
                "ntasks": "1",
                "signal": f"B:USR2@{GRACE_S}",
                **gpu_options(slurm, gpus, gpu_type),
                **slurm,
            }
            name = f"job-{len(scripts) + 1}.sh"
            text = _script(options, file, python, orders[start], start, exclusive=not shared_node)
            scripts.append(Script(name, text, count))
            start, left = start + count, left - count
    return scripts


def _script(
    options: Mapping[str, str],
    file: str,
    python: Sequence[str],
    first: Order,
    start: int,
    *,
    exclusive: bool,
) -> str:
    lines = [f"#SBATCH --{name}={_value(value)}" for name, value in options.items()]
    lines += ["#SBATCH --exclusive"] if exclusive and "exclusive" not in options else []
    command = shlex.join([*python, "-m", "energyscore.measurement.cluster"])
    return "\n".join(
        [
            "#!/bin/bash",
            "# Written by energyscore: each element of this array measures one entry of a suite.",
            *lines,
            f"cd {shlex.quote(str(first.place))} || exit 1",
            f'exec {command} {shlex.quote(file)} "$(({start} + SLURM_ARRAY_TASK_ID))"',
            "",
        ]
    )


def _value(value: str) -> str:
    """As sbatch reads it: by spaces, with quotes."""
    return f'"{value}"' if re.search(r"\s", value) else value
