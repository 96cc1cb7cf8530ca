"""What `energyscore.measure` and `load` are given, checked: whatever is wrong is a UsageError."""

import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from energyscore.base.errors import UsageError, did_you_mean

DEVICES = ("auto", "cpu", "cuda")

_measuring = threading.Lock()


@contextmanager
def alone() -> Iterator[None]:
    """Measure nothing else in this process meanwhile.

    Raises:
        UsageError: when it measures already: meters would charge each with the energy of both.
    """
    if not _measuring.acquire(blocking=False):
        raise UsageError(
            "This process is measuring already, and each measurement would be charged with the "
            "energy of both.",
            "Measure one after the other; what is measured cannot measure itself.",
        )
    try:
        yield
    finally:
        _measuring.release()


def check_device(device: object, gpus: Sequence[str]) -> None:
    """Refuse a device that is unknown, or that contradicts the GPUs that are named."""
    if device not in DEVICES:
        near = did_you_mean(str(device), DEVICES)
        raise UsageError(
            f"device={device!r} is unknown.", "Did you mean 'cuda'?" if device == "gpu" else near
        )
    if device == "cpu" and gpus:
        raise UsageError(
            f"device='cpu' meters no GPU, and gpus names {gpus[0]}.", "Leave one of them out."
        )


def gpu_names(gpus: object) -> tuple[str, ...]:
    """The GPUs by index or UUID; a single one needs no list."""
    several = (gpus,) if isinstance(gpus, str | int) else gpus
    if isinstance(several, Iterable):
        names = tuple(several)
        if all(isinstance(one, str | int) and not isinstance(one, bool) for one in names):
            return tuple(str(one) for one in names)
    raise UsageError(f"gpus={gpus!r} names no GPUs.", "Give indices or UUIDs, such as gpus=[0].")


def refuse(what: str, **given: object) -> None:
    """Refuse arguments that are for the other kind of work."""
    wrong = [name for name, value in given.items() if value is not None]
    if wrong:
        other = "a function" if what == "a model" else "a model"
        raise UsageError(f"{wrong[0]} is for {other}, and this is {what}.", "Leave it out.")


def check_flags(**given: object) -> None:
    """Refuse what is neither True nor False: a text such as `no` would count as True."""
    for name, value in given.items():
        if not isinstance(value, bool):
            raise UsageError(f"{name}={value!r} is neither True nor False.")


def check_text(name: str, value: object) -> None:
    """Refuse what is no text, where something is given."""
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{name}={value!r} is no text.")


def read_queries(queries: object) -> list[Any]:
    """The queries as a list, at least one."""
    if isinstance(queries, str | bytes | Mapping) or not isinstance(queries, Iterable):
        kind = type(queries).__name__
        raise UsageError(
            f"queries is of type {kind}, not a sequence of queries.", "One is [query]."
        )
    contents = list(queries)
    if not contents:
        raise UsageError("queries is empty: there is nothing to measure.", "Give at least one.")
    return contents


def read_runs(repeats: object, default: int) -> int:
    """How many runs of a function."""
    if repeats == "auto":
        raise UsageError(
            "repeats='auto' is for models only, and this is a function.",
            "Give the number of runs, such as repeats=5.",
        )
    return read_count("repeats", repeats, default)


def read_count(name: str, value: object, default: int) -> int:
    """A whole number from 1 on."""
    if value is None:
        return default
    if type(value) is not int or value < 1:
        raise UsageError(f"{name}={value!r} is no whole number from 1 on.")
    return value


def read_seconds(name: str, value: object, default: float) -> float:
    """A number of seconds from 0 on."""
    if value is None:
        return default
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise UsageError(f"{name}={value!r} is no number of seconds from 0 on.")
    return float(value)


def read_options(options: object) -> dict[str, object]:
    """Options of `energyscore run` by their names."""
    if options is None:
        return {}
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise UsageError(
            f"options={options!r} is no mapping from names to values.",
            'Such as {"dtype": "bfloat16"}.',
        )
    return dict(options)


def read_path(name: str, value: object) -> Path:
    """One path."""
    if not isinstance(value, str | os.PathLike) or "\0" in str(value):
        shown = f"of type {type(value).__name__}" if not isinstance(value, str) else repr(value)
        raise UsageError(f"{name} is {shown}, and not one path.", "Such as 'results'.")
    return Path(value)
