"""The errors a person can meet: each says what is wrong, and how to mend it.

    EnergyScoreError            base: message and remedy, exit code 2
    +-- UsageError              wrong names, options, files, datasets
    |   +-- TaskError           a task file or its name
    |   +-- ModelError          a model that cannot be loaded
    |   +-- DatasetError        a dataset that does not fit its task
    |   +-- ResultError         a result file that cannot be read or written
    |   +-- WorkError           a function that was to be measured, and failed
    |   +-- ServerError         a server that does not answer, or not as it should
    +-- UnsupportedError        this machine cannot measure what was asked, exit code 3
    |   +-- MeterError          a meter that does not answer
    +-- InvalidResult           a measurement that may not be published, exit code 3
    +-- NotMeasuredError        a figure that there is none of, exit code 3
    +-- OutOfMemory             the model or the batch does not fit, exit code 3
    +-- Interrupted             Ctrl-C or the like (`base.interrupts`), exit code 128 + signal

They are raised anywhere and formatted once, in `energyscore.cli`; from Python they are caught.
"""

import difflib
import os
import re
import reprlib
import sys
import traceback
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from energyscore.base.text import without_passwords

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

_TWO_STOPS = re.compile(r"(?<=[^\s./])\.\.(?=\s|$)")


class EnergyScoreError(Exception):
    """An error in one line, and what the person can do about it (or an empty string).

    `exit_code` is the process's exit status when it reaches the top. `code` names the kind of error
    for programs, where they act on it; else it is empty.
    """

    exit_code = 2
    code = ""

    def __init__(self, message: str, remedy: str = "") -> None:
        """Keep the message and its remedy."""
        message = without_passwords(message)
        super().__init__(message)
        # What is cited at the end of a message is often a sentence itself.
        self.message = _TWO_STOPS.sub(".", " ".join(message.split()))
        self.remedy = " ".join(remedy.split())

    def __str__(self) -> str:
        """The message and the remedy in one line."""
        return f"{self.message} {self.remedy}".strip()


class UsageError(EnergyScoreError):
    """A wrong name, option or file."""

    code = "usage"


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


class ServerError(UsageError):
    """A server that does not answer, or not as it should."""


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
    code = "out_of_memory"


UNEXPECTED = 70
"""Exit status of a mistake of ours (sysexits' EX_SOFTWARE): Python's own, 1, would say 'fail'."""


def describe_crash(error: Exception) -> str:
    """A mistake of ours, or the machine's lack of memory, in one line."""
    if os.environ.get("ENERGYSCORE_TRACEBACK") == "1":
        print(without_passwords("".join(traceback.format_exception(error))), file=sys.stderr)
    text = " ".join(without_passwords(str(error)).split())[:300]
    return (
        f"energyscore failed unexpectedly: {type(error).__name__}{f': {text}' if text else ''}. "
        "Please report it; ENERGYSCORE_TRACEBACK=1 shows where it happened."
    )


def sentence(text: str) -> str:
    """A text with one full stop at its end; one that ends otherwise (`?`, `...`) stays."""
    return text if text.endswith(("?", "!", "...")) else f"{text.rstrip('. ')}."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A remedy for a wrong name: the nearest known ones, or all of them when none is near."""
    options = {option.lower(): option for option in sorted(known)}
    near = difflib.get_close_matches(name.lower(), options, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(repr(options[one]) for one in near)}?"
    return f"Known: {', '.join(options.values())}." if options else ""


def first_problem(error: "ValidationError") -> str:
    """Where in a file of ours the first problem is, and what it is."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {worded(first)}" if place else worded(first)


def explain_form(
    error: "ValidationError",
    form: "type[BaseModel]",
    content: object = None,
    spelled: Callable[[str], str] = str,
) -> str:
    """The first problem of what people wrote by hand: the path of its key, and what is wrong there.

    With the `content` that was written a scalar given for a list gets no index. The first key of
    the path is `spelled` as it was written.
    """
    first = error.errors()[0]
    path, here = "", content
    for part in first["loc"]:
        alone = isinstance(part, int) and here is not None and not isinstance(here, list)
        if isinstance(here, dict | list):
            here = here.get(part) if isinstance(here, dict) else here[int(part)]
        if not alone:
            name = f".{part}" if path else spelled(str(part))
            path += f"[{part}]" if isinstance(part, int) else name
    if first["type"] == "extra_forbidden":
        known = _keys_at(form, first["loc"][:-1])
        return f"unknown key {path!r}. {did_you_mean(str(first['loc'][-1]), known)}"
    if first["type"] == "missing":
        return f"the key {path!r} is missing."
    if first["type"] == "too_short":
        return f"{path}: it is empty; name one at least."
    return f"{path}: {worded(first)}." if path else f"{worded(first)}."


def _keys_at(form: "type[BaseModel]", path: Iterable[int | str]) -> list[str]:
    """The keys that the part of a form may have to which a path leads."""
    for part in path:
        for name, field in form.model_fields.items():
            if part in (name, field.alias):
                form = next(_forms_in(field.annotation), form)
    return [field.alias or name for name, field in form.model_fields.items()]


def _forms_in(annotation: Any) -> "Iterator[type[BaseModel]]":
    """The models that a type is made of, such as the one in `list[Model] | None`."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _forms_in(part)


def worded(problem: "ErrorDetails") -> str:
    """What pydantic found, in words of ours: to stand after the name of the place and a colon."""
    kind, facts, value = problem["type"], problem.get("ctx", {}), problem["input"]
    if kind == "missing":
        return "it is missing"
    if kind == "extra_forbidden":
        return "no such key is known"
    if kind == "json_invalid":
        return f"it is not valid JSON: {facts.get('error', 'it cannot be read')}"
    if kind in ("value_error", "assertion_error"):
        got = "" if isinstance(value, _CONTAINERS) else f" (got {_shown(value)})"
        return f"{problem['msg'].partition(', ')[2]}{got}"
    if kind in ("literal_error", "enum"):
        expected = facts["expected"]
        return f"it must be {expected} (got {_shown(value)}{_meant(value, expected)})"
    wanted = _WANTED.get(_PLAIN.sub("", kind), "").format_map(facts)
    said = f"it must be {wanted}" if wanted else _SHOULD.sub(r"it must \1", problem["msg"])
    return f"{said} (got {_shown(value)})"


_CONTAINERS = (dict, list, tuple)
_PLAIN = re.compile(r"(?<=.)_(type|parsing|parsing_size|from_float)$")
_SHOULD = re.compile(r"^[A-Z]\w* should (be|have|match)\b")
_WANTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "model_attributes": "a mapping",
    "none_required": "null",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length} long",
    "too_long": "at most {max_length} long",
    "string_too_short": "at least {min_length} characters long",
    "string_too_long": "at most {max_length} characters long",
}
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 1  # aliases can make a short file mean a huge value
_SHORT.maxstring = _SHORT.maxother = 60


def _shown(value: object) -> str:
    if isinstance(value, _CONTAINERS):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()  # as YAML and JSON have it
    return _SHORT.repr(value)[:80]


def _meant(value: object, expected: str) -> str:
    """The nearest of a few known words, for one that is not among them."""
    words = re.findall(r"'([^']*)'", expected)
    near = difflib.get_close_matches(value[:100].lower(), words) if isinstance(value, str) else []
    return f"; did you mean {near[0]!r}?" if near else ""
