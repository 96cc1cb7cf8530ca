"""A leaderboard as one CSV: fixed, versioned columns; empty where something is not known."""

from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from energyscore.base.text import csv_table
from energyscore.judge.footprint import Site
from energyscore.judge.leaderboard import Leaderboard
from energyscore.publish.leaderboard_fields import (
    FIELDS,
    LEADERBOARD_VERSION,
    facts_of,
    fields_of,
)

COLUMNS = (
    *("leaderboard_version", "task", "model_class", "reasoning", "stars_relative_to"),
    *("low_wh_per_1k_queries", "high_wh_per_1k_queries"),
    *FIELDS,
    *(field.name for field in fields(Site)),
)


def to_csv(board: Leaderboard) -> bytes:
    """A header and a row a model; `status` tells what stands in a table."""
    return csv_table(COLUMNS, _rows(board))


def _rows(board: Leaderboard) -> Iterator[list[Any]]:
    names = [field.name for field in fields(Site)]
    site = asdict(board.site) if board.site else dict.fromkeys(names)
    for table in board.tables:
        facts = {"leaderboard_version": LEADERBOARD_VERSION, **facts_of(table)}
        aside = (table.of_status("duplicate"), table.of_status("left_out"))
        for rows in (table.ranking(), *aside):
            for row in rows:
                cells = facts | fields_of(row) | site
                yield [cells[name] for name in COLUMNS]
