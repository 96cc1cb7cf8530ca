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
  - task: text_generation
    model: org/b
    batch_size: [1, 8]         # any option may be a list: each combination is an entry
    dtype: [float16, bfloat16]
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, create_model

from energyscore.base.errors import UsageError
from energyscore.base.files import read_text
from energyscore.base.form import Strict
from energyscore.base.yaml_text import read_form
from energyscore.measurement.options import OneOrMore, RunOptions
from energyscore.measurement.suite.entry import Entry
from energyscore.measurement.suite.official import parse_csv

_EXAMPLE = "Such as: entries: [{task: text_generation, model: org/name}]"


@dataclass(frozen=True)
class Listing:
    """A list as it was read."""

    source: str  # its file's name
    entries: tuple[Entry, ...]  # in the order in which they are to be measured
    ours: bool  # of our form, in which nothing may be asked for twice


MOST_COMBINATIONS = 1000
_LISTS = frozenset(("reasoning", "gpu", "columns"))
"""Options whose value is a list itself; of modes each is measured in any case."""


def _one_or_several(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _options() -> dict[str, Any]:
    """The options of a run, each with one value or several."""
    fields: dict[str, Any] = {}
    for name, field in RunOptions.model_fields.items():
        one: Any = field.annotation
        for rule in field.metadata:
            one = Annotated[one, rule]
        if name not in _LISTS:
            least = Field(min_length=1)
            one = Annotated[list[one], least, BeforeValidator(_one_or_several)]
        fields[name] = (one, None)
    return fields


_CLASS: Any = Annotated[str, Field(pattern=r"^[A-Z]$")] | None
_DefaultsForm = create_model("_DefaultsForm", __base__=Strict, **_options())
_EntryForm = create_model(
    "_EntryForm",
    __base__=Strict,
    task=(OneOrMore, ...),
    model=(OneOrMore, ...),
    size=(_CLASS, Field(None, alias="class")),
    **_options(),
)
_ListForm = create_model(
    "_ListForm",
    __base__=Strict,
    defaults=(_DefaultsForm, _DefaultsForm()),
    entries=(Annotated[list[_EntryForm], Field(min_length=1)], ...),
)


def _given(form: BaseModel) -> dict[str, Any]:
    return form.model_dump(exclude_unset=True, include=set(RunOptions.model_fields))


def _combinations(given: Mapping[str, Any]) -> Iterator[RunOptions]:
    """Each combination of the values that options have, the last option changing first."""
    values = [[value] if name in _LISTS else value for name, value in given.items()]
    for chosen in itertools.product(*values):
        yield RunOptions.model_construct(**dict(zip(given, chosen, strict=True)))


def read_listing(path: Path) -> Listing:
    """Read a list from a file, by its ending; a UsageError says where it is wrong."""
    kind = path.suffix.lower()
    if kind not in (".yaml", ".yml", ".csv"):
        raise UsageError(
            f"The list {path} is neither a YAML nor a CSV file by its name.",
            "End it with .yaml or .csv.",
        )
    where = f"The list {path}"
    text = read_text(path, where)
    if not text.strip():
        raise UsageError(f"{where} is empty.", "`energyscore suite --help` says what it holds.")
    if kind == ".csv":
        return Listing(path.name, parse_csv(text, where), ours=False)
    return Listing(path.name, parse_yaml(text, where), ours=True)


def parse_yaml(text: str, where: str) -> tuple[Entry, ...]:
    """The entries of a list of our form, one for each model and task; else a UsageError."""
    found, read = read_form(text, _ListForm, where, f"a mapping with the key 'entries'. {_EXAMPLE}")
    form: Any = found
    entries = []
    for number, one in enumerate(form.entries):
        place = f"line {read.line(('entries', number))}, entries[{number}]"
        asked = _given(one)
        given = _given(form.defaults) | asked
        if math.prod(len(v) for name, v in given.items() if name not in _LISTS) > MOST_COMBINATIONS:
            message = f"{where}, {place}: over {MOST_COMBINATIONS:,} combinations of its options."
            raise UsageError(message, "Make several lists of it.")
        for options in _combinations(given):
            if problem := options.problem():
                raise UsageError(f"{where}, {place}: {problem}.")
            entries += [
                Entry(place, task, model, one.size, options, frozenset(asked))
                for task in one.task
                for model in one.model
            ]
    return tuple(entries)
