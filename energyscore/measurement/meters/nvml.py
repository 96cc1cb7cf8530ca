"""The NVML meter: GPU energy by the driver's counter, or by integrated power, per GPU by UUID."""

import contextlib
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import psutil

from energyscore.base.errors import MeterError
from energyscore.measurement.family import ServerFamily
from energyscore.measurement.meter import (
    Metered,
    MeterRecord,
    Reading,
    UpdatePeriod,
    Window,
    notice,
)
from energyscore.measurement.meters import nvml_recorder as recorder
from energyscore.measurement.meters import nvml_watcher as watcher
from energyscore.measurement.meters.nvml_device import (
    GPU_IS_LOST,
    CounterState,
    GpuFacts,
    NvmlSession,
    compute_pids,
    count_processes,
    read_counter,
    read_temperature_c,
)
from energyscore.measurement.meters.nvml_reading import evaluate
from energyscore.measurement.meters.nvml_trace import Circumstances, Trace
from energyscore.measurement.meters.tick_schedule import LEARN_NS
from energyscore.measurement.meters.update_period import settled_period_ms, update_period
from energyscore.results.parts import Domain, Notice

_ANSWER_S = 20.0


@dataclass(frozen=True)
class _Edge:
    """The counter at an edge of the window: read in the middle of a call that took so long."""

    t_ns: int
    took_ns: int
    counter: CounterState


@dataclass(frozen=True)
class _Token:
    starts: list[_Edge]
    recording: bool


