"""What is read of one GPU, and when; every read is stamped at the middle of its call.

Nobody knows when in a call the driver reads a value, and calls take from microseconds to 20 ms. So
looks at the counter begin half a call before they are due, and nothing else is begun that would
take until after that.
"""

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

import pynvml

from energyscore.measurement.meters.tick_schedule import TickSchedule
from energyscore.measurement.meters.watch_budget import Allowance, Chore, Usual

RECORD = struct.Struct("<qHHd")  # monotonic ns, device's place, kind, value

# Kinds of records.
COUNTER_MJ, POWER_W, EVENT_REASONS, TEMPERATURE_C, SM_CLOCK_MHZ = range(5)
POWER_LIMIT_W, PROCESSES, NVML_ERROR, AVERAGE_POWER_W, COUNTER_STILL_S = range(5, 10)
COUNTER_PERIOD_MS, STRANGERS = 10, 11

STILL_NS = 500_000_000
"""A counter that looks see at one value for longer has that in the records."""

_NEVER_NS = 2**62
_NOW_NS = 50_000  # a look that is due so soon needs no wait
_ODD_NS = 1_000_000  # a call that takes twice as long as others and so much more was held up
_MOST_LOOK_NS = 30_000_000  # and so was one that takes longer: no driver is known to need it
_IN_VAIN = 6  # looks an update, of a counter that does not move, until a stretch is over
_POWER_SHARE, _POWER_ALONE_SHARE, _STATUS_SHARE = 0.01, 0.05, 0.002
_MOST_POWER_NS, _MOST_STATUS_NS = 550_000_000, 5_000_000_000


@dataclass(frozen=True)
class Reads:
    """The calls of the driver for one GPU; `counter` raises NVMLError."""

    counter: Callable[[], int]
    power: Callable[[], tuple[int, float | None]]  # the kind of record, and watts
    status: tuple[tuple[int, Callable[[], float | None]], ...]


