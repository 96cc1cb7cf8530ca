"""Measurements from our own CSV (`results.csv`): what its columns tell, and no more."""

import csv
import io
import math
import re
from collections.abc import Mapping
from typing import NoReturn, TypeAlias

from energyscore.base.errors import ResultError
from energyscore.base.stats import t_quantile
from energyscore.judge.effect import Sample
from energyscore.judge.figures import (
    GPU,
    LEAST_WH,
    PHASES,
    SYSTEM,
    Condition,
    Figure,
    Measured,
    Stars,
)
from energyscore.results.parts import utc_time

_Row: TypeAlias = Mapping[str, str | None]

_NEEDED = ("csv_version", "task", "model", "runs", GPU, SYSTEM, "valid", "created_at")
_TEXTS = ("task", "task_version", "model", "weights", "dataset", "queries", "batch_size", "device")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_VERSIONS = ("1",)
_MOST = 1e15
_ROUNDING = 1e-6
_CONTEXT = {"revision": "model revision", "energyscore": "energyscore"}


def parse_rows(data: bytes, where: str) -> list[Measured]:
    """Read a CSV of results.

    Raises:
        ResultError: when it is not one of ours; the message names the line and the column.
    """
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        lines = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ResultError(f"{where} is not a CSV file: {error}.") from error
    missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
    if missing:
        raise ResultError(
            f"{where} is no CSV of results: it has no column {missing[0]!r}.",
            "`energyscore rate RESULTS --format csv` writes one.",
        )
    if not lines:
        raise ResultError(f"{where} holds no results.")
    return [_measured(row, f"{where}, line {line}") for line, row in lines]


def _measured(row: _Row, where: str) -> Measured:
    if _text(row, "csv_version") not in _VERSIONS:
        _refuse(where, "csv_version", f"is not known: this energyscore reads {_VERSIONS[0]}")
    runs = _count(row, where)
    return Measured(
        source=where,
        task=_text(row, "task") or _refuse(where, "task", "is empty"),
        model=_text(row, "model") or _refuse(where, "model", "is empty"),
        reasoning=_text(row, "reasoning"),
        created_at=_time(row, where),
        identity=where,
        hardware=_text(row, "hardware") or "unknown hardware",
        gpus=frozenset() if _text(row, GPU) is None else None,
        conditions=_conditions(row),
        context={name: value for column, name in _CONTEXT.items() if (value := _text(row, column))},
        figures=_figures(row, runs, where),
        stars=_stars(row, where),
        unusable="" if row["valid"] == "true" else f"invalid: {_text(row, 'reason') or 'unknown'}",
    )


def _conditions(row: _Row) -> dict[str, Condition]:
    conditions: dict[str, Condition] = {name: (_text(row, name),) for name in _TEXTS}
    most = _text(row, "max_new_tokens")
    conditions |= {
        "reasoning": (_text(row, "reasoning") or "none",),
        "precision": (_text(row, "dtype"),),
        "quantization": (_text(row, "quantization") or "none", None),
        "task_version": (_text(row, "task_version"), None),
        "dataset": (_text(row, "dataset"), None, None),
        "seed": (None,),
        "generation": ("none" if most is None else f"{most} tokens", None),
        "method": (_method(row),),
        "quick": ({"true": "quick", "false": "full"}.get(row.get("quick") or ""), None),
        "shared": (None,),
    }
    if _text(row, GPU) is None and row.get("device") == "cpu":
        return conditions | {"gpu": ("none",), "cpu": (_text(row, "hardware"), None)}
    return conditions | {"gpu": (_text(row, "hardware"),), "power_limit": (None,), "ecc": (None,)}


def _method(row: _Row) -> str | None:
    system = _text(row, "system_method")
    return _text(row, "method") or (None if system is None else f"system {system}")


