"""A suite on a cluster: orders go to an engine, and what comes back is taken at once.

As on one machine an entry is finished when there is a valid result with its key, whatever was
killed when. An attempt that led to no result is repeated, rather on another node, unless another
one would come to the same.
"""

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from energyscore.base.errors import EnergyScoreError, UsageError
from energyscore.base.locks import locked
from energyscore.measurement.cluster import gather
from energyscore.measurement.cluster.engine import Began, Came, Engine, Event, Lost
from energyscore.measurement.cluster.order import MakeOrder, Order, unmeasured
from energyscore.measurement.suite.apart import LOCK_NAME, LOCK_WAIT_S
from energyscore.measurement.suite.attempt import Attempt
from energyscore.measurement.suite.finished import by_key
from energyscore.measurement.suite.plan import Planned
from energyscore.measurement.suite.report import BAD, Record, SuiteReport, make_record
from energyscore.measurement.suite.runner import write_report
from energyscore.results.store import KnownResults


class ClusterObserver(Protocol):
    """Whoever shows progress."""

    def begin_on(self, node: str, number: int, planned: Planned, left_s: float | None) -> None:
        """An entry is measured now; the node's name (or "") and the time left where known."""

    def line(self, text: str) -> None:
        """What is to be known beside it."""

    def end(self, number: int, record: Record) -> None:
        """What became of an entry."""


@dataclass
class _Work:
    """One entry that is to be measured."""

    planned: Planned
    order: Order
    tries: int = 0
    running: bool = False
    avoid: set[str] = field(default_factory=set)  # nodes where it led to no result


