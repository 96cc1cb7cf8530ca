"""A leaderboard for programs: as JSON and as CSV, with the same fields."""

import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from energyscore.base.text import csv_table, json_text
from energyscore.judge.footprint import Site
from energyscore.judge.leaderboard import BoardRow, BoardTable, Leaderboard

LEADERBOARD_VERSION = 2
"""Raised when a field is added, moved or changes its meaning."""

_INTERNAL = {
    "kwh_per_1k_queries",
    "reference_stars",
    "left_out",
    "replaced_by",
    "setting",
    "result",
}
FIELDS = tuple(field.name for field in fields(BoardRow) if field.name not in _INTERNAL)

COLUMNS = (
    *("leaderboard_version", "task", "model_class", "reasoning", "stars_relative_to"),
    *("low_wh_per_1k_queries", "high_wh_per_1k_queries"),
    *FIELDS,
    *(field.name for field in fields(Site)),
    "load",
)


def to_json(board: Leaderboard) -> bytes:
    """One object: the version, where energy would be drawn, and the tables.

    A table has its `rows` from least energy to most, its `duplicates` and what was `left_out`.
    """
    tables = [
        _facts_of(table)
        | {"kind": table.kind}
        | {name: [_fields_of(row) for row in rows] for name, rows in _rows_of(table).items()}
        for table in board.tables
    ]
    content = {
        "leaderboard_version": LEADERBOARD_VERSION,
        "site": asdict(board.site) if board.site else None,
        "tables": tables,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return (json_text(text) + "\n").encode()


def to_csv(board: Leaderboard) -> bytes:
    """A header and a row a model, empty where something is not known; `status` tells its list."""
    return csv_table(COLUMNS, _cells(board))


def _cells(board: Leaderboard) -> Iterator[list[Any]]:
    site = asdict(board.site) if board.site else {}
    for table in board.tables:
        facts = {"leaderboard_version": LEADERBOARD_VERSION, **_facts_of(table)}
        for rows in _rows_of(table).values():
            for row in rows:
                cells = facts | _fields_of(row) | site
                yield [cells.get(name) for name in COLUMNS]


def _rows_of(table: BoardTable) -> dict[str, list[BoardRow]]:
    return {
        "rows": table.ranking(),
        "duplicates": table.of_status("duplicate"),
        "left_out": table.of_status("left_out"),
    }


def _facts_of(table: BoardTable) -> dict[str, Any]:
    """What a table is of, and what its stars are relative to."""
    return {
        "task": table.task,
        "model_class": table.model_class,
        "reasoning": table.reasoning,
        "load": table.load,
        "stars_relative_to": table.relative_to,
        "low_wh_per_1k_queries": table.low_wh,
        "high_wh_per_1k_queries": table.high_wh,
    }


def _fields_of(row: BoardRow) -> dict[str, Any]:
    """A row by the names of `FIELDS`; None where something is not known."""
    return {name: getattr(row, name) for name in FIELDS} | {
        "cautions": "; ".join(row.cautions) or None
    }
