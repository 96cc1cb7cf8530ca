"""What is asked of a service: a rate, a day's profile, or a trace of its requests."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from energyscore.base.errors import UsageError, did_you_mean
from energyscore.base.quantities import PER_HOUR, SECONDS, read_quantity
from energyscore.base.text import first_of
from energyscore.judge.schedule.arrivals import DAY_S, Demand, recorded
from energyscore.protocol.rows import read_csv, read_jsonl

HOURS = 24
_TIME_COLUMNS = ("timestamp", "time", "arrival_time", "arrived_at", "arrival", "datetime", "date")
_LATEST_S = 1e11  # the year 5138
_LONGEST_S = 366 * DAY_S
_LEAST_PER_H = 1e-4  # about one a year
_LONG_FRACTION = re.compile(r"(\.\d{6})\d+")  # of a second: Python reads six digits


def demand_of(
    rate: str | None, profile: str | None, trace: Path | None, column: str | None
) -> Demand:
    """The requests that the options describe; exactly one of the three must be given.

    Raises:
        UsageError: where none or several are given, or one makes no sense.
    """
    given = {"--requests": rate, "--profile": profile, "--trace": trace}
    named = [option for option, value in given.items() if value is not None]
    if len(named) != 1:
        told = f"{' and '.join(named)} are given" if named else "Nothing says when requests come"
        raise UsageError(
            f"{told}.",
            "Give one of --requests 120/h, --profile with the requests of 24 hours, and --trace "
            "FILE.",
        )
    if column is not None and trace is None:
        raise UsageError("--trace-column names a column of a trace, and --trace is not given.")
    if trace is not None:
        return Demand(trace=recorded(read_trace(trace, column)))
    rates = [_rate(rate)] if rate is not None else _profile(profile or "")
    return Demand(tuple(rates))


def _rate(text: str) -> float:
    rate = read_quantity("--requests", text, PER_HOUR, "120/h")
    if rate <= 0:
        raise UsageError(f"--requests {text}: nothing is served at a rate of 0.")
    if rate < _LEAST_PER_H:
        raise UsageError(f"--requests {text}: that is less than one a year.")
    return rate


def _profile(text: str) -> list[float]:
    """The requests of each hour of a day, from midnight on."""
    parts = [part.strip() for part in text.split(",")]
    try:
        rates = [float(part) for part in parts]
    except ValueError:
        rates = []
    if len(rates) != HOURS or not all(0 <= rate < math.inf for rate in rates) or not any(rates):
        raise UsageError(
            f"--profile {text[:40]!r} is not the requests of {HOURS} hours.",
            "Write 24 numbers with commas, from midnight on, one of them above 0.",
        )
    if math.fsum(rates) / HOURS < _LEAST_PER_H:
        raise UsageError(f"--profile {text[:40]}: that is less than one request a year.")
    return rates


def read_trace(file: Path, column: str | None = None) -> list[float]:
    """The times of requests in seconds from midnight of the first day, from a CSV or JSON lines.

    Times are seconds (also since 1970), or dates with times; all of one kind. Hours are those of
    the trace's own clock; where it names a time zone, they are UTC.

    Raises:
        UsageError: where the column must be named, or a row has no time.
        DatasetError: where the file cannot be read.
    """
    if not file.is_file():
        raise UsageError(f"--trace {file}: there is no such file.")
    read = read_jsonl if file.suffix.lower() in (".jsonl", ".ndjson", ".json") else read_csv
    rows = list(read(file))
    if not rows:
        raise UsageError(f"--trace {file} holds no request.")
    name = _column(file, list(rows[0]), column)
    times = [_time(file, number, row, name) for number, row in enumerate(rows, start=1)]
    kinds = {_kind(row[name]) for row in rows}
    if len(kinds) > 1:
        raise UsageError(
            f"--trace {file}: the column {name} mixes {' with '.join(sorted(kinds))}.",
            "Write all times in the same way.",
        )
    if max(times) > _LATEST_S:
        raise UsageError(
            f"--trace {file}: times in the column {name} are too large to be seconds.",
            "Divide those in milliseconds by 1000.",
        )
    midnight_s = min(times) // DAY_S * DAY_S
    return [one - midnight_s for one in times]


def _column(file: Path, names: Sequence[str], asked: str | None) -> str:
    if asked is not None:
        if asked not in names:
            raise UsageError(
                f"--trace {file} has no column {asked!r}.",
                did_you_mean(asked, names) or f"It has {first_of(names)}.",
            )
        return asked
    known = {name.strip().lower().replace(" ", "_"): name for name in names}
    found = next((known[name] for name in _TIME_COLUMNS if name in known), None)
    if found is None and len(names) > 1:
        raise UsageError(
            f"--trace {file} has no column that is surely the time.",
            f"Name it with --trace-column: {first_of(names)}.",
        )
    return found or names[0]


def _time(file: Path, number: int, row: Mapping[str, object], name: str) -> float:
    """Seconds since 1970, or since whatever the trace counts from."""
    value = row.get(name)
    text = str(value).strip() if isinstance(value, (str, int, float)) else ""
    try:
        seconds = float(text)
    except ValueError:
        seconds = _seconds_of_date(text)
    if not math.isfinite(seconds):
        raise UsageError(
            f"--trace {file}, row {number}: {text[:40]!r} in the column {name} is no time.",
            "Times are seconds, or dates such as 2026-01-31T08:15:00.",
        )
    return seconds


def _kind(value: object) -> str:
    """What a time is written as."""
    text = str(value).strip()
    try:
        float(text)
    except ValueError:
        has_zone = datetime.fromisoformat(_LONG_FRACTION.sub(r"\1", text)).tzinfo is not None
        return "dates with a time zone" if has_zone else "dates without a time zone"
    return "seconds"


def _seconds_of_date(text: str) -> float:
    try:
        moment = datetime.fromisoformat(_LONG_FRACTION.sub(r"\1", text))
    except ValueError:
        return math.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def durations_of(option: str, texts: Sequence[str], *, zero: bool = True) -> tuple[float, ...]:
    """The seconds of an option's texts, at most a year; a UsageError where one makes no sense."""
    found = tuple(read_quantity(option, text, SECONDS, "5m") for text in texts)
    for text, seconds in zip(texts, found, strict=True):
        if seconds > _LONGEST_S or (seconds <= 0 and not zero):
            wrong = "longer than a year" if seconds else "no time"
            raise UsageError(f"{option} {text[:40]}: that is {wrong}.")
    return found


def hours_of(text: str) -> tuple[float, float]:
    """The hours of `8-18`; a UsageError where they are none."""
    begin, _, end = text.partition("-")
    try:
        hours = float(begin), float(end)
    except ValueError:
        hours = (0.0, 0.0)
    if not 0 <= hours[0] < hours[1] <= HOURS:
        raise UsageError(
            f"--hours {text[:40]!r} is no time of the day.",
            "Write two hours from 0 to 24, the earlier first, as in 8-18.",
        )
    return hours
