"""Carbon intensity of a country's grid, from the table that CodeCarbon ships.

One table serves measuring and rating alike, so that both give the same figure; its version and
year go with every figure. It is read as the file it is: importing CodeCarbon for it would take
a second, and needs more than the table.
"""

import importlib.util
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from energyscore.base.errors import MeterError, UsageError, did_you_mean

_TABLE = "data/private_infra/global_energy_mix.json"


class GridIntensity:
    """Grams of CO2 equivalent per kWh of a country's electricity, and who says so.

    Attributes:
        country: ISO 3166 alpha-3 code.
        g_per_kwh: mean over the year that `source` names.
        source: the table, its version and the year.
    """

    def __init__(self, country: str) -> None:
        """Look the country up by its ISO 3166 alpha-3 code.

        Raises:
            UsageError: when the table has no such country.
            MeterError: when this CodeCarbon has no such table.
        """
        table = _country_table()
        code = country.strip().upper()
        known = {iso for iso, entry in table.items() if _intensity(entry) is not None}
        if code not in known:
            remedy = _nearest(country.strip(), {iso: table[iso] for iso in known})
            raise UsageError(f"--country: no grid intensity is known for {country!r}.", remedy)
        self.country = code
        self.g_per_kwh = float(_intensity(table[code]) or 0)
        year = table[code].get("year")
        self.source = f"CodeCarbon {version('codecarbon')}, country table, year {year}"


def _nearest(country: str, table: Mapping[str, Mapping[str, Any]]) -> str:
    """The codes that were meant: by the country's name, else those that look alike."""
    for code, entry in table.items():
        if country and str(entry.get("country_name")).lower() == country.lower():
            return f"Did you mean {code!r}?"
    remedy = did_you_mean(country, {code.lower() for code in table})
    if not remedy.startswith("Did"):
        return "Give the three-letter ISO code, such as FRA, DEU or USA."
    return remedy.upper().replace("DID YOU MEAN", "Did you mean").replace(" OR ", " or ")


def _country_table() -> Mapping[str, Mapping[str, Any]]:
    spec = importlib.util.find_spec("codecarbon")
    if spec is None or spec.origin is None:
        raise MeterError("CodeCarbon, whose country table --country needs, is not installed.")
    file = Path(spec.origin).parent / _TABLE
    try:
        table: Mapping[str, Mapping[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MeterError(f"CodeCarbon's country table cannot be read: {error}.") from error
    return table


def _intensity(entry: Mapping[str, Any]) -> float | None:
    value = entry.get("carbon_intensity")
    return float(value) if isinstance(value, int | float) and value > 0 else None
