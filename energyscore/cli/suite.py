"""`energyscore suite`: many models from a list, each measured in a process of its own."""

import functools
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from energyscore.cli.options import (
    RESULTS,
    Format,
    Out,
    Quiet,
    TaskPath,
    Verbose,
    Yes,
    measuring,
    showing,
    talk_of,
)
from energyscore.cli.run_options import Screen, read_settings

CHOOSING = "Which entries"

_choosing = functools.partial(typer.Option, rich_help_panel=CHOOSING, show_default=False)


def suite(
    listing: Annotated[
        Path, typer.Argument(metavar="LIST.yaml|LIST.csv", help="The list.", show_default=False)
    ],
    only: Annotated[
        list[str] | None,
        _choosing(metavar="GLOB", help="Models whose names fit, such as 'google/*'. Repeatable."),
    ] = None,
    size: Annotated[
        list[str] | None,
        _choosing(
            "--class", metavar="A", help="Entries of which the list says this class. Repeatable."
        ),
    ] = None,
    task: Annotated[
        list[str] | None, _choosing(metavar="TASK", help="This task. Repeatable.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        measuring(
            "--set",
            metavar="OPTION=VALUE",
            help="A run option for every entry, such as quick=true or device=cpu; it wins over "
            "the list's. Repeatable.",
        ),
    ] = None,
    task_path: TaskPath = None,
    timeout: Annotated[
        float | None,
        measuring(
            metavar="MINUTES", min=0.01, help="End an entry that takes longer. Default: none is."
        ),
    ] = None,
    keep_going: Annotated[
        bool,
        measuring(
            "--keep-going/--stop-on-failure",
            help="Whether the rest is measured once an entry failed or is invalid.",
        ),
    ] = True,
    fresh: Annotated[
        bool, measuring("--fresh", help="Measure finished entries once more.")
    ] = False,
    screen: Screen = False,
    dry_run: Annotated[
        bool,
        showing(
            "--dry-run",
            help="Show what would be measured, how long it takes and how much is downloaded, "
            "where that is known.",
        ),
    ] = False,
    yes: Yes = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    out: Out = RESULTS,
    form: Format = "table",
) -> None:
    """Measure the models of a list, each in its own process, so that a crash stops no other.

    The list is a YAML file: `entries`, each with a `task`, a `model` and any option of `run`, and
    `defaults` for all of them. Or it is a batch list of the AI Energy Score (CSV): there, text
    generation with reasoning on is the task reasoning. Paths are relative to the working directory.

    After an interruption the same command goes on: an entry is finished once there is a valid
    result of what it asks for, on this machine. An entry that cannot be measured, for example
    because its folder is missing, stops no other. OUT/suite.json holds the status of each entry.

    Exit status: 0 all are measured, 2 the list is wrong, 3 something failed or is invalid.

    Examples:
      energyscore suite models.yaml --dry-run

      energyscore suite models.yaml --task text_generation --class A

      energyscore suite oct_2025_models.csv --only 'Qwen/*' --set device=cuda --timeout 120
    """
    from energyscore.base.errors import UsageError
    from energyscore.cli.console import say_note
    from energyscore.cli.suite_run import measure, plan_of, preview
    from energyscore.measurement.options import RunOptions
    from energyscore.measurement.suite.listing import read_listing
    from energyscore.measurement.suite.plan import select
    from energyscore.protocol.task import find_task, load_tasks

    talk = talk_of(quiet=quiet, verbose=verbose, yes=yes)
    whole = read_listing(listing)
    known = load_tasks(task_path)
    wanted = {find_task(name, known).spec.id for name in task or ()}
    chosen = replace(whole, entries=tuple(select(whole.entries, only or (), size or ())))
    settings = read_settings(setting).over(RunOptions(screen=True) if screen else RunOptions())
    plan = plan_of(chosen, settings, task_path)
    plan = [planned for planned in plan if not wanted or planned.task_name in wanted]
    for planned in plan:
        for place in planned.repeated:
            say_note(f"{place} asks for the same as {planned.entry.place}; it counts once.")
    if not plan:
        message = f"The list {listing} has no entry of --only, --class and --task."
        raise UsageError(message, "Without them --dry-run shows all that it has.")
    if dry_run:
        preview(plan, out, form, fresh=fresh)
        return
    limit_s = None if timeout is None else timeout * 60
    status = measure(
        plan, whole.source, out, form, task_path, talk, limit_s, fresh=fresh, stop=not keep_going
    )
    raise typer.Exit(status)
