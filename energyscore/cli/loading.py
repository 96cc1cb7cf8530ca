"""Loading the results that a command shows, and saying on stderr which ones it leaves out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from energyscore.base.errors import ResultError, UsageError, did_you_mean
from energyscore.base.files import shown_path
from energyscore.base.writing import check_outputs
from energyscore.cli.console import say, say_note, say_skipped
from energyscore.judge.rating import RatedResult, rate_files
from energyscore.publish import wording
from energyscore.results.folder import UNREADABLE
from energyscore.results.latest import latest_only, set_aside
from energyscore.results.lean import read_again
from energyscore.results.result import Result
from energyscore.results.store import load_results


def load_shown(paths: Iterable[Path]) -> list[tuple[Path, Result]]:
    """Results to show: one in a folder that cannot be read is named, and the rest is shown.

    They are without the details of their runs. What decides (`gate`, `compare`, `baseline`,
    `bundle`) does not use this.

    Raises:
        ResultError: as `load_results`, and when none can be read.
    """
    loaded = load_results(paths, say_skipped, details=False)
    if not loaded:
        raise ResultError("None of the results can be read.", UNREADABLE)
    return loaded


def latest(
    loaded: Sequence[tuple[Path, Result]], remedy: str = "--all shows all."
) -> list[tuple[Path, Result]]:
    """The latest result of each measurement with its file; the others are named on stderr."""
    say_set_aside(loaded, remedy)
    return latest_only(loaded)


def whole_of(loaded: Iterable[tuple[Path, Result]]) -> Callable[[RatedResult], Result]:
    """What gives the whole result, with the details of its runs, of one of these that was rated."""
    files = {shown_path(path): path for path, _ in loaded}
    return lambda entry: read_again(files[entry.file], entry.result)


def say_set_aside(loaded: Iterable[tuple[Path, Result]], remedy: str) -> None:
    """Name what `latest_only` leaves out: a newer invalid result in a caution, others in a note."""
    others = []
    for one in set_aside((shown_path(path), result) for path, result in loaded):
        if one.newer_invalid:
            say_note(one.caution)
        else:
            others.append(one.result)
    if others:
        say(f"note: set aside: {wording.set_aside(others)}; {remedy}")


def choose(
    paths: Sequence[Path],
    *,
    among: Sequence[Path] | None,
    model: str | None,
    task: str | None,
    scale: str | None,
    out: Path | None,
) -> list[RatedResult]:
    """The latest results of each measurement in `paths`, of one model and task where asked for.

    They are rated before any is chosen: all results in `paths` and `among` are the cohort.

    Raises:
        UsageError: when there is none of that model or task, or `out`, which is to be written, is
            one of the files.
        ResultError: when a path cannot be read.
    """
    loaded = load_shown(paths)
    beside = load_shown(among) if among else []
    if out is not None:
        check_outputs({"": out}, [path for path, _ in (*loaded, *beside)])
    own = latest_only(loaded)
    identities = {result.identity for _, result in own}
    # A result that was named stays, even if there is a newer one of the same measurement.
    others = [entry for entry in latest_only(beside) if entry[1].identity not in identities]
    together = [(shown_path(path), result) for path, result in (*own, *others)]
    report = rate_files(together, scale)[: len(own)]
    report = _only(report, "model", model, lambda entry: (entry.name, entry.result.model.id))
    report = _only(report, "task", task, lambda entry: (entry.result.task.id,))
    whole = whole_of(own)
    report = [replace(entry, result=whole(entry)) for entry in report]
    chosen = {entry.result.identity for entry in report}
    of_chosen = [entry for entry in loaded if entry[1].identity in chosen]
    say_set_aside(of_chosen, "to take one, name its file.")
    return report


def _only(
    report: list[RatedResult],
    what: str,
    wanted: str | None,
    names_of: Callable[[RatedResult], tuple[str, ...]],
) -> list[RatedResult]:
    if wanted is None:
        return report
    chosen = [entry for entry in report if wanted in names_of(entry)]
    if not chosen:
        names = {names_of(entry)[0] for entry in report}
        raise UsageError(f"No result is of the {what} {wanted!r}.", did_you_mean(wanted, names))
    return chosen