class NvmlMeter:
    """Domains `gpu:<uuid>`, method `counter` or `power_integral`.

    Readings at the window's edges are taken here, of all GPUs at once: a driver may take 20 ms for
    each. In between a recorder process watches the same GPUs (see `nvml_recorder`).
    """

    name = "nvml"

    def __init__(
        self,
        uuids: Sequence[str],
        before: Mapping[str, int] | None = None,
        *,
        shared: bool = False,
        family: ServerFamily | None = None,
    ) -> None:
        """Meter the GPUs of these UUIDs; foreign processes on them are allowed if `shared`.

        `before` are the compute processes on each before this process used it: one more since is
        this process itself, all others are foreign. Without it, those that are there when the meter
        is opened do the work, and only newcomers are foreign. With the `family` of a server all
        others are foreign, if NVML lists one of the family on these GPUs: it may list none, or by
        the numbers of another namespace.
        """
        self._uuids = tuple(uuids)
        self._before = before
        self._shared = shared
        self._family = family
        self._session: NvmlSession | None = None
        self._devices: list[Any] = []
        self._threads: ThreadPoolExecutor | None = None
        self._about: list[Circumstances] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._periods_ms: dict[Domain, float] = {}  # of the counters, as the last window had them
        self.facts: tuple[GpuFacts, ...] = ()
        self.idle_power_w: Mapping[Domain, float] = {}
        """Watts that a domain takes when idle, if they were measured; a window in which it seems
        to take less is invalid."""

    def open(self) -> None:
        """Open the GPUs and start the recorder; call it once the model is loaded."""
        self._session = NvmlSession()
        self._devices = [self._session.handle(uuid) for uuid in self._uuids]
        self.facts = tuple(self._session.facts(uuid) for uuid in self._uuids)
        if self._family and not family_on(self._devices, self._family):
            self._family = None
        self._about = [
            Circumstances(
                label=f"GPU {facts.index} ({facts.name})",
                own_processes=self._own_processes(facts.uuid, device),
                mig=bool(facts.mig),
                vgpu=bool(facts.vgpu),
                module=facts.module,
                shared=self._shared,
            )
            for facts, device in zip(self.facts, self._devices, strict=True)
        ]
        self._start_recorder()

    def start(self) -> _Token:
        """Begin a window."""
        if self._process is None:
            self._start_recorder()  # it was lost in an earlier window; this one has a new one
        recording = self._ask(b"start\n", 8) == b"started\n"
        return _Token(self._read_counters(), recording)

    def stop(self, token: object) -> Metered:
        """End the window."""
        assert isinstance(token, _Token)
        ends = self._read_counters()
        traces = [Trace() for _ in self._devices]
        recorded = token.recording and self._collect(traces)
        readings: dict[Domain, Reading] = {}
        notices: list[Notice] = []
        for uuid, about, trace, begin, end in zip(
            self._uuids, self._about, traces, token.starts, ends, strict=True
        ):
            window = Window(begin.t_ns, end.t_ns)
            trace.start_mj, trace.end_mj = begin.counter.mj, end.counter.mj
            trace.counter_error = begin.counter.error or end.counter.error
            trace.lost = trace.lost or begin.counter.lost or end.counter.lost
            trace.read_ns = max(begin.took_ns, end.took_ns)
            domain = f"gpu:{uuid}"
            about = replace(
                about,
                idle_power_w=self.idle_power_w.get(domain),
                update_period_ms=self._periods_ms.get(domain),
            )
            reading, found = evaluate(window, trace, about)
            known_ms = trace.learned_ms or about.update_period_ms
            period_ms = settled_period_ms(trace.counter, known_ms)
            if period_ms is not None:
                self._periods_ms[domain] = period_ms
            readings[domain] = replace(reading, record=record_of(window, trace))
            notices += found
        if not recorded:
            self._end_recorder()
            message = "the process that watches the GPUs was lost: others may have used them"
            notices.append(notice("recorder_failed", message, invalidates=True))
        return Metered(readings, tuple(notices))

    def temperature_c(self) -> float | None:
        """The hottest GPU's temperature now, in degrees Celsius."""
        found = [read_temperature_c(device) for device in self._devices]
        return max((value for value in found if value is not None), default=None)

    def recorder_cpu_s(self) -> float:
        """Processor time that the recorder has used, in seconds; a MeterError when it is gone."""
        if self._process is not None:
            with contextlib.suppress(psutil.Error):
                times = psutil.Process(self._process.pid).cpu_times()
                return float(times.user + times.system)
        raise MeterError("the recorder was lost.")

    def close(self) -> None:
        """End the recorder and shut NVML down."""
        self._end_recorder()
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
        if self._session is not None:
            self._session.close()
            self._session = None

    def _read_counters(self) -> list[_Edge]:
        if len(self._devices) < 2:
            return [_read_edge(device) for device in self._devices]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(len(self._devices))
        return list(self._threads.map(_read_edge, self._devices))

    def _own_processes(self, uuid: str, device: Any) -> int:
        now = count_processes(device) or 0
        if self._before is None:
            return now
        return min(1, max(0, now - self._before.get(uuid, 0)))

    def _start_recorder(self) -> None:
        module = "energyscore.measurement.meters.nvml_recorder"
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(self._family or ""), *self._uuids],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for the benchmark; it ends the recorder
            )
        except OSError as error:
            raise MeterError(f"The GPU recorder cannot be started: {error}.") from error
        if self._ask(b"", 6) != b"ready\n":
            self._end_recorder()
            raise MeterError("The GPU recorder did not start: NVML fails in a second process.")

    def _ask(self, line: bytes, size: int) -> bytes:
        """So many bytes of the recorder's answer to a line; fewer when it is gone or stuck."""
        process, data, deadline = self._process, bytearray(), time.monotonic() + _ANSWER_S
        if process is None or process.stdin is None or process.stdout is None:
            return b""
        try:
            process.stdin.write(line)
            while len(data) < size:
                left_s = max(0.0, deadline - time.monotonic())
                if not select.select([process.stdout], [], [], left_s)[0]:
                    break
                part = process.stdout.read(size - len(data))
                if not part:
                    break
                data += part
        except OSError:
            return b""
        return bytes(data)

    def _end_recorder(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.communicate(timeout=2)  # the end of its input ends it
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def _collect(self, traces: list[Trace]) -> bool:
        """Stop the recorder and sort its records into the traces; False when it is gone."""
        head = self._ask(b"stop\n", recorder.COUNT.size)
        if len(head) < recorder.COUNT.size:
            return False
        size = recorder.COUNT.unpack(head)[0] * watcher.RECORD.size
        data = self._ask(b"", size)
        if len(data) < size:
            return False
        sort_records(watcher.RECORD.iter_unpack(data), traces)
        return True


def family_on(devices: Iterable[Any], family: ServerFamily) -> bool:
    """Whether one of a server's processes computes on one of these GPUs, as far as NVML tells."""
    pids = {one.pid for one in family.members()}
    return any(pids & compute_pids(device) for device in devices)


def _read_edge(device: Any) -> _Edge:
    begin_ns = time.monotonic_ns()
    counter = read_counter(device)
    end_ns = time.monotonic_ns()
    return _Edge((begin_ns + end_ns) // 2, end_ns - begin_ns, counter)


def record_of(window: Window, trace: Trace) -> MeterRecord:
    """What of a trace is kept beside the result."""
    return MeterRecord(
        window,
        trace.start_mj,
        trace.end_mj,
        trace.counter,
        trace.samples,
        trace.power_source,
        trace.still,
    )


def sort_records(records: Iterator[tuple[Any, ...]], traces: list[Trace]) -> None:
    """Sort a recorder's records into one trace per GPU."""
    for t_ns, place, kind, value in records:
        trace = traces[place]
        if kind == watcher.COUNTER_MJ:
            trace.counter.append((t_ns, value))
        elif kind == watcher.COUNTER_STILL_S:
            trace.still.append((t_ns - round(value * 1e9), t_ns))
        elif kind == watcher.COUNTER_PERIOD_MS:
            trace.learned_ms = value
        elif kind == watcher.POWER_W:
            trace.power.append((t_ns, value))
        elif kind == watcher.AVERAGE_POWER_W:
            trace.average_power.append((t_ns, value))
        elif kind == watcher.EVENT_REASONS:
            trace.event_reasons |= int(value)
        elif kind == watcher.TEMPERATURE_C:
            trace.max_temperature_c = max(trace.max_temperature_c or value, value)
        elif kind == watcher.SM_CLOCK_MHZ:
            trace.sm_clocks_mhz.append((t_ns, value))
        elif kind == watcher.POWER_LIMIT_W:
            trace.power_limits_w.add(value)
        elif kind == watcher.PROCESSES:
            trace.max_processes = max(trace.max_processes or 0, int(value))
        elif kind == watcher.STRANGERS:
            trace.max_strangers = max(trace.max_strangers or 0, int(value))
        elif kind == watcher.NVML_ERROR:
            trace.lost = trace.lost or int(value) == GPU_IS_LOST


def probe_update_period(device: Any, seconds: float = 1.0) -> UpdatePeriod | None:
    """The counter's update period, seen by polling for a while; None when it hardly moves."""
    changes: list[tuple[int, float]] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        edge = _read_edge(device)
        if edge.counter.mj is None:
            return None
        if not changes or edge.counter.mj != changes[-1][1]:
            changes.append((edge.t_ns, edge.counter.mj))
        time.sleep(max(0, LEARN_NS - edge.took_ns) / 1e9)
    return update_period(changes)
