"""A leaderboard as one CSV: fixed, versioned columns; empty where something is not known."""

import re
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from energyscore.base.text import csv_text
from energyscore.judge.footprint import Site
from energyscore.judge.leaderboard import DUPLICATE, LEFT_OUT, Leaderboard, Table
from energyscore.publish.leaderboard_fields import FIELDS, LEADERBOARD_VERSION, fields_of, lines_of

if TYPE_CHECKING:
    import pandas as pd

_TABLE = (
    *("leaderboard_version", "task", "model_class", "reasoning", "stars_relative_to"),
    *("low_wh_per_1k_queries", "high_wh_per_1k_queries"),
)
_SITE = tuple(field.name for field in fields(Site))
COLUMNS = (*_TABLE, *FIELDS, *_SITE)
_QUOTE = '"'
_SPECIAL = re.compile(r'[",\r\n]')


def to_csv(board: Leaderboard) -> Iterator[bytes]:
    """A header and a row a model, in pieces; `status` tells what stands in a table."""
    yield f"{','.join(COLUMNS)}\n".encode()
    site = [None] * len(_SITE) if board.site is None else asdict(board.site).values()
    after = ",".join(_cell(value) for value in site)
    for table in board.tables:
        before = ",".join(_cell(value) for value in _facts(table))
        for rows in (table.ranking(), table.set_aside(DUPLICATE), table.set_aside(LEFT_OUT)):
            yield from _rows(rows, board.site, before, after)


def _facts(table: Table) -> list[Any]:
    relative = (table.relative_to, table.low_wh, table.high_wh)
    return [LEADERBOARD_VERSION, table.task, table.model_class, table.reasoning, *relative]


def _rows(
    rows: "pd.DataFrame", site: Site | None, before: str, after: str, at_once: int = 10_000
) -> Iterator[bytes]:
    commas = [f"{before},", *[","] * (len(FIELDS) - 1)]
    for start in range(0, len(rows), at_once):
        columns = fields_of(rows.iloc[start : start + at_once], site)
        yield "".join(lines_of(columns, _cell, commas, f",{after}\n")).encode()


def _cell(value: Any) -> str:
    """A spreadsheet must not take a name for a formula, nor a missing figure for 0."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = csv_text(value)
        return text if not _SPECIAL.search(text) else f'"{text.replace(_QUOTE, _QUOTE * 2)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
