"""The GPUs as torch sees them, by the UUIDs that NVML knows them by."""

from collections.abc import Iterable
from typing import Any

import torch

from energyscore.base.errors import UnsupportedError


def device_uuid(index: int) -> str:
    """The UUID of torch's CUDA device of that index, as NVML names it."""
    uuid = str(torch.cuda.get_device_properties(index).uuid)
    return uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"


def find_device(uuid: str) -> str:
    """Torch's name (`cuda:0`) of that GPU; an UnsupportedError says why torch does not see it."""
    version = f"torch {torch.__version__}"
    if torch.version.cuda is None:
        raise UnsupportedError(f"{version} is built without CUDA: it cannot load the GPU")
    if not torch.cuda.is_available():
        raise UnsupportedError(f"{version} sees no GPU")
    for index in range(torch.cuda.device_count()):
        if device_uuid(index) == uuid:
            return f"cuda:{index}"
    raise UnsupportedError(f"{version} sees other GPUs, not this one (CUDA_VISIBLE_DEVICES?)")


def occupied_gpus(module: Any) -> tuple[int, ...]:
    """Indices of the CUDA devices that hold a module's parameters or buffers, in order."""
    return gpu_indices(tensor.device for tensor in (*module.parameters(), *module.buffers()))


def gpu_indices(devices: Iterable[torch.device]) -> tuple[int, ...]:
    """Indices of the CUDA devices among those; one without an index is the first."""
    return tuple(sorted({device.index or 0 for device in devices if device.type == "cuda"}))


def devices_in_use() -> tuple[int, ...]:
    """Indices of the CUDA devices on which torch holds memory; none before it has used CUDA."""
    count = torch.cuda.device_count() if torch.cuda.is_initialized() else 0
    return tuple(index for index in range(count) if torch.cuda.memory_reserved(index) > 0)


def synchronize(indices: Iterable[int]) -> None:
    """Wait until each of these CUDA devices has finished what it was given."""
    for index in indices:
        torch.cuda.synchronize(index)
