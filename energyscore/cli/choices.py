"""Values of options: those that are one of a few words, and the number of runs."""

import re
from enum import StrEnum

import typer


class DeviceChoice(StrEnum):
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


def parse_repeats(text: str) -> int | str:
    """A number of runs, or `auto`."""
    text = text.strip().lower()
    if text == "auto":
        return text
    if re.fullmatch("[0-9]{1,7}", text) and 1 <= int(text) <= 10**6:
        return int(text)
    raise typer.BadParameter(f"{text!r} is neither a number of runs from 1 on nor auto.")
