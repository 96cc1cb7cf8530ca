"""Which GPUs a model is put on: one wherever one holds it, several where its class allows that.

The official protocol measures models on one GPU; only classes without that limit may be spread
over several, and then over as few as hold them. What certainly does not fit is refused before
anything is loaded; nothing is ever put into the processor's memory instead.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from energyscore.base.errors import UnsupportedError, UsageError
from energyscore.measurement.backend import Device
from energyscore.measurement.imports import uncollected
from energyscore.measurement.options import RunOptions
from energyscore.protocol.task import TaskSpec

RESERVE_BYTES = 3 * 2**29
"""Of each GPU: what CUDA itself and its libraries take (0.5 to 1 GiB), and what is lost between
blocks of memory."""


@dataclass(frozen=True)
class GpuRoom:
    """A GPU as torch numbers it, and what is free on it."""

    index: int
    name: str
    free_bytes: int

    @property
    def usable_bytes(self) -> int:
        """What a model can take of it."""
        return max(0, self.free_bytes - RESERVE_BYTES)


@dataclass(frozen=True)
class Candidate:
    """A model that wants GPUs, and what it takes of their memory."""

    label: str
    dtype: str
    quantized: bool
    weights_bytes: int
    piece_bytes: int  # of the largest piece (a layer) that must stay on one GPU
    working_bytes: int  # an estimate
    rule: str  # such as `class A`: it sets `max_gpus`
    max_gpus: int | None  # None: any number


def check_spread(task: TaskSpec, spread: int | None) -> None:
    """A UsageError for a number of GPUs that no model of a task may have."""
    if spread and spread > 1 and all(one.max_gpus == 1 for one in task.classes):
        raise UsageError(
            f"--spread {spread}: the task {task.id} measures every model on one GPU.",
            "Leave it out.",
        )


def choose_device(options: RunOptions) -> Device:
    """The device that was asked for; by default a GPU where torch sees one.

    Raises:
        UnsupportedError: when torch sees no GPU although one was asked for.
        UsageError: when a model is to be spread over GPUs, and works on the processor.
    """
    if options.device != "cpu":
        with uncollected():
            import torch

        if torch.cuda.is_available():
            return "cuda"
        if options.device == "cuda":
            raise UnsupportedError(
                "--device cuda: torch sees no NVIDIA GPU here.",
                "`energyscore doctor` says why; --device cpu works everywhere.",
            )
    if options.spread:
        raise UsageError(
            f"--spread {options.spread} is for GPUs, and models work on the processor here.",
            "Leave it out; `energyscore doctor` says why there is no GPU.",
        )
    return "cpu"


def place(model: Candidate, gpus: Sequence[GpuRoom], spread: int | None = None) -> dict[int, int]:
    """The first of the smallest sets of GPUs that hold a model and its work.

    Where none does by the estimate of the work, but the weights alone fit, it is tried: the
    estimate is rough, and a batch that is too large for what is left ends in an error of its own.

    `gpus` are those that torch sees, in its order; with `spread` it is exactly so many of them.
    Gives the bytes of weights that each chosen GPU may hold, by torch's index.

    Raises:
        UsageError: when the model's class does not allow so many.
        UnsupportedError: when there are not so many, or they do not hold the weights.
    """
    _check(model, gpus, spread)
    most = spread or min(model.max_gpus or len(gpus), len(gpus))
    # A GPU that holds not even one part is no place for a share of a model.
    wide = [gpu for gpu in gpus if gpu.usable_bytes >= model.piece_bytes]
    if most > 1 and len(wide) < (spread or 0):
        raise UnsupportedError(
            f"--spread {spread}: {model.label} has parts of {_gb(model.piece_bytes)}, and only "
            f"{len(wide)} of {_count(len(gpus))} here have room for one.",
            "Free the others, or lower --spread.",
        )
    for count in range(spread or 1, most + 1):
        for chosen in itertools.combinations(gpus if count == 1 else wide, count):
            if _holds(chosen, model):
                share = model.working_bytes // count
                return {gpu.index: max(0, gpu.usable_bytes - share) for gpu in chosen}
    chosen = _largest(wide, most)
    if len(chosen) > 1 and model.weights_bytes <= sum(gpu.usable_bytes for gpu in chosen):
        return {gpu.index: gpu.usable_bytes for gpu in chosen}
    if most == 1 or len(chosen) < 2:
        # One GPU is refused only for what cannot be: here the reserve is not kept.
        chosen = _largest(gpus, 1)
        if model.weights_bytes <= chosen[0].free_bytes:
            return {chosen[0].index: chosen[0].free_bytes}
    raise _too_large(model, chosen, len(gpus))


def _check(model: Candidate, gpus: Sequence[GpuRoom], spread: int | None) -> None:
    if not gpus:
        raise UnsupportedError(f"The model {model.label}: torch sees no GPU to put it on.")
    if spread is None:
        return
    if model.max_gpus is not None and spread > model.max_gpus:
        raise UsageError(
            f"--spread {spread}: {model.label} ({model.rule}) is measured on "
            f"{'one GPU' if model.max_gpus == 1 else f'at most {model.max_gpus} GPUs'}.",
            "Leave it out.",
        )
    if spread > len(gpus):
        raise UnsupportedError(
            f"--spread {spread}: torch sees {_count(len(gpus))} here.",
            "CUDA_VISIBLE_DEVICES says which it may see; `energyscore doctor` lists all.",
        )


def _largest(gpus: Sequence[GpuRoom], count: int) -> tuple[GpuRoom, ...]:
    """So many of the GPUs with the most room, in torch's order."""
    by_room = sorted(gpus, key=lambda gpu: gpu.free_bytes, reverse=True)[:count]
    return tuple(gpu for gpu in gpus if gpu in by_room)


