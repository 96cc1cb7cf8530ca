"""Compiling ahead: the shapes of a workload are met before the warm-up, so that no run compiles."""

from collections.abc import Sequence

from energyscore.base.errors import UnsupportedError
from energyscore.base.units import counted, format_duration
from energyscore.measurement.backend import Backend
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.work import Plan, Work
from energyscore.protocol.workload import Query

_BATCHES = 12
_MOST_ROUNDS = 4


def compile_ahead(plan: Plan, backend: Backend, observer: LineObserver) -> None:
    """Do batches of each kind of shape, until one round of them compiles nothing more.

    Raises:
        UnsupportedError: where nothing was compiled: it would be called compiled, and is not.
    """
    if (before := backend.compiled()) is None:
        return
    queries = kinds_of_batches(plan, backend)
    done = before.graphs
    for _ in range(_MOST_ROUNDS):
        observer.stage("compiling", len(queries))
        Work(plan, backend, queries, observer).one_pass()
        if (now := backend.compiled()) is None or now.graphs == done:
            break
        done = now.graphs
    if now is not None:
        if not now.graphs:
            raise UnsupportedError(
                "--compile: torch.compile compiled nothing of this model.",
                "Leave it out; if TORCHDYNAMO_DISABLE or TORCH_COMPILE_DISABLE is set, unset it.",
            )
        took = format_duration(now.seconds)
        observer.tell(f"compiled: {counted(now.graphs, 'graph')} in {took}")


def kinds_of_batches(plan: Plan, backend: Backend) -> list[Query]:
    """Queries in the order of batches: mixed ones, those of each size, and the last, smaller one.

    Compiled code is for any length of text and number of queries, but for one query, one token, and
    sizes that a kernel is made for.
    """
    queries, size = list(plan.workload.queries), plan.batch_size
    sizes = backend.input_sizes(queries)
    values = [1.0] * len(queries) if sizes is None else sizes.values
    ordered = sorted(range(len(queries)), key=lambda number: values[number])
    whole = [ordered[first : first + size] for first in range(0, len(queries) - size + 1, size)]
    step = max(1, len(whole) // _BATCHES)
    chosen: list[Sequence[int]] = [*whole[::step], *whole[-1:]]
    mixed = range(min(len(queries), _BATCHES * size) // size * size)
    rest = range(len(queries) - len(queries) % size, len(queries))
    return [queries[number] for batch in (mixed, *chosen, rest) for number in batch]
