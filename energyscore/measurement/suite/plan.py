"""The plan: which entries of a list are measured, and what each of them comes to."""

import fnmatch
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from energyscore.base.errors import EnergyScoreError, UsageError
from energyscore.measurement.options import RunOptions
from energyscore.measurement.suite.entry import Entry
from energyscore.measurement.suite.listing import Listing
from energyscore.measurement.suite.where import ANYWHERE, Where, WhereOf
from energyscore.protocol.grid import find_grid
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.reasoning import DEFAULT
from energyscore.protocol.task import Mode, TaskFile, find_task
from energyscore.results.names import mode_of, settings_in_words, tell_settings_apart, with_details
from energyscore.results.store import result_folder

_OF_MODES = ("reasoning", "max_new_tokens")
"""Options that only tasks with modes of reasoning have."""

KeyOf = Callable[[TaskFile, ModelSpec, RunOptions], str]


@dataclass(frozen=True)
class Planned:
    """One measurement of the plan; task and model are None where there is none of that name."""

    entry: Entry
    task: TaskFile | None
    model: ModelSpec | None
    key: str  # SHA-256 of what was asked for (`suite.key`); empty where it cannot be measured
    problem: str = ""  # why it cannot be measured
    blocked: Literal["failed", "unsupported"] = "failed"  # the status that a problem leads to
    repeated: tuple[str, ...] = ()  # where else the list asks for the same
    setting: str = ""  # what tells it from other entries of the model at the task
    where: Where = ANYWHERE  # it must be measured

    @property
    def mode(self) -> Mode | None:
        """The mode that the model is to reason in; None where the task has none."""
        reasoning = self.entry.options.reasoning
        return reasoning[0] if reasoning and self.task and self.task.spec.has_modes else None

    @property
    def label(self) -> str:
        """The model, with its mode where the task has modes, and what tells it from others."""
        return with_details(self.model_name, mode_of(self.mode), self.setting)

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
    entries: Iterable[Entry], only: Sequence[str] = (), classes: Collection[str] = ()
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
    listing: Listing,
    tasks: Mapping[str, TaskFile],
    override: RunOptions,
    key_of: KeyOf,
    work_of: KeyOf,
    where_of: WhereOf = lambda options: ANYWHERE,
) -> list[Planned]:
    """What each entry comes to; of entries that ask for the same, the first stays.

    An entry that names what is not there is kept with the reason: the others are measured. Options
    about reasoning that an entry does not say itself are for tasks with modes only. `override`
    wins over the options of entries. `key_of` and `work_of` are those of `suite.key`,
    `where_of` says where each must have been measured.

    Raises:
        UsageError: when a list of our form asks for the same twice, or for two measurements of one
            identity. In others' lists what is asked for twice is measured once.
    """
    plan: dict[object, Planned] = {}
    for entry in listing.entries:
        options = override.over(entry.options)
        if problem := options.problem():
            raise UsageError(f"{listing.source}: {entry.place}: {problem}.")
        for found in _plan_entry(replace(entry, options=options), tasks, key_of):
            planned = replace(
                found,
                blocked="failed" if listing.ours else "unsupported",
                where=where_of(found.entry.options),
            )
            asked = planned.entry.options.model_dump_json(exclude_unset=True)
            same = planned.key or (planned.task_name, planned.problem, planned.label, asked)
            if same not in plan:
                plan[same] = planned
                continue
            first = plan[same]
            if listing.ours and not override.given():
                what = f"{planned.label}, {planned.task_name}"
                message = f"{listing.source}: {entry.place}: {what}: {first.entry.place} asks for "
                raise UsageError(f"{message}the same.", "Leave one of both out.")
            plan[same] = replace(first, repeated=(*first.repeated, entry.place))
    if listing.ours:
        _check_told_apart(listing.source, list(plan.values()), work_of)
    return _named(list(plan.values()))


def _named(plan: Sequence[Planned]) -> list[Planned]:
    """The plan, each entry with what tells it from the others of its model at its task."""
    groups = [(one.task_name, one.label) for one in plan]
    settings = tell_settings_apart(
        groups, [settings_in_words(one.entry.options.given()) for one in plan]
    )
    return [replace(one, setting=setting) for one, setting in zip(plan, settings, strict=True)]


def _check_told_apart(source: str, plan: Sequence[Planned], work_of: KeyOf) -> None:
    """Refuse two entries whose results would be taken for one measurement, the newer counting."""
    counts = Counter((one.task_name, one.label) for one in plan if not one.problem)
    seen: dict[object, Planned] = {}
    for planned in plan:
        name = planned.task_name, planned.label
        if planned.problem or counts[name] == 1:
            continue
        assert planned.task is not None
        assert planned.model is not None
        try:
            work = work_of(planned.task, planned.model, planned.entry.options)
        except EnergyScoreError:
            continue  # its own process will say it
        first = seen.setdefault((name, work), planned)
        if first is not planned:
            one, other = first.entry.options, planned.entry.options
            names = [n for n in RunOptions.model_fields if getattr(one, n) != getattr(other, n)]
            raise UsageError(
                f"{source}: {planned.entry.place}: {planned.label}, {planned.task_name}: "
                f"{first.entry.place} asks for the same work; they differ in "
                f"{' and '.join(names)} only, by which results are not told apart: one would "
                "hide the other.",
                "Leave one of both out, or measure it by a list of its own into another folder "
                "(--out).",
            )


def _plan_entry(entry: Entry, tasks: Mapping[str, TaskFile], key_of: KeyOf) -> Iterator[Planned]:
    """What an entry comes to: one measurement for each mode of reasoning."""
    try:
        task = _find_task(entry.task, tasks)
    except EnergyScoreError as error:
        yield Planned(entry, None, None, "", entry.problem or str(error))
        return
    options, problem = entry.options, entry.problem
    modes: list[Mode | None] = [None]
    if task.spec.has_modes:
        modes = [*dict.fromkeys(options.reasoning or [DEFAULT])]
    elif alien := [name for name in _OF_MODES if getattr(options, name) is not None]:
        options = options.without(alien)
        if asked := " and ".join(name for name in alien if name in entry.said):
            hint = " Name the task reasoning." if "reasoning" in tasks else ""
            no_modes = f"{asked}: the task {task.spec.id} has no modes of reasoning.{hint}"
            problem = problem or no_modes
    for mode in modes:
        chosen = RunOptions(reasoning=[mode]).over(options) if mode else options
        model, key, wrong = None, "", problem
        try:
            model = chosen.model_spec(entry.model, task.spec)
            if chosen.country is not None:
                find_grid(chosen.country)
            key = "" if problem else key_of(task, model, chosen)
        except EnergyScoreError as error:
            wrong = problem or str(error)
        yield Planned(replace(entry, options=chosen), task, model, key, wrong)


def _find_task(name: str, tasks: Mapping[str, TaskFile]) -> TaskFile:
    """A task by its id, or by its name in the reference scales where one alone has it."""
    named = [task for task in tasks.values() if task.spec.scale_task == name]
    return named[0] if name not in tasks and len(named) == 1 else find_task(name, dict(tasks))
