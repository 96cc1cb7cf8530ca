"""Parts as rows of a table: a field is a column, and an interval is two."""

from collections.abc import Sequence
from typing import Any

from energyscore.base.form import Part

_INTERVAL = "ci95"


def column_names(fields: Sequence[str]) -> list[str]:
    """The columns of these fields; an interval's are `_low` and `_high`."""
    return [
        column
        for name in fields
        for column in ((f"{name}_low", f"{name}_high") if _is_interval(name) else (name,))
    ]


def cells_of(part: Part | None, fields: Sequence[str]) -> list[Any]:
    """The values of these fields in the same order; all None where there is no part."""
    cells: list[Any] = []
    for name in fields:
        value = getattr(part, name, None)
        cells.extend((value or (None, None)) if _is_interval(name) else (value,))
    return cells


def _is_interval(name: str) -> bool:
    return name.endswith(_INTERVAL)