def _holds(chosen: Sequence[GpuRoom], model: Candidate) -> bool:
    """Whether these hold a model and its work, by the estimate.

    Dividing loses room: each GPU ends with less than a part of it free, and accelerate keeps room
    for the largest part on the first.
    """
    lost = 0 if len(chosen) == 1 else (len(chosen) + 1) * model.piece_bytes
    room = sum(gpu.usable_bytes for gpu in chosen)
    return model.weights_bytes + model.working_bytes + lost <= room


def _too_large(model: Candidate, chosen: Sequence[GpuRoom], visible: int) -> UnsupportedError:
    weights, first = model.weights_bytes, chosen[0]
    if len(chosen) == 1:
        room, which = first.free_bytes, "GPU" if visible == 1 else "the GPU with the most"
        where = f"{which} ({first.index}, {first.name}) has {_gb(room)} free"
    else:
        room = sum(gpu.usable_bytes for gpu in chosen)
        where = f"{_count(len(chosen))} have {_gb(room)} free for it together"
    message = (
        f"The model {model.label} takes {_gb(weights)} of GPU memory for its weights "
        f"({'quantized' if model.quantized else model.dtype}); {where}: "
        f"{_gb(weights - room)} are missing."
    )
    remedies = []
    if model.dtype == "float32" and not model.quantized:
        remedies.append("--dtype bfloat16 halves it")
    if not model.quantized:
        remedies.append("take a quantized model")
    if model.max_gpus is None or model.max_gpus > len(chosen):
        each = max(1, room // len(chosen))
        more = math.ceil((weights - room + model.piece_bytes) / each)
        if visible > len(chosen):
            remedies.append("raise --spread")
        remedies.append(f"it takes {_count(max(1, more), 'more ')} like {first.name} or so")
    else:
        remedies.append(f"take a GPU with more memory ({model.rule} is measured on one)")
    text = "; ".join(remedies)
    return UnsupportedError(message, f"{text[0].upper()}{text[1:]}.")


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _count(number: int, more: str = "") -> str:
    return f"one {more}GPU" if number == 1 else f"{number} {more}GPUs"
