"""What is to be measured, one entry a model, task and load, and which of it is finished."""

import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from energyscore.base.errors import UnsupportedError
from energyscore.base.stamps import digest_of
from energyscore.measurement.options import Job, RunOptions
from energyscore.measurement.quality.evaluate import Examination
from energyscore.measurement.server.command import command_of, recorded
from energyscore.measurement.server_asked import LoadAsked
from energyscore.measurement.suite.finished import by_key, find_finished
from energyscore.measurement.suite.key import key_here, parts_of
from energyscore.measurement.suite.where import ANYWHERE, Where, here
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.task import Generation, Mode, TaskFile
from energyscore.protocol.workload import Workload
from energyscore.results import store
from energyscore.results.names import mode_of, with_details
from energyscore.results.parts import Caution
from energyscore.results.result import Result


@dataclass(frozen=True)
class SessionEntry:
    """One model at one task, its queries, and how it generates text."""

    task: TaskFile
    model: ModelSpec
    workload: Workload
    cautions: Sequence[Caution]
    generation: Generation | None
    examination: Examination | None = None  # what its quality is judged by, where that is asked
    load: LoadAsked | None = None  # on a server; None: a model of this process
    key: str = ""  # of what is asked for (`suite.key`)
    where: Where = ANYWHERE  # it is measured
    finished: tuple[Path, Result] | None = None  # its result, where it was measured before

    @property
    def mode(self) -> Mode | None:
        """The mode to reason in; None where the task has none."""
        return self.generation.reasoning if self.generation else None

    def asked(self, options: RunOptions) -> RunOptions:
        """Of the options of several entries those of this one."""
        return RunOptions(reasoning=[self.mode]).over(options) if self.mode else options

    @property
    def label(self) -> str:
        """The model for people, with its mode of reasoning and the load on it."""
        load = self.load.words if self.load else ""
        return with_details(self.model.label, mode_of(self.mode), load)


ToldApart: TypeAlias = Callable[[SessionEntry], Iterable[list[object]]]
"""What may tell the server of an entry from others; each makes a key."""


def with_finished(
    entries: Iterable[SessionEntry], job: Job, told: ToldApart | None = None, *, online: bool
) -> list[SessionEntry]:
    """The entries with their keys, and the results of those that are finished.

    A suite has looked itself, and asks for what it wants to be measured.
    """
    where = here()(job.options)
    if job.request is not None:
        entries = [replace(entry, key=job.request, where=where) for entry in entries]
        for entry in entries:
            _refuse_others(entry, job, online=online)
        return entries
    key_of = key_here(online=online)
    found = []
    for entry in entries:
        key = key_of(entry.task, entry.model, entry.asked(job.options))
        keys = [key] if told is None else [digest_of([key, *one]) for one in told(entry)]
        keyed = [replace(entry, key=one, where=where) for one in keys]
        done = [replace(one, finished=finished_by_now(one, job)) for one in keyed]
        found.append(next((one for one in done if one.finished), keyed[0] if keyed else entry))
    return found


def _refuse_others(entry: SessionEntry, job: Job, *, online: bool) -> None:
    """An error where this machine has other files than those that were asked for elsewhere.

    Raises:
        UnsupportedError: another machine may have them.
    """
    if job.made_of is None:
        return
    here = parts_of(entry.task, entry.model, entry.asked(job.options), online=online)
    if others := [name for name, asked in job.made_of.items() if here.get(name) != asked]:
        raise UnsupportedError(
            f"{entry.label}: on {socket.gethostname()} there are others than where the command was "
            f"given: {' and '.join(others)}.",
            "Have the same files at the same paths on all nodes.",
        )


def finished_by_same_command(
    entries: Sequence[SessionEntry], job: Job, *, online: bool
) -> list[SessionEntry]:
    """The entries, where a server that would be started now has been measured at all of them."""
    asked = job.server
    if asked is None or asked.launch is None or job.fresh or job.request is not None:
        return []
    command = command_of(asked.launch)
    known = store.KnownResults(job.out, lambda error: None)

    def told(entry: SessionEntry) -> Iterable[list[object]]:
        folder = store.result_folder(job.out, entry.model.folder, entry.task.spec.id)
        for _, result in known.load(folder):
            yield from recorded(result, asked, command, entry.load)

    found = with_finished(entries, job, told, online=online)
    return found if all(entry.finished for entry in found) else []


def finished_by_now(entry: SessionEntry, job: Job) -> tuple[Path, Result] | None:
    """The result of an entry, if it is finished: another process may have been at it meanwhile."""
    if job.fresh:
        return None
    task = entry.task.spec
    folder = store.result_folder(job.out, entry.model.folder, task.id)
    kept = by_key(store.KnownResults(job.out, lambda error: None), folder)
    found = find_finished(entry.key, kept, job.options, task, entry.where)
    return (job.out / found[0], found[1]) if found else None
