"""`energyscore leaderboard`: results and official files in one ranking. Needs no GPU, no torch."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from energyscore.cli.options import Country, Explain, PricePerKwh, Pue, site_of


def leaderboard(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            help="Result files, official leaderboards (CSV), or folders of them.",
            show_default=False,
        ),
    ],
    task: Annotated[
        str | None,
        typer.Option(
            help="Only this task; a CSV whose name is no task is taken to be of it.",
            show_default=False,
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            help="What stars are relative to: 'cohort' (the rows of each table), a scale by its "
            "name (`energyscore scale list`), 'latest', or the JSON file of one. Default: cohort.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="Keep older results, and rows that others of the model replace."
        ),
    ] = False,
    harness: Annotated[
        Literal["v1", "v2"] | None,
        typer.Option(
            help="The official method that official rows were measured by. Default: that of the "
            "scale that was made from these files, else v1.",
            show_default=False,
        ),
    ] = None,
    country: Country = None,
    pue: Pue = None,
    price: PricePerKwh = None,
    explain: Explain = False,
    form: Annotated[
        Literal["table", "json", "csv", "official"],
        typer.Option("--format", help="How to show it; 'official' writes one CSV a task to --out."),
    ] = "table",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for --format official. Default: leaderboard.", show_default=False
        ),
    ] = None,
) -> None:
    """Rank your results together with official leaderboards.

    An official leaderboard is one CSV a task: model,total_gpu_energy,energy_score[,class], in kWh
    per 1,000 queries. Results join its rows where they hold its protocol on its hardware; without
    official rows, those that are comparable to each other make the table. What is left out is
    named with the reason. Exit status 3 where there are invalid results only.

    Examples:
      energyscore leaderboard results

      energyscore leaderboard text_generation.csv results

      energyscore leaderboard old.csv --task asr --format csv > asr-stars.csv

      energyscore leaderboard official/ results --format official --out leaderboard
    """
    from energyscore.base.errors import UsageError
    from energyscore.base.files import real_path, shown_path
    from energyscore.base.lookup import resolve
    from energyscore.cli.console import say_skipped, write_data
    from energyscore.cli.leaderboard_view import (
        is_invalid,
        say_all,
        show_leaderboard,
        write_official,
    )
    from energyscore.judge.leaderboard import BoardRules, build
    from energyscore.judge.leaderboard_sources import find_sources
    from energyscore.judge.references import as_if_by, protocol_of, without_method
    from energyscore.protocol.scales import COHORT, DEFAULT_SCALE, load_scale
    from energyscore.publish.formats import LEADERBOARD_EXPORTERS
    from energyscore.results.latest import without_copies

    official = form == "official"
    if out is not None and not official:
        raise UsageError("--out belongs to --format official; the others go to stdout.")
    folder = out or Path("leaderboard")
    site = site_of(country, pue, price)
    if site is not None and official:
        raise UsageError("Official files have no column for CO2 or cost.", "Use --format csv.")
    reference = load_scale(DEFAULT_SCALE)
    bands = None if scale in (None, COHORT) else load_scale(str(scale))
    sources = find_sources(
        paths, task, reference, real_path(folder) if official else None, skip=say_skipped
    )
    say_all(sources.notes)
    protocol = protocol_of(sources.published, harness)
    reference = as_if_by(reference, protocol)
    board = build(
        [(shown_path(path), result) for path, result in without_copies(sources.results)],
        sources.published,
        BoardRules(
            reference, bands, every, official, site, without_method(sources.published, harness)
        ),
    )
    if official:
        write_official(board, folder, sources)
    elif form == "table":
        show_leaderboard(board, explain=explain)
    else:
        write_data(resolve(LEADERBOARD_EXPORTERS, form)(board))
    if is_invalid(sources):
        raise typer.Exit(3)
