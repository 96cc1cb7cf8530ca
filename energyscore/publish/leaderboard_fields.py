"""The fields of a leaderboard's rows, the same in JSON and CSV."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from energyscore.judge.footprint import Site

if TYPE_CHECKING:
    import pandas as pd

LEADERBOARD_VERSION = 1
"""Raised when a field is added, moved or changes its meaning."""

FIELDS = {
    "model": "model",
    "revision": "revision",
    "status": "status",
    "stars": "stars",
    "published_stars": "published_stars",
    "wh_per_1k_queries": "energy_wh",
    "ci95_low": "ci95_low_wh",
    "ci95_high": "ci95_high_wh",
    "basis": "basis",
    "estimated": "estimated",
    "method": "method",
    "runs": "runs",
    "hardware": "hardware",
    "date": "date",
    "official": "official",
    "co2_g_per_1k_queries": "",
    "cost_per_1k_queries": "",
    "cautions": "cautions",
    "source": "source",
    "file": "file",
    "line": "line",
    "reason": "reason",
}
"""Each field, and the column of a table's rows that holds it."""

_WHOLE = {"stars", "published_stars", "runs", "line"}


def fields_of(rows: "pd.DataFrame", site: Site | None) -> list[list[Any]]:
    """The rows by field, in the order of `FIELDS`; None where something is not known."""
    energy_wh = rows["energy_wh"].to_numpy()
    derived = {} if site is None else _derived(energy_wh, site)
    columns: list[list[Any]] = []
    for name, column in FIELDS.items():
        values = rows[column].to_numpy() if column else derived.get(name)
        if values is None:
            columns.append([None] * len(rows))
        elif name == "cautions":
            columns.append([messages and "; ".join(messages) for messages in values.tolist()])
        elif values.dtype == object:
            columns.append(values.tolist())
        else:
            kind = int if name in _WHOLE else float
            columns.append([kind(value) if value == value else None for value in values.tolist()])
    return columns


def lines_of(
    columns: Sequence[Sequence[Any]], text: Callable[[Any], str], before: Sequence[str], end: str
) -> list[str]:
    """A line a row, fast: what all rows share is put into text once.

    Args:
        columns: the fields, as `fields_of` gives them, none of them empty.
        text: a value as text; numbers are written in full, as Python does.
        before: what comes before each field.
        end: what comes after the last.
    """
    pieces: list[str] = []
    varying: list[list[str]] = []
    for column, prefix in zip(columns, before, strict=True):
        different = set(column)
        if len(different) == 1:
            pieces.append(_literal(prefix + text(column[0])))
            continue
        pieces.append(_literal(prefix) + "%s")
        if None not in different and type(column[0]) in (int, float):
            varying.append([repr(number) for number in column])
        elif len(different) * 2 > len(column):
            varying.append([text(value) for value in column])
        else:
            known = {value: text(value) for value in different}
            varying.append([known[value] for value in column])
    form = "".join(pieces) + _literal(end)
    if not varying:
        return [form % ()] * len(columns[0])
    return [form % row for row in zip(*varying, strict=True)]


def _literal(text: str) -> str:
    return text.replace("%", "%%")


def _derived(energy_wh: Any, site: Site) -> dict[str, Any]:
    return {
        "co2_g_per_1k_queries": site.co2_g(energy_wh),
        "cost_per_1k_queries": site.cost(energy_wh),
    }
