"""Carbon intensity of a country's grid, from the table that CodeCarbon ships.

The table is read as the file it is: importing CodeCarbon for it would take a second, and needs
more than the table. Its version and year go with every figure.
"""

import functools
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from energyscore.base.errors import MeterError, UsageError, did_you_mean
from energyscore.base.packages import without

_TABLE = "data/private_infra/global_energy_mix.json"
_Countries: TypeAlias = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Grid:
    """A country's electricity: grams of CO2 equivalent per kWh, the mean over a year.

    The country is its ISO 3166 alpha-3 code, the source a table, its version and the year.
    """

    country: str
    g_per_kwh: float
    source: str


def find_grid(country: str) -> Grid:
    """The grid of a country, by its ISO 3166 alpha-3 code."""
    table = _country_table()
    code = country.strip().upper()
    if code not in table:
        raise UsageError(
            f"--country: no grid intensity is known for {country!r}.",
            _nearest(country.strip(), table),
        )
    source = f"CodeCarbon {version('codecarbon')}, country table, year {table[code].get('year')}"
    return Grid(code, float(table[code]["carbon_intensity"]), source)


def _nearest(country: str, table: _Countries) -> str:
    """The code that was meant: by the country's name, else those that look alike."""
    for code, entry in table.items():
        if country and str(entry.get("country_name")).lower() == country.lower():
            return f"Did you mean {code!r}?"
    remedy = did_you_mean(country, table)
    if remedy.startswith("Did"):
        return remedy
    return "Give the three-letter ISO code, such as FRA, DEU or USA."


@functools.cache
def _country_table() -> _Countries:
    """The countries whose intensity is known."""
    spec = importlib.util.find_spec("codecarbon")
    if spec is None or spec.origin is None:
        raise without("codecarbon", "--country, whose table is CodeCarbon's,")
    file = Path(spec.origin).parent / _TABLE
    try:
        table: _Countries = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MeterError(f"CodeCarbon's country table cannot be read: {error}.") from error
    values = ((code, entry.get("carbon_intensity")) for code, entry in table.items())
    known = [code for code, value in values if isinstance(value, int | float) and value > 0]
    return {code: table[code] for code in known}
