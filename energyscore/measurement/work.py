"""One stretch of work: a plan's queries through a backend, and the clock of its phases."""

import functools
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from energyscore.measurement.backend import Worker
from energyscore.measurement.observer import Observer
from energyscore.measurement.phases.split import PhaseTimes
from energyscore.protocol.task import Generation
from energyscore.protocol.workload import Query, Workload
from energyscore.results.parts import Domain

SEED = 42
PROGRESS_EVERY_S = 0.5


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before the first run."""

    workload: Workload
    phases: tuple[str, ...]  # in order; the first begins with the preparation of a batch
    batch_size: int
    repeats: int  # at most
    seed: int  # of the queries' order; each run adds its index
    quick: bool  # a short fixed warm-up instead of one until the pace is steady
    min_window_s: float  # a run repeats the workload until it has lasted this long
    # Why a domain will have no reading, for those that no meter covers.
    absent: Mapping[Domain, str] = field(default_factory=dict)
    target_half_width: float | None = None  # the share of the mean at which runs end
    lone_s: float = 0.0  # for so long the phase that a backend can do alone is metered alone
    idle_s: float = 0.0  # for so long the loaded model is metered without work
    generation: Generation | None = None  # None: as the task says
    screen: bool = False  # blocks of chosen queries instead of runs over all


class Work:
    """Does queries, counts them, and notes when each phase was entered."""

    def __init__(
        self,
        plan: Plan,
        backend: Worker,
        queries: Sequence[Query],
        observer: Observer,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        """Do these queries; `look` is called along with progress, twice a second at most."""
        self._plan, self._backend, self._queries = plan, backend, queries
        self._observer, self._look = observer, look
        self._places = {name: place for place, name in enumerate(plan.phases)}
        self._entered = array("B")
        self._starts_ns = array("q")
        self._end_ns = 0
        self._next_progress = 0.0
        self.passes = self.queries = self.input_tokens = self.output_tokens = 0
        self.thinking_tokens: int | None = 0
        self.answers_cut: int | None = 0

    def until(self, min_window_s: float) -> None:
        """Whole passes over the queries, until they have lasted that long; at least one."""
        self.one_pass()
        while self.duration_s < min_window_s:
            self.one_pass()

    def one_pass(self) -> None:
        """All queries once, prepared ahead as far as the backend allows."""
        size = self._plan.batch_size
        ahead = size * self._backend.prepare_ahead
        for first in range(0, len(self._queries), ahead):
            chunk = self._queries[first : first + ahead]
            self._enter(self._plan.phases[0])
            batches = [
                self._backend.prepare(chunk[place : place + size])
                for place in range(0, len(chunk), size)
            ]
            for batch in batches:
                output = self._backend.run(batch, self._enter)
                self.queries += batch.queries
                self.input_tokens += batch.input_tokens
                self.output_tokens += output.output_tokens
                self.thinking_tokens = _sum(self.thinking_tokens, output.thinking_tokens)
                self.answers_cut = _sum(self.answers_cut, output.answers_cut)
                self._show_progress()
        self._backend.synchronize()
        self._end_ns = time.monotonic_ns()
        self.passes += 1

    def begin(self) -> None:
        """Begin work that is not done here, but by whoever calls this, until `end`."""
        self._enter(self._plan.phases[0])

    def end(self) -> None:
        """End it: it was one pass."""
        self._backend.synchronize()
        self._end_ns = time.monotonic_ns()
        self.queries += len(self._queries)
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
            self._look()
            self._observer.advance((self.queries - 1) % len(self._queries) + 1)


def _sum(total: int | None, more: int | None) -> int | None:
    """None as soon as one part is not known."""
    return None if total is None or more is None else total + more
