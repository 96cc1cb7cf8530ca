"""The same work on many things, by several processes at once."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

MANY = 500
"""With fewer things, one process is done before others have begun."""

_MOST_PROCESSES = 8  # one process takes in what about eight send
_TOGETHER = 100  # things that are handed over at once, at most


def worked_on(
    work: Callable[[T], R], things: Sequence[T], *, alone: bool = False, many: int = MANY
) -> Generator[R]:
    """What `work` gives for each of the things, in their order.

    Unless `alone`, other processes do it where there are as `many` things, and nothing but this
    thread would have to be copied: `work` may change nothing then, and what it gives is pickled.
    """
    # The first one is done here: what is imported and read for it, all processes then have.
    yield from map(work, things[:1])
    done = 1
    if not alone and len(things) >= many and (count := _processes()) > 1:
        with contextlib.closing(_by_processes(work, things[1:], count)) as outcomes:
            for outcome in outcomes:
                done += 1
                yield outcome
    # All of them; and what is left where the system ended one of the processes.
    yield from map(work, things[done:])


def _by_processes(work: Callable[[T], R], things: Sequence[T], count: int) -> Generator[R]:
    """What they give, until one of the processes is ended from outside."""
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    fork = multiprocessing.get_context("fork")
    with (
        contextlib.suppress(BrokenProcessPool),
        ProcessPoolExecutor(count, fork, initializer=_begin, initargs=(work,)) as pool,
    ):
        # Each of them gets its share in several turns: some things take longer than others.
        together = max(1, min(_TOGETHER, len(things) // (4 * count)))
        yield from pool.map(_work_on, things, chunksize=together)


def _processes() -> int:
    """How many may do it; one where no copy of this process is sound: it holds one thread only."""
    one_thread = threading.active_count() == 1 and "torch" not in sys.modules
    if sys.platform != "linux" or not one_thread or multiprocessing.parent_process() is not None:
        return 1
    return min(len(os.sched_getaffinity(0)), _MOST_PROCESSES)


_work: Callable[[Any], Any]


def _begin(work: Callable[[Any], Any]) -> None:
    """Ctrl-C is for the process that gave the work; it then ends the others."""
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _work_on(thing: Any) -> Any:
    return _work(thing)
