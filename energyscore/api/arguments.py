"""The arguments of `energyscore.measure` and `load`, checked: whatever is wrong is a UsageError."""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from energyscore.base.errors import UsageError, worded
from energyscore.base.form import Strict
from energyscore.measurement.options import Count, DeviceName

_measuring = threading.Lock()


def _names(value: object) -> object:
    """GPUs by index or UUID; a single one needs no list."""
    several = [value] if isinstance(value, str | int) else value
    if isinstance(several, Iterable):
        return tuple(str(one) if type(one) is int else one for one in several)
    return several


Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Arguments(Strict):
    """How something is measured; see `energyscore.measure`. None: its default."""

    task: str | None = None
    repeats: Count | Literal["auto"] | None = None
    min_window_s: Seconds | None = None
    quick: bool
    batch_size: Count | None = None
    device: DeviceName
    gpus: Annotated[tuple[str, ...], BeforeValidator(_names)]
    idle_s: Seconds | None = None
    allow_shared: bool
    name: str | None
    options: Mapping[str, Any] | None = None
    progress: bool = False

    @model_validator(mode="after")
    def _no_contradiction(self) -> "Arguments":
        if self.device == "cpu" and self.gpus:
            raise ValueError(
                f"device='cpu' meters no GPU, and gpus names {self.gpus[0]}; leave one of them out"
            )
        return self

    def refuse(self, what: str, *names: str) -> None:
        """Refuse arguments that are for the other kind of work."""
        for name in names:
            if getattr(self, name) is not None:
                other = "a function" if what == "a model" else "a model"
                raise UsageError(f"{name} is for {other}, and this is {what}.", "Leave it out.")


def read_arguments(**given: object) -> Arguments:
    """The arguments of `measure`.

    Raises:
        UsageError: naming the argument and what is wrong with it.
    """
    try:
        return Arguments.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise UsageError(f"{first['msg'].removeprefix('Value error, ')}.") from error
        raise UsageError(f"{first['loc'][0]}: {worded(first)}.") from error


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


def read_path(name: str, value: object) -> Path:
    """One path."""
    if not isinstance(value, str | os.PathLike) or "\0" in str(value):
        shown = f"of type {type(value).__name__}" if not isinstance(value, str) else repr(value)
        raise UsageError(f"{name} is {shown}, and not one path.", "Such as 'results'.")
    return Path(value)
