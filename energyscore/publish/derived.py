"""CO2 and cost of an energy at a site, in words. Pure."""

from energyscore.base.units import format_grams, format_number
from energyscore.judge.footprint import Site


def derived_from(energy_wh: float | None, site: Site | None, of_co2: str = "") -> list[str]:
    """CO2 and cost of an energy, where they were asked for and it is known."""
    if site is None:
        return []
    co2_g, cost = site.co2_g(energy_wh), site.cost(energy_wh)
    return [
        *([f"{format_grams(co2_g)}{of_co2}"] if co2_g is not None else []),
        *([money(cost, site.currency)] if cost is not None else []),
    ]


def money(amount: float, currency: str | None) -> str:
    """An amount in a sentence, also where no currency was given."""
    number = format_number(amount)
    return f"{number} {currency}" if currency else f"a cost of {number}"
