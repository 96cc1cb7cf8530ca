"""Scales from official leaderboard files: the extremes of each task, class and mode."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from energyscore.base.errors import ResultError, UsageError
from energyscore.base.units import counted
from energyscore.judge.leaderboard_sources import find_sources, known_classes, task_name
from energyscore.judge.official import Published, PublishedRow
from energyscore.protocol.leaderboard_space import SpaceFiles
from energyscore.protocol.official_method import Protocol
from energyscore.protocol.scales import (
    DEFAULT_SCALE,
    Band,
    Scale,
    SourceFile,
    first_day,
    load_scale,
)
from energyscore.protocol.stars import stars_for
from energyscore.results.conformance import is_gpu

_NEW_METHOD = "2025-12"
"""From this month on the official leaderboard is made by the second method, as far as is known."""

_OF_MANY_GPUS = re.compile(
    r"nvidia|amd|intel|gpu|geforce|rtx|gtx|tesla|quadro|radeon|instinct|pcie|sxm\d*|hbm\w*"
    r"|\d{1,3}(gb)?|\W*"
)
"""Words that are in the names of many GPUs, and tell none."""


@dataclass(frozen=True)
class Made:
    """A scale made from files, and what is to be said of how well they fit to it."""

    scale: Scale
    notes: Sequence[str]


@dataclass(frozen=True)
class About:
    """What files do not say of themselves; the method follows from the date where it is None."""

    name: str | None
    date: str
    source: str
    gpu: str
    protocol: Protocol | None
    commit: str | None = None


def made_from(paths: Sequence[Path], about: About) -> Made:
    """A scale from official files, and folders of them.

    Raises:
        ResultError: as `find_sources` and `make_scale`.
        UsageError: when the date is none.
    """
    sources = find_sources(paths, None, load_scale(DEFAULT_SCALE))
    if not sources.published:
        raise ResultError("There is no official leaderboard among these.", "It is one CSV a task.")
    made = make_scale(sources.published, about)
    return Made(made.scale, [*sources.notes, *made.notes])


def made_from_space(space: SpaceFiles, about: About) -> Made:
    """A scale from the files of the leaderboard's Space: those of the folder with the most tasks.

    Raises:
        UsageError: when no file is named by a task.
        ResultError: as `made_from`: a column that has another name now, for one.
    """
    reference = load_scale(DEFAULT_SCALE)
    known = known_classes(reference)
    tasks = {name: task_name(PurePosixPath(name).stem) for name in sorted(space.files)}
    folders: dict[PurePosixPath, list[str]] = {}
    for name, task in tasks.items():
        if task in known:
            folders.setdefault(PurePosixPath(name).parent, []).append(name)
    if not folders:
        raise UsageError(
            f"No CSV file of the Space {space.space} is named by a task: {', '.join(tasks)}.",
            "Download them, name each by its task, and name them to `energyscore scale import`.",
        )
    names = max(folders.items(), key=lambda it: (len(it[1]), -len(it[0].parts)))[1]
    made = made_from([space.files[name] for name in names], about)
    rest = [name for name in tasks if name not in names]
    lacking = sorted({band.task for band in reference.bands} - {tasks[name] for name in names})
    notes = [
        *([f"not read: {', '.join(rest)}"] if rest else []),
        *([f"no file of {', '.join(lacking)}: an older scale rates these"] if lacking else []),
    ]
    return Made(made.scale, [*notes, *made.notes])


def make_scale(tables: Sequence[Published], about: About) -> Made:
    """A scale by the official rule, from official files of one leaderboard.

    Raises:
        ResultError: when two files are of one task, or no task has two models of unlike energy.
    """
    _check(about)
    tasks = [table.task for table in tables]
    if twice := next((task for task in tasks if tasks.count(task) > 1), ""):
        files = " and ".join(table.file for table in tables if table.task == twice)
        raise ResultError(f"{files} are both of the task {twice}.", "Name one file a task.")
    bands: list[Band] = []
    notes: list[str] = []
    for table in tables:
        for (size, mode), rows in sorted(_alike(table).items()):
            energies_wh = [row.energy_wh for row in rows]
            low, high = min(energies_wh), max(energies_wh)
            what = f"{table.task}{f' class {size}' if size else ''}{f' ({mode})' if mode else ''}"
            if low == high:
                notes.append(f"{what}: no band: {counted(len(rows), 'row')} of one energy")
                continue
            bands.append(
                Band(
                    task=table.task,
                    model_class=size or None,
                    reasoning=mode or None,
                    models=len(rows),
                    min_wh_per_1k_queries=low,
                    max_wh_per_1k_queries=high,
                )
            )
            notes += _other_stars(what, rows)
        notes += [f"{table.file}: not used: {', '.join(table.unused)}"] if table.unused else []
    if not bands:
        raise ResultError(
            "No scale can be made: no task has two rows of unlike energy.",
            "Stars are relative to a range.",
        )
    reference = load_scale(DEFAULT_SCALE)
    same = is_gpu(reference.gpu, about.gpu)
    if not same:
        notes.append(f"what {about.gpu} errs by is not known: stars come without their chances")
    scale = Scale(
        schema_version=1,
        name=about.name or f"aienergyscore-{about.date[:7]}",
        date=about.date,
        source=about.source,
        commit=about.commit,
        files=[SourceFile(file=Path(one.file).name, sha256=one.sha256) for one in tables],
        protocol=_method(tables, about),
        gpu=about.gpu,
        rule="equal-width",
        uncertainty=reference.uncertainty if same else None,
        bands=bands,
    )
    return Made(scale, notes)


def _check(about: About) -> None:
    """Refuse what no leaderboard can be of; a day may have begun elsewhere already."""
    day = first_day(about.date)
    if day is None:
        raise UsageError(f"--date {about.date!r}: give a month, such as 2026-06, or a day.")
    if day > datetime.now(UTC).date() + timedelta(days=1):
        raise UsageError(f"--date {about.date}: it is in the future.", "Whose date is it?")
    words = [word for word in about.gpu.lower().split() if not _OF_MANY_GPUS.fullmatch(word)]
    if not words or not about.gpu.isprintable():
        raise UsageError(f"--hardware {about.gpu!a}: name the model of the GPU, such as H100 80GB.")


def _method(tables: Sequence[Published], about: About) -> Protocol:
    """The method as it is asked for, or as the files tell it; else by the date."""
    said = (about.protocol, *(table.protocol for table in tables))
    told = {one for one in said if one is not None}
    if len(told) > 1:
        raise UsageError(
            "These official files were not measured by one method, or not by that of --harness.",
            "Make a scale of each method.",
        )
    by_date: Protocol = "v2" if about.date[:7] >= _NEW_METHOD else "v1"
    return next(iter(told), by_date)


def _alike(table: Published) -> dict[tuple[str, str], list[PublishedRow]]:
    """The rows that are rated together, by class and mode of reasoning."""
    found: dict[tuple[str, str], list[PublishedRow]] = {}
    for row in table.rows:
        found.setdefault((row.model_class, row.reasoning or ""), []).append(row)
    return found


def _other_stars(what: str, rows: Sequence[PublishedRow]) -> Iterator[str]:
    """How many published stars the bands do not give: then they were cut in another way."""
    energies_wh = [row.energy_wh for row in rows]
    ends = min(energies_wh), max(energies_wh)
    published = [row for row in rows if row.stars is not None]
    others = [row for row in published if stars_for(row.energy_wh, *ends) != row.stars]
    if others:
        yield (
            f"{what}: {len(others)} of {counted(len(published), 'published star rating')} are not "
            f"those of its bands, such as {others[0].model}"
        )