@dataclass
class Driver:
    """Runs the plan on an engine."""

    plan: Sequence[Planned]
    source: str
    known: KnownResults
    make_order: MakeOrder
    engine: Engine
    observer: ClusterObserver
    skip: gather.Skip
    on_result: Callable[[], None] = lambda: None
    fresh: bool = False
    stop_on_failure: bool = False
    retries: int = 2

    def run(self) -> SuiteReport:
        """Measure what is not measured yet (all if `fresh`), and write `suite.json` as it comes."""
        out = self.known.folder
        busy = f"Another suite or tune is measuring into {out}."
        with locked(out / LOCK_NAME, wait_s=LOCK_WAIT_S, busy=busy):
            self._now: set[str] = set()
            self._where = gather.where_to(self.plan)
            self._attempts = gather.attempts_in(out, self.skip)
            before = {key: len(told) for key, told in self._attempts.items()}
            self._records = [self._record(planned) for planned in self.plan]
            self._work = {
                place: _Work(planned, self.make_order(planned))
                for place, planned in enumerate(self.plan)
                if self._is_open(place)
            }
            never = [self.engine.why_never(work.order) for work in self._work.values()]
            if never and all(never):
                raise UsageError(never[0], "Nothing was measured.")
            for place, record in enumerate(self._records):
                if place not in self._work:
                    self.observer.end(place + 1, record)
            interrupted = self._failed = self._ending = False
            try:
                self._write()
                self.on_result()
                self._loop()
            except KeyboardInterrupt:
                interrupted = self._ending = True
                with contextlib.suppress(KeyboardInterrupt):
                    for event in self.engine.cancel():
                        self._heed(event)
            except BaseException:
                self.engine.cancel()
                raise
            if interrupted:  # perhaps between taking an attempt and telling of it
                self._attempts = gather.attempts_in(out, self.skip)
                told = self._attempts.items()
                self._now = {key for key, all_ in told if len(all_) > before.get(key, 0)}
                for place, planned in enumerate(self.plan):
                    if planned.key in self._now:
                        self._records[place] = self._record(planned)
            self.engine.close()
            return self._write(interrupted=interrupted)

    def _is_open(self, place: int) -> bool:
        """Whether an entry is to be measured: also one that failed in an earlier command."""
        return bool(self.plan[place].key) and (
            self.fresh or self._records[place].status not in ("done", "skipped")
        )

    def _record(self, planned: Planned) -> Record:
        finished = by_key(self.known, planned.folder(self.known.folder)) if planned.key else {}
        now = planned.key in self._now
        attempts = self._attempts.get(planned.key, ())
        return gather.record_gathered(planned, finished, attempts, fresh=self.fresh, now=now)

    def _loop(self) -> None:
        """Until every entry has ended."""
        for event in self.engine.begin():
            self._heed(event)
        while self._work:
            for place in [p for p, work in self._work.items() if not work.running]:
                if self.stop_on_failure and self._failed:
                    del self._work[place]
                else:
                    self._offer(place, self._work[place])
            if self._work:
                for event in self.engine.wait():
                    self._heed(event)

    def _offer(self, place: int, work: _Work) -> None:
        if why := self.engine.why_never(work.order):
            attempts = self._attempts.get(work.order.key, ())
            self._end(place, make_record(work.planned, "failed", why, attempts=attempts))
            return
        journals = functools.partial(gather.journals_in, self.known.folder, work.order)
        work.running = self.engine.offer(place, work.order, work.avoid, journals)
        work.tries += work.running

    def _heed(self, event: Event) -> None:
        """What an engine told."""
        if isinstance(event, Began):
            work = self._work.get(event.number)
            if work is not None:
                left_s = self._left_s()
                self.observer.begin_on(event.node, event.number + 1, work.planned, left_s)
            return
        attempt = self._taken(event)
        if attempt is None:
            return
        told = self._attempts.setdefault(attempt.key, [])
        if isinstance(event, Lost) or attempt not in told:
            told.append(attempt)
        self._now.add(attempt.key)
        for place, planned in enumerate(self.plan):
            if planned.key == attempt.key and (place == event.number or event.number is None):
                self._after(place, attempt, is_ours=event.number is not None)

    def _taken(self, event: Came | Lost) -> Attempt | None:
        """Put what came into the folder; an attempt of which nothing came is recorded, too."""
        if isinstance(event, Came):
            again = gather.is_taken(self.known.folder, event.name)
            try:
                attempt = gather.take(event.name, event.data, self.known, event.name, self._where)
            except EnergyScoreError as error:
                self.observer.line(f"caution: {error}")
                if event.number is None:
                    return None
                event = Lost(event.number, "", "", str(error))
            else:
                self.engine.taken(event.name)
                # What a node kept may come twice: its entry has ended, and is told once.
                return None if again and event.number is None else attempt
        work = self._work.get(event.number)
        if work is None:
            return None
        attempt = unmeasured(work.order, event.node, "lost", event.reason, event.began_at)
        gather.note(self.known.folder, attempt)
        return attempt

    def _after(self, place: int, attempt: Attempt, *, is_ours: bool) -> None:
        """After an attempt: the entry has ended, or is tried again."""
        record = self._record(self.plan[place])
        work = self._work.get(place)
        if work is None or (work.running and not is_ours and record.status != "done"):
            self._records[place] = record
            self._write()
            return
        work.running = False
        again = not attempt.is_final and work.tries <= self.retries and not self._ending
        if record.status == "done" or not again:
            self._end(place, record)
            return
        work.avoid.add(attempt.node)
        label, where = f"{work.planned.label}, {work.planned.task_name}", attempt.node
        self.observer.line(f"caution: {label}: {attempt.status}{where and f' on {where}'}: "
                           f"{attempt.reason}; it is tried again")  # fmt: skip
        self._records[place] = record
        self._write()

    def _end(self, place: int, record: Record) -> None:
        self._work.pop(place, None)
        self._records[place] = record
        self._failed |= record.status in BAD
        self._write()
        self.on_result()
        self.observer.end(place + 1, record)

    def _left_s(self) -> float | None:
        """How long the rest will take, if like what was measured, on as many nodes as work now."""
        took = [r.seconds for r in self._records if r.seconds is not None and r.status == "done"]
        at_once = sum(work.running for work in self._work.values())
        return sum(took) / len(took) * len(self._work) / max(1, at_once) if took else None

    def _write(self, *, interrupted: bool = False) -> SuiteReport:
        folder = self.known.folder
        return write_report(folder, self.source, self._records, interrupted=interrupted)
