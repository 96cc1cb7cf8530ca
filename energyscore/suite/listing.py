"""A list of models to measure: our YAML form, and which form a file has.

defaults:                      # options of `energyscore run`, for every entry
  quick: true
entries:
  - task: text_generation      # one or several
    model: [org/a, ./b]        # one or several: hub ids, folders, builtin:NAME
    class: A                   # to choose by, with --class
    reasoning: "off"           # off, on, low, medium or high
    queries: 100               # any run option: it wins over the defaults
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, ValidationError

from energyscore.errors import UsageError
from energyscore.suite.options import OneOrMore, RunOptions, Strict, explain

Reasoning = Literal["off", "on", "low", "medium", "high"]

_YAML_ERRORS = (
    yaml.YAMLError,
    *(ValueError, KeyError, AttributeError, IndexError, TypeError, RecursionError),
)
"""What PyYAML raises, and what it lets through from values that look like dates or tags."""


@dataclass(frozen=True)
class Entry:
    """One model at one task, as a list asks for it.

    Attributes:
        place: where it stands in the list, for people.
        task: the task's name as the list has it.
        model: a hub id, a folder, or `builtin:NAME`.
        model_class: the class that the list says, if any.
        reasoning: whether and how much the model is to reason; None: not said.
        options: how it is measured.
        problem: why it cannot be measured, empty where nothing is known against it.
    """

    place: str
    task: str
    model: str
    model_class: str | None = None
    reasoning: Reasoning | None = None
    options: RunOptions = field(default_factory=RunOptions)
    problem: str = ""


@dataclass(frozen=True)
class Listing:
    """A list as it was read.

    Attributes:
        source: its file's name.
        entries: in the order in which they are to be measured.
        ours: whether it is of our form: in it every wrong name is refused. In others' lists
            an entry that does not fit becomes a row with the reason.
    """

    source: str
    entries: tuple[Entry, ...]
    ours: bool


def _reasoning(value: object) -> object:
    """YAML reads `on` and `off` as true and false."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return value.strip().lower() if isinstance(value, str) else value


class _EntryForm(RunOptions):
    task: OneOrMore
    model: OneOrMore
    size: Annotated[str, Field(pattern=r"^[A-Z]$")] | None = Field(None, alias="class")
    reasoning: Annotated[Reasoning | None, BeforeValidator(_reasoning)] = None


class _ListForm(Strict):
    defaults: RunOptions = RunOptions()
    entries: Annotated[list[_EntryForm], Field(min_length=1)]


def read_listing(path: Path) -> Listing:
    """Read a list from a file, by its ending.

    Raises:
        UsageError: when it cannot be read or is wrong, with the place and what is wrong there.
    """
    from energyscore.suite.official import parse_csv

    kind = path.suffix.lower()
    if kind not in (".yaml", ".yml", ".csv"):
        raise UsageError(f"The list {path} is neither a YAML (.yaml) nor a CSV (.csv) file.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UsageError(f"The list {path} cannot be read: {error}.") from error
    where = f"The list {path}"
    if kind == ".csv":
        return Listing(path.name, parse_csv(text, where), ours=False)
    return Listing(path.name, parse_yaml(text, where), ours=True)


def parse_yaml(text: str, where: str) -> tuple[Entry, ...]:
    """The entries of a list of our form, each model at each task one.

    Raises:
        UsageError: naming the key by its path and what is wrong with it.
    """
    try:
        content: Any = yaml.load(text, _UniqueKeys)
    except _YAML_ERRORS as error:
        raise UsageError(f"{where} is not valid YAML: {error}.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{where} must hold a mapping with the key 'entries'.")
    try:
        form = _ListForm.model_validate(content)
    except ValidationError as error:
        part, *inside = error.errors()[0]["loc"]
        parts: dict[str, type[Strict]] = {"entries": _EntryForm, "defaults": RunOptions}
        form_there = parts.get(str(part), _ListForm)
        problem = explain(error, form_there if inside else _ListForm)
        raise UsageError(f"{where}: {problem}") from error
    entries = []
    for number, one in enumerate(form.entries):
        place = f"entries[{number}]"
        options = one.over(form.defaults)
        if problem := options.problem():
            raise UsageError(f"{where}: {place}: {problem}.")
        entries += [
            Entry(place, task, model, one.size, one.reasoning, options)
            for task in one.task
            for model in one.model
        ]
    return tuple(entries)


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key stands once: of two, one would silently be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping of a node."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)
