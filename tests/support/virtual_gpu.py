"""GPUs in virtual time: a driver whose reads take as long as told, and threads that sleep for free.

A `Watcher` needs a clock, a driver and a wait, and all three are given here: its records are the
same on every machine, however busy. Threads of several GPUs take turns: the one that is to wake
first runs until it sleeps again, so a read that one of them waits for is truly in its way.
"""

import random
import threading
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from energyscore.measurement.meters import nvml_watcher as kinds
from energyscore.measurement.meters.nvml_watcher import Reads, Watcher

MS = 1_000_000
WAKE_NS = 90_000  # a sleeper is woken this much late
WAKE_COST_NS = 30_000  # processor time of a wake-up and of what Python does in it
START_NS = 10**12


@dataclass
class VirtualGpu:
    """A counter with updates at known times, and what reads of it take.

    `latency_ms` may be a function that gives one after the other. The driver takes a value at
    `taken_at` of the call: nobody knows where real ones do.
    """

    period_ms: float = 100.0
    phase_ms: float = 3.4
    jitter_ms: float = 0.0
    latency_ms: float | Callable[[], float] = 0.02
    power_ms: float | None = None  # like the counter's, if not told otherwise
    status_ms: float | None = None
    power_w: Callable[[float], float] = lambda _: 1.0  # by the seconds since the beginning
    spins: bool = True
    taken_at: float = 0.5
    frozen_from_s: float = 1e9
    frozen_until_s: float = 1e9
    wake_ns: Callable[[], int] = lambda: WAKE_NS
    counter_error: Exception | None = None
    looks: list[tuple[int, int]] = field(default_factory=list)  # begin and end of the calls
    chores: list[tuple[int, int]] = field(default_factory=list)

    def updates_ns(self, seconds: float) -> list[int]:
        """When the counter is updated."""
        draw = random.Random(7)
        found = []
        for n in range(-20, int(seconds * 1e3 / self.period_ms) + 2):
            at_ms = self.phase_ms + n * self.period_ms
            at_ms += draw.uniform(-self.jitter_ms, self.jitter_ms)
            if not self.frozen_from_s * 1e3 <= at_ms < self.frozen_until_s * 1e3:
                found.append(START_NS + round(at_ms * MS))
        return sorted(found)


@dataclass
class Watched:
    """What the recorder noted of one GPU, and what it took."""

    gpu: VirtualGpu
    updates_ns: list[int]
    records: list[tuple[int, int, float]]  # time, kind, value
    cpu_s: float
    seconds: float

    @property
    def noted(self) -> list[tuple[int, float]]:
        """The counter's records: the state at the beginning, then updates."""
        return [(t, value) for t, kind, value in self.records if kind == kinds.COUNTER_MJ]

    @property
    def late_ms(self) -> list[float]:
        """How long after its update each was noted; below 0: before it."""
        return [(t - self.updates_ns[int(value)]) / MS for t, value in self.noted[1:]]

    @property
    def share_noted(self) -> float:
        """Of all updates in the window."""
        begin_ns, end_ns = START_NS, START_NS + round(self.seconds * 1e9)
        return len(self.late_ms) / sum(begin_ns < t <= end_ns for t in self.updates_ns)

    @property
    def core_share(self) -> float:
        """The processor time that it took, as a share of one core."""
        return self.cpu_s / self.seconds

    def times_of(self, kind: int) -> list[int]:
        """When records of a kind were made."""
        return [t for t, one, _ in self.records if one == kind]


class _World:
    """Virtual time, and whose turn it is."""

    def __init__(self, shared_lock: bool, awaited: int) -> None:
        self.shared_lock = shared_lock
        self.awaited = awaited  # nobody runs before so many are there
        self.wakes: dict[int, int] = {}
        self.free_ns: dict[int, int] = {}  # until when a GPU's driver is taken
        self._changing = threading.Lock()
        # Each waits at a gate of its own: woken all at once, most would only look and wait again.
        self._gates = [threading.Lock() for _ in range(awaited)]
        for gate in self._gates:
            gate.acquire()

    def sleep_until(self, who: int, t_ns: int) -> None:
        """Let the others run until this time."""
        with self._changing:
            self.wakes[who] = t_ns
            following = self._next()
        if following != who:
            self._let_run(following)
            self._gates[who].acquire()

    def leave(self, who: int) -> None:
        """No more turns for this one."""
        with self._changing:
            self.wakes.pop(who, None)
            following = self._next()
        self._let_run(following)

    def _next(self) -> int | None:
        if len(self.wakes) < self.awaited:
            return None
        self.awaited = 0
        return min(self.wakes, key=lambda who: (self.wakes[who], who), default=None)

    def _let_run(self, who: int | None) -> None:
        if who is not None:
            self._gates[who].release()


