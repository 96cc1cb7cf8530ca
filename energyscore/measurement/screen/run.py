"""A screen: blocks of chosen queries in metered windows, until what was asked for is decided.

Like `benchmark`, it is given a backend and meters, prints nothing and writes no files.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from energyscore.measurement.backend import Backend, InputSizes
from energyscore.measurement.benchmark import Repeats, metered_run
from energyscore.measurement.meter import Meter
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.screen.design import PlannedBlock, plan_blocks, population_of
from energyscore.measurement.screen.looks import Looks
from energyscore.measurement.screen.stopping import Until
from energyscore.measurement.warmup import Thermometer, Warmup, measure_idle, warm_up
from energyscore.measurement.work import Plan, Work
from energyscore.protocol.stars import StarRange
from energyscore.results.block import BlockPart, Units
from energyscore.results.conformance import MIN_WINDOW_S
from energyscore.results.parts import Domain, Run
from energyscore.results.raw import RawRun
from energyscore.results.screen_part import ScreenPart

BLOCK_S, _QUICK_BLOCK_S = 10.0, 2.0
_LEAST = 0.8
"""Blocks are planned for their time, and done again where they took less than so much of it."""

MOST_BLOCKS = 900

FRUITLESS_BLOCKS = 30
"""Where so many have allowed no look, more of them will not either."""


@dataclass(frozen=True)
class Asked:
    """What a screen is to decide, and by when.

    Attributes:
        repeats: runs of the full protocol.
        stars: what a star is relative to, where one was asked for.
        beaten_by: Wh per 1,000 queries; it ends too once it surely needs more. None: it does not.
        deadline_s: on the monotonic clock; None: no budget.
    """

    until: Until
    repeats: int
    budget_s: float | None = None
    deadline_s: float | None = None
    stars: StarRange | None = None
    beaten_by: float | None = None


@dataclass
class _State:
    """What was done before the blocks, once it was."""

    idle_w: Mapping[Domain, float] = field(default_factory=dict)
    warmup: Warmup = field(default_factory=lambda: Warmup(0.0, 0, None))


def quick_block_s(least_s: float) -> float:
    """What a block of a quick screen is planned for, where a meter needs windows of `least_s`."""
    return max(_QUICK_BLOCK_S, least_s / _LEAST)


def run_screen(
    plan: Plan,
    backend: Backend,
    meters: Sequence[Meter],
    asked: Asked,
    *,
    uuids: Sequence[str],
    finished: Sequence[Run],
    on_run: Callable[[Run, RawRun], None],
    observer: LineObserver,
    on_idle: Callable[[Mapping[Domain, float]], None] = lambda idle_w: None,
    thermometer: Thermometer = lambda: None,
) -> tuple[Repeats, ScreenPart]:
    """Measure blocks until what was asked for is decided; `finished` ones are not done again.

    Raises:
        UnsupportedError: when it is to be decided by GPU energy, and no GPU is metered.
    """
    asked.until.check_metered(gpus=bool(uuids))
    queries, size = plan.workload.queries, plan.batch_size
    sizes = backend.input_sizes(queries) or InputSizes("queries", [1.0] * len(queries))
    population = population_of(sizes.values, size, plan.seed)
    looks = Looks(
        asked.until, asked.stars, population, len(queries), uuids, beaten_by=asked.beaten_by
    )
    state, runs = _State(), {run.index: run for run in finished}
    inputs_cut = backend.cut_inputs(queries)
    if finished and finished[0].block is not None:
        units = finished[0].block.planned_units
    else:
        _warm_up(state, plan, backend, meters, observer, on_idle, thermometer)
        unit_s = state.warmup.duration_s / math.ceil(state.warmup.queries / size)
        units = max(1, math.ceil(plan.min_window_s / unit_s))
    done: list[Run] = []
    for index, block in enumerate(plan_blocks(sizes.values, size, plan.seed, units)):
        if index not in runs:
            if why := _why_ended(done, asked, looks, len(queries)):
                looks.end(done, why)
                break
            if not state.warmup.queries:
                _warm_up(state, plan, backend, meters, observer, on_idle, thermometer)
            observer.stage(f"block {index + 1}{looks.present}", len(block.queries))
            runs[index], raw = _measure_block(plan, backend, meters, index, block, units, observer)
            on_run(runs[index], raw)
        done.append(runs[index])
        if looks.at(done):
            break
    repeats = Repeats(done, replace(state.warmup, inputs_cut=inputs_cut), state.idle_w)
    return repeats, ScreenPart(
        **looks.told(),
        share=sum(run.queries for run in done) / (asked.repeats * len(queries)),
        budget_s=asked.budget_s,
        queries=len(queries),
        size_in=sizes.unit,
        population=_units(population),
    )


def _warm_up(
    state: _State,
    plan: Plan,
    backend: Backend,
    meters: Sequence[Meter],
    observer: LineObserver,
    on_idle: Callable[[Mapping[Domain, float]], None],
    thermometer: Thermometer,
) -> None:
    if plan.idle_s > 0:
        observer.stage("idle with the model loaded", None)
    state.idle_w = measure_idle(meters, plan.idle_s)
    on_idle(state.idle_w)
    state.warmup = warm_up(plan, backend, observer, thermometer)


def _why_ended(done: Sequence[Run], asked: Asked, looks: Looks, queries: int) -> str:
    """Why no further block is done; empty where one is. At least one look is had."""
    if done and looks.no_energy:
        return "a block has no energy"
    # Its runs are at least so long, however short a pass is.
    whole = (
        sum(run.queries for run in done) >= asked.repeats * queries
        and sum(run.duration_s for run in done) >= asked.repeats * MIN_WINDOW_S
    )
    tried = looks.count or len(done) >= FRUITLESS_BLOCKS
    if (whole and tried) or len(done) >= MOST_BLOCKS:
        return "it has done the work of the full protocol"
    if not looks.count:
        return ""
    typical_s = sum(run.duration_s for run in done) / len(done)
    if asked.deadline_s is not None and time.monotonic() + typical_s > asked.deadline_s:
        return f"the budget of {asked.budget_s:g} s is spent"
    return ""


def _measure_block(
    plan: Plan,
    backend: Backend,
    meters: Sequence[Meter],
    index: int,
    block: PlannedBlock,
    planned_units: int,
    observer: LineObserver,
) -> tuple[Run, RawRun]:
    queries = [plan.workload.queries[number] for number in block.queries]
    work = Work(plan, backend, queries, observer)
    with metered_run(plan, backend, meters, work, index) as measured:
        work.until(_LEAST * plan.min_window_s)
    run, raw = measured[0]
    units, size, square = block.features
    part = BlockPart(
        units=units,
        size=size,
        square=square,
        queries=list(block.queries),
        certain=block.certain,
        planned_units=planned_units,
    )
    return run.model_copy(update={"block": part}), raw


def _units(features: tuple[float, float, float]) -> Units:
    units, size, square = features
    return Units(units=units, size=size, square=square)
