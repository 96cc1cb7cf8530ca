"""What `gate` and `compare` read: results and baselines in files and folders, rated together."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from energyscore.judge.baseline import load_baseline
from energyscore.judge.rating import RatedResult, rate_files, unrated
from energyscore.results.folder import load_files
from energyscore.results.latest import latest_only, set_aside
from energyscore.results.lean import without_details
from energyscore.results.result import Result
from energyscore.results.store import load_lean


def load_rated(
    paths: Iterable[Path],
    scale: str | None = None,
    *,
    every: bool = False,
    baselines: bool = True,
    stars: bool = True,
    note: Callable[[str], None] = lambda text: None,
) -> list[RatedResult]:
    """Read what is to be compared: the latest of each measurement, one another's cohort.

    The results are without the details of their runs.

    A ResultError where a path does not exist, a folder holds nothing, or a file is wrong.

    Args:
        paths: files, and folders that are searched all the way down for results and baselines.
        scale: what stars are relative to, as for `rate`.
        every: older results of the same measurement too, not only the latest.
        baselines: whether baselines in folders count: what was kept was not measured now.
        stars: whether anybody asks for them.
        note: is told of a named file that a later one replaces, and of a newer invalid result.
    """
    paths = list(paths)
    read = _read_all(paths, baselines=baselines)
    loaded = [(path, result) for path, (result, _) in read]
    commits = {str(path): commit for path, (_, commit) in read}
    kept = loaded if every else latest_only(loaded)
    for aside in [] if every else set_aside(loaded):
        if aside.newer_invalid:
            note(aside.caution)
        elif aside.key in paths:
            note(f"{aside.key} is set aside: {aside.used} is the same measurement, made later")
    rated = rate_files(kept, scale, stars=stars)
    return [replace(entry, commit=commits.get(entry.file)) for entry in rated]


def load_baselines(paths: Iterable[Path]) -> list[RatedResult]:
    """Read what others are to be held against: all results and baselines, without stars."""
    return [
        RatedResult(result, unrated(result), str(path), commit=commit)
        for path, (result, commit) in _read_all(paths, baselines=True)
    ]


def _read_all(
    paths: Iterable[Path], *, baselines: bool
) -> list[tuple[Path, tuple[Result, str | None]]]:
    read: list[tuple[Path, Result | tuple[Result, str | None]]] = load_files(
        paths,
        {"result": load_lean, "baseline": _read_baseline},
        in_folders=["result", "baseline"] if baselines else ["result"],
        by_content=True,
    )
    return [(path, it if isinstance(it, tuple) else (it, None)) for path, it in read]


def _read_baseline(path: Path) -> tuple[Result, str | None]:
    """Its result, and the commit that it was saved at."""
    baseline = load_baseline(path)
    return without_details(baseline.result), baseline.commit.sha if baseline.commit else None
