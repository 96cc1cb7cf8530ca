"""The GPUs as torch sees them, by the UUIDs that NVML knows them by."""

import torch

from energyscore.errors import UnsupportedError


def device_uuid(index: int) -> str:
    """The UUID of torch's CUDA device of that index, as NVML names it."""
    uuid = str(torch.cuda.get_device_properties(index).uuid)
    return uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"


def find_device(uuid: str) -> str:
    """Torch's name (`cuda:0`) of the GPU with that UUID.

    Raises:
        UnsupportedError: when torch does not see that GPU, with the reason.
    """
    version = f"torch {torch.__version__}"
    if torch.version.cuda is None:
        raise UnsupportedError(f"{version} is built without CUDA: it cannot load the GPU")
    if not torch.cuda.is_available():
        raise UnsupportedError(f"{version} sees no GPU")
    for index in range(torch.cuda.device_count()):
        if device_uuid(index) == uuid:
            return f"cuda:{index}"
    raise UnsupportedError(f"{version} sees other GPUs, not this one (CUDA_VISIBLE_DEVICES?)")
