"""What is taken of a dataset: its configuration, its split, and a column for each field."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from energyscore.base.errors import DatasetError, did_you_mean
from energyscore.protocol.task import TaskSpec

BUNDLED, OFFICIAL = "bundled", "official"
"""Datasets by what they are to a task: its own sample, and the one of its protocol."""


@dataclass(frozen=True)
class Selection:
    """What was said to be taken of a dataset; where nothing was, it is the task's own."""

    config: str | None = None
    split: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)  # by the field of a query

    def names_for(self, spec: TaskSpec) -> dict[str, tuple[str, ...]]:
        """The columns that may hold each field: the one that was named, else the usual ones.

        A dataset may name its columns as the official one does or as the task's fields.
        """
        return {
            name: (self.columns[name],) if name in self.columns else (official, name)
            for name, official in spec.dataset.columns.items()
        }

    def check(self, spec: TaskSpec) -> None:
        """Refuse columns for fields that the task does not have."""
        references = spec.quality.references if spec.quality else {}
        for name in self.columns:
            if name not in spec.dataset.columns and name not in references:
                raise DatasetError(
                    f"--columns {name}={self.columns[name]}: the task {spec.id} has no field "
                    f"{name!r}.",
                    did_you_mean(name, spec.dataset.columns),
                )

    def of_queries(self, spec: TaskSpec) -> "Selection":
        """The same without columns of references, which are no part of the work."""
        fields = spec.dataset.columns
        kept = {name: column for name, column in self.columns.items() if name in fields}
        return replace(self, columns=kept)

    def refuse_parts(self, what: str) -> None:
        """Refuse a configuration and a split of what has neither."""
        for option, value in (("dataset-config", self.config), ("split", self.split)):
            if value is not None:
                raise DatasetError(
                    f"--{option} {value}: {what} has none.",
                    "It is for folders of datasets and for datasets of the hub: leave it out.",
                )

    def differs_from(self, spec: TaskSpec) -> bool:
        """Whether something else is taken than the task says."""
        own = spec.dataset
        columns = {name: one for name, one in self.columns.items() if name in own.columns}
        return (
            self.config is not None
            or self.split not in (None, own.split)
            or any(own.columns[name] != one for name, one in columns.items())
        )


def match_columns(
    known: Collection[str], spec: TaskSpec, selection: Selection, where: str
) -> dict[str, str]:
    """The column of each field, among those that are known; a DatasetError where one is missing."""
    found = {}
    for name, wanted in selection.names_for(spec).items():
        column = next((column for column in wanted if column in known), None)
        if column is None:
            raise _missing(name, wanted[0], known, spec, where)
        found[name] = column
    return found


def _missing(
    name: str, column: str, known: Collection[str], spec: TaskSpec, where: str
) -> DatasetError:
    near = difflib.get_close_matches(column.lower(), [str(one) for one in known], n=1)
    other = near[0] if near else "COLUMN"
    rename = f"Rename {other!r} to {column!r}, or name it" if near else "Name it"
    return DatasetError(
        f"The dataset {where} has no column {column!r}; its columns are: {', '.join(known)}. "
        f"The task {spec.id} expects: {', '.join(spec.dataset.columns.values())}.",
        f"{rename}: --columns {name}={other}.",
    )
