"""What nodes delivered, put into the suite's folder: results, logs and records; none twice.

OUT/.attempts/NAME.json   one attempt that was taken
OUT/logs/NAME.log         what its process said
"""

import re
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from energyscore.base.errors import ResultError
from energyscore.base.files import read_file
from energyscore.base.locks import locked
from energyscore.base.writing import write_atomically
from energyscore.measurement.cluster.delivery import Delivery, from_bytes, to_bytes
from energyscore.measurement.cluster.order import Order
from energyscore.measurement.suite.apart import LOCK_NAME, LOCK_WAIT_S
from energyscore.measurement.suite.attempt import Attempt
from energyscore.measurement.suite.finished import ByKey, by_key
from energyscore.measurement.suite.plan import Planned
from energyscore.measurement.suite.report import Record, SuiteReport, make_record
from energyscore.measurement.suite.runner import record_before, write_report
from energyscore.measurement.suite.where import ANYWHERE, Where
from energyscore.results.result import Result, parse_result
from energyscore.results.store import Journal, KnownResults, result_folder, save_delivered

_TAKEN, _LOGS = ".attempts", "logs"
_KEY_DIGITS = 16
Skip = Callable[[ResultError], None]
Places = Mapping[str, Where]


def name_of(attempt: Attempt) -> str:
    """A name that no other attempt has."""
    stamp = re.sub(r"[-:]", "", attempt.began_at)
    return f"{stamp}_{attempt.key[:_KEY_DIGITS]}_{secrets.token_hex(4)}"


def is_of(name: str, keys: Collection[str]) -> bool:
    """Whether what has this name answers one of the keys."""
    return any(key[:_KEY_DIGITS] in name.split("_") for key in keys)


def keep(folder: Path, delivery: Delivery) -> Path:
    """Write a delivery as one file into a folder, for whoever gathers it."""
    path = folder / f"{name_of(delivery.attempt)}.zip"
    write_atomically(path, to_bytes(delivery))
    return path


def kept(folder: Path, key: str, skip: Skip) -> list[Delivery]:
    """The deliveries of one key in such a folder, the oldest first."""
    found = []
    for path in sorted(folder.glob(f"*_{key[:_KEY_DIGITS]}_*.zip"), key=_age):
        try:
            delivery = from_bytes(read_file(path), str(path))
        except ResultError as error:
            skip(error)
            continue
        found += [delivery] if delivery.attempt.key == key else []
    return found


def _age(path: Path) -> tuple[str, int]:
    """When an attempt began, and of two in one second when it was kept."""
    return path.name.partition("_")[0], path.stat().st_mtime_ns


def open_journals(deliveries: Sequence[Delivery]) -> Mapping[str, bytes]:
    """The runs that the last of these left unfinished."""
    return deliveries[-1].journals if deliveries else {}


def is_taken(out: Path, name: str) -> bool:
    """Whether the delivery of that name is in the suite's folder."""
    return (out / _TAKEN / f"{name}.json").exists()


def where_to(plan: Sequence[Planned]) -> Places:
    """Where what each key asks for must have been measured."""
    return {planned.key: planned.where for planned in plan}


def journals_in(out: Path, order: Order) -> Mapping[str, bytes]:
    """Finished runs of the order's model and task that lie in the suite's folder."""
    folder = result_folder(out, order.folder, order.task)
    return {path.name: path.read_bytes() for path in folder.glob(".*.journal")}


def take(name: str, data: bytes, known: KnownResults, source: str, places: Places) -> Attempt:
    """Put a delivery, from `source`, into the suite's folder.

    A ResultError for what is no delivery. A result that is not whole makes its attempt a failed
    one.
    """
    delivery = from_bytes(data, source)
    attempt = delivery.attempt
    try:
        _take_result(delivery, known, places.get(attempt.key, ANYWHERE))
        _take_journals(delivery, known.folder)
    except ResultError as error:
        what = f"its result was not taken: {error.message}"
        attempt = attempt.model_copy(update={"status": "failed", "reason": what})
    write_atomically(known.folder / _LOGS / f"{name}.log", delivery.log)
    note(known.folder, attempt, name)
    return attempt


def note(out: Path, attempt: Attempt, name: str = "") -> None:
    """Record an attempt in the suite's folder."""
    path = out / _TAKEN / f"{name or name_of(attempt)}.json"
    write_atomically(path, attempt.model_dump_json(indent=1) + "\n")


