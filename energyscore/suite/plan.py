"""The plan: which entries of a list are measured, and what each of them comes to."""

import fnmatch
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from energyscore import builtin
from energyscore.errors import EnergyScoreError, UsageError
from energyscore.model import ModelSpec, parse_model
from energyscore.store import result_folder
from energyscore.suite.listing import Entry, Listing
from energyscore.suite.options import RunOptions
from energyscore.task import TaskFile, find_task

KeyOf = Callable[[TaskFile, ModelSpec, RunOptions], str]


@dataclass(frozen=True)
class Planned:
    """One measurement of the plan.

    Attributes:
        entry: what the list says.
        task: the task; None where there is none of that name.
        model: the model; None where the name can be no model's.
        key: what was asked for, see `energyscore.suite.key`; empty where it cannot be measured.
        problem: why it cannot be measured; empty where it can.
    """

    entry: Entry
    task: TaskFile | None
    model: ModelSpec | None
    key: str
    problem: str = ""

    @property
    def task_name(self) -> str:
        """The task's name."""
        return self.task.spec.id if self.task else self.entry.task

    @property
    def model_name(self) -> str:
        """The model's name as results have it."""
        return self.model.label if self.model else self.entry.model

    def folder(self, out: Path) -> Path:
        """Where its results are kept."""
        assert self.model is not None, "what cannot be measured has no folder"
        return result_folder(out, self.model.folder, self.task_name)


def select(
    entries: Iterable[Entry],
    only: Sequence[str] = (),
    classes: Collection[str] = (),
) -> list[Entry]:
    """The entries whose model fits one of the patterns and whose class is one of these.

    Upper and lower case are the same. An entry whose class the list does not say fits none.
    """
    patterns = [pattern.lower() for pattern in only] or ["*"]
    wanted = {size.upper() for size in classes}
    return [
        entry
        for entry in entries
        if any(fnmatch.fnmatchcase(entry.model.lower(), pattern) for pattern in patterns)
        and (not wanted or entry.model_class in wanted)
    ]


def make_plan(
    listing: Listing, tasks: Mapping[str, TaskFile], override: RunOptions, key_of: KeyOf
) -> list[Planned]:
    """What each entry comes to; of entries that ask for the same, the first stays.

    Args:
        listing: the entries.
        tasks: all known tasks.
        override: options that win over those of the entries.
        key_of: gives the key of a measurement.

    Raises:
        UsageError: when a list of our form names a task, a model or a file that is none. In
            others' lists such an entry is kept with the reason.
    """
    plan: list[Planned] = []
    seen: set[object] = set()
    for entry in listing.entries:
        options = override.over(entry.options)
        if problem := options.problem():
            raise UsageError(f"{listing.source}: {entry.place}: {problem}.")
        planned = _plan_entry(replace(entry, options=options), tasks, key_of)
        if listing.ours and planned.problem and not _cannot_reason(entry):
            raise UsageError(f"{listing.source}: {entry.place}: {planned.problem}")
        same = planned.key or (planned.task_name, planned.model_name, entry.reasoning)
        if same not in seen:
            seen.add(same)
            plan.append(planned)
    return plan


def _plan_entry(entry: Entry, tasks: Mapping[str, TaskFile], key_of: KeyOf) -> Planned:
    task, model = None, None
    options = entry.options
    try:
        task = _find_task(entry.task, tasks)
        model = parse_model(
            entry.model,
            revision=options.revision,
            random_weights=options.random_weights,
            dtype=options.dtype,
            trust_remote_code=options.trust_remote_code,
            allow_pickle=options.allow_pickle,
        )
        if model.source == "builtin":
            builtin.find_architecture(model.id, task.spec.modality)
        problem = entry.problem or _cannot_reason(entry)
        key = "" if problem else key_of(task, model, options)
    except EnergyScoreError as error:
        return Planned(entry, task, model, "", entry.problem or str(error))
    return Planned(entry, task, model, key, problem)


def _cannot_reason(entry: Entry) -> str:
    if entry.reasoning in (None, "off"):
        return ""
    return f"reasoning ({entry.reasoning}) cannot be measured by this version"


def _find_task(name: str, tasks: Mapping[str, TaskFile]) -> TaskFile:
    """A task by its id, or by its name in the reference scales where one alone has it."""
    named = [task for task in tasks.values() if task.spec.scale_task == name]
    return named[0] if name not in tasks and len(named) == 1 else find_task(name, dict(tasks))
