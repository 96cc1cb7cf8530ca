"""Choosing one model's results among many, rated among all of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from energyscore.base.errors import UsageError, did_you_mean
from energyscore.base.files import shown_path
from energyscore.base.writing import check_outputs
from energyscore.cli.shared import load_shown, say_set_aside
from energyscore.judge.rating import RatedResult


def choose(
    paths: Sequence[Path],
    *,
    among: Sequence[Path] = (),
    model: str | None = None,
    task: str | None = None,
    scale: str | None = None,
    out: Path | None = None,
) -> list[RatedResult]:
    """The latest results of each measurement in `paths`, of one model and task where asked for.

    They are rated before any is chosen: all results in `paths` and `among` are the cohort.

    Raises:
        UsageError: when there is none of that model or task, or `out`, which is to be written, is
            one of the files.
        ResultError: when a path cannot be read.
    """
    from energyscore.judge.rating import rate_files
    from energyscore.results.latest import latest_only

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