def _figures(row: _Row, runs: int, where: str) -> dict[str, Figure]:
    reason = _text(row, "reason") or "the CSV has no figure"
    std = {kind: _std(row, kind, runs, where) for kind in ("gpu", "system")}
    figures = {GPU: _figure(row, GPU, std["gpu"], runs, where, reason)}
    for name in PHASES:
        if _text(row, name) is not None:
            figures[name] = _figure(row, name, None, runs, where, reason)
    system = _figure(row, SYSTEM, std["system"], runs, where, reason)
    estimated = _text(row, "system_method") != "measured"
    return figures | {SYSTEM: Figure(system.sample, system.reason, estimated)}


def _figure(
    row: _Row, column: str, std: float | None, runs: int, where: str, reason: str
) -> Figure:
    energy_wh = _number(row, column, where)
    if energy_wh is None:
        return Figure(None, reason)
    if energy_wh <= 0:
        _refuse(where, column, "is not above 0: no work takes no energy")
    if energy_wh < LEAST_WH:
        _refuse(where, column, f"is below {LEAST_WH:g} Wh: no meter tells so little")
    return Figure(Sample(energy_wh, std, runs))


def _std(row: _Row, kind: str, runs: int, where: str) -> float | None:
    """The standard deviation that an interval of the mean stands on."""
    low, high = (_number(row, f"{kind}_ci95_{end}", where) for end in ("low", "high"))
    mean = _number(row, f"{kind}_wh_per_1k_queries", where)
    if low is None or high is None:
        return None
    slack = _ROUNDING * max(abs(low), abs(high))
    if low > high:
        _refuse(where, f"{kind}_ci95_low", "is above the interval's other end")
    if mean is not None and mean >= LEAST_WH and not low - slack <= mean <= high + slack:
        _refuse(where, f"{kind}_wh_per_1k_queries", "lies outside its own interval")
    if runs < 2:
        return None
    return (high - low) / 2 * math.sqrt(runs) / t_quantile(0.975, runs - 1)


def _stars(row: _Row, where: str) -> Stars:
    stars = _number(row, "stars", where)
    if stars is not None and stars not in range(1, 6):
        _refuse(where, "stars", "is no whole number from 1 to 5")
    columns = [f"stars_{count}_probability" for count in range(1, 6)]
    chances = [_number(row, column, where) for column in columns]
    for column, chance in zip(columns, chances, strict=True):
        if chance is not None and not 0 <= chance <= 1:
            _refuse(where, column, "is no probability from 0 to 1")
    if None not in chances and abs(sum(filter(None, chances)) - 1) > 0.01:
        _refuse(where, columns[0], "and those beside it do not add up to 1")
    one, two, three, four, five = chances
    known = None
    if one is not None and two is not None and three is not None and four is not None:
        known = None if five is None else (one, two, three, four, five)
    return Stars(
        stars=None if stars is None else int(stars),
        relative_to=_text(row, "stars_relative_to"),
        probabilities=known,
        reason="" if stars is not None else _text(row, "reason") or "the CSV has no stars",
        estimated=row.get("stars_estimated") == "true",
    )


def _count(row: _Row, where: str) -> int:
    runs = _number(row, "runs", where)
    if runs is None or not 1 <= runs <= 1e9 or runs != int(runs):
        _refuse(where, "runs", "is no number of runs")
    return int(runs)


def _text(row: _Row, column: str) -> str | None:
    """A cell; our CSV puts an apostrophe before what a spreadsheet would take for a formula."""
    text = row.get(column)
    if not text:
        return None
    return text[1:] if text[0] == "'" and text[1:2] in ("=", "+", "-", "@", "\t", " ") else text


def _number(row: _Row, column: str, where: str) -> float | None:
    text = _text(row, column)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        _refuse(where, column, f"is no number: {text[:40]!r}")
    number = float(text)
    if not abs(number) < _MOST:
        _refuse(where, column, f"is not below {_MOST:g}: {text[:40]!r}")
    return number


def _time(row: _Row, where: str) -> str:
    text = _text(row, "created_at") or ""
    try:
        return utc_time(text)
    except ValueError as error:
        _refuse(where, "created_at", f"is wrong: {error}")


def _refuse(where: str, column: str, problem: str) -> NoReturn:
    raise ResultError(f"{where}: column {column!r} {problem}.")
