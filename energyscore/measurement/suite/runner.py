"""The suite: entry by entry, each in a process of its own; what is finished stays finished.

An entry is finished when there is a valid result with its key, measured where it is to be
(`suite.finished`), whatever was killed when; `suite.json` only reports.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from energyscore.base.locks import locked
from energyscore.base.stamps import utc_stamp
from energyscore.base.writing import write_atomically
from energyscore.measurement.child import Ended
from energyscore.measurement.launcher import Launcher, modules_of
from energyscore.measurement.suite.apart import LOCK_NAME, LOCK_WAIT_S, measure_apart
from energyscore.measurement.suite.finished import ByKey, by_key, find_finished
from energyscore.measurement.suite.plan import Planned
from energyscore.measurement.suite.report import (
    BAD,
    FILE_NAME,
    Record,
    Status,
    SuiteReport,
    make_record,
    report_to_json,
)
from energyscore.results.store import KnownResults

Command = Callable[[Planned], Sequence[str]]


class SuiteObserver(Protocol):
    """Whoever shows progress."""

    def begin(self, number: int, planned: Planned, left_s: float | None) -> None:
        """An entry is measured now; the suite will take that much longer, where it is known."""

    def line(self, text: str) -> None:
        """A line of the entry's process."""

    def end(self, number: int, record: Record) -> None:
        """What became of an entry."""


def run_suite(
    plan: Sequence[Planned],
    source: str,
    known: KnownResults,
    command: Command,
    observer: SuiteObserver,
    on_result: Callable[[], None] = lambda: None,
    *,
    fresh: bool = False,
    stop_on_failure: bool = False,
    timeout_s: float | None = None,
) -> SuiteReport:
    """Measure what is not measured yet (all if `fresh`), and write `suite.json` after every entry.

    `command` gives the command that measures an entry and writes its result, with its key. With
    `stop_on_failure` the rest is left alone once an entry failed or is invalid. `on_result` is
    called at the beginning and after each entry that was measured.

    Raises:
        ResultError: when another suite works in the folder, or it cannot be written.
    """
    out = known.folder
    busy = f"Another suite or tune is measuring into {out}."
    modalities = {planned.task.spec.modality for planned in plan if planned.task}
    with (
        locked(out / LOCK_NAME, wait_s=LOCK_WAIT_S, busy=busy) as lock,
        Launcher(modules_of(modalities)) as launcher,
    ):
        finished = by_key(known)
        records = [record_before(planned, finished, fresh=fresh) for planned in plan]
        interrupted = False
        try:
            write_report(out, source, records)
            on_result()
            for place, planned in enumerate(plan):
                if records[place].status == "pending":
                    # Another process may have measured it meanwhile.
                    kept = by_key(known, planned.folder(out))
                    records[place] = record_before(planned, kept, fresh=fresh)
                if records[place].status == "pending":
                    observer.begin(place + 1, planned, _left_s(records))
                    ended, records[place] = _measure(
                        planned, known, command, observer, timeout_s, lock, launcher
                    )
                    interrupted = ended.interrupted
                    write_report(out, source, records, interrupted=interrupted)
                    on_result()
                observer.end(place + 1, records[place])
                if interrupted or (stop_on_failure and records[place].status in BAD):
                    break
        except KeyboardInterrupt:
            interrupted = True
        return write_report(out, source, records, interrupted=interrupted)


def record_before(planned: Planned, finished: ByKey, *, fresh: bool, now: bool = False) -> Record:
    """The record of an entry before anything is done; `now`: what is found is of just now."""
    if planned.problem:
        return make_record(planned, planned.blocked, planned.problem)
    spec = planned.task.spec if planned.task else None
    found = find_finished(planned.key, finished, planned.entry.options, spec, planned.where)
    if found is None:
        return make_record(planned, "pending", "not measured yet")
    if fresh:
        return make_record(planned, "pending", "not measured anew yet (--fresh)")
    file, result = found
    if now:
        return make_record(planned, "done", file=file, result=result)
    return make_record(planned, "skipped", "measured before", file=file, result=result)


def _measure(
    planned: Planned,
    known: KnownResults,
    command: Command,
    observer: SuiteObserver,
    timeout_s: float | None,
    lock: int,
    launcher: Launcher,
) -> tuple[Ended, Record]:
    """Measure an entry; however its process ended, a result that it wrote stands."""
    apart = measure_apart(
        planned.key, planned.folder(known.folder), known, command(planned), observer.line,
        timeout_s=timeout_s, lock=lock, launcher=launcher,
    )  # fmt: skip
    ended = apart.ended
    if apart.interrupted:
        return ended, make_record(planned, "pending", apart.why_interrupted)
    if apart.written is None:
        return ended, make_record(planned, "failed", ended.reason, ended=ended)
    path, result = apart.written
    status: Status = "done" if result.valid else "invalid"
    reasons, file = "; ".join(result.invalid_reasons), str(path.relative_to(known.folder))
    return ended, make_record(planned, status, reasons, ended=ended, file=file, result=result)


def _left_s(records: Sequence[Record]) -> float | None:
    """How long the pending entries will take, if like those that were measured just now."""
    took = [r.seconds for r in records if r.seconds is not None and r.status in ("done", "invalid")]
    if not took:
        return None
    return sum(took) / len(took) * sum(record.status == "pending" for record in records)


def write_report(
    out: Path, source: str, records: Sequence[Record], *, interrupted: bool = False
) -> SuiteReport:
    """Write the report as of now."""
    report = SuiteReport(
        updated_at=utc_stamp(), source=source, interrupted=interrupted, entries=list(records)
    )
    write_atomically(out / FILE_NAME, report_to_json(report))
    return report
