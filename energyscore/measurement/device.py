"""Where models of a session work: on the processor, or on GPUs, and what is free on those."""

from typing import Literal

from energyscore.base.errors import UnsupportedError, UsageError
from energyscore.measurement.backend import Gpus
from energyscore.measurement.imports import uncollected
from energyscore.measurement.metering import free_gpu_memory
from energyscore.measurement.options import Options

Device = Literal["cpu", "cuda"]


def choose_device(options: Options) -> Device:
    """The device that was asked for; unasked a GPU where torch sees one.

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


def gpus_for(device: Device, spread: int | None) -> Gpus | None:
    """What is free on the GPUs now, for a model that is about to be loaded."""
    return None if device == "cpu" else Gpus(free_gpu_memory(), spread)
