"""The command line on a machine whose torch claims to have the simulated driver's GPUs.

All is real but what needs the hardware: torch names the GPUs that the driver lists, and the weights
are put on the processor, while the model is said to occupy the GPUs of the device map that was made
for it.
"""

import json
import types
from pathlib import Path

import pynvml
import torch

from energyscore.measurement.backends import base, loading


def pretend(waited: str) -> None:
    """Put the claims in place. For which GPUs torch was told to wait is written to that file."""
    pynvml.nvmlInit()
    handles = [
        pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())
    ]
    facts = [
        types.SimpleNamespace(
            name=pynvml.nvmlDeviceGetName(handle),
            uuid=pynvml.nvmlDeviceGetUUID(handle),
            total_memory=pynvml.nvmlDeviceGetMemoryInfo(handle).total,
        )
        for handle in handles
    ]
    waits: dict[int, int] = {}

    def wait(index: int) -> None:
        waits[index] = waits.get(index, 0) + 1
        Path(waited).write_text(json.dumps(waits))

    torch.cuda.is_available = lambda: True
    torch.cuda.device_count = lambda: len(facts)
    torch.cuda.get_device_properties = lambda index: facts[index]
    torch.cuda.memory_reserved = torch.cuda.memory_allocated = lambda index: 0
    torch.cuda.reset_peak_memory_stats = lambda index: None
    torch.cuda.max_memory_allocated = lambda index: 10**9
    torch.cuda.synchronize = wait
    torch.cuda.empty_cache = lambda: None

    choose, places = loading._choose_place, []

    def choose_and_note(*arguments):
        places.append(choose(*arguments)[0])
        return "cpu", arguments[1]

    def occupied(model):
        place = places[-1]
        return tuple(sorted(set(place.values()))) if isinstance(place, dict) else (int(place[5:]),)

    loading._choose_place = choose_and_note
    base.occupied_gpus = occupied
