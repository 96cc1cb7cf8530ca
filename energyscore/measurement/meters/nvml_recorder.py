"""The recorder: a process of its own that watches GPUs and notes what changes.

It runs beside the benchmark, not in it: a thread would wait for the interpreter's lock exactly
while the model keeps it, and its time stamps would be late by milliseconds. Monotonic clocks are
common to all processes of a machine, so its records fit the run's own times.

Spoken to over its pipes: the line `stop` is answered by an 8-byte count and that many records;
the end of its input ends it, so it never outlives a killed benchmark.

    python -m energyscore.measurement.meters.nvml_recorder UUID...
"""

import select
import struct
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from io import FileIO
from typing import BinaryIO

import pynvml

from energyscore.measurement.meters import nvml_device as nvml
from energyscore.measurement.meters.tick_schedule import Allowance, Chore, TickSchedule

RECORD = struct.Struct("<qHHd")  # monotonic ns, device's place in the arguments, kind, value
COUNT = struct.Struct("<q")

# Kinds of records.
COUNTER_MJ, POWER_W, EVENT_REASONS, TEMPERATURE_C, SM_CLOCK_MHZ = range(5)
POWER_LIMIT_W, PROCESSES, NVML_ERROR, AVERAGE_POWER_W, COUNTER_STILL_S = range(5, 10)

_STATUS: tuple[tuple[int, Callable[[object], float | None]], ...] = (
    (EVENT_REASONS, nvml.read_event_reasons),
    (TEMPERATURE_C, nvml.read_temperature_c),
    (SM_CLOCK_MHZ, nvml.read_sm_clock_mhz),
    (POWER_LIMIT_W, nvml.power_limit_w),
    (PROCESSES, nvml.count_processes),
)
"""What is read about four times a second, and how."""

STILL_NS = 500_000_000
"""A counter that looks see at one value for longer has that in the records."""

_NEVER_NS = 2**62
_TOGETHER_NS = 300_000  # looks this near to each other share a wake-up
_QUIET_NS = 3_000_000  # no look due for so long: time for what may take longer
_POWER_EVERY_NS = (35_000_000, 50_000_000)
_POWER_ALONE_NS = (18_000_000, 20_000_000)  # where it is all there is
_STATUS_EVERY_NS = (220_000_000, 260_000_000)


