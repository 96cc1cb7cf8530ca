"""The runs of a server: windows of one load that goes on from the warm-up to the end of the last.

The load is the same before, in and after each window: as many requests are in flight at its edges
as in its middle. What lies in it is counted when all that straddles its end has ended.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from energyscore.base.errors import ServerError
from energyscore.base.units import counted
from energyscore.measurement.benchmark import Repeats, metered_run
from energyscore.measurement.meter import Meter, Window, notice
from energyscore.measurement.observer import Observer
from energyscore.measurement.phases.speed import performance_of_requests
from energyscore.measurement.server.abilities import is_forced
from energyscore.measurement.server.answer import Answer
from energyscore.measurement.server.load import ServerLoad
from energyscore.measurement.server.metrics import (
    LATE_NS,
    LOOK_S,
    MetricsWatch,
    counts_of,
    others_notices,
    reset_notices,
)
from energyscore.measurement.server.pace import (
    STEADY,
    lateness_s,
    outstanding_in,
    pace_notices,
)
from energyscore.measurement.server.record import record_requests
from energyscore.measurement.server.served import ServedModel
from energyscore.measurement.server.window import Counted, count
from energyscore.measurement.warmup import Thermometer, Warmup, is_settled, measure_idle
from energyscore.measurement.work import Plan, Work
from energyscore.protocol.task import Generation
from energyscore.results.load import Outstanding, RunLoad, ServerCounts
from energyscore.results.parts import Domain, Notice, Run
from energyscore.results.performance import Performance
from energyscore.results.raw import RawRun

BATCHES = 5
"""So many times the concurrency end in a window at least, unless that takes ten windows."""

_LONGEST = 10
_LIMIT_S = 180.0


@dataclass(frozen=True)
class Asker:
    """How busy asking was: of a processor core the share, and how late its event loop."""

    processor: float
    late_s: float | None


def run_load(
    plan: Plan,
    served: ServedModel,
    meters: Sequence[Meter],
    *,
    finished: Sequence[Run],
    on_run: Callable[[Run, RawRun], None],
    observer: Observer,
    on_idle: Callable[[Mapping[Domain, float]], None],
    enough: Callable[[Sequence[Run]], bool],
    thermometer: Thermometer,
) -> Repeats:
    """Measure all runs that are not finished yet, or until there are `enough`.

    Raises:
        ServerError: when the server goes, or is started anew; finished runs were given.
    """
    runs = {run.index: run for run in finished if run.index < plan.repeats}

    def in_order() -> list[Run]:
        return [runs[index] for index in sorted(runs)]

    missing = [index for index in range(plan.repeats) if index not in runs]
    if not missing or enough(in_order()):
        return Repeats(in_order(), Warmup(0.0, 0, None))
    if plan.idle_s > 0:
        observer.stage("idle with the model loaded", None)
    idle_w = measure_idle(meters, plan.idle_s)
    on_idle(idle_w)
    with served.load(plan) as load:
        warmup = _warm_up(plan, load, observer, thermometer)
        for index in missing:
            observer.stage(f"run {index + 1} of {plan.repeats}", None)
            runs[index], raw = _measure(plan, served, load, meters, index, observer)
            on_run(runs[index], raw)
            if enough(in_order()) or _is_overrun(runs[index]):
                break
    return Repeats(in_order(), warmup, idle_w)


def _is_overrun(run: Run) -> bool:
    """Whether the server did not keep up: what is outstanding only grows in the next run."""
    return run.load is not None and run.load.outstanding is not None and run.load.outstanding.grows


def _warm_up(plan: Plan, load: ServerLoad, observer: Observer, thermometer: Thermometer) -> Warmup:
    """Until as many are in flight as will be; unless quick, until it is steady too."""
    start_s = time.monotonic()
    observer.stage("warm-up" if plan.quick else "warm-up until the pace is steady", None)
    load.fill()
    if plan.quick:
        return Warmup(time.monotonic() - start_s, load.ended, None)
    rates: list[float] = []
    temperatures: list[float | None] = []
    steady, tolerance = False, STEADY + load.chance
    while not steady and time.monotonic() - start_s < _LIMIT_S:
        window, _ = _span(load, load.block_s)
        arrivals, beats = load.arrivals_in(window), load.beats_in(window)
        found = count(load.answers_before(window.end_ns), window)
        outstanding = outstanding_in(beats, arrivals, window)
        rates.append(found.work / window.duration_s)
        temperatures.append(thermometer())
        steady = is_settled(rates, temperatures, tolerance)
        steady = steady and not (outstanding and outstanding.grows)
    return Warmup(time.monotonic() - start_s, load.ended, steady)


def _span(
    load: ServerLoad, seconds: float, look: Callable[[], None] = lambda: None
) -> tuple[Window, int]:
    """A stretch of so many seconds, and how many requests ended in it."""
    start_ns, before = time.monotonic_ns(), load.ended
    load.go_on(seconds, look)
    return Window(start_ns, time.monotonic_ns()), load.ended - before


def _measure(
    plan: Plan,
    served: ServedModel,
    load: ServerLoad,
    meters: Sequence[Meter],
    index: int,
    observer: Observer,
) -> tuple[Run, RawRun]:
    """One run: a window of the load."""
    work = Work(plan, served, plan.workload.queries, observer)
    server = served.server
    watch = MetricsWatch(server.address, server.key, min(LOOK_S, plan.min_window_s / 4))
    asked_s = load.processor_s()
    with metered_run(plan, served, meters, work, index) as measured:
        work.begin()
        ended, least = 0, BATCHES * load.in_flight
        # The length is a multiple of the window: no request decides when it ends.
        for _ in range(_LONGEST):
            ended += _span(load, plan.min_window_s, watch.look)[1]
            if ended >= least:
                break
        work.end()
    asked_s = load.processor_s() - asked_s
    ((run, raw),) = measured
    window = Window(work.times.starts_ns[0], work.times.end_ns)
    beats, arrivals = load.beats_in(window), load.arrivals_in(window)
    if readings := watch.end():
        load.go_on(LATE_NS / 1e9)
    answers = load.answers_before(time.monotonic_ns())
    counts = counts_of(readings, answers)  # an estimate is nothing to compare its own counts with
    answers = served.with_tokens(answers)
    outstanding = outstanding_in(beats, arrivals, window)
    found = count(answers, window)
    others = [*others_notices(counts), *reset_notices(readings)]
    others += pace_notices(answers, window, outstanding)
    served.check()
    if not found.queries:
        raise ServerError(
            f"{server.address}: no request ended well in {window.duration_s:.0f} s."
            + (f" {found.why_failed}." if found.why_failed else "")
        )
    run = run.model_copy(update={"notices": [*run.notices, *_failures(found), *others]})
    client = Asker(asked_s / window.duration_s, lateness_s(beats))
    requests = record_requests(answers, window, raw["begin_us"])
    counted_run = _with_counts(run, plan, found, client, counts, outstanding)
    return counted_run, {**raw, "requests": requests}


def _with_counts(
    run: Run,
    plan: Plan,
    found: Counted,
    client: Asker,
    counts: ServerCounts | None,
    outstanding: Outstanding | None,
) -> Run:
    """A run with what was counted in it."""
    answers = found.answers
    cached = [one.cached_tokens for one in answers]
    waits_s = [_per_token_s(one) for one in answers if (one.output_tokens or 0) > 1]
    part = RunLoad(
        completed=len(answers),
        failed=found.failed,
        requests=found.requests,
        straddling=found.straddling,
        bound=found.bound,
        other_lengths=_other_lengths(answers, plan.generation),
        cached_tokens=None if None in cached else sum(one for one in cached if one is not None),
        time_per_output_token_s=statistics.fmean(waits_s) or None if waits_s else None,
        tokens_per_piece=_tokens_per_piece(answers),
        client_processor=client.processor,
        client_late_s=client.late_s,
        outstanding=outstanding,
        server=counts,
    )
    update = {
        "queries": found.queries,
        "input_tokens": _rounded(found.input_tokens),
        "output_tokens": _rounded(found.output_tokens),
        "thinking_tokens": _rounded(found.thinking_tokens),
        "answers_cut": _answers_cut(found, plan.generation),
        "performance": _performance(found, run.duration_s),
        "load": part,
    }
    return run.model_copy(update=update)


def _failures(found: Counted) -> list[Notice]:
    if not found.failed:
        return []
    failed = counted(found.failed, "request")
    message = f"{failed} failed or broke off in the window: {found.why_failed}"
    return [notice("request_failed", message, invalidates=True)]


def _performance(found: Counted, duration_s: float) -> Performance:
    whole_s = [(one.done_ns - one.asked_ns) / 1e9 for one in found.answers]
    streamed = any(one.pieces_ns for one in found.answers)
    first_s = [(one.first_ns - one.asked_ns) / 1e9 for one in found.answers if streamed]
    written = round(found.output_tokens or 0)
    return performance_of_requests(whole_s, first_s, found.requests, written, duration_s)


def _per_token_s(one: Answer) -> float:
    """Seconds from one token to the next, after the first."""
    last_ns = one.pieces_ns[-1] if one.pieces_ns else one.done_ns
    return (last_ns - one.first_ns) / 1e9 / max(1, (one.output_tokens or 0) - 1)


def _tokens_per_piece(answers: Sequence[Answer]) -> float | None:
    """How many tokens came at once; None where no answer came in pieces."""
    known = [one for one in answers if one.output_tokens is not None and one.pieces_ns]
    written = sum(one.output_tokens or 0 for one in known)
    pieces = sum(len(one.pieces_ns) for one in known)
    return written / pieces if written and pieces else None


def _other_lengths(answers: Sequence[Answer], generation: Generation | None) -> int:
    """Answers of another length than was asked for, where it is known."""
    if generation is None:
        return 0
    lengths = range(generation.min_new_tokens, generation.max_new_tokens + 1)
    return sum(
        one.output_tokens is not None and one.output_tokens not in lengths for one in answers
    )


def _answers_cut(found: Counted, generation: Generation | None) -> int | None:
    """Answers that the limit ended, of those that end by themselves; None: all are forced."""
    if generation is None or is_forced(generation):
        return None
    cut = sum(one.finish == "length" for one in found.answers)
    return min(cut, found.queries)  # of those that straddle an edge a part is counted


def _rounded(tokens: float | None) -> int | None:
    return None if tokens is None else round(tokens)
