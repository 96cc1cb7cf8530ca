"""What a leaderboard is made of, found among files and folders: results and official CSVs."""

import math
import re
import statistics
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from energyscore.base.errors import ResultError, did_you_mean
from energyscore.base.files import Skip, is_dir, is_file, real_path, shown_path, visible_files
from energyscore.base.units import format_wh
from energyscore.base.writing import is_as_written
from energyscore.judge.official import Published, is_our_table, is_published, read_published
from energyscore.protocol.scales import Scale
from energyscore.protocol.task import load_tasks
from energyscore.results.folder import UNREADABLE, result_files
from energyscore.results.result import Result
from energyscore.results.store import load_results

BOARD = "leaderboard"
"""The kind of folder that official leaderboards are written to."""

_MOST_NAMES = 5
_FACTOR = 100  # further off than any model is; Wh taken for kWh are 1,000 times too many


@dataclass(frozen=True)
class Sources:
    """What was found.

    Attributes:
        results: results with their files.
        published: official leaderboards.
        files: the files of the latter, resolved.
        notes: what was passed over and why, and what is doubtful, in lines for people.
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

    Args:
        paths: files, and folders that are searched all the way down. A CSV that lies in a folder
            and is no official leaderboard, or was written by an earlier call, is passed over; one
            that is named is read.
        task: the only task that is taken, and that of the CSVs whose names are none; None takes
            all, and a CSV's task from its name.
        reference: the tasks of its bands may be named, beside the bundled ones.
        leave_out: a folder whose CSVs are not read: where the leaderboard is written to.
        skip: is told of a result in a folder that cannot be read and is left out; None: an error.

    Raises:
        ResultError: when a path does not exist, a folder holds neither, a file is wrong, or
            nothing is left.
    """
    known = _known_classes(reference)
    wanted = None if task is None else task_name(task)
    aside = _PassedOver()
    skip = skip and _once(skip)
    results: list[Path] = []
    tables: dict[Path, Path] = {}
    for path in paths:
        if is_dir(path):
            found = result_files(path, skip)
            csvs = list(_csvs_in(path, known, wanted, leave_out, aside, skip))
            if not found and not csvs:
                said = " ".join(aside.notes())
                raise ResultError(
                    f"The folder {path} holds neither results nor official leaderboards. {said}",
                    "`energyscore run` writes results; an official leaderboard is one CSV a task.",
                )
            results += [path] if found else []
            tables |= {real_path(file): file for file in csvs}
        elif not is_file(path):
            raise ResultError(
                f"{path} does not exist.", "Name a result, an official CSV, or a folder of them."
            )
        elif path.suffix.lower() == ".csv":
            tables[real_path(path)] = path
        else:
            results.append(path)
    loaded = load_results(results, skip)
    if task is not None and wanted not in {*known, *(result.task.id for _, result in loaded)}:
        raise ResultError(f"--task: unknown task {task!r}.", did_you_mean(str(wanted), known))
    of_task = {file: task_of(file, known, wanted) for file in tables.values()}
    everything = bool(loaded or tables)
    published = [
        read_published(file, name, known.get(name, ()))
        for file, name in of_task.items()
        if wanted in (None, name)
    ]
    loaded = [(file, result) for file, result in loaded if wanted in (None, result.task.id)]
    if not everything:
        raise ResultError("None of the results can be read.", UNREADABLE)
    if not loaded and not published:
        raise ResultError(f"Nothing here is of the task {wanted}.", "Leave --task out.")
    doubts = (note for table in published for note in _doubts(table, reference))
    return Sources(loaded, published, list(tables), [*aside.notes(tables), *doubts])


def task_of(path: Path, known: Collection[str], given: str | None = None) -> str:
    """The task of an official file: the file's name, where that is none `given`.

    Raises:
        ResultError: when neither is a task.
    """
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


class _PassedOver:
    """The CSVs in folders that are not read, by the reason."""

    def __init__(self) -> None:
        self._files: dict[str, dict[Path, str]] = {}

    def add(self, why: str, file: Path) -> None:
        self._files.setdefault(why, {})[file.resolve()] = shown_path(file)

    def notes(self, read: Collection[Path] = ()) -> list[str]:
        """A line a reason; without what was read after all, as it was named too."""
        lines = []
        for why, found in self._files.items():
            names = [name for place, name in found.items() if place not in read]
            if not names:
                continue
            more = len(names) - _MOST_NAMES
            listed = ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
            lines.append(f"not read: {listed}: {why}.")
        return lines


def _csvs_in(
    folder: Path,
    known: Collection[str],
    task: str | None,
    leave_out: Path | None,
    aside: _PassedOver,
    skip: Skip | None,
) -> Iterator[Path]:
    """The official leaderboards in a folder, all the way down."""
    for file in visible_files(folder, "*.csv", skip):
        if leave_out is not None and leave_out in real_path(file).parents:
            continue
        if is_our_table(file):
            continue
        if not is_published(file):
            aside.add("without the columns of an official leaderboard", file)
        elif file.parent != folder and is_as_written(file, BOARD):
            aside.add("`energyscore leaderboard` wrote it; to read it all the same, name it", file)
        elif task is None and task_name(file.stem) not in known:
            aside.add("the name is no task's; rename it, or name the task with --task", file)
        else:
            yield file


def _once(skip: Skip) -> Skip:
    """The same, told of each error once: a folder is looked through for results and for CSVs."""
    said: set[str] = set()

    def tell(error: ResultError) -> None:
        if error.message not in said:
            said.add(error.message)
            skip(error)

    return tell


def _known_classes(reference: Scale) -> dict[str, list[str]]:
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
        usual = math.sqrt(band.min_wh_per_1k_queries * band.max_wh_per_1k_queries)
        middle = statistics.median(energies_wh)
        if not 1 / _FACTOR < middle / usual < _FACTOR:
            of_class = f" of class {size}" if size else ""
            yield (
                f"caution: {table.file}: half of its models{of_class} take "
                f"{'over' if middle > usual else 'under'} {format_wh(middle)}, where those of "
                f"{reference.name} take {format_wh(band.min_wh_per_1k_queries)} to "
                f"{format_wh(band.max_wh_per_1k_queries)}: are the figures in kWh per 1,000 "
                "queries?"
            )
