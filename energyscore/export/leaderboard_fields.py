"""The fields of a leaderboard's rows, the same in JSON and CSV."""

from typing import TYPE_CHECKING, Any

from energyscore.footprint import Site

if TYPE_CHECKING:
    import pandas as pd

LEADERBOARD_VERSION = 1
"""Raised when a field is added, moved or changes its meaning."""

FIELDS = {
    "model": "model",
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
        elif values.dtype == object:
            columns.append(values.tolist())
        else:
            kind = int if name in _WHOLE else float
            columns.append([kind(value) if value == value else None for value in values.tolist()])
    return columns


def _derived(energy_wh: Any, site: Site) -> dict[str, Any]:
    return {
        "co2_g_per_1k_queries": site.co2_g(energy_wh),
        "cost_per_1k_queries": site.cost(energy_wh),
    }
