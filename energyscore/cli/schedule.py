"""`energyscore schedule`: when a model should be loaded. Needs neither a GPU nor torch."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from energyscore.cli.options import (
    FORMAT,
    Country,
    Model,
    Paths,
    PricePerKwh,
    Pue,
    Task,
    longest_wait,
)

_REQUESTS, _POLICIES = "Requests", "Policies"


def schedule(
    paths: Paths,
    requests: Annotated[
        str | None,
        typer.Option(
            metavar="120/h",
            help="Requests that come by chance at this rate: /s, /min, /h or /day.",
            show_default=False,
            rich_help_panel=_REQUESTS,
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Requests of each of the 24 hours of a day, from midnight on.",
            show_default=False,
            rich_help_panel=_REQUESTS,
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Requests as they came: a CSV or JSON lines with a column of times.",
            show_default=False,
            rich_help_panel=_REQUESTS,
        ),
    ] = None,
    trace_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The column of times in the trace, where its name does not say it.",
            show_default=False,
            rich_help_panel=_REQUESTS,
        ),
    ] = None,
    max_wait: Annotated[
        str | None,
        longest_wait(rich_help_panel=_POLICIES),
    ] = None,
    timeout: Annotated[
        list[str] | None,
        typer.Option(
            metavar="5m",
            help="Also try unloading after so much idle time. Repeatable.",
            show_default=False,
            rich_help_panel=_POLICIES,
        ),
    ] = None,
    window: Annotated[
        list[str] | None,
        typer.Option(
            metavar="10m",
            help="Also try gathering the requests of so much time. Repeatable.",
            show_default=False,
            rich_help_panel=_POLICIES,
        ),
    ] = None,
    gather: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N",
            min=2,
            help="Also try gathering so many requests. Repeatable.",
            show_default=False,
            rich_help_panel=_POLICIES,
        ),
    ] = None,
    hours: Annotated[
        str | None,
        typer.Option(
            metavar="8-18",
            help="Also try keeping it loaded between these hours only.",
            show_default=False,
            rich_help_panel=_POLICIES,
        ),
    ] = None,
    gpu_off: Annotated[
        bool,
        typer.Option(
            "--gpu-off",
            help="Count 0 W while the model is not loaded: the GPU can be powered down.",
            rich_help_panel=_POLICIES,
        ),
    ] = False,
    model: Model = None,
    task: Task = None,
    country: Country = None,
    pue: Pue = None,
    price: PricePerKwh = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.svg",
            help="Also draw energy a day against requests an hour.",
            show_default=False,
            rich_help_panel="Output",
        ),
    ] = None,
    form: Annotated[Literal["table", "json", "csv", "markdown"], FORMAT] = "table",
) -> None:
    """Say when to keep a model loaded: energy and waits of a day, and where the break-even lies.

    The result needs idle power and loading: measure it with `energyscore run --loading`. Results of
    other batch sizes of the same model tell what gathering requests saves.

    Exit status: 0 a policy is recommended, 1 none keeps to the wait, 2 wrong usage, 3 idle power or
    loading was not measured.

    Examples:
      energyscore schedule results --model org/model --requests 120/h --max-wait 5s

      energyscore schedule results --trace requests.csv --country FRA --price '0.25 EUR'

      energyscore schedule results --requests 40/h --window 10m --hours 8-18 -o schedule.svg
    """
    from energyscore.base.errors import UsageError
    from energyscore.base.writing import write_atomically
    from energyscore.cli.console import show_line, show_notes, show_table, write_data
    from energyscore.cli.loading import choose
    from energyscore.cli.options import site_of
    from energyscore.judge.schedule.decision import Wishes, decide
    from energyscore.judge.schedule.measured import service_of
    from energyscore.judge.schedule.requests import demand_of, durations_of, hours_of
    from energyscore.publish import schedule as publish
    from energyscore.publish.schedule_plot import schedule_svg

    if plot is not None and plot.suffix.lower() != ".svg":
        raise UsageError(f"--out {plot}: the plot is an SVG.", "Name a file that ends in .svg.")
    demand = demand_of(requests, profile, trace, trace_column)
    wishes = Wishes(
        max_wait_s=None if max_wait is None else durations_of("--max-wait", [max_wait])[0],
        timeouts_s=durations_of("--timeout", timeout or []),
        windows_s=durations_of("--window", window or [], zero=False),
        batches=tuple(gather or ()),
        hours=None if hours is None else hours_of(hours),
    )
    site = site_of(country, pue, price)
    measured = service_of(choose(paths, among=None, model=model, task=task, scale=None, out=plot))
    measured = measured.with_gpu_off() if gpu_off else measured
    decision = decide(measured.service, demand, wishes)
    if plot is not None:
        write_atomically(plot, schedule_svg(decision, measured))
    if form == "table":
        show_table(
            publish.title_of(decision, measured),
            publish.columns_of(site),
            publish.rows_of(decision, site),
        )
        for line in publish.answer(decision, measured, site):
            show_line(line)
        show_notes(publish.notes_of(decision, measured))
    else:
        forms = {"json": publish.to_json, "csv": publish.to_csv, "markdown": publish.to_markdown}
        write_data(forms[form](decision, measured, site))
    raise typer.Exit(0 if decision.recommended else 1)
