"""A list of models to measure: our YAML form, and which form a file has.

defaults:                      # options of `energyscore run`, for every entry
  quick: true
entries:
  - task: text_generation      # one or several
    model: [org/a, ./b]        # one or several: hub ids, folders, builtin:NAME
    class: A                   # to choose by, with --class
    queries: 100               # any run option: it wins over the defaults
  - task: reasoning
    model: org/a
    reasoning: [off, high]     # one mode or several: each is measured
    max_new_tokens: 4096
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from energyscore.base.errors import UsageError, explain_form
from energyscore.base.yaml_text import YAML_ERRORS, UniqueKeys
from energyscore.measurement.suite.entry import Entry
from energyscore.measurement.suite.official import parse_csv
from energyscore.measurement.suite.options import OneOrMore, RunOptions, Strict

_EXAMPLE = "Such as: entries: [{task: text_generation, model: org/name}]"


@dataclass(frozen=True)
class Listing:
    """A list as it was read.

    Attributes:
        source: its file's name.
        entries: in the order in which they are to be measured.
        ours: whether it is of our form, in which nothing may be asked for twice.
    """

    source: str
    entries: tuple[Entry, ...]
    ours: bool


class _EntryForm(RunOptions):
    task: OneOrMore
    model: OneOrMore
    size: Annotated[str, Field(pattern=r"^[A-Z]$")] | None = Field(None, alias="class")


class _ListForm(Strict):
    defaults: RunOptions = RunOptions()
    entries: Annotated[list[_EntryForm], Field(min_length=1)]


def read_listing(path: Path) -> Listing:
    """Read a list from a file, by its ending.

    Raises:
        UsageError: when it cannot be read or is wrong, with the place and what is wrong there.
    """
    kind = path.suffix.lower()
    if kind not in (".yaml", ".yml", ".csv"):
        raise UsageError(
            f"The list {path} is neither a YAML nor a CSV file by its name.",
            "End it with .yaml or .csv.",
        )
    where = f"The list {path}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"{where} cannot be read: {error.strerror}.", "Give the path of a file."
        ) from error
    except ValueError as error:
        raise UsageError(f"{where} is no text in UTF-8.", "Save it as UTF-8.") from error
    if not text.strip():
        raise UsageError(f"{where} is empty.", "`energyscore suite --help` says what it holds.")
    if kind == ".csv":
        return Listing(path.name, parse_csv(text, where), ours=False)
    return Listing(path.name, parse_yaml(text, where), ours=True)


def parse_yaml(text: str, where: str) -> tuple[Entry, ...]:
    """The entries of a list of our form, each model at each task one.

    Raises:
        UsageError: naming the key by its path and what is wrong with it.
    """
    try:
        loader = UniqueKeys(text)
        root = loader.get_single_node()
        content: Any = None if root is None else loader.construct_document(root)
    except YAML_ERRORS as error:
        raise UsageError(f"{where}{_explain_yaml(error)}") from error
    if root is None or not isinstance(content, dict):
        raise UsageError(f"{where} must hold a mapping with the key 'entries'.", _EXAMPLE)
    try:
        form = _ListForm.model_validate(content)
    except ValidationError as error:
        path = error.errors()[0]["loc"]
        parts: dict[str, type[Strict]] = {"entries": _EntryForm, "defaults": RunOptions}
        form_there = parts.get(str(path[0]), _ListForm) if len(path) > 1 else _ListForm
        what = explain_form(error, form_there, "the list")
        raise UsageError(f"{where}, line {_line(root, path)}: {what}") from error
    entries = []
    for number, one in enumerate(form.entries):
        place = f"line {_line(root, ('entries', number))}, entries[{number}]"
        options = one.over(form.defaults)
        if problem := options.problem():
            raise UsageError(f"{where}, {place}: {problem}.")
        entries += [
            Entry(place, task, model, one.size, options, frozenset(one.given()))
            for task in one.task
            for model in one.model
        ]
    return tuple(entries)


def _explain_yaml(error: Exception) -> str:
    """What is wrong with a text that is no YAML, with its line where that is known."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = f", line {mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or str(error)
    if problem.startswith("but "):  # the second half of a sentence
        problem = f"{getattr(error, 'context', '')}, {problem}"
    return f"{line}: no valid YAML: {problem}."


def _line(root: yaml.Node, path: Sequence[object]) -> int:
    """The line of the key or entry that a path leads to, as far as it leads."""
    node, line = root, root.start_mark.line
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == part]
            if not found:
                break
            line, node = found[0][0].start_mark.line, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line
    return int(line) + 1
