"""The folder of results as `run` leaves it: rated together, and one table beside the files."""

import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from energyscore.base.files import real_path
from energyscore.base.lookup import resolve
from energyscore.base.writing import locked, write_atomically
from energyscore.judge.rating import RatedResult, rate_files
from energyscore.publish.formats import EXPORTERS
from energyscore.results.latest import latest_only
from energyscore.results.store import CSV_NAME, KnownResults


class ResultsFolder:
    """The results in a folder, rated among each other."""

    def __init__(self, known: KnownResults) -> None:
        """Rate what is known of the folder."""
        self._known, self._out = known, known.folder

    def rated(self, own: Collection[Path] = ()) -> list[RatedResult]:
        """The latest result of every measurement, each other's cohort.

        The files in `own` count for their measurement, whatever else there is of it: a clock set
        back, or an invalid repeat, must not hide what was made just now.
        """
        everything, places = self._known.load(), {real_path(path) for path in own}
        made = {
            result.identity: (path, result)
            for path, result in everything
            if places and real_path(path) in places
        }
        return rate_files([made.get(entry[1].identity, entry) for entry in latest_only(everything)])

    def rated_own(self, own: Collection[Path]) -> list[RatedResult]:
        """The results in `own`, rated among all comparable ones in the folder."""
        places = {real_path(path) for path in own}
        return [entry for entry in self.rated(own) if real_path(Path(entry.file)) in places]

    def write_csv(self) -> None:
        """Write the table of all results."""
        with locked(self._out / ".results.lock", wait_s=math.inf):
            report = [
                replace(entry, file=str(Path(entry.file).relative_to(self._out)))
                for entry in self.rated()
            ]
            content: bytes = resolve(EXPORTERS, "csv")(report)
            write_atomically(self._out / CSV_NAME, content)
