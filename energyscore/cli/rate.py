"""`energyscore rate`: stars for saved results. Needs neither a GPU nor torch."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from energyscore.cli.shared import Every, Paths, latest, load_shown
from energyscore.cli.site import Country, PricePerKwh, Pue, site_of


class RateFormat(StrEnum):
    """How ratings are shown."""

    table = "table"
    json = "json"
    csv = "csv"


def rate(
    paths: Paths,
    scale: Annotated[
        str | None,
        typer.Option(
            help="What stars are relative to: 'aienergyscore-2025-02', 'cohort' (the comparable "
            "results among PATHS), or the JSON file of a scale of your own. Default: the "
            "reference where a result is comparable to it, else the cohort.",
            show_default=False,
        ),
    ] = None,
    every: Every = False,
    country: Country = None,
    pue: Pue = None,
    price: PricePerKwh = None,
    form: Annotated[
        RateFormat, typer.Option("--format", help="How to show the ratings.")
    ] = RateFormat.table,
) -> None:
    """Rate saved results. Exit status 3 where all of them are invalid.

    Examples:
      energyscore rate results

      energyscore rate results --scale cohort --format csv > stars.csv

      energyscore rate results --country FRA --pue 1.2 --price '0.25 EUR'
    """
    from energyscore.base.files import shown_path
    from energyscore.base.lookup import resolve
    from energyscore.cli.console import show_report
    from energyscore.judge.rating import rate_files
    from energyscore.publish.formats import EXPORTERS

    site = site_of(country, pue, price)
    loaded = load_shown(paths)
    if not every:
        loaded = latest(loaded)
    report = rate_files([(shown_path(path), result) for path, result in loaded], scale, site)
    if form is RateFormat.table:
        show_report(report)
    else:
        sys.stdout.buffer.write(resolve(EXPORTERS, form.value)(report))
        sys.stdout.buffer.flush()
    if not any(result.valid for _, result in loaded):
        raise typer.Exit(3)
