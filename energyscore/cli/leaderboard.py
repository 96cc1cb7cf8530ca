"""`energyscore leaderboard`: results and official files in one ranking. Needs no GPU, no torch."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from energyscore.cli.options import Country, PricePerKwh, Pue, site_of

if TYPE_CHECKING:
    from energyscore.judge.leaderboard import Leaderboard
    from energyscore.judge.leaderboard_sources import Sources


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
            help="What stars are relative to: 'cohort' (the rows of each table), "
            "'aienergyscore-2025-02', or the JSON file of a scale of your own. Default: cohort.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="Keep older results, and rows that others of the model replace."
        ),
    ] = False,
    country: Country = None,
    pue: Pue = None,
    price: PricePerKwh = None,
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
    from energyscore.judge.leaderboard import BoardRules, build
    from energyscore.judge.leaderboard_sources import find_sources
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
    _say(sources.notes)
    board = build(
        [(shown_path(path), result) for path, result in without_copies(sources.results)],
        sources.published,
        BoardRules(reference, bands, every, official, site),
    )
    if official:
        _write_official(board, folder, sources)
    elif form == "table":
        from energyscore.cli.leaderboard_view import show_leaderboard

        show_leaderboard(board)
    else:
        write_data(resolve(LEADERBOARD_EXPORTERS, form)(board))
    if _is_invalid(sources):
        raise typer.Exit(3)


def _write_official(board: "Leaderboard", folder: Path, sources: "Sources") -> None:
    """Write a file a task; stdout names the files, stderr what they do not hold and why."""
    from energyscore.base.errors import InvalidResult, ResultError
    from energyscore.base.lookup import resolve
    from energyscore.base.writing import check_outputs, write_files
    from energyscore.judge.leaderboard_sources import BOARD
    from energyscore.publish.formats import LEADERBOARD_EXPORTERS
    from energyscore.publish.leaderboard_notes import notes_on_unwritten, notes_on_written

    files = resolve(LEADERBOARD_EXPORTERS, "official")(board)
    unwritten = notes_on_unwritten(board)
    if not files:
        _say(unwritten)
        why = "Nothing can be written as an official leaderboard: the reasons stand above."
        if _is_invalid(sources):
            raise InvalidResult(why, "Measure again.")
        if any(table.of_status("unrated") for table in board.tables):
            raise ResultError(why, "Name the CSV of the official leaderboard, or more results.")
        raise ResultError(
            why, "Official are results of the whole protocol, without --quick, on an H100 80GB."
        )
    named = {f"{task}.csv": content for task, content in files.items()}
    for name in named:
        check_outputs({"": folder / name}, sources.files)
    remedy = "Name another folder with --out, or move the file away."
    write_files(folder, named, kind=BOARD, remedy=remedy, alone=False)
    for name, content in named.items():
        rows = content.count(b"\n") - 1
        print(f"{folder / name}: {rows} row{'' if rows == 1 else 's'}")
    _say([*notes_on_written(board), *unwritten])


def _is_invalid(sources: "Sources") -> bool:
    """Whether nothing is there but invalid results."""
    return not sources.published and not any(result.valid for _, result in sources.results)


def _say(lines: "Iterable[str]") -> None:
    from energyscore.cli.console import say

    for line in lines:
        say(line)
