"""The runs of a server: windows of one load that goes on from the warm-up to the end of the last.

The load is the same before, in and after each window: as many requests are in flight at its edges
as in its middle. What lies in it is counted when all that straddles its end has ended.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from energyscore.base.errors import ServerError
from energyscore.base.units import counted
from energyscore.measurement.benchmark import Repeats, metered_run
from energyscore.measurement.meter import Meter, Window, notice
from energyscore.measurement.observer import Observer
from energyscore.measurement.phases.speed import performance_of_requests
from energyscore.measurement.server.client import Answer
from energyscore.measurement.server.load import ClosedLoop
from energyscore.measurement.server.metrics import (
    LATE_NS,
    counts_between,
    others_notices,
    read_metrics,
)
from energyscore.measurement.server.served import ServedModel
from energyscore.measurement.server.window import Counted, count
from energyscore.measurement.warmup import Thermometer, Warmup, is_settled, measure_idle
from energyscore.measurement.work import Plan, Work
from energyscore.results.load import RunLoad, ServerCounts
from energyscore.results.parts import Caution, Domain, Notice, Run
from energyscore.results.performance import Performance
from energyscore.results.raw import RawRun

BATCHES = 5
"""So many times the concurrency end in a window at least, unless that takes ten windows."""

STEADY = 0.05
"""Blocks of a warm-up hold few requests of unlike lengths: they are steady within so much."""

BUSY_CLIENT = 0.8
"""A client that takes more of a core than this may be what limits the load."""

_LONGEST = 10
_BLOCK_S = 10.0
_LIMIT_S = 180.0


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
            if enough(in_order()):
                break
    return Repeats(in_order(), warmup, idle_w)


def load_cautions(runs: Sequence[Run]) -> list[Caution]:
    """What whoever reads the figures of a load must know, beyond the notices of its runs."""
    parts = [run.load for run in runs if run.load is not None]
    if not parts:
        return []
    found = [*_of_caches(runs, parts), *_of_queues(parts)]
    if (busiest := max(one.client_processor for one in parts)) > BUSY_CLIENT:
        message = (
            f"asking took {busiest:.0%} of a processor core: the client may have limited the load"
        )
        found.append(("busy_client", message))
    return [Caution(code=code, message=message) for code, message in found]


def _of_caches(runs: Sequence[Run], parts: Sequence[RunLoad]) -> Iterator[tuple[str, str]]:
    """Tokens of prompts that were in a cache, by what each answer says, or by the counters."""
    cached = [one.cached_tokens for one in parts]
    hits = [one.server.prefix_cache_hits if one.server else None for one in parts]
    read = sum(run.input_tokens for run in runs)
    if total := sum(one or 0 for one in cached):
        message = f"{total:,} of {read:,} tokens of the prompts were taken from a cache"
        yield "prefix_cached", message
    elif total := sum(one or 0 for one in hits):
        yield "prefix_cached", f"the server counts {total:,} tokens that were taken from its cache"
    elif None in cached and None in hits:
        yield (
            "prefix_cache_unknown",
            "the server does not tell whether it took prompts from a cache",
        )


def _of_queues(parts: Sequence[RunLoad]) -> Iterator[tuple[str, str]]:
    """What kept the server from working at all requests at once."""
    told = [one.server for one in parts if one.server]
    if stopped := sum(one.preemptions or 0 for one in told):
        yield (
            "preempted",
            f"the server stopped {counted(stopped, 'request')} for want of memory, to do them "
            "again later",
        )
    if waiting := max((one.waiting or 0 for one in told), default=0):
        yield (
            "queued",
            f"{counted(waiting, 'request')} waited in the server's queue: it did not work at all "
            "at once",
        )


def _warm_up(plan: Plan, load: ClosedLoop, observer: Observer, thermometer: Thermometer) -> Warmup:
    """Until as many requests have ended as are in flight; unless quick, until it is steady too."""
    start_s = time.monotonic()
    observer.stage("warm-up" if plan.quick else "warm-up until the pace is steady", None)
    load.go_on_until(load.concurrency)
    if plan.quick:
        return Warmup(time.monotonic() - start_s, load.ended, None)
    rates: list[float] = []
    temperatures: list[float | None] = []
    while not is_settled(rates, temperatures, STEADY) and time.monotonic() - start_s < _LIMIT_S:
        window, _ = _span(load, _BLOCK_S)
        found = count(load.answers_before(window.end_ns), window)
        rates.append(found.output_tokens / window.duration_s)
        temperatures.append(thermometer())
    steady = is_settled(rates, temperatures, STEADY)
    return Warmup(time.monotonic() - start_s, load.ended, steady)


def _span(load: ClosedLoop, seconds: float) -> tuple[Window, int]:
    """A stretch of so many seconds, and how many requests ended in it."""
    start_ns, before = time.monotonic_ns(), load.ended
    load.go_on(seconds)
    return Window(start_ns, time.monotonic_ns()), load.ended - before


def _measure(
    plan: Plan,
    served: ServedModel,
    load: ClosedLoop,
    meters: Sequence[Meter],
    index: int,
    observer: Observer,
) -> tuple[Run, RawRun]:
    """One run: a window of the load."""
    work = Work(plan, served, plan.workload.queries, observer)
    server = served.server
    before = read_metrics(server.address, server.key)
    asked_s = load.processor_s()
    with metered_run(plan, served, meters, work, index) as measured:
        work.begin()
        ended = 0
        # The length is a multiple of the window: no request decides when it ends.
        for _ in range(_LONGEST):
            ended += _span(load, plan.min_window_s)[1]
            if ended >= BATCHES * load.concurrency:
                break
        work.end()
    asked_s = load.processor_s() - asked_s
    ((run, raw),) = measured
    window = Window(work.times.starts_ns[0], work.times.end_ns)
    after = read_metrics(server.address, server.key)
    if after is not None:
        load.go_on(LATE_NS / 1e9)
    answers = load.answers_before(time.monotonic_ns())
    found, counts = count(answers, window), counts_between(before, after, answers)
    served.check()
    if not found.queries:
        raise ServerError(
            f"{server.address}: no request ended well in {window.duration_s:.0f} s."
            + (f" {found.why_failed}." if found.why_failed else "")
        )
    return _with_counts(run, plan, found, asked_s / window.duration_s, counts), raw


def _with_counts(
    run: Run, plan: Plan, found: Counted, client: float, counts: ServerCounts | None
) -> Run:
    """A run with what was counted in it."""
    answers, generation = found.answers, plan.generation
    assert generation is not None
    cached = [one.cached_tokens for one in answers]
    waits_s = [_per_token_s(one) for one in answers if one.output_tokens > 1]
    part = RunLoad(
        completed=len(answers),
        failed=found.failed,
        requests=found.requests,
        straddling=found.straddling,
        bound=found.bound,
        other_lengths=sum(one.output_tokens != generation.max_new_tokens for one in answers),
        cached_tokens=None if None in cached else sum(one for one in cached if one is not None),
        time_per_output_token_s=statistics.fmean(waits_s) or None if waits_s else None,
        client_processor=client,
        server=counts,
    )
    update = {
        "queries": found.queries,
        "input_tokens": round(found.input_tokens),
        "output_tokens": round(found.output_tokens),
        "thinking_tokens": None,
        "answers_cut": None,
        "performance": _performance(found, run.duration_s),
        "load": part,
        "notices": [*run.notices, *_failures(found), *others_notices(counts)],
    }
    return run.model_copy(update=update)


def _failures(found: Counted) -> list[Notice]:
    if not found.failed:
        return []
    failed = counted(found.failed, "request")
    message = f"{failed} failed or broke off in the window: {found.why_failed}"
    return [notice("request_failed", message, invalidates=True)]


def _performance(found: Counted, duration_s: float) -> Performance:
    whole_s = [(one.done_ns - one.sent_ns) / 1e9 for one in found.answers]
    first_s = [(one.first_ns - one.sent_ns) / 1e9 for one in found.answers]
    written = round(found.output_tokens)
    return performance_of_requests(whole_s, first_s, found.queries, written, duration_s)


def _per_token_s(one: Answer) -> float:
    """Seconds from one token to the next, after the first."""
    last_ns = one.pieces_ns[-1] if one.pieces_ns else one.done_ns
    return (last_ns - one.first_ns) / 1e9 / (one.output_tokens - 1)
