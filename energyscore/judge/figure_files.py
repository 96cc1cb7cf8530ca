"""Measurements found among files and folders: results, baselines, and CSVs of ours."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path

from energyscore.base.errors import ResultError
from energyscore.base.files import is_dir, is_file, real_path
from energyscore.judge.baseline import is_baseline, load_baseline
from energyscore.judge.figures import Measured, measured_of, newest_of
from energyscore.judge.rating import rate
from energyscore.judge.results_csv import parse_rows
from energyscore.results.folder import kind_of, visible_files
from energyscore.results.names import tell_apart
from energyscore.results.result import Result
from energyscore.results.store import load_result


def load_measured(
    paths: Iterable[Path],
    scale: str | None = None,
    *,
    every: bool = False,
    baselines: bool = True,
    note: Callable[[str], None] | None = None,
) -> list[Measured]:
    """Read what is to be compared.

    Args:
        paths: files, and folders that are searched all the way down for results and baselines.
        scale: what stars are relative to, as for `rate`; all that is read is one another's cohort.
        every: older results of the same measurement too, not only the newest.
        baselines: whether baselines in folders count: what was kept was not measured now.
        note: told of a file that was named and is set aside, as another one is newer.

    Raises:
        ResultError: when a path does not exist, a folder holds nothing, or a file is wrong.
    """
    results: dict[Path, tuple[Path, Result, str | None]] = {}
    rows: list[Measured] = []
    paths = list(paths)
    for path in paths:
        if is_file(path) and path.suffix.lower() == ".csv":
            rows += _read_csv(path)
            continue
        for file in _files(path, baselines):
            if real_path(file) not in results:
                results[real_path(file)] = (file, *_read(file))
    known = list(results.values())
    ratings = rate([result for _, result, _ in known], scale)
    measured = [
        measured_of(result, rating, str(file), commit)
        for (file, result, commit), rating in zip(known, ratings, strict=True)
    ]
    kept = measured if every else newest_of(measured)
    if note is not None:
        _tell_set_aside({str(path) for path in paths}, measured, kept, note)
    found = [*kept, *rows]
    names = tell_apart([(one.model, one.revision) for one in found])
    return [replace(one, called=name) for one, name in zip(found, names, strict=True)]


def _tell_set_aside(
    named: Collection[str],
    measured: Iterable[Measured],
    kept: Collection[Measured],
    note: Callable[[str], None],
) -> None:
    newest = {one.identity: one.source for one in kept}
    sources = {one.source for one in kept}
    for one in measured:
        if one.source in named and one.source not in sources:
            other = newest[one.identity]
            note(f"{one.source} is set aside: {other} is the same measurement, made later.")


def _files(path: Path, baselines: bool) -> list[Path]:
    if is_file(path):
        return [path]
    if not is_dir(path):
        raise ResultError(f"{path} does not exist.", "Name a result, a CSV or a folder of results.")
    kinds = {file: kind_of(file) for file in visible_files(path, "*.json")}
    files = [file for file, kind in kinds.items() if kind in ("result", "broken")]
    kept = [file for file, kind in kinds.items() if kind == "baseline"]
    files += kept if baselines else []
    if not files and kept:
        raise ResultError(
            f"The folder {path} holds baselines only: nothing that was measured.",
            "`energyscore run` writes results; name a baseline's file to check it all the same.",
        )
    if not files:
        raise ResultError(
            f"The folder {path} holds neither results nor baselines.",
            "`energyscore run` writes results, `energyscore baseline save` keeps baselines.",
        )
    return files


def _read(file: Path) -> tuple[Result, str | None]:
    if is_baseline(file):
        baseline = load_baseline(file)
        return baseline.result, baseline.commit.sha if baseline.commit else None
    return load_result(file), None


def _read_csv(path: Path) -> list[Measured]:
    try:
        return parse_rows(path.read_bytes(), str(path))
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror}.") from error
