"""Threads on the processor: what is asked of torch, and what it works with."""

import os
import sys

from energyscore.measurement.imports import uncollected


def set_threads(count: int) -> None:
    """Let torch work with so many threads on the processor; call it before its first work."""
    os.environ["OMP_NUM_THREADS"] = str(count)  # for libraries that are loaded from here on
    with uncollected():
        import torch

    torch.set_num_threads(count)


def threads_in_use() -> dict[str, int | str]:
    """How many threads torch works with on the processor, where it is loaded, and what was asked.

    `intra_op` within an operation, `inter_op` for several at once.
    """
    found: dict[str, int | str] = {}
    if torch := sys.modules.get("torch"):
        found = {"intra_op": torch.get_num_threads(), "inter_op": torch.get_num_interop_threads()}
    if asked := os.environ.get("OMP_NUM_THREADS"):
        found["OMP_NUM_THREADS"] = asked
    return found


def threads_to_come() -> str:
    """What decides how many threads torch will work with, as far as it is known before."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    asked = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
    return " ".join([*asked, f"{len(os.sched_getaffinity(0))} processors"])
