"""`energyscore advise`: what was measured, put together for one service. Needs no GPU, no torch."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from energyscore.cli.options import (
    FORMAT,
    Country,
    MaxLatency,
    MaxQualityLoss,
    MinQuality,
    Paths,
    PricePerKwh,
    Pue,
    QualityFrom,
    QualityMetric,
    Quiet,
    TaskOf,
    Verbose,
    Yes,
    longest_wait,
    measuring,
)

if TYPE_CHECKING:
    from pathlib import Path

    from energyscore.judge.advice.advise import Advice, ServiceQuestion
    from energyscore.publish.advice.form import AdviceReport

_SERVICE = "The service"


def advise(
    paths: Paths,
    task: TaskOf = None,
    now: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Today's choice: a model by its name. Default: the largest.",
            show_default=False,
            rich_help_panel=_SERVICE,
        ),
    ] = None,
    requests: Annotated[
        str | None,
        typer.Option(
            metavar="40/h",
            help="Requests that come by chance at this rate: /s, /min, /h or /day. Without it the "
            "work comes in one piece.",
            show_default=False,
            rich_help_panel=_SERVICE,
        ),
    ] = None,
    max_wait: Annotated[
        str | None,
        longest_wait(rich_help_panel=_SERVICE),
    ] = None,
    min_quality: MinQuality = None,
    max_quality_loss: MaxQualityLoss = None,
    max_latency: MaxLatency = None,
    quality_metric: QualityMetric = None,
    quality_from: QualityFrom = None,
    country: Country = None,
    pue: Pue = None,
    price: PricePerKwh = None,
    measure: Annotated[
        bool,
        measuring(
            "--measure",
            help="Measure what is missing first, after saying what that takes, into the folder "
            "advice below the first of PATHS. The same command goes on where it was.",
        ),
    ] = False,
    budget: Annotated[
        str | None,
        measuring(metavar="TIME", help="The most time for that, such as 30m."),
    ] = None,
    yes: Yes = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    form: Annotated[Literal["table", "json", "markdown"], FORMAT] = "table",
) -> None:
    """Say which model, in which mode and settings, loaded when; and what that saves.

    Everything that was measured of one task is put together: today's choice against the least
    energy that meets the requirements, step by step, with the figures of `choose`, `schedule` and
    `label`. A saving counts where it was measured with this model. What is not known is named, with
    the command that would tell.

    Exit status: 0 one is recommended, 1 none meets the requirements, 2 wrong usage or input, 3 a
    figure that decides is missing.

    Examples:
      energyscore advise results --task text_classification

      energyscore advise results --task text_generation --requests 40/h --max-wait 5s

      energyscore advise results --min-quality 0.9 --country FRA --price '0.25 EUR'

      energyscore advise results --requests 40/h --measure --budget 30m
    """
    from energyscore.base.errors import UsageError
    from energyscore.base.files import shown_path
    from energyscore.cli.console import write_data
    from energyscore.cli.options import site_of, talk_of
    from energyscore.cli.tune_options import read_budget
    from energyscore.judge.advice.advise import ServiceQuestion
    from energyscore.judge.requirements import requirements_of
    from energyscore.judge.schedule.requests import demand_of, durations_of
    from energyscore.publish.advice.form import to_json
    from energyscore.publish.advice.report import report_of
    from energyscore.publish.advice.text import to_markdown

    if max_wait is not None and requests is None:
        raise UsageError("--max-wait is of requests, and --requests is not given.")
    if budget is not None and not measure:
        raise UsageError("--budget is of --measure, which is not given.")
    question = ServiceQuestion(
        requirements_of(min_quality, max_quality_loss, max_latency, None),
        None if requests is None else demand_of(requests, None, None, None),
        None if max_wait is None else durations_of("--max-wait", [max_wait])[0],
        now,
        site_of(country, pue, price),
    )
    sources = paths, task, quality_metric, quality_from
    advice = _advice(question, *sources)
    if measure:
        from energyscore.cli.advise_measure import folder_for, measure_missing

        out, talk = folder_for(paths), talk_of(quiet=quiet, verbose=verbose, yes=yes)
        if measure_missing(advice.missing, out, read_budget(budget), question.site, talk):
            advice = _advice(question, *sources)
    report = report_of(advice, [shown_path(path) for path in paths])
    if form == "table":
        _show(report)
    else:
        write_data({"json": to_json, "markdown": to_markdown}[form](report))
    raise typer.Exit(advice.choice.exit_status)


def _advice(
    question: "ServiceQuestion",
    paths: "list[Path]",
    task: str | None,
    metric: str | None,
    quality_from: "list[Path] | None",
) -> "Advice":
    """What the results at hand come to."""
    from energyscore.cli.console import say_note
    from energyscore.judge.advice.advise import advise
    from energyscore.judge.contenders import candidates_of
    from energyscore.judge.reported_quality import with_reported
    from energyscore.judge.sources import load_rated

    entries = load_rated(paths, baselines=False, note=say_note)
    candidates = candidates_of(entries, task, None if quality_from else metric)
    if quality_from:
        candidates = with_reported(candidates, quality_from, metric, say_note)
    return advise(candidates, question)


def _show(report: "AdviceReport") -> None:
    from energyscore.cli.console import show_copyable, show_line, show_notes, show_table
    from energyscore.publish.advice import text

    for line in text.answer_of(report):
        show_line(line)
    if report.waterfall:
        show_table(text.title_of(report), text.COLUMNS, text.rows_of(report))
    for number, one in enumerate(report.strategies, start=1):
        show_line("")
        show_line(f"{number}. {one.title}")
        for line in one.text:
            show_line(line)
        if one.check:
            show_copyable(one.check)
        show_notes([f"stands on: {', '.join(one.files)}"] if one.files else [])
    if report.missing:
        show_line("")
        show_line("What cannot be told")
        for told, command in text.cannot_tell(report):
            show_line(told)
            if command:
                show_copyable(command)
    show_notes([*([report.note] if report.note else []), *text.left_out(report)])
