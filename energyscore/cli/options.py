"""Options that several commands have, declared once. Light: `--help` imports it."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

if TYPE_CHECKING:
    from energyscore.cli.console import Talk
    from energyscore.judge.footprint import Site

MEASURING, OUTPUT, _SITE = "Measuring", "Output", "CO2 and cost"
RESULTS = Path("results")

measuring = partial(typer.Option, rich_help_panel=MEASURING, show_default=False)
showing = partial(typer.Option, rich_help_panel=OUTPUT, show_default=False)

Out = Annotated[Path, typer.Option("--out", help="Folder for results.", rich_help_panel=OUTPUT)]
TableOrJson: TypeAlias = Literal["table", "json"]
FORMAT = typer.Option("--format", help="What stdout gets.", rich_help_panel=OUTPUT)
Format = Annotated[TableOrJson, FORMAT]
Paths = Annotated[
    list[Path],
    typer.Argument(metavar="PATH", help="Result files, or folders of them.", show_default=False),
]
Every = Annotated[
    bool,
    typer.Option(
        "--all", help="Take older results of the same measurement too, not only the latest."
    ),
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Say all that bears on a table: every caution, what is not comparable and why.",
        rich_help_panel=OUTPUT,
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        help="What stars are relative to: a scale by its name (`energyscore scale list`), "
        "'latest', 'cohort' (the comparable results at hand), or the JSON file of a scale of your "
        "own. Default: the newest reference where a result is comparable to it, else the cohort.",
        show_default=False,
    ),
]
TaskPath = Annotated[
    Path | None,
    typer.Option("--task-path", help="A folder of task files of your own.", show_default=False),
]

Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Say only cautions and errors beside the result.",
        rich_help_panel=OUTPUT,
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Say more: meters, data, and each run's energy as it is measured.",
        rich_help_panel=OUTPUT,
    ),
]
Yes = Annotated[
    bool,
    measuring(
        "--yes",
        "-y",
        help="Do not ask, on a terminal, before what takes over an hour or has a reasoning "
        "mode's full budget.",
    ),
]

# To choose one model's results.
Among = Annotated[
    list[Path] | None,
    typer.Option(
        help="More results to rate among: stars of a cohort are relative to all results in PATHS "
        "and here. Repeatable.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", help="The model, where PATHS hold several.", show_default=False),
]
Task = Annotated[
    str | None,
    typer.Option("--task", help="The task, where the model has several.", show_default=False),
]

longest_wait = partial(
    typer.Option,
    metavar="5s",
    help="The longest wait of 95 of 100 requests before their work begins.",
    show_default=False,
)

# Quality that was measured elsewhere.
QualityMetric = Annotated[
    str | None,
    typer.Option(metavar="METRIC", help="The metric, where there are several.", show_default=False),
]
QualityFrom = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Take qualities that were reported elsewhere: a results file of "
        "lm-evaluation-harness, or a CSV model,metric,value[,ci_low,ci_high]. Repeatable.",
        show_default=False,
    ),
]


def complete_task(incomplete: str) -> list[str]:
    """The tasks whose names begin so, for the shell."""
    from energyscore.protocol.task import bundled_tasks_dir

    return sorted(file.stem for file in bundled_tasks_dir().glob(f"{incomplete}*.yaml"))


def talk_of(*, quiet: bool, verbose: bool, yes: bool) -> "Talk":
    """How much to say, by the options."""
    from energyscore.cli.console import Talk

    if quiet and verbose:
        raise typer.BadParameter("give one of both.", param_hint="--quiet and --verbose")
    return Talk(quiet, verbose, yes)


# Where the energy would be drawn: CO2 and cost derive from it.
Country = Annotated[
    str | None,
    typer.Option(
        metavar="ISO3",
        help="Give operational CO2 on this country's grid, such as FRA.",
        show_default=False,
        rich_help_panel=_SITE,
    ),
]
Pue = Annotated[
    float | None,
    typer.Option(
        metavar="FACTOR",
        help="Energy of the whole building for each kWh of the machine, such as 1.2. Default: 1.",
        show_default=False,
        rich_help_panel=_SITE,
    ),
]
PricePerKwh = Annotated[
    str | None,
    typer.Option(
        metavar="'0.25 EUR'",
        help="Give the cost of the energy at this price of a kWh; the currency may be left out.",
        show_default=False,
        rich_help_panel=_SITE,
    ),
]


def site_of(country: str | None, pue: float | None, price: str | None) -> "Site | None":
    """The site that the options describe; None when none was given.

    Raises:
        UsageError: when one of them makes no sense.
        MeterError: when the table of countries is not installed.
    """
    from energyscore.judge.footprint import make_site
    from energyscore.protocol.grid import find_grid

    return make_site(None if country is None else find_grid(country), pue, price)


def as_option(name: str) -> str:
    """An option as the command line has it."""
    return f"--{name.replace('_', '-')}"


_REQUIRED = "Requirements"
required = partial(typer.Option, rich_help_panel=_REQUIRED, show_default=False)

TaskOf = Annotated[
    str | None,
    typer.Option("--task", help="The task, where PATHS hold several.", show_default=False),
]
MinQuality = Annotated[
    float | None,
    required(help="The least quality, in the unit of its metric; the most where less is better."),
]
MaxQualityLoss = Annotated[
    str | None, required(metavar="2%", help="How much worse than the best quality it may be.")
]
MaxLatency = Annotated[
    str | None,
    required(metavar="500ms", help="The most time that 90 of 100 queries take, with its unit."),
]
