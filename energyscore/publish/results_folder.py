"""The folder of results as `run` leaves it: rated together, and one table beside the files."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from energyscore.base.errors import ResultError
from energyscore.base.files import real_path
from energyscore.base.lookup import resolve
from energyscore.base.writing import locked, write_atomically
from energyscore.judge import rating
from energyscore.judge.footprint import footprint_of
from energyscore.judge.rating import RatedResult
from energyscore.publish.formats import EXPORTERS
from energyscore.results import store
from energyscore.results.folder import Skip, load_files
from energyscore.results.latest import latest_only
from energyscore.results.result import Result


class ResultsFolder:
    """The results in a folder. Each file is read once, and again when it has changed."""

    def __init__(self, out: Path, skip: Skip) -> None:
        """Name the folder; `skip` is told once of each file that is left out, and why."""
        self._out = out
        self._skip = skip
        self._told: set[str] = set()
        self._known: dict[Path, tuple[tuple[int, ...], Result]] = {}

    def rated(self, own: Collection[Path] = ()) -> list[RatedResult]:
        """The latest result of every measurement, each other's cohort.

        Args:
            own: files that count for their measurement, whatever else there is of it: a clock set
                back, or an invalid repeat, must not hide what was made just now.
        """
        everything = load_files([self._out], {"result": self._read}, self._tell, may_be_empty=True)
        made = {result.identity: (path, result) for path, result in _of(own, everything)}
        latest = [made.get(entry[1].identity, entry) for entry in latest_only(everything)]
        ratings = rating.rate([result for _, result in latest])
        return [
            RatedResult(result, stars, str(path), footprint_of(result))
            for (path, result), stars in zip(latest, ratings, strict=True)
        ]

    def rated_own(self, own: Collection[Path]) -> list[RatedResult]:
        """The results in `own`, rated among all comparable ones in the folder."""
        places = {real_path(path) for path in own}
        return [entry for entry in self.rated(own) if real_path(Path(entry.file)) in places]

    def write_csv(self) -> None:
        """Write the table of all results."""
        with locked(self._out / ".results.lock", wait=True):
            report = [
                replace(entry, file=str(Path(entry.file).relative_to(self._out)))
                for entry in self.rated()
            ]
            content: bytes = resolve(EXPORTERS, "csv")(report)
            write_atomically(self._out / store.CSV_NAME, content)

    def _read(self, path: Path) -> Result:
        try:
            status = path.stat()
        except OSError:
            return store.load_result(path)  # it says what is wrong
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = stamp, store.load_result(path)
        return known[1]

    def _tell(self, error: ResultError) -> None:
        if error.message not in self._told:
            self._told.add(error.message)
            self._skip(error)


def _of(own: Collection[Path], loaded: list[tuple[Path, Result]]) -> list[tuple[Path, Result]]:
    places = {real_path(path) for path in own}
    return [entry for entry in loaded if real_path(entry[0]) in places] if places else []
