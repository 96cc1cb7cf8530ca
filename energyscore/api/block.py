"""Measuring a block of code: one window, from where it begins to where it ends."""

import contextlib
import threading
from collections.abc import Iterator

from energyscore.api.afterwards import children, children_left, threads_at_work
from energyscore.api.arguments import Arguments, alone
from energyscore.api.calls import CALL, Calls
from energyscore.api.custom import fingerprint_of, going_on, result_of
from energyscore.api.gpus import MeteredGpus
from energyscore.api.measurement import Block, of_result
from energyscore.measurement.benchmark import Repeats, metered_run
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.warmup import Warmup
from energyscore.measurement.work import SEED, Plan, Work
from energyscore.protocol.workload import Workload
from energyscore.results.parts import Caution

ONE_WINDOW = Caution(
    code="one_window", message="one window, without a warm-up and repeats: there is no interval"
)


@contextlib.contextmanager
def measure_block(name: str, queries: int, arguments: Arguments) -> Iterator[Block]:
    """Measure the block that this manages; `energyscore.meter` says how, and what it raises."""
    block = Block(name)
    with alone():
        gpus = MeteredGpus.plan(arguments)
        try:
            gpus.open()
            processes = children()  # the meters' own are among them
            plan = _plan(name, queries, gpus)
            worker = Calls(lambda query: None, name, batched=False)
            work = Work(plan, worker, plan.workload.queries, LineObserver(lambda line: None))
            with metered_run(plan, worker, gpus.metering.meters, work) as found:
                threads = threading.enumerate()
                work.begin()
                yield block
                work.end()
                threads_left = threads_at_work(threads)
            gpus.note_late()
            left = (threads_left, children_left(processes))
            ((run, _),) = found
            result = result_of(
                name,
                plan,
                gpus,
                Repeats([run], Warmup(0.0, 0, None)),
                fingerprint=fingerprint_of([name, queries]),
                cautions=[ONE_WINDOW, *going_on(name, left)],
            )
        finally:
            gpus.metering.close()
    block.end(of_result(result))


def _plan(name: str, queries: int, gpus: MeteredGpus) -> Plan:
    numbered = ({"number": 1, "query": None},) * queries
    return Plan(
        workload=Workload(numbered, name, None, False, queries),
        phases=(CALL,),
        batch_size=1,
        repeats=1,
        seed=SEED,
        quick=True,
        min_window_s=0.0,
        absent=gpus.metering.absent,
    )
