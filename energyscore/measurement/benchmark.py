"""The run: prepare, then measure repeats of the workload, each in a metered window.

Orchestration only. It is given a backend and meters, prints nothing and writes no files; the
order of calls is the point of it, and tested.
"""

import contextlib
import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from energyscore.measurement.backend import Worker
from energyscore.measurement.meter import Meter, Metered, Reading, Window, is_check, metered
from energyscore.measurement.observer import Observer
from energyscore.measurement.phases.speed import performance_of
from energyscore.measurement.phases.split import (
    BLOCK,
    DISAGREEMENT,
    BlockPower,
    Split,
    split_energy,
)
from energyscore.measurement.record import record_run
from energyscore.measurement.warmup import (
    Thermometer,
    Warmup,
    measure_idle,
    measure_lone_phase,
    warm_up,
)
from energyscore.measurement.work import Plan, Work
from energyscore.results.parts import Domain, Notice, PhasePart, Run, SecondSource
from energyscore.results.raw import RawRun

COOLED_S = 5.0
"""Whoever takes longer to answer after the warm-up finds the device cooler than it was."""


@dataclass(frozen=True)
class Pace:
    """What the runs to come will take at the pace of the warm-up.

    `longest_s` is a run whose answers all use their full budget; None where lengths are forced.
    """

    runs: int
    run_s: float
    pass_s: float
    longest_s: float | None


@dataclass(frozen=True)
class Repeats:
    """All runs by index, and what went before them."""

    runs: list[Run]
    warmup: Warmup
    idle_w: Mapping[Domain, float] = field(default_factory=dict)


def run_benchmark(
    plan: Plan,
    backend: Worker,
    meters: Sequence[Meter],
    *,
    finished: Sequence[Run],
    on_run: Callable[[Run, RawRun], None],
    observer: Observer,
    on_warm: Callable[[Pace], None] = lambda pace: None,
    on_idle: Callable[[Mapping[Domain, float]], None] = lambda idle_w: None,
    enough: Callable[[Sequence[Run]], bool] = lambda runs: False,
    thermometer: Thermometer = lambda: None,
) -> Repeats:
    """Prepare and measure all runs that are not finished yet, or until there are `enough`.

    The backend has loaded what it needs, and the meters are open. They are started in this order
    and stopped in the reverse one, so the last has the tightest window. `on_warm` is called after
    the warm-up with what is to come, and may take its time: then the warm-up is done again.
    """
    runs = {run.index: run for run in finished if run.index < plan.repeats}

    def in_order() -> list[Run]:
        return [runs[index] for index in sorted(runs)]

    # Counted here, where nothing is metered yet.
    inputs_cut = backend.cut_inputs(plan.workload.queries)
    missing = [index for index in range(plan.repeats) if index not in runs]
    if not missing or enough(in_order()):
        return Repeats(in_order(), Warmup(0.0, 0, None, inputs_cut=inputs_cut))
    if plan.idle_s > 0:
        observer.stage("idle with the model loaded", None)
    idle_w = measure_idle(meters, plan.idle_s)
    on_idle(idle_w)
    warmup = replace(warm_up(plan, backend, observer, thermometer), inputs_cut=inputs_cut)
    lone = measure_lone_phase(plan, backend, meters, observer)
    pass_s = warmup.duration_s / warmup.queries * len(plan.workload.queries)
    run_s = pass_s * max(1, math.ceil(plan.min_window_s / pass_s))
    asked_s = time.monotonic()
    on_warm(Pace(len(missing), run_s, pass_s, _longest_s(plan, warmup, pass_s, run_s)))
    if time.monotonic() - asked_s > COOLED_S:
        warmup = replace(warm_up(plan, backend, observer, thermometer), inputs_cut=inputs_cut)
    for index in missing:
        observer.stage(f"run {index + 1} of {plan.repeats}", len(plan.workload.queries))
        runs[index], raw = measure_run(plan, backend, meters, index, observer, lone)
        on_run(runs[index], raw)
        if enough(in_order()):
            break
    return Repeats(in_order(), warmup, idle_w)


def _longest_s(plan: Plan, warmup: Warmup, pass_s: float, run_s: float) -> float | None:
    """Seconds of a run whose answers all take their whole budget of tokens, by the warm-up."""
    generation = plan.generation
    if generation is None or generation.reasoning is None or not warmup.output_tokens:
        return None
    longer = generation.max_new_tokens * warmup.queries / warmup.output_tokens
    return max(run_s, pass_s * longer)


