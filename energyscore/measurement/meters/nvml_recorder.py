"""The recorder: a process of its own that watches GPUs and notes what changes.

It runs beside the benchmark, not in it: a thread would wait for the interpreter's lock exactly
while the model keeps it, and its time stamps would be late by milliseconds. Monotonic clocks are
common to all processes of a machine, so its records fit the run's own times.

Each GPU has a thread here: a read of one, which may take 20 ms, delays no look at another, as the
interpreter's lock is free while the driver works.

Spoken to over its pipes: the line `stop` is answered by an 8-byte count and that many records;
the end of its input ends it, so it never outlives a killed benchmark.

    python -m energyscore.measurement.meters.nvml_recorder FAMILY UUID...

FAMILY: of the server that computes on them; empty if none does.
"""

import os
import select
import struct
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from io import FileIO
from typing import BinaryIO

from energyscore.measurement.family import ServerFamily
from energyscore.measurement.meters import nvml_device as nvml
from energyscore.measurement.meters import nvml_watcher as watcher
from energyscore.measurement.meters.nvml_watcher import RECORD, Reads, Watcher

COUNT = struct.Struct("<q")

_STATUS = (
    (watcher.EVENT_REASONS, nvml.read_event_reasons),
    (watcher.TEMPERATURE_C, nvml.read_temperature_c),
    (watcher.SM_CLOCK_MHZ, nvml.read_sm_clock_mhz),
    (watcher.POWER_LIMIT_W, nvml.power_limit_w),
    (watcher.PROCESSES, nvml.count_processes),
)


def _read_power(device: object) -> tuple[int, float | None]:
    power_w = nvml.read_instant_power_w(device)
    if power_w is not None:
        return watcher.POWER_W, power_w
    return watcher.AVERAGE_POWER_W, nvml.read_average_power_w(device)


def _count_strangers(device: object, family: ServerFamily) -> int:
    return len(family.strangers(nvml.compute_pids(device)))


def reads_of(device: object, family: ServerFamily | None = None) -> Reads:
    """The calls by which a GPU is watched, on which the processes of this server compute."""
    status: list[tuple[int, Callable[[], float | None]]]
    status = [(kind, partial(read, device)) for kind, read in _STATUS]
    if family is not None:
        status.append((watcher.STRANGERS, partial(_count_strangers, device, family)))
    return Reads(
        counter=partial(nvml.read_counter_mj, device),
        power=partial(_read_power, device),
        status=tuple(status),
    )


class Recorder:
    """Watches GPUs, each in its thread, from `start` to `stop`."""

    def __init__(self, devices: Sequence[object], family: ServerFamily | None = None) -> None:
        """Nothing is read before `start`."""
        reads = [reads_of(device, family) for device in devices]
        self._watchers = [Watcher(place, one) for place, one in enumerate(reads)]
        self._threads = ThreadPoolExecutor(max(1, len(devices)))
        self._running: list[Future[None]] = []
        self._ends: tuple[int, int] | None = None

    def start(self) -> None:
        """Begin a window: when this returns, all counters have been read once."""
        self.stop()
        list(self._threads.map(Watcher.begin, self._watchers))
        self._ends = os.pipe()
        ended = partial(readable_within, self._ends[0])
        self._running = [self._threads.submit(one.watch, ended) for one in self._watchers]

    def stop(self) -> bytes:
        """End the window: its records."""
        if self._ends is None:
            return b""
        (ended, end), self._ends = self._ends, None
        os.close(end)
        for one in self._running:
            one.result()
        os.close(ended)
        return b"".join(one.records for one in self._watchers)


def readable_within(pipe: int, seconds: float) -> bool:
    """Whether something has come from a pipe, or its other end was closed, within this time."""
    return bool(select.select([pipe], [], [], seconds)[0])


def serve(
    devices: Sequence[object], family: ServerFamily | None, commands: FileIO, answers: BinaryIO
) -> None:
    """Record between each `start` and `stop` line until the input ends."""
    answers.write(b"ready\n")
    answers.flush()
    recorder = Recorder(devices, family)
    while command := commands.readline():
        if command == b"start\n":
            recorder.start()
            answers.write(b"started\n")
        elif command == b"stop\n":
            records = recorder.stop()
            answers.write(COUNT.pack(len(records) // RECORD.size))
            answers.write(records)
        answers.flush()
    recorder.stop()


def main() -> None:
    """Open NVML and the devices, and serve."""
    session = nvml.NvmlSession()
    of, *uuids = sys.argv[1:]
    devices = [session.handle(uuid) for uuid in uuids]
    family = ServerFamily.read(of) if of else None
    serve(devices, family, FileIO(sys.stdin.fileno()), sys.stdout.buffer)


if __name__ == "__main__":
    main()
