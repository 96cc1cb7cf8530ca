"""The folder of results as `run` leaves it: rated together, and one table beside the files."""

from dataclasses import replace
from pathlib import Path

from energyscore import catalog, rating, store
from energyscore.export import RatedResult


def rated_results(out: Path) -> list[RatedResult]:
    """The latest result of every measurement in a folder, each other's cohort."""
    everything = store.find_results(out)
    files = {id(result): path for path, result in everything}
    latest = rating.latest_only(result for _, result in everything)
    return [
        RatedResult(result, stars, str(files[id(result)]))
        for result, stars in zip(latest, rating.rate(latest), strict=True)
    ]


def write_csv(out: Path) -> None:
    """Write the table of all results in a folder."""
    with store.locked(out / ".results.lock", wait=True):
        report = [
            replace(entry, file=str(Path(entry.file).relative_to(out)))
            for entry in rated_results(out)
        ]
        content: bytes = catalog.resolve(catalog.EXPORTERS, "csv")(report)
        store.write_atomically(out / store.CSV_NAME, content)
