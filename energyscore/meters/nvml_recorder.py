"""The recorder: a process of its own that watches GPUs and notes what changes.

It runs beside the benchmark, not in it: a thread would wait for the interpreter's lock exactly
while the model keeps it, and its time stamps would be late by milliseconds. Monotonic clocks are
common to all processes of a machine, so its records fit the run's own times.

Spoken to over its pipes: the line `stop` is answered by an 8-byte count and that many records;
the end of its input ends it, so it never outlives a killed benchmark.

    python -m energyscore.meters.nvml_recorder UUID...
"""

import struct
import sys
import threading
import time
from typing import BinaryIO

import pynvml

from energyscore.meters import nvml_device as nvml

RECORD = struct.Struct("<qHHd")  # monotonic ns, device's place in the arguments, kind, value
COUNT = struct.Struct("<q")

# Kinds of records.
COUNTER_MJ, POWER_W, EVENT_REASONS, TEMPERATURE_C, SM_CLOCK_MHZ = range(5)
POWER_LIMIT_W, PROCESSES, MEMORY_USED_MB, NVML_ERROR, AVERAGE_POWER_W = range(5, 10)

_POLL_S = 0.002
_POWER_EVERY_S = 0.02
_STATUS_EVERY_S = 0.25


class Recorder:
    """Polls the devices until stopped."""

    def __init__(self, devices: list[object]) -> None:
        """Watch these devices."""
        self._devices = devices
        self._last_counter: list[int | None] = [None] * len(devices)
        self._failed: set[int] = set()
        self.records = bytearray()
        self.halt = threading.Event()

    def watch(self) -> None:
        """Poll until `halt`: counters every 2 ms, power every 20 ms, the rest 4 times a second."""
        next_power = next_status = 0.0
        while True:
            now = time.monotonic()
            for place, device in enumerate(self._devices):
                self._poll_counter(place, device)
                if now >= next_power:
                    self._poll_power(place, device)
                if now >= next_status:
                    self._poll_status(place, device)
            if now >= next_power:
                next_power = now + _POWER_EVERY_S
            if now >= next_status:
                next_status = now + _STATUS_EVERY_S
            if self.halt.wait(_POLL_S):
                break
        for place, device in enumerate(self._devices):
            self._poll_power(place, device)
            self._poll_status(place, device)

    def _poll_counter(self, place: int, device: object) -> None:
        if place in self._failed:
            return
        try:
            value = nvml.read_counter_mj(device)
        except pynvml.NVMLError as error:
            self._failed.add(place)  # one record says why; the main process decides
            self._add(place, NVML_ERROR, error.value)
            return
        if value != self._last_counter[place]:
            self._last_counter[place] = value
            self._add(place, COUNTER_MJ, value)

    def _poll_power(self, place: int, device: object) -> None:
        power = nvml.read_instant_power_w(device)
        kind = POWER_W
        if power is None:
            power, kind = nvml.read_average_power_w(device), AVERAGE_POWER_W
        if power is not None:
            self._add(place, kind, power)

    def _poll_status(self, place: int, device: object) -> None:
        status = nvml.read_status(device)
        for kind, value in (
            (EVENT_REASONS, status.event_reasons),
            (TEMPERATURE_C, status.temperature_c),
            (SM_CLOCK_MHZ, status.sm_clock_mhz),
            (POWER_LIMIT_W, status.power_limit_w),
            (PROCESSES, status.processes),
            (MEMORY_USED_MB, status.memory_used_mb),
        ):
            if value is not None:
                self._add(place, kind, value)

    def _add(self, place: int, kind: int, value: float) -> None:
        self.records += RECORD.pack(time.monotonic_ns(), place, kind, value)


def serve(devices: list[object], commands: BinaryIO, answers: BinaryIO) -> None:
    """Record between each `start` and `stop` line until the input ends."""
    answers.write(b"ready\n")
    answers.flush()
    recorder: Recorder | None = None
    thread: threading.Thread | None = None
    for line in commands:
        if line == b"start\n":
            recorder = Recorder(devices)
            thread = threading.Thread(target=recorder.watch, daemon=True)
            thread.start()
            answers.write(b"started\n")
        elif line == b"stop\n" and recorder is not None and thread is not None:
            recorder.halt.set()
            thread.join()
            answers.write(COUNT.pack(len(recorder.records) // RECORD.size))
            answers.write(recorder.records)
        answers.flush()


def main() -> None:
    """Open NVML and the devices, and serve."""
    session = nvml.NvmlSession()
    serve([session.handle(uuid) for uuid in sys.argv[1:]], sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
