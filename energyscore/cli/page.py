"""`energyscore page`: saved results as a static site. Needs neither a GPU nor torch."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energyscore.base.errors import ResultError, UsageError
from energyscore.base.files import RealPaths, real_path
from energyscore.base.units import counted
from energyscore.cli.options import (
    Country,
    Every,
    Paths,
    PricePerKwh,
    Pue,
    QualityFrom,
    QualityMetric,
    Scale,
    site_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from energyscore.judge.contenders import Contender
    from energyscore.judge.footprint import Site
    from energyscore.judge.rating import RatedResult
    from energyscore.publish.advice.form import AdviceReport


def page(
    paths: Paths,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder to write.", show_default=False)
    ],
    title: Annotated[str, typer.Option(help="The heading.")] = "Energy of AI models",
    scale: Scale = None,
    every: Every = False,
    country: Country = None,
    pue: Pue = None,
    price: PricePerKwh = None,
    quality_from: QualityFrom = None,
    quality_metric: QualityMetric = None,
    advise: Annotated[
        bool, typer.Option("--advise", help="Add a page of advice for each task, as advise gives.")
    ] = False,
    advice: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE.json",
            help="Add a page of advice that advise --format json wrote. Repeatable.",
            show_default=False,
        ),
    ] = None,
    pages: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="How many results have a page of their own: the newest N."
        ),
    ] = 500,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Write into a folder that holds other files, and over files that were changed.",
        ),
    ] = False,
) -> None:
    """Write a site of saved results: tables, plots, and a page for each result.

    It works from a disk as from any server, without JavaScript too, and asks nothing of any other.
    Repeated, it brings the folder up to date; files in it that are not its own stay.

    Examples:
      energyscore page results -o site

      energyscore page results more-results -o site --country FRA

      energyscore page results -o site --advise --advice service.json
    """
    from energyscore.base.writing import write_files
    from energyscore.cli.loading import latest, load_shown
    from energyscore.judge.rating import rate_files
    from energyscore.publish.page import to_page
    from energyscore.results.lean import read_again

    if quality_metric is not None and not quality_from:
        raise UsageError("--quality-metric is for the files of --quality-from.", "Leave it out.")
    site = site_of(country, pue, price)
    # The site holds copies of result files: one that lies among the results is no source.
    own, places = real_path(out), RealPaths()
    loaded = [
        (path, result)
        for path, result in load_shown(paths)
        if not Path(places.of(path)).is_relative_to(own)
    ]
    if not loaded:
        raise ResultError(f"All results are in the folder to write, {out}.", "Name another one.")
    if not every:
        loaded = latest(loaded)
    report = rate_files(loaded, scale, site)
    reported = _reported_in(quality_from, quality_metric)
    told = [_read_advice(file) for file in advice or ()]
    files_of_site = to_page(
        report,
        title,
        _raw_of,
        most_pages=pages,
        whole=lambda entry: read_again(Path(entry.file), entry.result),
        reported=reported,
        advice=[*(_advice_on(report, reported, site, paths) if advise else ()), *told],
    )
    remedy = "Name another folder, or add --force to replace files of the same names."
    write_files(out, files_of_site, kind="page", remedy=remedy, force=force)
    models = counted(len({entry.name for entry in report}), "model")
    few = f"; the newest {pages:,} have a page of their own" if pages < len(report) else ""
    print(f"{out / 'index.html'}: {counted(len(report), 'result')} of {models}{few}")


def _reported_in(
    files: list[Path] | None, metric: str | None
) -> "Callable[[list[Contender]], list[Contender]]":
    """What puts the qualities of these files in place of measured ones; others keep theirs."""
    from energyscore.cli.console import say_note
    from energyscore.judge.reported_quality import with_reported

    if not files:
        return lambda known: known
    return lambda known: with_reported(known, files, metric, say_note, only=False)


def _advice_on(
    report: "list[RatedResult]",
    reported: "Callable[[list[Contender]], list[Contender]]",
    site: "Site | None",
    paths: list[Path],
) -> "list[AdviceReport]":
    """Advice on each task of the results; a task without an energy is named on stderr."""
    from energyscore.base.errors import UnsupportedError
    from energyscore.base.files import shown_path
    from energyscore.cli.console import say_note
    from energyscore.judge.advice.advise import ServiceQuestion
    from energyscore.judge.advice.advise import advise as put_together
    from energyscore.judge.contenders import candidates_of
    from energyscore.publish.advice.report import report_of

    found = []
    for task in sorted({entry.result.task.id for entry in report}):
        try:
            candidates = reported(candidates_of(report, task, None))
            advice = put_together(candidates, ServiceQuestion(site=site))
        except UnsupportedError as error:
            say_note(f"{task}: {error.message}")
            continue
        found.append(report_of(advice, [shown_path(path) for path in paths]))
    return found


def _read_advice(file: Path) -> "AdviceReport":
    from energyscore.base.files import read_text
    from energyscore.publish.advice.form import parse_report

    return parse_report(read_text(file, f"--advice {file}", ResultError), f"--advice {file}")


def _raw_of(entry: "RatedResult") -> bytes | None:
    """The raw record beside a result, if it can be read."""
    if entry.result.raw is not None:
        path = real_path(Path(entry.file)).parent / entry.result.raw.file
        with contextlib.suppress(OSError):
            if path.is_file():  # a pipe would be waited for
                return path.read_bytes()
    return None
