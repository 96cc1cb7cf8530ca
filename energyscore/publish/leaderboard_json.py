"""A leaderboard as JSON: what `--format json` prints."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from energyscore.base.text import json_text
from energyscore.judge.footprint import Site
from energyscore.judge.leaderboard import DUPLICATE, LEFT_OUT, Leaderboard, Table
from energyscore.publish.leaderboard_fields import FIELDS, LEADERBOARD_VERSION, fields_of, lines_of

if TYPE_CHECKING:
    import pandas as pd

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _text(value: Any) -> str:
    return json_text(_encode(value))


_BEFORE = [f"{', ' if place else '{'}{_text(name)}: " for place, name in enumerate(FIELDS)]


def to_json(board: Leaderboard) -> Iterator[bytes]:
    """One object, in pieces: the version, where energy would be drawn, and the tables.

    A table has its `rows` from least energy to most, its `duplicates` and what was `left_out`;
    each row stands on a line of its own.
    """
    site = None if board.site is None else asdict(board.site)
    head = f'{{"leaderboard_version": {LEADERBOARD_VERSION},\n"site": {_text(site)},\n"tables": ['
    yield head.encode()
    for place, table in enumerate(board.tables):
        yield b",\n" if place else b"\n"
        yield from _table(table, board.site)
    yield b"\n]}\n"


def _table(table: Table, site: Site | None) -> Iterator[bytes]:
    facts = {
        "task": table.task,
        "model_class": table.model_class,
        "reasoning": table.reasoning,
        "stars_relative_to": table.relative_to,
        "kind": table.kind,
        "low_wh_per_1k_queries": table.low_wh,
        "high_wh_per_1k_queries": table.high_wh,
    }
    yield _text(facts)[:-1].encode()
    parts = {
        "rows": table.ranking(),
        "duplicates": table.set_aside(DUPLICATE),
        "left_out": table.set_aside(LEFT_OUT),
    }
    for name, rows in parts.items():
        yield f',\n"{name}": ['.encode()
        yield from _rows(rows, site)
        yield b"]"
    yield b"}"


def _rows(rows: "pd.DataFrame", site: Site | None, at_once: int = 10_000) -> Iterator[bytes]:
    for start in range(0, len(rows), at_once):
        columns = fields_of(rows.iloc[start : start + at_once], site)
        lines = ",\n".join(lines_of(columns, _text, _BEFORE, "}"))
        yield ((",\n" if start else "\n") + lines).encode()
