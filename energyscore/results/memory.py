"""What a model took of memory while it was measured."""

from typing import Annotated

from pydantic import Field

from energyscore.base.form import Part

Bytes = Annotated[int, Field(gt=0)]


class Memory(Part):
    """Memory beside the energy; it is no part of any score."""

    weights_bytes: Bytes = Field(
        description="of all parameters and buffers, as they lie in memory once loaded"
    )
    peak_gpu_bytes: Bytes | None = Field(
        description="the most that torch held on the model's GPUs in warm-up and runs; null: on "
        "the processor"
    )
