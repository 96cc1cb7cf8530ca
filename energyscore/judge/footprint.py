"""CO2 and cost of the energy: derived figures, never part of a score or of stars. Pure.

    CO2  = energy x PUE x grid intensity        operational only: not the making of the hardware
    cost = energy x PUE x price of a kWh

The energy is what was rated: of the GPUs alone, or of processor and memory where no GPU was
metered. PUE is what the building takes for each kWh of its machines; 1 where none is given.
"""

import math
import re
import unicodedata
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from energyscore.base.errors import UsageError
from energyscore.base.units import WH_PER_KWH, format_number
from energyscore.results.result import Result

MOST_PUE = 10.0
_PRICE = re.compile(r"(\d+\.?\d*|\.\d+)\s*(.*)", re.ASCII)
_A_KWH = re.compile(r"\s*/\s*kwh$", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z]{3}")
_WRITTEN_OUT = 1e-9
_CHEAP = 0.01  # below it, the cost of 1,000 queries is also told for a million


class Grid(Protocol):
    """A country's electricity."""

    @property
    def country(self) -> str:
        """ISO 3166 alpha-3 code."""

    @property
    def g_per_kwh(self) -> float:
        """Grams of CO2 equivalent of a kWh."""

    @property
    def source(self) -> str:
        """Who says so, of which year."""


@dataclass(frozen=True)
class _Recorded:
    """The grid that a result was measured with."""

    country: str
    g_per_kwh: float
    source: str


@dataclass(frozen=True)
class Price:
    """What a kWh costs, in a currency; None where only the number was given."""

    per_kwh: float
    currency: str | None


@dataclass(frozen=True)
class Facts:
    """What CO2 and cost stand on, by the names that files have for it; None: not given."""

    country: str | None
    grid_g_per_kwh: float | None
    grid_source: str | None
    pue: float
    price_per_kwh: float | None
    currency: str | None


@dataclass(frozen=True)
class Site:
    """Where the energy would be drawn.

    Attributes:
        grid: whose electricity; None leaves out CO2.
        pue: power usage effectiveness of the building, at least 1.
        price: of a kWh; None leaves out cost.
    """

    grid: Grid | None
    pue: float
    price: Price | None

    def co2_g(self, energy_wh: Any) -> Any:
        """Grams of CO2 of an energy in Wh, or of an array of them; None without a grid."""
        if self.grid is None:
            return None
        return energy_wh / WH_PER_KWH * self.pue * self.grid.g_per_kwh

    def cost(self, energy_wh: Any) -> Any:
        """Cost of an energy in Wh, or of an array of them; None without a price."""
        if self.price is None:
            return None
        return energy_wh / WH_PER_KWH * self.pue * self.price.per_kwh

    def facts(self) -> Facts:
        """What the figures stand on."""
        grid, price = self.grid, self.price
        return Facts(
            country=grid.country if grid else None,
            grid_g_per_kwh=grid.g_per_kwh if grid else None,
            grid_source=grid.source if grid else None,
            pue=self.pue,
            price_per_kwh=price.per_kwh if price else None,
            currency=price.currency if price else None,
        )


@dataclass(frozen=True, kw_only=True)
class Footprint(Facts):
    """Operational CO2 and cost of 1,000 queries of one result; None where energy or site is.

    Grid and country are the site's, else those that the result was measured with. `reason` says
    which energy is not known, and why.
    """

    gpu_co2_g_per_1k_queries: float | None
    system_co2_g_per_1k_queries: float | None
    gpu_cost_per_1k_queries: float | None
    system_cost_per_1k_queries: float | None
    reason: str


