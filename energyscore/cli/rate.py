"""`energyscore rate`: stars for saved results. Needs neither a GPU nor torch."""

from typing import Annotated, Literal

import typer

from energyscore.cli.options import (
    FORMAT,
    OUTPUT,
    Country,
    Every,
    Explain,
    Paths,
    PricePerKwh,
    Pue,
    Scale,
    site_of,
)


def rate(
    paths: Paths,
    scale: Scale = None,
    every: Every = False,
    country: Country = None,
    pue: Pue = None,
    price: PricePerKwh = None,
    explain: Explain = False,
    wide: Annotated[
        bool,
        typer.Option(
            "--wide", help="Show throughput, latency and quality too.", rich_help_panel=OUTPUT
        ),
    ] = False,
    form: Annotated[Literal["table", "json", "csv"], FORMAT] = "table",
) -> None:
    """Rate saved results. Exit status 3 where all of them are invalid.

    Examples:
      energyscore rate results

      energyscore rate results --scale cohort --format csv > stars.csv

      energyscore rate results --country FRA --pue 1.2 --price '0.25 EUR'
    """
    from energyscore.base.files import shown_path
    from energyscore.base.lookup import resolve
    from energyscore.cli.console import show_report, write_data, write_pieces
    from energyscore.cli.loading import latest, load_shown, whole_of
    from energyscore.judge.rating import rate_files
    from energyscore.publish.formats import EXPORTERS
    from energyscore.publish.report_json import json_pieces

    site = site_of(country, pue, price)
    loaded = load_shown(paths)
    if not every:
        loaded = latest(loaded)
    report = rate_files([(shown_path(path), result) for path, result in loaded], scale, site)
    if form == "table":
        show_report(report, explain=explain, wide=wide)
    elif form == "json":
        write_pieces(json_pieces(report, whole_of(loaded)))
    else:
        write_data(resolve(EXPORTERS, form)(report))
    if not any(result.valid for _, result in loaded):
        raise typer.Exit(3)
