"""Measurements found among files and folders: results, baselines, and CSVs of ours."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from energyscore.base.errors import ResultError
from energyscore.base.files import is_file
from energyscore.judge.baseline import Baseline, load_baseline
from energyscore.judge.figures import Measured, measured_of
from energyscore.judge.rating import rate
from energyscore.judge.results_csv import parse_rows
from energyscore.results.folder import Kind, load_files
from energyscore.results.latest import latest_only, newer_invalid, say_newer_invalid, set_aside
from energyscore.results.names import tell_apart
from energyscore.results.result import Result
from energyscore.results.store import load_result

_Source: TypeAlias = tuple[Path, str | None]
"""A file, and the commit of a baseline."""


def load_measured(
    paths: Iterable[Path],
    scale: str | None = None,
    *,
    every: bool = False,
    baselines: bool = True,
    note: Callable[[str], None] = lambda text: None,
) -> list[Measured]:
    """Read what is to be compared: the latest of each measurement, one another's cohort.

    Args:
        paths: files, and folders that are searched all the way down for results and baselines.
        scale: what stars are relative to, as for `rate`.
        every: older results of the same measurement too, not only the latest.
        baselines: whether baselines in folders count: what was kept was not measured now.
        note: is told of a file that was named and is set aside for a later one, and of a newer
            result that is invalid.

    Raises:
        ResultError: when a path does not exist, a folder holds nothing, or a file is wrong.
    """
    paths = list(paths)
    tables = [path for path in paths if is_file(path) and path.suffix.lower() == ".csv"]
    loaded = _load([path for path in paths if path not in tables], baselines)
    kept = loaded if every else latest_only(loaded)
    _tell_set_aside(paths, loaded, kept, note)
    ratings = rate([result for _, result in kept], scale)
    found = [
        measured_of(result, rating, str(file), commit)
        for ((file, commit), result), rating in zip(kept, ratings, strict=True)
    ]
    found += [row for path in tables for row in _read_csv(path)]
    names = tell_apart([(one.model, one.revision) for one in found])
    return [replace(one, called=name) for one, name in zip(found, names, strict=True)]


def _load(paths: Iterable[Path], baselines: bool) -> list[tuple[_Source, Result]]:
    readers: dict[Kind, Callable[[Path], Result | Baseline]] = {
        "result": load_result,
        "baseline": load_baseline,
    }
    wanted: list[Kind] = ["result", "baseline"] if baselines else ["result"]
    return [
        ((file, one.commit.sha if one.commit else None), one.result)
        if isinstance(one, Baseline)
        else ((file, None), one)
        for file, one in load_files(paths, readers, in_folders=wanted)
    ]


def _tell_set_aside(
    named: Iterable[Path],
    loaded: list[tuple[_Source, Result]],
    kept: list[tuple[_Source, Result]],
    note: Callable[[str], None],
) -> None:
    if len(kept) == len(loaded):
        return
    used = {result.identity: file for (file, _), result in kept}
    invalid = newer_invalid(loaded)
    for (file, _), result in invalid.values():
        note(say_newer_invalid(file, result, used[result.identity]))
    for (file, _), result in set_aside(loaded):
        if file in named and result not in [one for _, one in invalid.values()]:
            note(
                f"{file} is set aside: {used[result.identity]} is the same measurement, made later"
            )


def _read_csv(path: Path) -> list[Measured]:
    try:
        return parse_rows(path.read_bytes(), str(path))
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror}.") from error
