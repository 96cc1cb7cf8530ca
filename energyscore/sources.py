"""What a leaderboard is made of, found among files and folders: results and official CSVs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from energyscore.errors import ResultError
from energyscore.paths import is_dir, is_file
from energyscore.published import Published, is_published, read_published, task_of
from energyscore.result import Result
from energyscore.scales import Scale
from energyscore.store import UNREADABLE, Skip, load_results, result_files, visible_files
from energyscore.task import load_tasks


@dataclass(frozen=True)
class Sources:
    """What was found: results with their files, and official leaderboards."""

    results: Sequence[tuple[Path, Result]]
    published: Sequence[Published]


def find_sources(
    paths: Iterable[Path],
    task: str | None,
    reference: Scale,
    leave_out: Path | None = None,
    skip: Skip | None = None,
) -> Sources:
    """Read results (JSON) and official leaderboards (CSV) from files and folders.

    Args:
        paths: files, and folders that are searched all the way down.
        task: the task of all the CSVs; None takes it from each one's name.
        reference: the tasks of its bands may be named, beside the bundled ones.
        leave_out: a folder whose CSVs are not read: where the leaderboard is written to.
        skip: is told of a result in a folder that cannot be read and is left out; None: an error.

    Raises:
        ResultError: when a path does not exist, a folder holds neither, a file is wrong, or
            nothing is left.
    """
    results: list[Path] = []
    tables: dict[Path, Path] = {}
    for path in paths:
        if is_dir(path):
            found = result_files(path)
            csvs = [file for file in visible_files(path, "*.csv") if is_published(file)]
            if leave_out is not None:
                csvs = [file for file in csvs if leave_out not in file.resolve().parents]
            if not found and not csvs:
                raise ResultError(
                    f"The folder {path} holds neither results nor official leaderboards.",
                    "`energyscore run` writes results; an official leaderboard is one CSV a task.",
                )
            results += [path] if found else []
            tables |= {file.resolve(): file for file in csvs}
        elif not is_file(path):
            raise ResultError(
                f"{path} does not exist.", "Name a result, an official CSV, or a folder of them."
            )
        elif path.suffix.lower() == ".csv":
            tables[path.resolve()] = path
        else:
            results.append(path)
    sources = Sources(load_results(results, skip), _read_tables(tables.values(), task, reference))
    if not sources.results and not sources.published:
        raise ResultError("None of the results can be read.", UNREADABLE)
    return sources


def _read_tables(files: Iterable[Path], task: str | None, reference: Scale) -> list[Published]:
    classes = {
        name: [size.name for size in entry.spec.classes]
        for entry in load_tasks().values()
        for name in (entry.spec.id, entry.spec.scale_task)
    }
    known = {*classes, *(band.task for band in reference.bands)}
    found = []
    for file in files:
        name = task_of(file, known, task)
        found.append(read_published(file, name, classes.get(name, ())))
    return found
