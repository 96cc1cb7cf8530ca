"""A leaderboard as JSON: what `--format json` prints."""

import json
from dataclasses import asdict
from typing import Any

from energyscore.base.text import json_text
from energyscore.judge.leaderboard import BoardTable, Leaderboard
from energyscore.publish.leaderboard_fields import LEADERBOARD_VERSION, facts_of, fields_of


def to_json(board: Leaderboard) -> bytes:
    """One object: the version, where energy would be drawn, and the tables.

    A table has its `rows` from least energy to most, its `duplicates` and what was `left_out`.
    """
    content = {
        "leaderboard_version": LEADERBOARD_VERSION,
        "site": asdict(board.site) if board.site else None,
        "tables": [_table(table) for table in board.tables],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return (json_text(text) + "\n").encode()


def _table(table: BoardTable) -> dict[str, Any]:
    return facts_of(table) | {
        "kind": table.kind,
        "rows": [fields_of(row) for row in table.ranking()],
        "duplicates": [fields_of(row) for row in table.of_status("duplicate")],
        "left_out": [fields_of(row) for row in table.of_status("left_out")],
    }