class Recorder:
    """Watches the devices until it is told to end.

    Counters are looked at as `TickSchedule` says, power is sampled about every 40 ms (drivers
    renew it every 20 to 100 ms), or 20 ms where no device has a counter, the rest about four
    times a second. Where that takes more processor time than allowed, it rests from the counters
    now and then: the updates meanwhile are not in the records, and neither is the value found
    after a rest, because the time of its update is unknown.
    """

    def __init__(self, devices: Sequence[object], before: "Recorder | None" = None) -> None:
        """Watch these devices; their counters are read now for the first time.

        What the recorder of the window before learned of their periods is learned already, and
        what it left of its allowance is taken over.
        """
        self._devices = devices
        self._allowance: Allowance = before._allowance if before else Allowance()
        self._followed = 0
        self._resting: set[int] = set()
        self._last_counter: list[int | None] = [None] * len(devices)
        self._still_ns = [(0, 0)] * len(devices)  # the first and the last look at that value
        known = before._schedules if before else {}
        self._schedules: dict[int, TickSchedule] = {
            place: TickSchedule(known[place].period_ns if place in known else None)
            for place in range(len(devices))
        }
        self.records = bytearray()
        self._look(time.monotonic_ns())

    def watch(self, wait: Callable[[float], bool]) -> None:
        """Record until `wait` says to end.

        It is called with a time in seconds; it returns False after that time, or True as soon as
        recording is to end.
        """
        power = Chore(*(_POWER_EVERY_NS if self._schedules else _POWER_ALONE_NS))
        status = Chore(*_STATUS_EVERY_NS)
        self._accounted = time.monotonic_ns(), time.process_time_ns()
        while True:
            now_ns = time.monotonic_ns()
            self._look(now_ns)
            if self._followed >= self._allowance.stretch:
                self._rest(now_ns)
            next_ns = min((one.next_ns for one in self._schedules.values()), default=_NEVER_NS)
            quiet = next_ns - now_ns > _QUIET_NS
            if power.due(now_ns, quiet):
                self._poll_power()
            if status.due(now_ns, quiet):
                self._poll_status()
            wake_ns = min(next_ns, power.latest_ns, status.latest_ns)
            if wait(max(0, wake_ns - time.monotonic_ns()) / 1e9):
                break
        for place in list(self._schedules):
            self._read_counter(place)
        for place in range(len(self._devices)):
            self._note_still(place)
        self._poll_power()
        self._poll_status()
        self._account(time.monotonic_ns())

    def _account(self, now_ns: int) -> None:
        before, self._accounted = self._accounted, (now_ns, time.process_time_ns())
        self._allowance.spend(*(b - a for a, b in zip(before, self._accounted, strict=True)))

    def _rest(self, now_ns: int) -> None:
        """After a stretch: rest if it was too dear."""
        schedules = self._schedules.values()
        if not all(schedule.settled for schedule in schedules):
            return
        self._followed = 0
        self._account(now_ns)
        slowest_ns = max((schedule.period_ns or 0.0 for schedule in schedules), default=0.0)
        rest_ns = self._allowance.rest_ns(slowest_ns)
        if rest_ns:
            for schedule in schedules:
                schedule.rest(now_ns + rest_ns)
            self._resting = set(self._schedules)

    def _look(self, now_ns: int) -> None:
        """Read the counters that are due."""
        for place, schedule in list(self._schedules.items()):
            if schedule.next_ns <= now_ns + _TOGETHER_NS:
                self._read_counter(place)

    def _read_counter(self, place: int) -> None:
        try:
            value = nvml.read_counter_mj(self._devices[place])
        except pynvml.NVMLError as error:
            del self._schedules[place]  # one record says why; the main process decides
            self._add(time.monotonic_ns(), place, NVML_ERROR, error.value)
            return
        now_ns = time.monotonic_ns()
        changed = value != self._last_counter[place]
        if changed:
            self._note_still(place)
            self._last_counter[place], self._still_ns[place] = value, (now_ns, now_ns)
            self._followed += 1
            if place not in self._resting:
                self._add(now_ns, place, COUNTER_MJ, value)
        self._resting.discard(place)
        self._still_ns[place] = (self._still_ns[place][0], now_ns)
        self._schedules[place].looked(now_ns, changed)

    def _note_still(self, place: int) -> None:
        """Record that the counter was seen to stand still, if it was for long."""
        first_ns, last_ns = self._still_ns[place]
        if last_ns - first_ns > STILL_NS:
            self._add(last_ns, place, COUNTER_STILL_S, (last_ns - first_ns) / 1e9)

    def _poll_power(self) -> None:
        for place, device in enumerate(self._devices):
            power, kind = nvml.read_instant_power_w(device), POWER_W
            if power is None:
                power, kind = nvml.read_average_power_w(device), AVERAGE_POWER_W
            self._add(time.monotonic_ns(), place, kind, power)

    def _poll_status(self) -> None:
        for place, device in enumerate(self._devices):
            for kind, read in _STATUS:
                value = read(device)
                self._add(time.monotonic_ns(), place, kind, value)

    def _add(self, t_ns: int, place: int, kind: int, value: float | None) -> None:
        if value is not None:
            self.records += RECORD.pack(t_ns, place, kind, value)


def line_within(commands: FileIO, seconds: float) -> bool:
    """Whether a line, or the end of the input, has come within this time.

    One thread both records and listens: a wake-up costs as much with a pipe to listen to as
    without, and a second thread would have to be woken too. The input has no buffer, so that
    nothing that came is hidden in one.
    """
    return bool(select.select([commands], [], [], seconds)[0])


def serve(devices: Sequence[object], commands: FileIO, answers: BinaryIO) -> None:
    """Record between each `start` and `stop` line until the input ends."""
    answers.write(b"ready\n")
    answers.flush()
    recorder: Recorder | None = None
    while command := commands.readline():
        if command == b"start\n":
            recorder = Recorder(devices, recorder)
            answers.write(b"started\n")
            answers.flush()
            recorder.watch(partial(line_within, commands))
        elif command == b"stop\n" and recorder is not None:
            answers.write(COUNT.pack(len(recorder.records) // RECORD.size))
            answers.write(recorder.records)
            answers.flush()


def main() -> None:
    """Open NVML and the devices, and serve."""
    session = nvml.NvmlSession()
    devices = [session.handle(uuid) for uuid in sys.argv[1:]]
    serve(devices, FileIO(sys.stdin.fileno()), sys.stdout.buffer)


if __name__ == "__main__":
    main()
