"""What options of `run` may be, where that is one of a few words."""

from enum import StrEnum


class Device(StrEnum):
    """Where the model works."""

    auto = "auto"
    cuda = "cuda"
    cpu = "cpu"


class ReasoningMode(StrEnum):
    """How models are asked to reason."""

    default = "default"
    off = "off"
    low = "low"
    medium = "medium"
    high = "high"
    on = "on"


class DtypeChoice(StrEnum):
    """What the model computes in."""

    auto = "auto"
    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


class Format(StrEnum):
    """How a command shows its result on stdout."""

    table = "table"
    json = "json"
