"""What is tuned: the settings of a measurement, and what measuring with them came to. Pure."""

from dataclasses import dataclass
from typing import Literal

from energyscore.protocol.model import Dtype

TrialStatus = Literal[
    "measured", "beaten", "out_of_memory", "over_latency", "over_memory", "quality_lost",
    "invalid", "failed",
]  # fmt: skip
"""What became of a trial. `beaten`: it was ended early, as its interval left out being the best."""


@dataclass(frozen=True)
class Settings:
    """Options of `run` that change how a model works, and not what it is asked.

    Attributes:
        batch_size: queries at once.
        dtype: `auto`: as the task's protocol says.
        quantization: `none`: as the checkpoint is; else the way in which its weights are quantized
            when they are loaded, such as `int8`.
        attention: None: as the model has it by default.
        compile: by torch.compile.
        power_limit_w: of each GPU, in watts; None: as it is set.
    """

    batch_size: int
    dtype: Dtype = "auto"
    quantization: str = "none"
    attention: str | None = None
    compile: bool = False
    power_limit_w: float | None = None


@dataclass(frozen=True)
class TrialOutcome:
    """What a trial came to. Figures that were not measured are None.

    Attributes:
        energy_wh: per 1,000 queries; of `beaten` trials too.
        ci95: its interval, as it may be claimed.
        latency_p90_s: of a query, which takes as long as its batch.
        memory_bytes: on the GPUs the peak, on a processor the weights.
        reason: for people, why it is no candidate; empty for `measured`.
    """

    settings: Settings
    status: TrialStatus
    energy_wh: float | None = None
    ci95: tuple[float, float] | None = None
    latency_p90_s: float | None = None
    memory_bytes: int | None = None
    reason: str = ""
