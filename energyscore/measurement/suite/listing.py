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

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

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


class _EntryForm(RunOptions):
    task: OneOrMore
    model: OneOrMore
    size: Annotated[str, Field(pattern=r"^[A-Z]$")] | None = Field(None, alias="class")


class _ListForm(Strict):
    defaults: RunOptions = RunOptions()
    entries: Annotated[list[_EntryForm], Field(min_length=1)]


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
    form, read = read_form(text, _ListForm, where, f"a mapping with the key 'entries'. {_EXAMPLE}")
    entries = []
    for number, one in enumerate(form.entries):
        place = f"line {read.line(('entries', number))}, entries[{number}]"
        options = one.over(form.defaults)
        if problem := options.problem():
            raise UsageError(f"{where}, {place}: {problem}.")
        entries += [
            Entry(place, task, model, one.size, options, frozenset(one.given()))
            for task in one.task
            for model in one.model
        ]
    return tuple(entries)