def make_site(grid: Grid | None, pue: float | None = None, price: str | None = None) -> Site | None:
    """The site that the options describe; None when they describe none.

    Args:
        grid: of `--country`.
        pue: of `--pue`.
        price: of `--price`: a number, with or without a currency after it.

    Raises:
        UsageError: when one of them makes no sense.
    """
    if pue is not None and not 1 <= pue <= MOST_PUE:
        raise UsageError(
            f"--pue {pue:g}: a building takes at least the energy of its machines.",
            f"Give a number from 1 to {MOST_PUE:g}, such as 1.2.",
        )
    cost = None if price is None else _price(price)
    if pue is not None and grid is None and cost is None:
        raise UsageError(
            "--pue changes CO2 and cost only, and neither was asked for.",
            "Add --country or --price.",
        )
    if grid is None and cost is None:
        return None
    return Site(grid, 1.0 if pue is None else pue, cost)


def footprint_of(result: Result, site: Site) -> Footprint:
    """CO2 and cost of a result's measured and estimated energy at a site."""
    score, recorded = result.score, result.emissions
    if site.grid is None and recorded.country and recorded.intensity_g_per_kwh:
        grid = _Recorded(recorded.country, recorded.intensity_g_per_kwh, recorded.source or "")
        site = replace(site, grid=grid)
    gpu_wh, system_wh = score.gpu_wh_per_1k_queries, score.system_wh_per_1k_queries
    missing = [
        f"{basis}: {why or 'no energy is known'}"
        for basis, energy_wh, why in (
            ("GPU", gpu_wh, score.reason),
            ("system", system_wh, score.system_reason),
        )
        if energy_wh is None
    ]
    return Footprint(
        gpu_co2_g_per_1k_queries=None if gpu_wh is None else site.co2_g(gpu_wh),
        system_co2_g_per_1k_queries=None if system_wh is None else site.co2_g(system_wh),
        gpu_cost_per_1k_queries=None if gpu_wh is None else site.cost(gpu_wh),
        system_cost_per_1k_queries=None if system_wh is None else site.cost(system_wh),
        **asdict(site.facts()),
        reason="; ".join(missing),
    )


def format_co2(co2_g: float) -> str:
    """Grams with three significant digits, in the unit that fits."""
    for factor, unit in ((1e-3, "kg"), (1.0, "g"), (1e3, "mg")):
        if co2_g * factor >= 1 or unit == "mg":
            return f"{format_number(co2_g * factor)} {unit}"
    raise AssertionError("unreachable: the last unit always fits")


def format_cost(cost_per_1k: float, currency: str | None) -> str:
    """The cost of 1,000 queries; where that is next to nothing, of a million too."""
    unit = f" {currency}" if currency else ""
    text = f"{_plain(cost_per_1k)}{unit}"
    if cost_per_1k < _CHEAP:
        text += f"\n{_plain(cost_per_1k * 1000)}{unit} a million"
    return text


def _plain(amount: float) -> str:
    """An amount of money: with three digits, and never with an exponent that can be written out."""
    text = format_number(amount)
    if "e-" not in text or amount < _WRITTEN_OUT:
        return text
    return f"{amount:.{2 - math.floor(math.log10(amount))}f}"


def describe_site(site: Facts) -> list[str]:
    """What CO2 and cost stand on, in lines for people."""
    factor = f"the energy shown x PUE {site.pue:g}"
    lines = []
    if site.grid_g_per_kwh is not None:
        lines.append(
            f"CO2: {factor} x {format_number(site.grid_g_per_kwh)} g/kWh ({site.country}; "
            f"{site.grid_source}). Operational only: the making of the hardware is not in it."
        )
    if site.price_per_kwh is not None:
        currency = f" {site.currency}" if site.currency else ""
        lines.append(f"cost of 1,000 queries: {factor} x {site.price_per_kwh:g}{currency}/kWh.")
    if lines:
        lines.append("CO2 and cost are derived, and no part of the score or the stars.")
    return lines


def _price(text: str) -> Price:
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
        return Price(per_kwh, currency.upper())
    if currency and not (len(currency) == 1 and unicodedata.category(currency) == "Sc"):
        raise UsageError(
            f"--price {text!r}: {currency!r} is no currency.",
            "Give its three letters, or its sign: --price '0.25 EUR'.",
        )
    return Price(per_kwh, currency or None)
