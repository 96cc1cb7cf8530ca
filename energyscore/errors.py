"""The errors a person can meet: each says what is wrong, and how to mend it.

    EnergyScoreError            base: message and remedy, exit code 2
    +-- UsageError              wrong names, options, files, datasets
    |   +-- TaskError           a task file or its name
    |   +-- ModelError          a model that cannot be loaded
    |   +-- DatasetError        a dataset that does not fit its task
    |   +-- ResultError         a result file that cannot be read or written
    |   +-- WorkError           a function that was to be measured, and failed
    +-- UnsupportedError        this machine cannot measure what was asked, exit code 3
    |   +-- MeterError          a meter that does not answer
    +-- InvalidResult           a measurement that may not be published, exit code 3
    +-- NotMeasuredError        a figure that there is none of, exit code 3
    +-- OutOfMemory             the model or the batch does not fit, exit code 3

They are raised anywhere and formatted once, in `energyscore.cli`; from Python they are caught.
"""

import difflib
import reprlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 1  # aliases can make a short file mean a huge value
_SHORT.maxstring = _SHORT.maxother = 60


class EnergyScoreError(Exception):
    """An error with a remedy.

    Attributes:
        message: what is wrong and where, one line.
        remedy: what the person can do about it, or an empty string.
        exit_code: the process's exit status when the error reaches the top.
    """

    exit_code = 2

    def __init__(self, message: str, remedy: str = "") -> None:
        """Keep the message and its remedy."""
        super().__init__(message)
        self.message = " ".join(message.split())
        self.remedy = " ".join(remedy.split())

    def __str__(self) -> str:
        """The message and the remedy in one line."""
        return f"{self.message} {self.remedy}".strip()


class UsageError(EnergyScoreError):
    """A wrong name, option or file."""


class TaskError(UsageError):
    """A task that is unknown or whose file is wrong."""


class ModelError(UsageError):
    """A model that cannot be found or loaded."""


class DatasetError(UsageError):
    """A dataset that cannot be found or does not fit its task."""


class ResultError(UsageError):
    """A result file that cannot be read or written."""


class WorkError(UsageError):
    """A function that was to be measured, and failed; `__cause__` is what it raised."""


class UnsupportedError(EnergyScoreError):
    """This machine cannot measure what was asked."""

    exit_code = 3


class MeterError(UnsupportedError):
    """A meter that is missing or does not answer."""


class InvalidResult(EnergyScoreError):
    """A measurement that is invalid, where only a valid one may stand."""

    exit_code = 3


class NotMeasuredError(EnergyScoreError):
    """A figure was asked for that could not be measured: the message says why."""

    exit_code = 3


class OutOfMemory(EnergyScoreError):
    """The model or the batch does not fit into memory."""

    exit_code = 3


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A remedy for a wrong name: the nearest known ones, or all of them when none is near."""
    options = sorted(known)
    near = difflib.get_close_matches(name.lower(), options, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(repr(option) for option in near)}?"
    return f"Known: {', '.join(options)}." if options else ""


def first_problem(error: "ValidationError") -> str:
    """Where in a file of ours the first problem is, and what it is."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "the file"
    return f"{place}: {first['msg']}"


def explain_form(error: "ValidationError", form: "type[BaseModel]", whole: str) -> str:
    """The first problem of what people wrote by hand: the path of its key, and what is wrong there.

    Args:
        error: what pydantic found.
        form: what the part that holds the key may hold, to suggest a known key.
        whole: what was written, for people, such as `the list`.
    """
    first = error.errors()[0]
    path = ""
    for part in first["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    if first["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in form.model_fields.items()]
        return f"unknown key {path!r}. {did_you_mean(str(first['loc'][-1]), known)}"
    if first["type"] == "missing":
        return f"the key {path!r} is missing."
    if first["type"] == "too_short":
        return f"{path}: it is empty; name one at least."
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "model_type":
        message = "it must be a mapping"
    return f"{path or whole}: {message} (got {_SHORT.repr(first['input'])})."