class _Thread:
    """One GPU's thread: its clock, its processor time, its driver."""

    def __init__(self, world: _World, who: int, gpu: VirtualGpu, seconds: float) -> None:
        self.world, self.who, self.gpu = world, who, gpu
        self.now_ns = START_NS
        self.used = self.idle_turns = self.waited_ns = 0
        self.updates_ns = gpu.updates_ns(seconds + 2)
        self.end_ns = START_NS + round(seconds * 1e9)

    def clock_ns(self) -> int:
        return self.now_ns

    def used_ns(self) -> int:
        return self.used

    def call(self, latency_ms: float, calls: list[tuple[int, int]]) -> int:
        """A call of the driver: the time at which the value is taken."""
        lock = 0 if self.world.shared_lock else self.who
        begin_ns = self.now_ns
        while (free_ns := self.world.free_ns.get(lock, 0)) > self.now_ns:
            self._go_to(free_ns)
        took_ns = round(latency_ms * MS)
        taken_ns, end_ns = self.now_ns + round(took_ns * self.gpu.taken_at), self.now_ns + took_ns
        self.world.free_ns[lock] = end_ns
        self.used += (end_ns - begin_ns) if self.gpu.spins else 5_000
        self._go_to(end_ns)
        calls.append((begin_ns, end_ns))
        return taken_ns

    def counter(self) -> int:
        if self.gpu.counter_error:
            raise self.gpu.counter_error
        latency = self.gpu.latency_ms
        taken_ns = self.call(latency() if callable(latency) else latency, self.gpu.looks)
        return bisect_right(self.updates_ns, taken_ns) - 1

    def other(self, latency_ms: float | None) -> int:
        usual = self.gpu.latency_ms
        usual_ms = 0.02 if callable(usual) else usual
        return self.call(usual_ms if latency_ms is None else latency_ms, self.gpu.chores)

    def power(self) -> tuple[int, float]:
        taken_ns = self.other(self.gpu.power_ms)
        return kinds.POWER_W, self.gpu.power_w((taken_ns - START_NS) / 1e9)

    def status(self) -> float:
        self.other(self.gpu.status_ms)
        return 1.0

    def wait(self, seconds: float) -> bool:
        until_ns = self.now_ns + round(seconds * 1e9)
        if until_ns >= self.end_ns:
            self._go_to(max(self.now_ns, self.end_ns))
            return True
        self.idle_turns = self.idle_turns + 1 if self.now_ns == self.waited_ns else 0
        self.waited_ns = self.now_ns
        assert self.idle_turns < 20, "it goes round and round without doing anything"
        if seconds > 0:
            self.used += WAKE_COST_NS
            self._go_to(until_ns + self.gpu.wake_ns())
        return False

    def _go_to(self, t_ns: int) -> None:
        self.world.sleep_until(self.who, t_ns)
        self.now_ns = t_ns

    def reads(self) -> Reads:
        return Reads(
            counter=self.counter,
            power=self.power,
            status=tuple(
                (kind, self.status)
                for kind in (kinds.EVENT_REASONS, kinds.TEMPERATURE_C, kinds.PROCESSES)
            ),
        )


def watch(
    *gpus: VirtualGpu, seconds: float = 30.0, windows: int = 1, shared_lock: bool = False
) -> list[Watched]:
    """Watch these GPUs at once for so long, of so many windows the last.

    With `shared_lock` the driver serves one call at a time, of whichever GPU.
    """
    world = _World(shared_lock, len(gpus))
    found: dict[int, Watched] = {}
    failures: list[Exception] = []

    def run(who: int, gpu: VirtualGpu) -> None:
        thread = _Thread(world, who, gpu, seconds * windows)
        watcher = Watcher(who, thread.reads(), thread.clock_ns, thread.used_ns)
        try:
            world.sleep_until(who, START_NS)
            for window in range(windows):
                gpu.looks.clear()
                gpu.chores.clear()
                begin_used, begin_ns = thread.used, thread.now_ns
                thread.end_ns = START_NS + round((window + 1) * seconds * 1e9)
                watcher.begin()
                watcher.watch(thread.wait)
            records = [
                (t, kind, value) for t, _, kind, value in kinds.RECORD.iter_unpack(watcher.records)
            ]
            taken_s = (thread.now_ns - begin_ns) / 1e9
            cpu_s = (thread.used - begin_used) / 1e9
            found[who] = Watched(gpu, thread.updates_ns, records, cpu_s, taken_s)
        except Exception as error:  # noqa: BLE001  # raised again by the thread that waits
            failures.append(error)
        finally:
            world.leave(who)

    threads = [
        threading.Thread(target=run, args=(who, gpu), daemon=True) for who, gpu in enumerate(gpus)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=120)
    if failures:
        raise failures[0]
    return [found[who] for who in range(len(gpus))]
