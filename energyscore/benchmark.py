"""The run: warm up, then measure repeats of the workload, each in a metered window.

Orchestration only. It is given a backend and meters, prints nothing and writes no files; the
order of calls is the point of it, and tested.
"""

import contextlib
import functools
import gc
import math
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from energyscore.attribution import PhaseTimes, split_energy
from energyscore.backend import Backend, Query
from energyscore.measure import Domain, Measurement, Meter, Reading
from energyscore.result import Notice, PhasePart, Run, SecondSource
from energyscore.statistics import is_steady
from energyscore.workload import Workload

WARMUP_BLOCK_S = 10.0
WARMUP_LIMIT_S = 120.0
QUICK_WARMUP_BATCHES = 3
PROGRESS_EVERY_S = 0.5


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before the model is loaded.

    Attributes:
        workload: the queries.
        phases: the task's phases, in order.
        batch_size: queries at once.
        repeats: runs to measure.
        seed: seed of the queries' order; each run adds its index.
        quick: a short fixed warm-up instead of one until the pace is steady.
        min_window_s: a run repeats the workload until it has lasted this long.
        absent: why a domain will have no reading, for those that no meter covers.
    """

    workload: Workload
    phases: tuple[str, ...]
    batch_size: int
    repeats: int
    seed: int
    quick: bool
    min_window_s: float
    absent: Mapping[Domain, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Warmup:
    """What the warm-up was: its length, its queries, and whether the pace became steady."""

    duration_s: float
    queries: int
    steady: bool


class Observer(Protocol):
    """Whoever shows progress. Called a few times a second at most."""

    def stage(self, name: str, total: int | None) -> None:
        """A new stage begins; `total` queries are to come, or an unknown number."""

    def advance(self, done: int) -> None:
        """So many queries of the stage are done."""


def run_benchmark(
    plan: Plan,
    backend: Backend,
    meters: Sequence[Meter],
    *,
    finished: Sequence[Run],
    on_run: Callable[[Run], None],
    observer: Observer,
    on_warm: Callable[[int, float], None] = lambda runs, seconds_a_run: None,
) -> tuple[list[Run], Warmup]:
    """Warm up and measure all runs that are not finished yet.

    Args:
        plan: what to do.
        backend: does the work; its model is loaded.
        meters: opened meters; they are started in this order and stopped in the reverse one,
            so the last has the tightest window.
        finished: runs measured before, which are not measured again.
        on_run: called with each run as soon as it is finished.
        observer: shows progress.
        on_warm: called after the warm-up with the number of runs to come and the seconds that
            each will take at its pace.

    Returns:
        All runs by index, and the warm-up.
    """
    runs = {run.index: run for run in finished if run.index < plan.repeats}
    missing = [index for index in range(plan.repeats) if index not in runs]
    if not missing:
        return [runs[index] for index in sorted(runs)], Warmup(0.0, 0, True)
    warmup = warm_up(plan, backend, observer)
    pass_s = warmup.duration_s / warmup.queries * len(plan.workload.queries)
    on_warm(len(missing), pass_s * max(1, math.ceil(plan.min_window_s / pass_s)))
    for index in missing:
        observer.stage(f"run {index + 1} of {plan.repeats}", len(plan.workload.queries))
        runs[index] = measure_run(plan, backend, meters, index, observer)
        on_run(runs[index])
    return [runs[index] for index in sorted(runs)], warmup


def warm_up(plan: Plan, backend: Backend, observer: Observer) -> Warmup:
    """Do the workload unmetered: a few batches if quick, else until the pace is steady.

    Steady: three consecutive blocks of 10 s or more, each of the same queries, whose pace
    differs by under 1%. It ends after two minutes in any case.
    """
    queries = list(plan.workload.queries)
    start = time.monotonic()
    if plan.quick:
        few = queries[: QUICK_WARMUP_BATCHES * plan.batch_size]
        observer.stage("warm-up", len(few))
        _Work(plan, backend, few, observer).one_pass()
        return Warmup(time.monotonic() - start, len(few), True)
    observer.stage("warm-up until the pace is steady", None)
    block, first_s = _block_of(plan, backend, queries, observer)
    rates, done = [len(block) / first_s], len(block)
    while not is_steady(rates) and time.monotonic() - start < WARMUP_LIMIT_S:
        begin = time.monotonic()
        _Work(plan, backend, block, observer).one_pass()
        rates.append(len(block) / (time.monotonic() - begin))
        done += len(block)
    return Warmup(time.monotonic() - start, done, is_steady(rates))


def measure_run(
    plan: Plan, backend: Backend, meters: Sequence[Meter], index: int, observer: Observer
) -> Run:
    """Measure one run: the whole workload, repeated until the window is long enough."""
    work = _Work(plan, backend, plan.workload.shuffled(plan.seed + index), observer)
    measurements: dict[str, Measurement] = {}
    gc.collect()  # what is left over from before is not this run's work
    backend.synchronize()
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    with contextlib.ExitStack() as stack:
        # Unwound in reverse, and on exceptions too: a second meter that fails at its start
        # releases the first, and work that failed leaves no window open.
        for meter in meters:
            token = meter.start()
            stack.callback(_stop, meter, token, measurements)
        work.until(plan.min_window_s)
    return _to_run(plan, index, started_at, work, measurements)


def _stop(meter: Meter, token: object, into: dict[str, Measurement]) -> None:
    into[meter.name] = meter.stop(token)


class _Work:
    """One stretch of work, and the clock of its phases."""

    def __init__(
        self, plan: Plan, backend: Backend, queries: Sequence[Query], observer: Observer
    ) -> None:
        self._plan, self._backend, self._observer = plan, backend, observer
        self._queries = queries
        self._places = {name: place for place, name in enumerate(plan.phases)}
        self._entered = array("B")
        self._starts_ns = array("q")
        self._end_ns = 0
        self._next_progress = 0.0
        self.passes = self.queries = self.input_tokens = self.output_tokens = 0

    def until(self, min_window_s: float) -> None:
        """Whole passes over the queries, until they have lasted that long; at least one."""
        while True:
            self.one_pass()
            if (self._end_ns - self._starts_ns[0]) / 1e9 >= min_window_s:
                return

    def one_pass(self) -> None:
        """All queries once, prepared ahead as far as the backend allows."""
        size = self._plan.batch_size
        ahead = size * self._backend.prepare_ahead
        for first in range(0, len(self._queries), ahead):
            chunk = self._queries[first : first + ahead]
            self._enter("preprocess")
            batches = [
                self._backend.prepare(chunk[place : place + size])
                for place in range(0, len(chunk), size)
            ]
            for batch in batches:
                output = self._backend.run(batch, self._enter)
                self.queries += batch.queries
                self.input_tokens += batch.input_tokens
                self.output_tokens += output.output_tokens
                self._show_progress()
        self._backend.synchronize()
        self._end_ns = time.monotonic_ns()
        self.passes += 1

    @property
    def duration_s(self) -> float:
        """From the first phase's beginning to the end of the work."""
        return (self._end_ns - self._starts_ns[0]) / 1e9

    @functools.cached_property
    def times(self) -> PhaseTimes:
        """When each phase was entered."""
        return PhaseTimes(self._plan.phases, self._entered, self._starts_ns, self._end_ns)

    def _enter(self, phase: str) -> None:
        self._backend.synchronize()
        self._entered.append(self._places[phase])
        self._starts_ns.append(time.monotonic_ns())

    def _show_progress(self) -> None:
        # Showing costs time that would be metered, so it is done twice a second at most.
        now = time.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + PROGRESS_EVERY_S
            self._observer.advance((self.queries - 1) % len(self._queries) + 1)


