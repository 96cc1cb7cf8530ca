"""What a leaderboard is made of, found among files and folders: results and official CSVs."""

import math
import re
import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from energyscore.base.errors import ResultError, did_you_mean
from energyscore.base.files import Skip, is_dir, is_file, once, real_path, shown_path, visible_files
from energyscore.base.text import first_of
from energyscore.base.units import counted, format_wh
from energyscore.base.writing import is_as_written
from energyscore.judge.official import Published, kind_of_csv, read_published
from energyscore.judge.official_summary import SUMMARY, IncompleteError, read_summary
from energyscore.protocol.official_method import METHODS
from energyscore.protocol.scales import Scale
from energyscore.protocol.task import load_tasks
from energyscore.results.conformance import OFFICIAL_GPU
from energyscore.results.folder import UNREADABLE, result_files
from energyscore.results.result import Result
from energyscore.results.store import load_results

BOARD = "leaderboard"
"""The kind of folder that official leaderboards are written to."""

_MOST_NAMES = 5
_FACTOR = 100  # further off than any model is; Wh taken for kWh are 1,000 times too many


@dataclass(frozen=True)
class Sources:
    """What was found: results, official leaderboards, and the files of the latter, resolved.

    `notes` say what is not read and why, and what is doubtful, in lines for people.
    """

    results: Sequence[tuple[Path, Result]]
    published: Sequence[Published]
    files: Sequence[Path]
    notes: Sequence[str]


def find_sources(
    paths: Iterable[Path],
    task: str | None,
    reference: Scale,
    leave_out: Path | None = None,
    skip: Skip | None = None,
) -> Sources:
    """Read results (JSON) and official leaderboards (CSV) from files and folders.

    A CSV in a folder is left out where it is no official leaderboard or an earlier call wrote it;
    one that is named is read.

    Args:
        paths: the files and folders.
        task: the only one that is taken, and that of CSVs not named by a task; None takes all.
        reference: the tasks of its bands may be named, beside the bundled ones.
        leave_out: a folder whose CSVs are not read: where the leaderboard is written to.
        skip: as `load_results` has it.

    Raises:
        ResultError: when a path does not exist, holds neither, or is wrong, or nothing is left.
    """
    known = known_classes(reference)
    wanted = None if task is None else task_name(task)
    aside: dict[str, dict[Path, str]] = {}  # what is not read, by the reason
    skip = skip and once(skip)
    results, tables, summaries = _what_lies_there(paths, known, wanted, leave_out, aside, skip)
    loaded = load_results(results, skip, may_be_empty=True, details=False)
    if task is not None and wanted not in {*known, *(result.task.id for _, result in loaded)}:
        raise ResultError(f"--task: unknown task {task!r}.", did_you_mean(str(wanted), known))
    if not loaded and not tables and not summaries:
        raise ResultError("None of the results can be read.", UNREADABLE)
    of_task = {file: task_of(file, known, wanted) for file in tables.values()}
    read = [file for file, name in of_task.items() if wanted in (None, name)]
    published = [read_published(file, of_task[file], known.get(of_task[file], ())) for file in read]
    published += {one.file: one for one in summaries if wanted in (None, one.task)}.values()
    loaded = [(file, result) for file, result in loaded if wanted in (None, result.task.id)]
    if not loaded and not published:
        raise ResultError(f"Nothing here is of the task {wanted}.", "Leave --task out.")
    doubts = (note for table in published for note in _doubts(table, reference))
    notes = [*_not_read(aside, tables), *_totals(published), *doubts]
    return Sources(loaded, published, list(tables), notes)


def _what_lies_there(
    paths: Iterable[Path],
    known: Mapping[str, Sequence[str]],
    wanted: str | None,
    leave_out: Path | None,
    aside: dict[str, dict[Path, str]],
    skip: Skip | None,
) -> tuple[list[Path], dict[Path, Path], list[Published]]:
    """Where results may be, the official CSVs, and the summaries of runs."""
    results: list[Path] = []
    tables: dict[Path, Path] = {}
    summaries: list[Published] = []
    for path in paths:
        if is_dir(path):
            inside = _tables_in(path, known, wanted, leave_out, aside, skip)
            runs = _summaries_in(path, known, wanted, aside, skip)
            if not inside and not runs and not result_files(path, skip):
                notes = " ".join(_not_read(aside))
                raise ResultError(
                    f"The folder {path} holds neither results nor official leaderboards. {notes}",
                    "`energyscore run` writes results; an official leaderboard is one CSV a task.",
                )
            tables |= inside
            summaries += runs
            results.append(path)
        elif not is_file(path):
            raise ResultError(
                f"{path} does not exist.", "Name a result, an official CSV, or a folder of them."
            )
        elif path.suffix.lower() == ".csv":
            tables[real_path(path)] = path
        elif path.name == SUMMARY:
            summaries.append(read_summary(path, known, wanted))
        else:
            results.append(path)
    return results, tables, summaries


