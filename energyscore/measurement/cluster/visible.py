"""Which GPUs a process was given, by UUID. Pure.

NVML numbers GPUs without regard to CUDA_VISIBLE_DEVICES, and under the cgroups of Slurm each task
sees its own GPUs alone, from 0 on.
"""

from collections.abc import Sequence

from energyscore.base.errors import UsageError

_VARIABLE = "CUDA_VISIBLE_DEVICES"
_NONE = {"", "nodevfiles", "none", "void", "-1"}


def visible_gpus(asked: str | None, listed: Sequence[str]) -> tuple[str, ...]:
    """UUIDs of the GPUs that CUDA_VISIBLE_DEVICES names, of those that the driver lists.

    All of them where it is not set. Numbers are of the driver's order; where they are numbers of
    the whole machine and the process sees only as many GPUs as were named, it is these.

    Raises:
        UsageError: when a name fits no GPU or several, or two name the same.
    """
    if asked is None:
        return tuple(listed)
    if asked.strip().lower() in _NONE:
        return ()
    names = [name.strip() for name in asked.split(",")]
    numbers = [int(name) for name in names if name.isdecimal()]
    if len(numbers) == len(names) and len(set(numbers)) == len(listed) <= max(numbers):
        return tuple(listed)
    found = [_find(name, asked, listed) for name in names]
    if len(set(found)) < len(found):
        raise UsageError(f"{_VARIABLE}={asked} names a GPU twice.")
    return tuple(found)


def _find(name: str, asked: str, listed: Sequence[str]) -> str:
    if name.isdecimal():
        fitting = list(listed[int(name) : int(name) + 1])
    else:
        fitting = [uuid for uuid in listed if name and uuid.lower().startswith(name.lower())]
    if len(fitting) != 1:
        what = "several GPUs fit" if fitting else "there is no such GPU"
        there = ", ".join(listed) or "none"
        raise UsageError(f"{_VARIABLE}={asked}: {name!r}: {what}; the driver lists {there}.")
    return fitting[0]