def _block_of(
    plan: Plan, backend: Backend, queries: Sequence[Query], observer: Observer
) -> tuple[list[Query], float]:
    """The queries that fill a warm-up block, found by doing them, and the time they took."""
    block: list[Query] = []
    start = time.monotonic()
    while time.monotonic() - start < WARMUP_BLOCK_S:
        first = len(block) % len(queries)
        batch = queries[first : first + plan.batch_size]
        _Work(plan, backend, batch, observer).one_pass()
        block += batch
    return block, time.monotonic() - start


def _to_run(
    plan: Plan,
    index: int,
    started_at: str,
    work: _Work,
    measurements: Mapping[str, Measurement],
) -> Run:
    readings, second = _merge(measurements)
    for domain, reason in plan.absent.items():
        readings.setdefault(domain, Reading(None, None, reason))
    phase_methods: dict[Domain, str] = {}
    shares: dict[Domain, dict[str, float | None]] = {}
    for domain, reading in readings.items():
        if reading.energy_j is None:
            shares[domain] = dict.fromkeys(plan.phases)
        else:
            split, method = split_energy(work.times, reading.energy_j, reading.ticks)
            shares[domain] = dict(split)
            phase_methods[domain] = method
    return Run(
        index=index,
        started_at=started_at,
        queries=work.queries,
        passes=work.passes,
        duration_s=work.duration_s,
        input_tokens=work.input_tokens,
        output_tokens=work.output_tokens,
        phases={
            name: PhasePart(
                duration_s=duration_s,
                energy_j={domain: shares[domain][name] for domain in readings},
            )
            for name, duration_s in work.times.durations_s().items()
        },
        phase_methods=phase_methods,
        energy_j={domain: reading.energy_j for domain, reading in readings.items()},
        methods={domain: reading.method for domain, reading in readings.items()},
        reasons={d: reading.reason for d, reading in readings.items() if reading.reason},
        facts={d: dict(reading.facts) for d, reading in readings.items() if reading.facts},
        second_source=second,
        notices=[
            Notice(code=one.code, message=one.message, invalidates=one.invalidates)
            for measurement in measurements.values()
            for one in measurement.notices
        ],
    )


def _merge(
    measurements: Mapping[str, Measurement],
) -> tuple[dict[Domain, Reading], SecondSource | None]:
    """One reading a domain: a measured one before an estimate, an estimate before none.

    A reading named `meter:domain` is another tool's figure for a domain that is metered
    already: it is kept apart, as a check.
    """
    readings: dict[Domain, Reading] = {}
    second = None
    rank = {None: 0, "estimated": 1}
    for measurement in measurements.values():
        for domain, reading in measurement.readings.items():
            if not domain.startswith("gpu:") and ":" in domain:
                second = SecondSource(
                    name=domain.split(":")[0],
                    gpu_energy_j=reading.energy_j,
                    reason=reading.reason,
                )
            elif domain not in readings or (
                rank.get(reading.method, 2) > rank.get(readings[domain].method, 2)
            ):
                readings[domain] = reading
    if "dram" in readings and readings["dram"].energy_j is not None:
        readings.pop("ram", None)  # the same memory, measured
    return readings, second
