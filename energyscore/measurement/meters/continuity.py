"""Whether the clocks were set, the machine slept, or the process stood still in a window."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from energyscore.base.errors import MeterError
from energyscore.measurement.meter import Metered, notice
from energyscore.results.parts import Notice

CLOCK_JUMP_S = 1.0
CLOCK_RATE = 500e-6
"""How much faster or slower a clock may run while it is being adjusted: the kernel's bound."""

SLEPT_S = 0.5
BEAT_S = 0.2
LATE_S = 0.6
"""A thread that should wake every 0.2 s and does not for this long was stopped..."""

STILL_S, STILL_SHARE = 2.0, 0.05
"""... which invalidates a window if a stop was this long, or all were this share of it."""

BUSY = 0.5
"""A worker that computed for this share of a gap was not stopped in it."""

_NS = 1e9


@dataclass(frozen=True)
class Instant:
    """One moment by three clocks, in ns: UTC, monotonic, and monotonic with the machine's sleep."""

    wall_ns: int
    monotonic_ns: int
    boot_ns: int


def read_clocks() -> Instant:
    """This moment by the machine's clocks.

    Without one that counts sleep, Python raises AttributeError or the system OSError.
    """
    boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return Instant(time.time_ns(), time.monotonic_ns(), boot_ns)


class Heartbeat:
    """Finds the gaps in a row of beats in which the process did not work.

    The beats come from a Python thread, which waits for the interpreter's lock. Code in C that
    keeps the lock for seconds (a long call of a library) would look as if the process had been
    stopped, and invalidate a good measurement. So a gap counts only if the working thread
    was not computing meanwhile: a stopped, frozen or starved one uses no processor time. Of the
    two errors the rarer is left: a library that waits for seconds without computing and keeps the
    lock; torch and the tokenizers release it.
    """

    def __init__(self, now_ns: Callable[[], int], worker_cpu_ns: Callable[[], int]) -> None:
        """Begin now; `worker_cpu_ns` gives the processor time of the thread that does the work."""
        self._now_ns, self._worker_cpu_ns = now_ns, worker_cpu_ns
        self._last_ns, self._last_cpu_ns = now_ns(), worker_cpu_ns()
        self.gaps_s: list[float] = []

    def beat(self) -> None:
        """The process runs: keep the time since the last beat if it was a gap."""
        now_ns, cpu_ns = self._now_ns(), self._worker_cpu_ns()
        gap_ns, busy_ns = now_ns - self._last_ns, cpu_ns - self._last_cpu_ns
        self._last_ns, self._last_cpu_ns = now_ns, cpu_ns
        if gap_ns > LATE_S * _NS and busy_ns < BUSY * gap_ns:
            self.gaps_s.append(gap_ns / _NS)


def judge(start: Instant, end: Instant, gaps_s: Sequence[float]) -> tuple[Notice, ...]:
    """Notices about a window between two instants, with the gaps in it.

    Only UTC being set is harmless to the figures: they stand on the monotonic clock. Energy that
    was metered while the work stood still is not the work's.
    """
    monotonic_s = (end.monotonic_ns - start.monotonic_ns) / _NS
    boot_s = (end.boot_ns - start.boot_ns) / _NS
    wall_s = (end.wall_ns - start.wall_ns) / _NS
    slept_s = boot_s - monotonic_s
    notices = []
    if slept_s > SLEPT_S:
        message = f"the machine slept for {slept_s:.1f} s during the window"
        notices.append(notice("suspended", message, invalidates=True))
    # One long stop, or many short ones that add up.
    if max(gaps_s, default=0.0) > STILL_S or sum(gaps_s) > STILL_SHARE * max(monotonic_s, 10.0):
        message = (
            f"the process stood still for {max(gaps_s):.1f} s"
            + (f", the longest of {len(gaps_s)} times" if len(gaps_s) > 1 else "")
            + ": it was stopped, its container was frozen, or it got no processor"
        )
        notices.append(notice("suspended", message, invalidates=True))
    # Against the clock that counts the machine's sleep: UTC goes on in it, and is not set by it.
    jump_s = wall_s - boot_s
    if abs(jump_s) > CLOCK_JUMP_S + CLOCK_RATE * boot_s:
        way = "forward" if jump_s > 0 else "back"
        message = (
            f"the machine's time of day was set {way} by {abs(jump_s):.1f} s during the window: "
            "time stamps are wrong, durations are not"
        )
        notices.append(notice("clock_jump", message))
    return tuple(notices)


class _Watch(threading.Thread):
    """A window: when it began, and the beats in it of a thread of its own."""

    def __init__(self, start: Instant, heartbeat: Heartbeat) -> None:
        super().__init__(daemon=True)
        self.begin, self.heartbeat, self.halt = start, heartbeat, threading.Event()

    def run(self) -> None:
        while not self.halt.wait(BEAT_S):
            self.heartbeat.beat()


class ContinuityMeter:
    """Meters no energy: gives notices of sleep, standstill and clocks that were set."""

    name = "continuity"

    def __init__(self, clocks: Callable[[], Instant] = read_clocks) -> None:
        """Take the time from `clocks`."""
        self._clocks = clocks

    def open(self) -> None:
        """Find out whether the machine has the clocks."""
        try:
            self._clocks()
        except (AttributeError, OSError) as error:
            raise MeterError("This system does not tell how long it slept.") from error

    def start(self) -> _Watch:
        """Begin a window of the calling thread's work."""
        worker = time.pthread_getcpuclockid(threading.get_ident())
        heartbeat = Heartbeat(time.monotonic_ns, lambda: time.clock_gettime_ns(worker))
        watch = _Watch(self._clocks(), heartbeat)
        watch.start()
        return watch

    def stop(self, token: object) -> Metered:
        """End the window."""
        assert isinstance(token, _Watch)
        token.halt.set()
        token.join()
        token.heartbeat.beat()  # a gap may end with the window
        return Metered({}, judge(token.begin, self._clocks(), token.heartbeat.gaps_s))

    def close(self) -> None:
        """Nothing is held."""
