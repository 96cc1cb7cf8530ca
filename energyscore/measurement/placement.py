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
from energyscore.protocol.task import TaskSpec

RESERVE_BYTES = 3 * 2**29
"""Of each GPU: what CUDA itself and its libraries take (0.5 to 1 GiB), and what is lost between
blocks of memory."""

PROMPT_TOKENS = 4096
"""Prompts are taken to be no longer: a model's context may be thirty times what a dataset needs."""

WORKING_SHARE = 0.2
"""Working memory as a share of the weights where a configuration does not tell it: the official
protocol's own factor (memory = 1.2 x weights)."""


@dataclass(frozen=True)
class GpuRoom:
    """A GPU as torch numbers it, and what is free on it."""

    index: int
    name: str
    free_bytes: int


@dataclass(frozen=True)
class MemoryNeed:
    """What a model takes of GPU memory; a piece (a layer) must stay on one GPU."""

    weights_bytes: int
    piece_bytes: int
    working_bytes: int  # an estimate


@dataclass(frozen=True)
class Candidate:
    """A model that wants GPUs. `rule` (such as `class A`) sets `max_gpus`; None: any number."""

    label: str
    dtype: str
    quantized: bool
    need: MemoryNeed
    rule: str
    max_gpus: int | None


def working_bytes(
    *,
    layers: int,
    cached_values: int,
    widest: int,
    vocabulary: int,
    value_bytes: int,
    batch: int,
    new_tokens: int,
    context_length: int | None,
) -> int:
    """An estimate of what a transformer's work takes beside its weights.

    Args:
        layers: layers with a cache.
        cached_values: numbers that a layer caches for a token, keys and values together.
        widest: the widest activation of a token.
        vocabulary: logits of a token.
        value_bytes: bytes of a number.
        batch: queries at once.
        new_tokens: tokens to generate.
        context_length: longest input in tokens, if known.
    """
    prompt = min(PROMPT_TOKENS, context_length or PROMPT_TOKENS)
    cache = layers * cached_values * (prompt + new_tokens)
    # A feed-forward layer holds a few tensors of its width at once; logits are made of one token.
    activations = 4 * widest * prompt + 2 * vocabulary
    return batch * value_bytes * (cache + activations)


def check_spread(task: TaskSpec, spread: int | None) -> None:
    """Refuse a number of GPUs that no model of a task may have.

    Raises:
        UsageError: when the task measures all models on one GPU.
    """
    if spread and spread > 1 and all(one.max_gpus == 1 for one in task.classes):
        raise UsageError(
            f"--spread {spread}: the task {task.id} measures every model on one GPU.",
            "Leave it out.",
        )


def place(model: Candidate, gpus: Sequence[GpuRoom], spread: int | None = None) -> dict[int, int]:
    """The first of the smallest sets of GPUs that hold a model and its work.

    Where none does by the estimate of the work, but the weights alone fit, it is tried: the
    estimate is rough, and a batch that is too large for what is left ends in an error of its own.

    Args:
        model: what to place.
        gpus: those that torch sees, in its order.
        spread: exactly so many; None: as few as hold it.

    Returns:
        Bytes of weights that each chosen GPU may hold, by torch's index.

    Raises:
        UsageError: when the model's class does not allow so many.
        UnsupportedError: when there are not so many, or they do not hold the weights.
    """
    _check(model, gpus, spread)
    need = model.need
    most = spread or min(model.max_gpus or len(gpus), len(gpus))
    # A GPU that holds not even one part is no place for a share of a model.
    wide = [gpu for gpu in gpus if _usable(gpu) >= need.piece_bytes]
    if most > 1 and len(wide) < (spread or 0):
        raise UnsupportedError(
            f"--spread {spread}: {model.label} has parts of {_gb(need.piece_bytes)}, and only "
            f"{len(wide)} of {_count(len(gpus))} here have room for one.",
            "Free the others, or lower --spread.",
        )
    for count in range(spread or 1, most + 1):
        for chosen in itertools.combinations(gpus if count == 1 else wide, count):
            if _holds(chosen, need):
                return _limits(chosen, need.working_bytes // count)
    chosen = _largest(wide, most)
    if len(chosen) > 1 and need.weights_bytes <= sum(map(_usable, chosen)):
        return _limits(chosen, 0)
    if most == 1 or len(chosen) < 2:
        # One GPU is refused only for what cannot be: here the reserve is not kept.
        chosen = _largest(gpus, 1)
        if need.weights_bytes <= chosen[0].free_bytes:
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


def _usable(gpu: GpuRoom) -> int:
    return max(0, gpu.free_bytes - RESERVE_BYTES)


def _largest(gpus: Sequence[GpuRoom], count: int) -> tuple[GpuRoom, ...]:
    """So many of the GPUs with the most room, in torch's order."""
    by_room = sorted(gpus, key=lambda gpu: gpu.free_bytes, reverse=True)[:count]
    return tuple(gpu for gpu in gpus if gpu in by_room)


def _holds(chosen: Sequence[GpuRoom], need: MemoryNeed) -> bool:
    """Whether these hold a model and its work, by the estimate.

    Dividing loses room: each GPU ends with less than a part of it free, and accelerate keeps room
    for the largest part on the first.
    """
    lost = 0 if len(chosen) == 1 else (len(chosen) + 1) * need.piece_bytes
    room = sum(_usable(gpu) for gpu in chosen)
    return need.weights_bytes + need.working_bytes + lost <= room


def _limits(chosen: Sequence[GpuRoom], working_each: int) -> dict[int, int]:
    return {gpu.index: max(0, _usable(gpu) - working_each) for gpu in chosen}


def _too_large(model: Candidate, chosen: Sequence[GpuRoom], visible: int) -> UnsupportedError:
    weights = model.need.weights_bytes
    single = len(chosen) == 1
    room = chosen[0].free_bytes if single else sum(map(_usable, chosen))
    if single:
        gpu = chosen[0]
        which = "GPU" if visible == 1 else "the GPU with the most"
        where = f"{which} ({gpu.index}, {gpu.name}) has {_gb(room)} free"
    else:
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
        more = math.ceil((weights - room + model.need.piece_bytes) / each)
        if visible > len(chosen):
            remedies.append("raise --spread")
        remedies.append(f"it takes {_count(max(1, more), 'more ')} like {chosen[0].name} or so")
    else:
        remedies.append(f"take a GPU with more memory ({model.rule} is measured on one)")
    text = "; ".join(remedies)
    return UnsupportedError(message, f"{text[0].upper()}{text[1:]}.")


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _count(number: int, more: str = "") -> str:
    return f"one {more}GPU" if number == 1 else f"{number} {more}GPUs"
