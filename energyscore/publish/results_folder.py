"""The folder of results as `run` leaves it: rated together, and one table beside the files."""

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from energyscore.base.files import real_path
from energyscore.base.locks import locked
from energyscore.base.lookup import resolve
from energyscore.base.writing import write_atomically
from energyscore.judge.footprint import Site
from energyscore.judge.rating import RatedResult, in_one_view, rate_files
from energyscore.protocol.scales import all_scales
from energyscore.publish.formats import EXPORTERS
from energyscore.results.latest import latest_only
from energyscore.results.lean import read_again
from energyscore.results.store import CSV_NAME, KnownResults


class ResultsFolder:
    """The results in a folder, rated among each other."""

    def __init__(self, known: KnownResults) -> None:
        """Rate what is known of the folder. A scale that is broken shows before a measurement."""
        all_scales()
        self._known, self._out = known, known.folder

    def rated_own(self, own: Iterable[Path], site: Site | None = None) -> list[RatedResult]:
        """The results in `own`, rated among all comparable ones in the folder, at a site.

        They count for their measurement, whatever else there is of it: a clock set back, or an
        invalid repeat, must not hide what was made just now.
        """
        everything, places = self._known.load(), {real_path(path) for path in own}
        made = {entry[1].identity: entry for entry in everything if real_path(entry[0]) in places}
        counted = [made.get(entry[1].identity, entry) for entry in latest_only(everything)]
        report = rate_files(counted, site=site)
        return in_one_view(
            replace(entry, result=read_again(Path(entry.file), entry.result))
            for entry in report
            if real_path(Path(entry.file)) in places
        )

    def write_csv(self) -> None:
        """Write the table of all results."""
        with locked(self._out / ".results.lock", wait_s=math.inf):
            report = [
                replace(entry, file=str(Path(entry.file).relative_to(self._out)))
                for entry in rate_files(latest_only(self._known.load()))
            ]
            content: bytes = resolve(EXPORTERS, "csv")(report)
            write_atomically(self._out / CSV_NAME, content)
