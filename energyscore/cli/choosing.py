"""Choosing one model's results among many, rated among all of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from energyscore.errors import UsageError, did_you_mean
from energyscore.export import RatedResult
from energyscore.result import Result


def choose(
    paths: Sequence[Path],
    *,
    among: Sequence[Path] = (),
    model: str | None = None,
    task: str | None = None,
    scale: str | None = None,
) -> list[RatedResult]:
    """The latest results of each measurement in `paths`, of one model and task where asked for.

    They are rated before any is chosen: all results in `paths` and `among` are the cohort.

    Raises:
        UsageError: when there is none of that model or task.
        ResultError: when a path cannot be read.
    """
    from energyscore.rating import latest_only, rate
    from energyscore.store import load_results

    loaded = load_results(paths)
    files = {id(result): str(path) for path, result in loaded}
    own = latest_only(result for _, result in loaded)
    identities = {result.identity for result in own}
    # A result that was named stays, even if there is a newer one of the same measurement.
    others = [
        result
        for result in latest_only(result for _, result in (load_results(among) if among else []))
        if result.identity not in identities
    ]
    ratings = rate([*own, *others], scale)[: len(own)]
    report = [
        RatedResult(result, rating, files[id(result)])
        for result, rating in zip(own, ratings, strict=True)
    ]
    report = _only(report, "model", model, lambda result: result.model.id)
    return _only(report, "task", task, lambda result: result.task.id)


def _only(
    report: list[RatedResult],
    what: str,
    wanted: str | None,
    name_of: Callable[[Result], str],
) -> list[RatedResult]:
    if wanted is None:
        return report
    chosen = [entry for entry in report if name_of(entry.result) == wanted]
    if not chosen:
        names = {name_of(entry.result) for entry in report}
        raise UsageError(f"No result is of the {what} {wanted!r}.", did_you_mean(wanted, names))
    return chosen
