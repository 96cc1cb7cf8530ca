"""The folder of results as `run` leaves it: rated together, and one table beside the files."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from energyscore.base.lookup import resolve
from energyscore.base.writing import locked, write_atomically
from energyscore.judge import rating
from energyscore.judge.footprint import footprint_of
from energyscore.judge.rating import RatedResult
from energyscore.publish.formats import EXPORTERS
from energyscore.results import store
from energyscore.results.result import Result


def rated_results(out: Path, own: Collection[Path] = ()) -> list[RatedResult]:
    """The latest result of every measurement in a folder, each other's cohort.

    Args:
        out: the folder.
        own: files that stand for their measurement, whatever else there is of it: a clock set
            back, or an invalid repeat, must not hide what was made just now.
    """
    everything = store.find_results(out)
    files = {id(result): path for path, result in everything}
    made: dict[str, Result] = {
        result.identity: result for path, result in everything if path in own
    }
    latest = [
        made.get(result.identity, result)
        for result in rating.latest_only(result for _, result in everything)
    ]
    return [
        RatedResult(result, stars, str(files[id(result)]), footprint_of(result))
        for result, stars in zip(latest, rating.rate(latest), strict=True)
    ]


def rated_own(out: Path, own: Collection[Path]) -> list[RatedResult]:
    """The results that were made just now, rated among all comparable ones in the folder."""
    return [entry for entry in rated_results(out, own) if Path(entry.file) in own]


def write_csv(out: Path) -> None:
    """Write the table of all results in a folder."""
    with locked(out / ".results.lock", wait=True):
        report = [
            replace(entry, file=str(Path(entry.file).relative_to(out)))
            for entry in rated_results(out)
        ]
        content: bytes = resolve(EXPORTERS, "csv")(report)
        write_atomically(out / store.CSV_NAME, content)
