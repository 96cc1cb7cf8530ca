"""The options that describe where the energy would be drawn: CO2 and cost derive from them."""

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from energyscore.judge.footprint import Site

_PANEL = "CO2 and cost"

Country: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="ISO3",
        help="Give operational CO2 on this country's grid, such as FRA.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Pue: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="FACTOR",
        help="Energy of the whole building for each kWh of the machine, such as 1.2. Default: 1.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
PricePerKwh: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="'0.25 EUR'",
        help="Give the cost of the energy at this price of a kWh; the currency may be left out.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]


def site_of(country: str | None, pue: float | None, price: str | None) -> "Site | None":
    """What the options come to; None when none was given.

    Raises:
        UsageError: when one of them makes no sense.
        MeterError: when the table of countries is not installed.
    """
    from energyscore.judge.footprint import make_site
    from energyscore.protocol.grid import find_grid

    return make_site(None if country is None else find_grid(country), pue, price)
