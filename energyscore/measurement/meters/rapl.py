"""Processor energy from RAPL, through Linux's powercap files.

Package zones only (a `psys` zone holds them again), `dram` subzones apart. The counters wrap at
`max_energy_range_uj`, within minutes on a busy server, so a thread reads them well before that.
A counter that stepped back without having wrapped looks as if it had come a whole range further:
what no processor can take is not believed. Nor is a wrap with far more power than the rest of its
window: a counter that began again near its wrap.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from energyscore.base.errors import MeterError
from energyscore.measurement.meter import Metered, Reading
from energyscore.results.parts import Domain

POWERCAP = Path("/sys/class/powercap")
GRANT = "sudo chmod -R a+r /sys/class/powercap/intel-rapl*"
_POLL_S = 1.0

MOST_W = 2000.0
"""What no package and no memory takes, where the zone states no limit."""

_LIMITS_TIMES, _LEAST_BOUND_W = 2.0, 200.0
"""Limits hold over seconds, and some boards leave them unheeded: the bound lies well above."""

_LIKE_OTHERS, _LEAST_READ_S = 1.5, 0.5
"""A wrap has at most so many times the power of the other reads of its window, of those that are
this far apart. With reads every second it can then add half a second's energy."""

_SLACK_S = 0.1
"""Added to the time between two reads: the counter is updated every millisecond or so."""


@dataclass(frozen=True)
class Zone:
    """One RAPL counter.

    Its domain (`cpu` or `dram`), its file, where it wraps (uJ), its name for people, and the
    power above which a rise cannot be (W).
    """

    domain: Domain
    file: Path
    wrap_uj: int
    name: str
    most_w: float = MOST_W

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
            label = f"{name} ({folder.name})"
            zone = Zone(domain, folder / "energy_uj", wrap_uj, label, _most_w(folder))
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


def seconds_since_boot() -> float:
    """Time that goes on while the machine sleeps, as its counters may."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _most_w(folder: Path) -> float:
    """The power in watts that a zone cannot exceed, by its own limits where it states any."""
    limits_w = [
        watts
        for kind in ("max_power_uw", "power_limit_uw")
        for file in folder.glob(f"constraint_*_{kind}")
        for watts in _watts(file)
    ]
    if not limits_w:
        return MOST_W
    return max(_LEAST_BOUND_W, _LIMITS_TIMES * max(limits_w))


def _watts(file: Path) -> Iterator[float]:
    """What a limit states; nothing where it cannot be read, is 0, or is no processor's."""
    with contextlib.suppress(OSError, ValueError):
        watts = int(file.read_text()) / 1e6
        if 0 < watts <= MOST_W:
            yield watts


class RaplMeter:
    """Energy of the processor packages (`cpu`) and of their memory (`dram`), method `rapl`."""

    name = "rapl"

    def __init__(
        self, root: Path = POWERCAP, clock: Callable[[], float] = seconds_since_boot
    ) -> None:
        """Look for counters below `root` once opened; `clock` tells how long ago they were read."""
        self._root = root
        self._clock = clock
        self._zones: list[Zone] = []
        self._last_uj: list[int] = []  # of each zone: the counter as it was last read
        self._last_s = 0.0  # and when
        self._total_uj: list[int] = []  # how far it came since the meter was opened
        self._lock = threading.Lock()
        self._failure = ""  # of this window, for all zones
        self._impossible: dict[Domain, str] = {}  # of this window
        self._highest_w: list[float] = []  # of each zone in this window, wraps apart
        self._wrapped: list[tuple[int, float, float]] = []  # in it: zone's place, joules, seconds
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Find the counters and start watching for wraps."""
        self._zones = find_zones(self._root)
        self._last_uj, self._total_uj = [0] * len(self._zones), [0] * len(self._zones)
        self._highest_w = [0.0] * len(self._zones)
        self._last_s = 0.0
        self._closing.clear()
        self._thread = threading.Thread(target=self._watch, name="rapl", daemon=True)
        self._thread.start()

    def start(self) -> list[int]:
        """Begin a window: how far each counter has come."""
        with self._lock:
            self._failure = ""
            self._update()
            self._impossible = {}  # whatever it was, it was before the window
            self._highest_w, self._wrapped = [0.0] * len(self._zones), []
            return list(self._total_uj)

    def stop(self, token: object) -> Metered:
        """End the window."""
        assert isinstance(token, list)
        with self._lock:
            self._update()
            self._judge_wraps()
            ends_uj, failure, impossible = list(self._total_uj), self._failure, self._impossible
        used_uj = dict.fromkeys((zone.domain for zone in self._zones), 0)
        for zone, begin_uj, end_uj in zip(self._zones, token, ends_uj, strict=True):
            used_uj[zone.domain] += end_uj - begin_uj
        readings = {}
        for domain, microjoules in used_uj.items():
            why = failure or impossible.get(domain, "")
            if not why and microjoules <= 0:
                why = "the RAPL counter did not move"
            readings[domain] = (
                Reading(None, None, why) if why else Reading(microjoules / 1e6, "rapl")
            )
        return Metered(readings)

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

    def _judge_wraps(self) -> None:
        """Against the power of the rest of the window, where that is known."""
        for place, rise_j, since_s in self._wrapped:
            zone, most_w = self._zones[place], _LIKE_OTHERS * self._highest_w[place]
            if 0 < most_w * (since_s + _SLACK_S) < rise_j:
                self._impossible.setdefault(
                    zone.domain,
                    f"the RAPL counter of {zone.name} seems to have begun again near its end: as a "
                    f"wrap it would be {rise_j:.0f} J in {since_s:.1f} s, "
                    f"and up to {self._highest_w[place]:.0f} W were seen beside it",
                )

    def _update(self) -> None:
        """Read all counters; a rise that is more than the zone can take since then is left out."""
        now_s = self._clock()
        try:
            now_uj = [zone.read_uj() for zone in self._zones]
        except (OSError, ValueError) as error:
            self._failure = self._failure or f"RAPL could not be read: {error}"
            return
        since_s = now_s - self._last_s
        for place, zone in enumerate(self._zones):
            change_uj = now_uj[place] - self._last_uj[place]
            rise_uj = change_uj % (zone.wrap_uj + 1)
            if rise_uj > zone.most_w * (since_s + _SLACK_S) * 1e6:
                self._impossible.setdefault(
                    zone.domain,
                    f"the RAPL counter of {zone.name} began again or stepped back: as a wrap it "
                    f"would be {rise_uj / 1e6:.0f} J in {since_s:.1f} s",
                )
                continue
            self._total_uj[place] += rise_uj
            if change_uj < 0:
                self._wrapped.append((place, rise_uj / 1e6, since_s))
            elif since_s >= _LEAST_READ_S:
                rise_w = rise_uj / 1e6 / since_s
                self._highest_w[place] = max(self._highest_w[place], rise_w)
        self._last_uj, self._last_s = now_uj, now_s
