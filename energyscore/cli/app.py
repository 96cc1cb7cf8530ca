"""The commands: one row each, in the order in which `--help` shows them."""

from typing import Annotated

import typer

from energyscore.base.version import __version__
from energyscore.cli import (
    advise,
    baseline,
    bundle,
    card,
    choose,
    compare,
    doctor,
    gate,
    label,
    leaderboard,
    page,
    rate,
    run,
    scale,
    schedule,
    selftest,
    show,
    suite,
    tune,
    verify,
)
from energyscore.cli.command import Command

MEASURE, JUDGE, PUBLISH, LOOK = "Measure", "Judge", "Publish", "Look"

COMMANDS = (
    (MEASURE, run.run),
    (MEASURE, suite.suite),
    (MEASURE, tune.tune),
    (MEASURE, doctor.doctor),
    (MEASURE, selftest.selftest),
    (JUDGE, rate.rate),
    (JUDGE, compare.compare),
    (JUDGE, choose.choose),
    (JUDGE, schedule.schedule),
    (JUDGE, advise.advise),
    (JUDGE, gate.gate),
    (JUDGE, baseline.baseline_app),
    (JUDGE, leaderboard.leaderboard),
    (JUDGE, scale.scale_app),
    (PUBLISH, label.label),
    (PUBLISH, card.card),
    (PUBLISH, page.page),
    (PUBLISH, bundle.bundle),
    (PUBLISH, verify.verify),
    (LOOK, show.tasks),
    (LOOK, show.models),
    (LOOK, show.schema),
)

app = typer.Typer(
    name="energyscore",
    help="How much energy an AI model needs to do its work, measured on your machine and rated "
    "with one to five stars.",
    epilog="Exit status: 0 done, 1 a gate failed, 2 wrong usage or input, 3 the measurement is "
    "invalid or this machine cannot make it, 70 energyscore itself failed, 130 or 143 "
    "interrupted (finished runs are kept).",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"energyscore {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


for _panel, _command in COMMANDS:
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, rich_help_panel=_panel)
    else:
        app.command(cls=Command, rich_help_panel=_panel)(_command)
