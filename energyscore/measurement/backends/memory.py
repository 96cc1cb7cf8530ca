"""What a model takes of memory: its weights as they lie there, and the most on its GPUs."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from energyscore.results.memory import Memory


def memory_of(modules: Iterable[torch.nn.Module], gpus: Sequence[int]) -> Memory:
    """Of loaded modules on these CUDA devices: since `forget_peak` for their most."""
    tensors = {
        id(tensor): tensor
        for module in modules
        for tensor in (*module.parameters(), *module.buffers())
    }
    peak = sum(torch.cuda.max_memory_allocated(index) for index in gpus)
    return Memory(
        weights_bytes=sum(map(bytes_of, tensors.values())),
        peak_gpu_bytes=peak if gpus else None,
    )


def forget_peak(gpus: Iterable[int]) -> None:
    """From now on the most is counted anew: what loading took beside the weights is over."""
    for index in gpus:
        torch.cuda.reset_peak_memory_stats(index)


def bytes_of(tensor: torch.Tensor) -> int:
    """Of a quantized tensor, which states the shape and type of a plain one, what it is made of.

    Torchao's weights are wrappers; those of bitsandbytes have their scales beside them.
    """
    if is_traceable_wrapper_subclass(tensor):
        names, _ = tensor.__tensor_flatten__()
        return sum(bytes_of(getattr(tensor, name)) for name in names)
    own = tensor.numel() * tensor.element_size()
    return own + sum(_scales_of(getattr(tensor, name, None)) for name in ("quant_state", "SCB"))


def _scales_of(beside: Any) -> int:
    """Bytes of what bitsandbytes keeps beside a weight: a tensor, or a state of several."""
    if isinstance(beside, torch.Tensor):
        return bytes_of(beside)
    parts = vars(beside).values() if hasattr(beside, "absmax") else ()
    return sum(map(_scales_of, parts))
