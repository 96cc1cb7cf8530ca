"""CO2 and cost of the energy: derived figures, never part of a score or of stars. Pure.

    CO2  = energy x PUE x grid intensity        operational only: not the making of the hardware
    cost = energy x PUE x price of a kWh

The energy is what was rated: of the GPUs alone, or of processor and memory where no GPU was
metered. PUE is what the building takes for each kWh of its machines; 1 where none is given.
"""

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from energyscore.base.errors import MeterError, UsageError
from energyscore.base.packages import MissingPackage
from energyscore.base.units import WH_PER_KWH, format_number
from energyscore.protocol.grid import Grid, find_grid
from energyscore.results.parts import Emissions
from energyscore.results.result import Result

MOST_PUE = 10.0
_PRICE = re.compile(r"(\d+\.?\d*|\.\d+)\s*(.*)", re.ASCII)
_A_KWH = re.compile(r"\s*/\s*kwh$", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z]{3}")
_WRITTEN_OUT = 1e-9
_CHEAP = 0.01  # below it, the cost of 1,000 queries is also told for a million


@dataclass(frozen=True)
class Site:
    """Where the energy would be drawn: grid, building and price; None where none was given.

    Without a country there is no CO2, without a price no cost. `pue` is the power usage
    effectiveness of the building.
    """

    country: str | None = None
    grid_g_per_kwh: float | None = None
    grid_source: str | None = None
    pue: float = 1.0
    price_per_kwh: float | None = None
    currency: str | None = None

    def on(self, grid: Grid) -> "Site":
        """The same place on this grid."""
        return replace(
            self, country=grid.country, grid_g_per_kwh=grid.g_per_kwh, grid_source=grid.source
        )

    def co2_g(self, energy_wh: float | None) -> float | None:
        """Grams of CO2 of an energy in Wh; None without a grid or an energy."""
        return self._drawn(energy_wh, self.grid_g_per_kwh)

    def cost(self, energy_wh: float | None) -> float | None:
        """Cost of an energy in Wh; None without a price or an energy."""
        return self._drawn(energy_wh, self.price_per_kwh)

    def _drawn(self, energy_wh: float | None, per_kwh: float | None) -> float | None:
        if energy_wh is None or per_kwh is None:
            return None
        return energy_wh / WH_PER_KWH * self.pue * per_kwh


@dataclass(frozen=True, kw_only=True)
class Footprint(Site):
    """CO2 and cost of 1,000 queries of one result at a site; `reason` says what is not known."""

    gpu_co2_g_per_1k_queries: float | None
    system_co2_g_per_1k_queries: float | None
    gpu_cost_per_1k_queries: float | None
    system_cost_per_1k_queries: float | None
    reason: str


def make_site(grid: Grid | None, pue: float | None = None, price: str | None = None) -> Site | None:
    """The site of `--country`, `--pue` and `--price`; None when none was given."""
    if pue is not None and not 1 <= pue <= MOST_PUE:
        raise UsageError(
            f"--pue {pue:g}: a building takes at least the energy of its machines.",
            f"Give a number from 1 to {MOST_PUE:g}, such as 1.2.",
        )
    if grid is None and price is None:
        if pue is None:
            return None
        raise UsageError(
            "--pue changes CO2 and cost only, and neither was asked for.",
            "Add --country or --price.",
        )
    per_kwh, currency = (None, None) if price is None else _price(price)
    site = Site(pue=pue or 1.0, price_per_kwh=per_kwh, currency=currency)
    return site if grid is None else site.on(grid)


def footprint_of(result: Result, site: Site | None = None) -> Footprint | None:
    """CO2 and cost of a result; None where nobody asked for them.

    Without a grid of the site's, it is that of the country that the result was measured for: with
    the intensity that an old result recorded, else with today's.
    """
    grid, why = None, ""
    if site is None or site.country is None:
        grid, why = _recorded_grid(result.emissions)
        if site is None and grid is None and not why:
            return None
        site = site or Site()
    site = site.on(grid) if grid else site
    missing = [why] if why else []
    score = result.score
    gpu_wh, system_wh = score.gpu_wh_per_1k_queries, score.system_wh_per_1k_queries
    if gpu_wh is None:
        missing.append(f"GPU: {score.reason or 'no energy is known'}")
    if system_wh is None:
        missing.append(f"system: {score.system_reason or 'no energy is known'}")
    return Footprint(
        **asdict(site),
        gpu_co2_g_per_1k_queries=site.co2_g(gpu_wh),
        system_co2_g_per_1k_queries=site.co2_g(system_wh),
        gpu_cost_per_1k_queries=site.cost(gpu_wh),
        system_cost_per_1k_queries=site.cost(system_wh),
        reason="; ".join(missing),
    )


def _recorded_grid(recorded: Emissions) -> tuple[Grid | None, str]:
    """The grid of the country in a result, or why it is not known."""
    if recorded.country is None:
        return None, ""
    if recorded.intensity_g_per_kwh is not None:
        return Grid(recorded.country, recorded.intensity_g_per_kwh, recorded.source or ""), ""
    try:
        return find_grid(recorded.country), ""
    except (UsageError, MeterError, MissingPackage) as error:
        return None, f"CO2: {error.message}"


def format_cost(cost_per_1k: float, currency: str | None) -> str:
    """The cost of 1,000 queries; where that is next to nothing, of a million too."""
    unit = f" {currency}" if currency else ""
    text = f"{_plain(cost_per_1k)}{unit}"
    if cost_per_1k < _CHEAP:
        text += f"\n({_plain(cost_per_1k * 1000)}{unit} for 1,000,000)"
    return text


def _plain(amount: float) -> str:
    """An amount of money: with three digits, and never with an exponent that can be written out."""
    text = format_number(amount)
    if "e-" not in text or amount < _WRITTEN_OUT:
        return text
    return f"{amount:.{2 - math.floor(math.log10(amount))}f}"


def describe_sites(sites: Iterable[Site | None]) -> list[str]:
    """What CO2 and cost stand on, in lines for people; nothing where nobody asked for them."""
    lines = []
    for site in filter(None, sites):
        if site.grid_g_per_kwh is not None:
            lines.append(
                f"CO2: the energy shown x PUE {site.pue:g} x {format_number(site.grid_g_per_kwh)} "
                f"g/kWh ({site.country}; {site.grid_source}). Operational only: the making of the "
                "hardware is not in it."
            )
        if site.price_per_kwh is not None:
            currency = f" {site.currency}" if site.currency else ""
            lines.append(
                f"cost of 1,000 queries: the energy shown x PUE {site.pue:g} x "
                f"{site.price_per_kwh:g}{currency}/kWh."
            )
    if lines:
        lines.append("CO2 and cost are derived, and no part of the score or the stars.")
    return list(dict.fromkeys(lines))


def _price(text: str) -> tuple[float, str | None]:
    """The price of a kWh and its currency."""
    found = _PRICE.fullmatch(text.strip())
    per_kwh = float(found[1]) if found else math.nan
    currency = _A_KWH.sub("", found[2].strip()) if found else ""
    if not 0 < per_kwh < math.inf:
        raise UsageError(
            f"--price {text!r} is not the price of a kWh.",
            "Give a number above 0 with a decimal point, and a currency if you like: --price "
            "'0.25 EUR'.",
        )
    if _CODE.fullmatch(currency):
        return per_kwh, currency.upper()
    if currency and not (len(currency) == 1 and unicodedata.category(currency) == "Sc"):
        raise UsageError(
            f"--price {text!r}: {currency!r} is no currency.",
            "Give its three letters, or its sign: --price '0.25 EUR'.",
        )
    return per_kwh, currency or None
