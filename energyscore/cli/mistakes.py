"""What is said of a wrong command line: in words of ours, with the command whose help to read."""

import difflib
import re
from collections.abc import Sequence
from typing import Any

from energyscore.base.errors import worded


def explain(error: Any, command: Any, words: Sequence[str]) -> str:
    """One line for a mistake that the parser found in `words`, which `command` was to parse."""
    cause = error.__cause__
    if hasattr(cause, "errors"):  # pydantic's, by which newer parsers read values
        error.message = f"{_value(cause.errors()[0])}."
    said = " ".join(error.format_message().split()) or "A command is missing."
    return f"{said} See `{' '.join(['energyscore', *_named(command, words)])} --help`."


def _value(problem: Any) -> str:
    """What is wrong with a value; of one that is none of a few words, which may have been meant."""
    text = problem["msg"].removeprefix("Value error, ").rstrip(".")
    value, choice, known = text.partition(" is not one of ")
    if not choice:
        return worded(problem)
    near = difflib.get_close_matches(value.strip("'"), re.findall(r"'([^']*)'", known), n=1)
    return f"{text} (did you mean {near[0]!r}?)" if near else text


def _named(command: Any, words: Sequence[str]) -> list[str]:
    """The names of the command that was meant, from the first one down."""
    if not words or words[0] not in getattr(command, "commands", {}):
        return []
    return [words[0], *_named(command.commands[words[0]], words[1:])]
