"""What is tuned: the settings of a measurement, and what measuring with them came to. Pure."""

from dataclasses import dataclass
from typing import Any, Literal

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


MOST_BATCH = 512
"""Batch sizes are doubled no further, unless the user names larger ones."""


@dataclass(frozen=True)
class Space:
    """What may be tried of each setting. Where nothing is named, only the default's value is.

    Attributes:
        default: what is measured without tuning, and what a saving is against.
        batch_sizes: None: by doubling from 1 up to `most_batch`, and between them.
    """

    default: Settings
    batch_sizes: tuple[int, ...] | None = None
    most_batch: int = MOST_BATCH
    dtypes: tuple[Dtype, ...] = ()
    quantizations: tuple[str, ...] = ()
    attentions: tuple[str | None, ...] = ()
    compiles: tuple[bool, ...] = ()
    power_limits_w: tuple[float | None, ...] = ()

    @property
    def rungs(self) -> tuple[int, ...]:
        """The batch sizes to begin with, ascending."""
        own = self.default.batch_size
        if self.batch_sizes is not None:
            return tuple(sorted({own, *self.batch_sizes}))
        doubled = [2**power for power in range(self.most_batch.bit_length())]
        return tuple(sorted({own, *doubled, self.most_batch}))

    @property
    def dimensions(self) -> dict[str, tuple[Any, ...]]:
        """The other settings of which there is more than one value, the default's first."""
        named: dict[str, tuple[Any, ...]] = {
            "dtype": self.dtypes,
            "quantization": self.quantizations,
            "attention": self.attentions,
            "compile": self.compiles,
            "power_limit_w": self.power_limits_w,
        }
        found = {
            name: tuple(dict.fromkeys([getattr(self.default, name), *values]))
            for name, values in named.items()
        }
        return {name: values for name, values in found.items() if len(values) > 1}


@dataclass(frozen=True)
class Proposal:
    """What to measure next.

    Attributes:
        repeat: it was measured before, and is measured afresh to see how far the machine drifted.
        beaten_by: Wh per 1,000 queries; a trial that surely needs more may end. None: none may.
    """

    settings: Settings
    repeat: bool = False
    beaten_by: float | None = None


@dataclass(frozen=True)
class Untried:
    """What was not tried, and why, for people."""

    settings: Settings
    reason: str