class Watcher:
    """Watches one GPU, window by window; what it learned in one it knows in the next.

    The counter is looked at as `TickSchedule` says. Power is sampled about every 45 ms (drivers
    renew it every 20 to 100 ms), or 20 ms where there is no counter, the rest about four times a
    second: all of it less often where it costs more than its share, and power never at regular
    times, which might keep in step with the work. Where the looks cost more than
    allowed, it rests from the counter now and then. An update is in the records only if it was seen
    in time; the value after a rest is not, because the time of its update is unknown.
    """

    def __init__(
        self,
        place: int,
        reads: Reads,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        used_ns: Callable[[], int] = time.thread_time_ns,
    ) -> None:
        """Watch the GPU that has this place among others; `used_ns` is the processor time."""
        self._place, self._reads = place, reads
        self._clock_ns, self._used_ns = clock_ns, used_ns
        self._took, self._cost = Usual(), Usual()
        self._allowance = Allowance()
        self._schedule: TickSchedule | None = None
        self._settled = False
        self._last: int | None = None
        self._still_ns = (0, 0)  # the first and the last look at that value
        self._seen = self._looks = 0  # in this stretch
        self._aside_ns = 0  # processor time that the counter did not take
        self._chores: list[tuple[Chore, Callable[[], None]]] = []
        self._status = [
            (
                Chore(220_000_000, 260_000_000, _STATUS_SHARE, _MOST_STATUS_NS),
                partial(self._add_read, kind, read),
            )
            for kind, read in reads.status
        ]
        draw = Random(place)
        self._power = Chore(45_000_000, 45_000_000, _POWER_SHARE, _MOST_POWER_NS, draw)
        self._power_alone = Chore(20_000_000, 20_000_000, _POWER_ALONE_SHARE, _MOST_POWER_NS, draw)
        self.records = bytearray()

    def begin(self) -> None:
        """Begin a window: its first look only sees where the counter is."""
        known_ns = self._schedule.period_ns if self._schedule else None
        self._schedule = TickSchedule(known_ns)
        self._last, self._still_ns = None, (0, 0)
        self._seen = self._looks = self._aside_ns = 0
        self.records = bytearray()
        self._look(self._schedule)
        power = self._power if self._schedule else self._power_alone
        self._chores = [(power, self._read_power), *self._status]
        for chore, _ in self._chores:
            chore.hurry()

    def watch(self, wait: Callable[[float], bool]) -> None:
        """Record until `wait` says to end.

        It is called with a time in seconds; it returns False after that time, or True as soon as
        recording is to end.
        """
        self._accounted = self._clock_ns(), self._used_ns()
        while True:
            schedule = self._schedule
            if schedule is not None and self._due_ns() <= self._clock_ns() + _NOW_NS:
                self._look(schedule)
                if max(self._seen, self._looks // _IN_VAIN) >= self._allowance.stretch:
                    self._rest(schedule)
            for chore, do in self._chores:
                if chore.due(self._clock_ns(), self._due_ns()):
                    self._do(chore, do)
            now_ns, due_ns = self._clock_ns(), self._due_ns()
            wake_ns = min(due_ns, *(one.wake_ns(now_ns, due_ns) for one, _ in self._chores))
            if wait(max(0, wake_ns - now_ns) / 1e9):
                break
        if self._schedule is not None:
            self._look(self._schedule)
        self._note_period()
        self._note_still()
        for chore, do in self._chores:
            self._do(chore, do)
        self._account()

    def _due_ns(self) -> int:
        """When to begin the next look, so that its middle comes when it should."""
        if self._schedule is None:
            return _NEVER_NS
        return self._schedule.next_ns - round(self._took.ns / 2)

    def _look(self, schedule: TickSchedule) -> None:
        begin_ns, used_ns = self._clock_ns(), self._used_ns()
        try:
            value = self._reads.counter()
        except pynvml.NVMLError as error:
            self._schedule = None  # one record says why; the main process decides
            self._chores = [(self._power_alone, self._read_power), *self._status]
            self._add(self._clock_ns(), NVML_ERROR, error.value)
            return
        end_ns = self._clock_ns()
        now_ns, took_ns = (begin_ns + end_ns) // 2, end_ns - begin_ns
        self._took.add(took_ns)
        held_up = took_ns > min(2 * self._took.least_ns + _ODD_NS, _MOST_LOOK_NS)
        self._cost.add(self._used_ns() - used_ns)
        self._allowance.price(self._cost.ns)
        schedule.read_ns = self._took.ns
        changed, first = value != self._last, self._last is None
        noted = schedule.looked(now_ns, changed, off_ns=took_ns // 2 if held_up else 0)
        self._looks += 1
        if changed:
            self._note_still()
            self._last, self._still_ns = value, (now_ns, now_ns)
            self._seen += 1
        self._still_ns = self._still_ns[0], now_ns
        if first or noted:
            self._add(now_ns, COUNTER_MJ, value)

    def _note_still(self) -> None:
        """Record that the counter was seen to stand still, if it was for long."""
        first_ns, last_ns = self._still_ns
        if last_ns - first_ns > STILL_NS:
            self._add(last_ns, COUNTER_STILL_S, (last_ns - first_ns) / 1e9)

    def _note_period(self) -> None:
        """Record the counter's period, if it is surely known: few updates may have been noted."""
        schedule = self._schedule
        if schedule is not None and schedule.settled and schedule.period_ns is not None:
            self._add(self._clock_ns(), COUNTER_PERIOD_MS, schedule.period_ns / 1e6)

    def _rest(self, schedule: TickSchedule) -> None:
        """After a stretch: rest if it was too dear."""
        if not schedule.settled:
            return
        self._seen = self._looks = 0
        self._account()
        if not self._settled:
            self._settled = True
            self._allowance.forgive()
        if rest_ns := self._allowance.rest_ns(schedule.period_ns or 0.0):
            rest_ns = round(min(rest_ns, schedule.longest_rest_ns))
            schedule.rest(self._clock_ns() + rest_ns)

    def _account(self) -> None:
        before, self._accounted = self._accounted, (self._clock_ns(), self._used_ns())
        watched_ns, used_ns = (b - a for a, b in zip(before, self._accounted, strict=True))
        aside_ns, self._aside_ns = self._aside_ns, 0
        self._allowance.spend(watched_ns, used_ns - aside_ns)

    def _do(self, chore: Chore, do: Callable[[], None]) -> None:
        begin_ns, begin_used_ns = self._clock_ns(), self._used_ns()
        do()
        end_ns, used_ns = self._clock_ns(), self._used_ns() - begin_used_ns
        self._aside_ns += used_ns
        chore.done(end_ns, end_ns - begin_ns, used_ns)

    def _read_power(self) -> None:
        begin_ns = self._clock_ns()
        kind, power_w = self._reads.power()
        self._add((begin_ns + self._clock_ns()) // 2, kind, power_w)

    def _add_read(self, kind: int, read: Callable[[], float | None]) -> None:
        begin_ns = self._clock_ns()
        value = read()
        self._add((begin_ns + self._clock_ns()) // 2, kind, value)

    def _add(self, t_ns: int, kind: int, value: float | None) -> None:
        if value is not None:
            self.records += RECORD.pack(t_ns, self._place, kind, value)
