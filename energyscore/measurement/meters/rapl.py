"""Processor energy from RAPL, through Linux's powercap files.

Package zones only (a `psys` zone holds them again), `dram` subzones apart. The counters wrap at
`max_energy_range_uj`, within minutes on a busy server, so a thread reads them well before that.
"""

import threading
from dataclasses import dataclass
from pathlib import Path

from energyscore.base.errors import MeterError
from energyscore.measurement.meter import Metered, Reading
from energyscore.results.parts import Domain

POWERCAP = Path("/sys/class/powercap")
GRANT = "sudo chmod -R a+r /sys/class/powercap/intel-rapl*"
_POLL_S = 5.0


@dataclass(frozen=True)
class Zone:
    """One RAPL counter: its domain (`cpu` or `dram`), its file, and where it wraps (uJ)."""

    domain: Domain
    file: Path
    wrap_uj: int

    def read_uj(self) -> int:
        """The counter in microjoules."""
        return int(self.file.read_text())


def find_zones(root: Path = POWERCAP) -> list[Zone]:
    """The package zones and their dram subzones; a MeterError when there are none to read."""
    zones: list[Zone] = []
    try:
        for folder in sorted(root.glob("intel-rapl:*")):
            name = (folder / "name").read_text().strip()
            domain = "cpu" if name.startswith("package") else name
            if domain not in ("cpu", "dram"):
                continue
            wrap_uj = int((folder / "max_energy_range_uj").read_text())
            zone = Zone(domain, folder / "energy_uj", wrap_uj)
            zone.read_uj()
            zones.append(zone)
    except PermissionError as error:
        raise MeterError(
            f"RAPL may not be read by this user ({error.filename}).", f"Allow it with: {GRANT}"
        ) from error
    except (OSError, ValueError) as error:
        raise MeterError(f"RAPL does not answer: {error}.") from error
    if not any(zone.domain == "cpu" for zone in zones):
        raise MeterError(f"there are no RAPL counters here ({root}/intel-rapl:*)")
    return zones


class RaplMeter:
    """Energy of the processor packages (`cpu`) and of their memory (`dram`), method `rapl`."""

    name = "rapl"

    def __init__(self, root: Path = POWERCAP) -> None:
        """Look for counters below `root` once opened."""
        self._root = root
        self._zones: list[Zone] = []
        self._last_uj: list[int] = []  # of each zone: the counter as it was last read
        self._total_uj: list[int] = []  # and how far it came since the meter was opened
        self._lock = threading.Lock()
        self._failure = ""
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Find the counters and start watching for wraps."""
        self._zones = find_zones(self._root)
        self._last_uj, self._total_uj = [0] * len(self._zones), [0] * len(self._zones)
        self._closing.clear()
        self._thread = threading.Thread(target=self._watch, name="rapl", daemon=True)
        self._thread.start()

    def start(self) -> list[int]:
        """Begin a window: how far each counter has come."""
        with self._lock:
            self._failure = ""
            self._update()
            return list(self._total_uj)

    def stop(self, token: object) -> Metered:
        """End the window."""
        assert isinstance(token, list)
        with self._lock:
            self._update()
            ends_uj, failure = list(self._total_uj), self._failure
        used_uj = dict.fromkeys((zone.domain for zone in self._zones), 0)
        for zone, begin_uj, end_uj in zip(self._zones, token, ends_uj, strict=True):
            used_uj[zone.domain] += end_uj - begin_uj
        why = failure or "the RAPL counter did not move"
        return Metered(
            {
                domain: Reading(None, None, why)
                if failure or microjoules <= 0
                else Reading(microjoules / 1e6, "rapl")
                for domain, microjoules in used_uj.items()
            }
        )

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _watch(self) -> None:
        while not self._closing.wait(_POLL_S):
            with self._lock:
                self._update()

    def _update(self) -> None:
        try:
            for place, zone in enumerate(self._zones):
                now_uj = zone.read_uj()
                self._total_uj[place] += (now_uj - self._last_uj[place]) % (zone.wrap_uj + 1)
                self._last_uj[place] = now_uj
        except (OSError, ValueError) as error:
            self._failure = self._failure or f"RAPL could not be read: {error}"