def task_of(path: Path, known: Collection[str], given: str | None = None) -> str:
    """The task of an official file: that of its name, else the one that is `given`."""
    task = task_name(path.stem)
    if task in known:
        return task
    if given is not None:
        return given
    raise ResultError(
        f"{path}: the task is the file's name, and {path.stem!r} is none.",
        f"{did_you_mean(task, known)} Rename the file, or name the task with --task.",
    )


def task_name(text: str) -> str:
    """A task's name as people write it: `Text-Generation` is `text_generation`."""
    return re.sub(r"[\s-]+", "_", text.strip()).lower()


def _tables_in(
    folder: Path,
    known: Collection[str],
    task: str | None,
    leave_out: Path | None,
    aside: dict[str, dict[Path, str]],
    skip: Skip | None,
) -> dict[Path, Path]:
    """The official leaderboards in a folder, all the way down; the other CSVs go `aside`."""
    tables = {}
    for file in visible_files(folder, "*.csv", skip):
        real, kind, why = real_path(file), kind_of_csv(file), ""
        if kind == "ours" or leave_out in real.parents:
            continue
        if kind == "other":
            why = "without the columns of an official leaderboard"
        elif file.parent != folder and is_as_written(file, BOARD):
            why = "`energyscore leaderboard` wrote it; to read it all the same, name it"
        elif task is None and task_name(file.stem) not in known:
            why = "the name is no task's; rename it, or name the task with --task"
        if why:
            aside.setdefault(why, {})[real] = shown_path(file)
        else:
            tables[real] = file
    return tables


def _summaries_in(
    folder: Path,
    known: Mapping[str, Sequence[str]],
    task: str | None,
    aside: dict[str, dict[Path, str]],
    skip: Skip | None,
) -> list[Published]:
    """The summaries of runs in a folder; those that do not say what they are of go `aside`."""
    found = []
    for file in visible_files(folder, SUMMARY.lower(), skip):
        try:
            found.append(read_summary(file, known, task))
        except IncompleteError as error:
            remedy = error.remedy[:1].lower() + error.remedy[1:]
            why = f"{error.message.removeprefix(f'{file}: ').removesuffix('.')}; {remedy}"
            aside.setdefault(why.removesuffix("."), {})[real_path(file)] = shown_path(file)
    return found


def _totals(tables: Iterable[Published]) -> Iterator[str]:
    """What summaries do not tell."""
    totals = [table for table in tables if table.protocol is not None]
    if by_v2 := sum(not METHODS[table.protocol].phases for table in totals if table.protocol):
        files = counted(by_v2, "summary", "summaries")
        yield f"{files} of runs by {METHODS['v2'].harness}: totals, without phases."
    if totals:
        files = counted(len(totals), "summary", "summaries")
        yield f"caution: {files} without hardware: ranked as if measured on {OFFICIAL_GPU}."
    with_modes = {one.spec.scale_task for one in load_tasks().values() if one.spec.has_modes}
    unclear = [
        table.file for table in totals if table.task in with_modes and not table.rows[0].reasoning
    ]
    if unclear:
        yield f"caution: {first_of(unclear)}: in which mode a model reasoned is not told."


def _not_read(aside: Mapping[str, Mapping[Path, str]], read: Collection[Path] = ()) -> list[str]:
    """A line a reason; without what was read after all, as it was named too."""
    lines = []
    for why, found in aside.items():
        names = [name for place, name in found.items() if place not in read]
        if names:
            more = len(names) - _MOST_NAMES
            listed = ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
            lines.append(f"not read: {listed}: {why}.")
    return lines


def known_classes(reference: Scale) -> dict[str, list[str]]:
    """The tasks that there are, with their size classes."""
    classes = {
        name: [size.name for size in entry.spec.classes]
        for entry in load_tasks().values()
        for name in (entry.spec.id, entry.spec.scale_task)
    }
    return {band.task: [] for band in reference.bands} | classes


def _doubts(table: Published, reference: Scale) -> Iterator[str]:
    """What is odd about a file and yet no error."""
    if table.unused:
        yield f"caution: {table.file}: columns that are not used: {', '.join(table.unused)}."
    figures: dict[str, list[float]] = {}
    for row in table.rows:
        figures.setdefault(row.model_class, []).append(row.energy_wh)
    for size, energies_wh in figures.items():
        band = reference.band(table.task, size or None)
        if band is None:
            continue
        low_wh, high_wh = band.range_wh
        usual_wh, middle_wh = math.sqrt(low_wh * high_wh), statistics.median(energies_wh)
        if not 1 / _FACTOR < middle_wh / usual_wh < _FACTOR:
            side = "over" if middle_wh > usual_wh else "under"
            yield (
                f"caution: {table.file}: half of its models{f' of class {size}' if size else ''} "
                f"take {side} {format_wh(middle_wh)}, where those of {reference.name} take "
                f"{format_wh(low_wh)} to {format_wh(high_wh)}: are the figures in kWh per 1,000 "
                "queries?"
            )