def measure_run(
    plan: Plan,
    backend: Worker,
    meters: Sequence[Meter],
    index: int,
    observer: Observer,
    lone: Mapping[Domain, BlockPower] | None = None,
) -> tuple[Run, RawRun]:
    """Measure one run: the whole workload, repeated until the window is long enough.

    `lone` is the power of one phase by itself, by domain, to check the split with.
    """
    work = Work(plan, backend, plan.workload.shuffled(plan.seed + index), observer)
    with metered_run(plan, backend, meters, work, index, lone) as measured:
        work.until(plan.min_window_s)
    return measured[0]


@contextlib.contextmanager
def metered_run(
    plan: Plan,
    backend: Worker,
    meters: Sequence[Meter],
    work: Work,
    index: int = 0,
    lone: Mapping[Domain, BlockPower] | None = None,
) -> Iterator[list[tuple[Run, RawRun]]]:
    """A window in which `work` is done; its run stands in the list when the window has ended."""
    gc.collect()  # what is left over from before is not this run's work
    backend.synchronize()
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    start_ns = time.monotonic_ns()
    found: list[tuple[Run, RawRun]] = []
    with metered(meters) as measurements:
        yield found
    window = Window(start_ns, time.monotonic_ns())
    found.append(_run_of(plan, work, measurements, window, started_at, index, lone or {}))


def _run_of(
    plan: Plan,
    work: Work,
    measurements: Mapping[str, Metered],
    window: Window,
    started_at: str,
    index: int,
    lone: Mapping[Domain, BlockPower],
) -> tuple[Run, RawRun]:
    readings, second = merged(measurements)
    for domain, reason in plan.absent.items():
        readings.setdefault(domain, Reading(None, None, reason))
    notices = [one for measurement in measurements.values() for one in measurement.notices]
    splits = {
        domain: split_energy(work.times, reading, lone.get(domain))
        for domain, reading in readings.items()
    }
    run = Run(
        index=index,
        started_at=started_at,
        queries=work.queries,
        passes=work.passes,
        duration_s=work.duration_s,
        input_tokens=work.input_tokens,
        output_tokens=work.output_tokens,
        thinking_tokens=work.thinking_tokens,
        answers_cut=work.answers_cut,
        phases={
            name: PhasePart(
                duration_s=duration_s,
                energy_j={domain: split.energy_j[name] for domain, split in splits.items()},
                se_j={domain: split.se_j[name] for domain, split in splits.items()},
            )
            for name, duration_s in work.times.durations_s().items()
        },
        phase_methods={d: split.method for d, split in splits.items() if split.method},
        phase_reasons={d: split.reason for d, split in splits.items() if split.reason},
        phase_facts={d: dict(split.facts) for d, split in splits.items() if split.facts},
        energy_j={domain: reading.energy_j for domain, reading in readings.items()},
        methods={domain: reading.method for domain, reading in readings.items()},
        reasons={d: reading.reason for d, reading in readings.items() if reading.reason},
        facts={d: dict(reading.facts) for d, reading in readings.items() if reading.facts},
        performance=performance_of(
            work.times,
            work.queries // work.passes,
            plan.batch_size,
            work.passes,
            work.output_tokens,
        ),
        quantization_se_j={d: r.steps.se_j for d, r in readings.items() if r.steps is not None},
        second_source=second,
        notices=[*notices, *_block_notices(splits)],
    )
    return run, record_run(index, window, work.times, readings, lone)


def _block_notices(splits: Mapping[Domain, Split]) -> list[Notice]:
    """Where a phase's power in the run is not that of the phase alone, and the latter is used."""
    return [
        Notice(
            code="phase_block_disagrees",
            message=f"{domain}: a phase drew {split.block_ratio:.2f} times what it draws alone by "
            f"the regression; over {DISAGREEMENT:.0%} apart, the figure of the phase alone is used",
            invalidates=False,
        )
        for domain, split in splits.items()
        if split.method == BLOCK
    ]


def merged(
    measurements: Mapping[str, Metered],
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
            if is_check(domain):
                second = SecondSource(
                    name=domain.split(":")[0], gpu_energy_j=reading.energy_j, reason=reading.reason
                )
            elif domain not in readings or (
                rank.get(reading.method, 2) > rank.get(readings[domain].method, 2)
            ):
                readings[domain] = reading
    if "dram" in readings and readings["dram"].energy_j is not None:
        readings.pop("ram", None)  # the same memory, measured
    return readings, second
