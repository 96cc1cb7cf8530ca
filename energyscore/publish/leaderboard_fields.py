"""The fields of a leaderboard's tables and rows, the same in JSON and CSV."""

from dataclasses import fields
from typing import Any

from energyscore.judge.leaderboard import BoardRow, BoardTable

LEADERBOARD_VERSION = 1
"""Raised when a field is added, moved or changes its meaning."""

_INTERNAL = {"kwh_per_1k_queries", "reference_stars", "left_out", "replaced_by"}
FIELDS = tuple(field.name for field in fields(BoardRow) if field.name not in _INTERNAL)


def facts_of(table: BoardTable) -> dict[str, Any]:
    """What a table is of, and what its stars are relative to."""
    return {
        "task": table.task,
        "model_class": table.model_class,
        "reasoning": table.reasoning,
        "stars_relative_to": table.relative_to,
        "low_wh_per_1k_queries": table.low_wh,
        "high_wh_per_1k_queries": table.high_wh,
    }


def fields_of(row: BoardRow) -> dict[str, Any]:
    """A row by the names of `FIELDS`; None where something is not known."""
    return {name: getattr(row, name) for name in FIELDS} | {
        "cautions": "; ".join(row.cautions) or None
    }
