"""What goes before the runs: the idle baseline, the warm-up, and one phase by itself."""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from energyscore.base.stats import is_steady
from energyscore.measurement.backend import CutInputs, Worker
from energyscore.measurement.meter import Meter, Metered, Reading, is_check, metered
from energyscore.measurement.observer import Observer
from energyscore.measurement.phases.split import BlockPower
from energyscore.measurement.work import Plan, Work
from energyscore.protocol.workload import Query
from energyscore.results.parts import Domain

WARMUP_BLOCK_S = 10.0
WARMUP_LIMIT_S = 120.0
QUICK_WARMUP_BATCHES = 3
STEADY_C = 1.0
IDLE_S = 30.0
LONE_PHASE_S = 20.0

Thermometer = Callable[[], float | None]
"""The hottest metered GPU's temperature in degrees Celsius, None where there is none."""


@dataclass(frozen=True)
class Warmup:
    """What the warm-up was, and what was found out along with it."""

    duration_s: float
    queries: int
    steady: bool | None  # pace and temperature; None where nobody looked
    output_tokens: int = 0
    inputs_cut: CutInputs | None = None  # of the workload; None where the model knows no limit


def measure_idle(meters: Sequence[Meter], seconds: float) -> dict[Domain, float]:
    """Mean power of each domain while nothing is done, in watts; measured ones only.

    Estimates are left out: they would only tell what they assume. So is all of it where something
    spoiled the window: a GPU that others used was not idle.
    """
    if seconds <= 0:
        return {}
    measurements, elapsed_s = watch_idle(meters, seconds)
    if any(notice.invalidates for one in measurements.values() for notice in one.notices):
        return {}
    return {
        domain: reading.energy_j / elapsed_s
        for measurement in measurements.values()
        for domain, reading in measurement.readings.items()
        if reading.energy_j and reading.method != "estimated" and not is_check(domain)
    }


def watch_idle(meters: Sequence[Meter], seconds: float) -> tuple[Mapping[str, Metered], float]:
    """Meter while nothing is done: the measurements by meter, and how many seconds it was."""
    with metered(meters) as measurements:
        start = time.monotonic()
        time.sleep(seconds)
        elapsed_s = time.monotonic() - start
    return measurements, elapsed_s


def warm_up(
    plan: Plan, backend: Worker, observer: Observer, thermometer: Thermometer = lambda: None
) -> Warmup:
    """Do the workload unmetered: a few batches if quick, else until it is steady.

    Steady: three consecutive blocks of 10 s or more, each of the same queries, whose pace
    differs by under 1% and whose mean temperature by under 1 degree. It ends after two minutes
    in any case.
    """
    queries = list(plan.workload.queries)
    start = time.monotonic()
    if plan.quick:
        few = queries[: QUICK_WARMUP_BATCHES * plan.batch_size]
        observer.stage("warm-up", len(few))
        work = Work(plan, backend, few, observer)
        work.one_pass()
        return Warmup(time.monotonic() - start, len(few), None, work.output_tokens)
    observer.stage("warm-up until the pace is steady", None)
    block, first_s, tokens = _block_of(plan, backend, queries, observer)
    rates, done = [len(block) / first_s], len(block)
    temperatures = [thermometer()]
    seen_c: list[float] = []

    def look() -> None:
        now_c = thermometer()
        if now_c is not None:
            seen_c.append(now_c)

    while not is_settled(rates, temperatures) and time.monotonic() - start < WARMUP_LIMIT_S:
        begin = time.monotonic()
        seen_c.clear()
        look()
        work = Work(plan, backend, block, observer, look)
        work.one_pass()
        tokens += work.output_tokens
        rates.append(len(block) / (time.monotonic() - begin))
        temperatures.append(statistics.fmean(seen_c) if seen_c else None)
        done += len(block)
    steady = is_settled(rates, temperatures)
    return Warmup(time.monotonic() - start, done, steady, tokens)


def measure_lone_phase(
    plan: Plan, backend: Worker, meters: Sequence[Meter], observer: Observer
) -> dict[Domain, BlockPower]:
    """Meter the one phase that the backend can do alone: a check on the split of the runs.

    Done over and over without a break, its power is its energy by its time, whatever the
    counter's update period; the period only leaves a little open at the ends.
    """
    phase = backend.lone_phase
    if phase is None or phase not in plan.phases or plan.lone_s <= 0:
        return {}
    observer.stage(f"{phase} alone, to check the split", None)
    queries = plan.workload.shuffled(plan.seed - 1)
    size = plan.batch_size
    starts = range(0, len(queries), size)[: backend.prepare_ahead]
    batches = [backend.prepare(queries[place : place + size]) for place in starts]
    backend.run_lone(batches[0])
    backend.synchronize()
    with metered(meters) as measurements:
        begin = time.monotonic()
        for batch in itertools.cycle(batches):
            backend.run_lone(batch)
            if time.monotonic() - begin >= plan.lone_s:
                break
        backend.synchronize()
        duration_s = time.monotonic() - begin
    return _block_powers(phase, list(measurements.values()), duration_s)


def _block_powers(
    phase: str, measurements: Sequence[Metered], duration_s: float
) -> dict[Domain, BlockPower]:
    powers: dict[Domain, BlockPower] = {}
    if any(notice.invalidates for one in measurements for notice in one.notices):
        return powers  # spoiled: no check is better than a wrong one
    for measurement in measurements:
        for domain, reading in measurement.readings.items():
            period_ms = reading.facts.get("update_period_ms")
            if reading.method == "counter" and reading.energy_j and isinstance(period_ms, float):
                power_w = reading.energy_j / duration_s
                # Each end is open by up to a period, uniformly.
                open_s = period_ms / 1e3 / math.sqrt(6)
                powers[domain] = BlockPower(
                    phase, power_w, power_w * open_s / duration_s, duration_s, _edges_mj(reading)
                )
    return powers


def _edges_mj(reading: Reading) -> tuple[int, int] | None:
    record = reading.record
    if record is None or record.start_mj is None or record.end_mj is None:
        return None
    return record.start_mj, record.end_mj


def _block_of(
    plan: Plan, backend: Worker, queries: Sequence[Query], observer: Observer
) -> tuple[list[Query], float, int]:
    """The queries that fill a warm-up block, found by doing them, their time and tokens."""
    block: list[Query] = []
    tokens = 0
    start = time.monotonic()
    while time.monotonic() - start < WARMUP_BLOCK_S:
        first = len(block) % len(queries)
        batch = queries[first : first + plan.batch_size]
        work = Work(plan, backend, batch, observer)
        work.one_pass()
        block += batch
        tokens += work.output_tokens
    return block, time.monotonic() - start, tokens


def is_settled(
    rates: Sequence[float], temperatures_c: Sequence[float | None], tolerance: float = 0.01
) -> bool:
    """Whether the pace of the last blocks agrees within `tolerance`, and their temperature."""
    last = [value for value in temperatures_c[-3:] if value is not None]
    return is_steady(rates, tolerance) and (not last or max(last) - min(last) < STEADY_C)
