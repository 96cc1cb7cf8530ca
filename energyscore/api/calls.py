"""Measuring a function: its calls are the work, in the same loop and by the same meters as models.

What it does on the GPU through torch is waited for; anything else must be done when it returns.
"""

import itertools
import reprlib
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from energyscore.api.afterwards import children, children_left, threads_at_work
from energyscore.api.arguments import Arguments, alone, read_queries
from energyscore.api.custom import fingerprint_of, going_on, result_of
from energyscore.api.gpus import MeteredGpus, synchronize_gpus
from energyscore.api.measurement import Measurement, of_result
from energyscore.api.unfinished import IN_A_LOOP, find_unfinished
from energyscore.base.errors import UsageError, WorkError
from energyscore.measurement.backend import Batch, BatchOutput, EnterPhase
from energyscore.measurement.benchmark import run_benchmark
from energyscore.measurement.metering import Metering
from energyscore.measurement.observer import LineObserver, print_line
from energyscore.measurement.work import SEED, Plan
from energyscore.protocol.workload import Query, Workload

CALL = "call"
REPEATS = 3
MIN_WINDOW_S, QUICK_WINDOW_S = 10.0, 1.0
"""Of a function: a counter that is updated every 100 ms tells 10 s to one percent."""


class Calls:
    """A `backend.Worker` that calls a function with each query, or with each batch of them."""

    prepare_ahead = 1 << 40  # preparing does nothing: the calls of a pass follow one another
    phases: tuple[str, ...] = (CALL,)
    lone_phase: str | None = None

    def __init__(self, work: Callable[[Any], object], name: str, *, batched: bool) -> None:
        """Call `work`, which messages know as `name`."""
        self._work, self._name, self._batched = work, name, batched
        self.threads_left = ""  # that a call started, and that were at work when it had returned

    def cut_inputs(self, queries: Sequence[Query]) -> None:
        """Unknown for functions."""

    def prepare(self, queries: Sequence[Query]) -> Batch:
        """Nothing but taking the queries."""
        return Batch(queries, len(queries), 0)

    def run(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        """One call.

        Raises:
            WorkError: when the function raises, or gives back work that is yet to be done.
        """
        contents = [query["query"] for query in batch.inputs]
        before = threading.enumerate()
        try:
            output = self._work(contents if self._batched else contents[0])
        except Exception as error:
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise WorkError(
                f"{self._name} failed at {_place(batch.inputs)}: {what}.",
                "The exception it raised is this one's cause; no energy is given."
                + (f" {IN_A_LOOP}" if "running event loop" in str(error) else ""),
            ) from error
        self._refuse_unfinished(output, batch)
        self.threads_left = self.threads_left or threads_at_work(before)
        return BatchOutput(0)

    def _refuse_unfinished(self, output: object, batch: Batch) -> None:
        found = find_unfinished(output)
        if not found:
            return
        for one in found:
            if isinstance(one.work, Coroutine):
                one.work.close()  # else Python warns that it was never awaited
        raise WorkError(
            f"{self._name} gave back {found[0]} for {_place(batch.inputs)}: its work is not done "
            "when it returns, and would not be metered.",
            found[0].remedy,
        )

    def run_lone(self, batch: Batch) -> None:
        """There is no such phase."""
        raise AssertionError("calls have one phase")

    def synchronize(self) -> None:
        """Wait for the GPUs that torch uses in this process.

        Raises:
            WorkError: when one of them failed at what the function had given it.
        """
        try:
            synchronize_gpus()
        except RuntimeError as error:
            raise WorkError(f"{self._name} failed on the GPU: {error}.") from error


def measure_calls(
    work: Callable[[Any], object], queries: object, arguments: Arguments
) -> Measurement:
    """Measure a function; `energyscore.measure` says how, and what it raises."""
    arguments.refuse("a function", "task", "options")
    if arguments.repeats == "auto":
        raise UsageError(
            "repeats='auto' is for models only, and this is a function.",
            "Give the number of runs, such as repeats=5.",
        )
    contents = read_queries(queries)
    name = arguments.name or getattr(work, "__qualname__", None) or type(work).__name__
    with alone():
        return _measure(work, contents, name, arguments)


def _measure(
    work: Callable[[Any], object], queries: Sequence[Any], name: str, arguments: Arguments
) -> Measurement:
    observer = LineObserver(print_line if arguments.progress else lambda text: None, name)
    calls = Calls(work, name, batched=arguments.batch_size is not None)
    numbered = tuple({"number": place, "query": one} for place, one in enumerate(queries, start=1))
    fingerprint = fingerprint_of(queries)  # before the function can change them
    gpus = MeteredGpus.plan(arguments)
    processes, metering = children(), gpus.metering
    try:
        # Once unmetered: what fails does so now, and what it loads lies on its GPU from here on.
        calls.run(calls.prepare(numbered[: arguments.batch_size or 1]), lambda phase: None)
        calls.synchronize()
        processes_left = children_left(processes)
        gpus.open()
        plan = _plan(numbered, name, arguments, metering)
        measured = run_benchmark(
            plan,
            calls,
            metering.meters,
            finished=(),
            on_run=lambda run, raw: None,
            observer=observer,
            on_idle=metering.set_idle,
            thermometer=metering.temperature_c,
        )
        gpus.note_late()
        result = result_of(name, plan, gpus, measured, fingerprint=fingerprint, cautions=())
    finally:
        metering.close()
    left = (calls.threads_left, processes_left or children_left(processes))
    cautions = [*result.cautions, *going_on(name, left)]
    return of_result(result.model_copy(update={"cautions": cautions}))


def _plan(numbered: tuple[Query, ...], name: str, arguments: Arguments, metering: Metering) -> Plan:
    repeats = arguments.repeats or (1 if arguments.quick else REPEATS)
    assert repeats != "auto"  # refused above
    quick_s = max(QUICK_WINDOW_S, metering.least_window_s)
    window_s = quick_s if arguments.quick else MIN_WINDOW_S
    return Plan(
        workload=Workload(numbered, name, None, False, len(numbered)),
        phases=Calls.phases,
        batch_size=arguments.batch_size or 1,
        repeats=repeats,
        seed=SEED,
        quick=arguments.quick,
        min_window_s=window_s if arguments.min_window_s is None else arguments.min_window_s,
        absent=metering.absent,
        idle_s=(arguments.idle_s or 0.0) if metering.measures else 0.0,
    )


def _place(queries: Sequence[Query]) -> str:
    """Which queries of those that were given, counted from 1, and the first of them."""
    numbers = [str(query["number"]) for query in itertools.islice(queries, 3)]
    more = ", ..." if len(queries) > len(numbers) else ""
    which = "query" if len(queries) == 1 else "the batch of queries"
    return f"{which} {', '.join(numbers)}{more} ({reprlib.repr(queries[0]['query'])})"