def _take_result(delivery: Delivery, known: KnownResults, where: Where) -> None:
    attempt = delivery.attempt
    if delivery.result is None:
        return
    result = parse_result(delivery.result, f"the result of {attempt.model}")
    if result.request != attempt.key:
        raise ResultError("it is of another request.")
    folder = result_folder(known.folder, attempt.folder, attempt.task)
    others = [one for _, one in by_key(known, folder).get(attempt.key, ())]
    Journal(folder, result.identity).discard()
    same = [one for one in others if _stamp(one) == _stamp(result)]
    others = [one for one in others if where.has(one)]
    if not same and (attempt.fresh or not any(_covers(one, result) for one in others)):
        save_delivered(folder, result, delivery.raw)


def _take_journals(delivery: Delivery, out: Path) -> None:
    """Keep the runs of what is unfinished where a suite on this machine has them, too."""
    attempt = delivery.attempt
    for name, data in delivery.journals.items():
        write_atomically(result_folder(out, attempt.folder, attempt.task) / name, data)


def _stamp(result: Result) -> tuple[object, ...]:
    return result.identity, result.created_at, result.score


def _covers(one: Result, other: Result) -> bool:
    """Whether one is valid and tells all that the other tells: an entry is not measured twice."""
    return (
        one.valid
        and one.workload.queries >= other.workload.queries
        and (one.quality is not None or other.quality is None)
        and (one.loading is not None or other.loading is None)
    )


def gather(folder: Path, known: KnownResults, skip: Skip, places: Places) -> list[Attempt]:
    """Take all deliveries of a folder that were not taken yet."""
    found = []
    for path in sorted(folder.glob("*.zip")):
        try:
            if not is_taken(known.folder, path.stem):
                found.append(take(path.stem, read_file(path), known, str(path), places))
        except ResultError as error:
            skip(error)
    return found


def attempts_in(out: Path, skip: Skip) -> dict[str, list[Attempt]]:
    """All attempts that were taken, by key, the oldest first."""
    found: dict[str, list[Attempt]] = {}
    for path in sorted((out / _TAKEN).glob("*.json")):
        try:
            attempt = Attempt.model_validate_json(read_file(path))
        except (ResultError, ValidationError):
            skip(ResultError(f"{path} is no attempt of energyscore."))
            continue
        found.setdefault(attempt.key, []).append(attempt)
    return found


def record_gathered(
    planned: Planned, finished: ByKey, attempts: Sequence[Attempt], *, fresh: bool, now: bool
) -> Record:
    """The record of an entry, given its attempts; `now`: the last was taken just now."""
    before = record_before(planned, finished, fresh=fresh and not now, now=now)
    last = attempts[-1] if attempts else None
    if last is None or before.key is None:
        return before
    told: dict[str, Any] = {
        "attempts": list(attempts),
        "seconds": last.seconds,
        "exit_code": last.exit_code,
    }
    if before.status == "done":
        return before.model_copy(update=told)
    if before.status == "skipped":
        return before.model_copy(update={"attempts": list(attempts)})
    if before.status != "pending" or (fresh and not now):
        return before.model_copy(update={"attempts": list(attempts)})
    if last.status == "interrupted":
        return before.model_copy(update=told | {"reason": _why(last)})
    if last.status == "invalid" and (results := finished.get(planned.key)):
        file, result = max(results, key=lambda one: (one[1].created_at, one[0]))
        record = make_record(planned, "invalid", last.reason, file=file, result=result)
        return record.model_copy(update=told)
    return before.model_copy(update=told | {"status": "failed", "reason": _why(last)})


def _why(attempt: Attempt) -> str:
    reason = attempt.reason
    if attempt.status == "done":  # and yet there is no result of what was asked for
        reason = "its result is not of such GPUs as it was given: has torch there one for them?"
    return f"{reason} (on {attempt.node})" if attempt.node else reason


def gather_suite(
    plan: Sequence[Planned],
    source: str,
    folders: Iterable[Path],
    known: KnownResults,
    skip: Skip,
    on_result: Callable[[], None] = lambda: None,
) -> SuiteReport:
    """Take what lies in these folders, and write `suite.json`."""
    out = known.folder
    busy = f"Another suite or tune is measuring into {out}."
    with locked(out / LOCK_NAME, wait_s=LOCK_WAIT_S, busy=busy):
        places = where_to(plan)
        taken = [one for folder in folders for one in gather(folder, known, skip, places)]
        now = {attempt.key for attempt in taken}
        finished, attempts = by_key(known), attempts_in(out, skip)
        records = [
            record_gathered(
                one, finished, attempts.get(one.key, ()), fresh=False, now=one.key in now
            )
            for one in plan
        ]
        report = write_report(out, source, records)
        on_result()
        return report
