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

CHOOSING, CLUSTERS = "Which entries", "On a cluster"

_choosing = functools.partial(typer.Option, rich_help_panel=CHOOSING, show_default=False)
cluster = functools.partial(typer.Option, rich_help_panel=CLUSTERS, show_default=False)


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
    on: Annotated[
        str,
        cluster(
            metavar="local|slurm|ray[://HOST:PORT]",
            help="Where entries are measured: on this machine, as jobs of Slurm (its folder must "
            "be seen by all nodes), or on the nodes of the Ray cluster that this one belongs to.",
        ),
    ] = "local",
    retries: Annotated[
        int | None,
        cluster(min=0, help="Try an entry so many times more, elsewhere if possible. Default: 2."),
    ] = None,
    cpus: Annotated[
        int | None, cluster(min=1, help="Processors that Ray keeps for an entry. Default: 1.")
    ] = None,
    pip: Annotated[
        list[str] | None,
        cluster(
            metavar="SPEC",
            help="What Ray installs on each node first, such as 'energyscore[ray]==0.1.0'. "
            "Repeatable. Default: nothing; it is installed there.",
        ),
    ] = None,
    write_sbatch: Annotated[
        Path | None,
        cluster(
            metavar="DIR",
            help="Measure nothing now: write array jobs of Slurm into this folder, which all nodes "
            "see. What it holds already is gathered, and left out.",
        ),
    ] = None,
    gather: Annotated[
        Path | None,
        cluster(metavar="DIR", help="Measure nothing: gather what such array jobs measured."),
    ] = None,
    slurm: Annotated[
        list[str] | None,
        cluster(
            metavar="NAME=VALUE",
            help="An option of sbatch, such as partition=gpu or time=2:00:00. Repeatable.",
        ),
    ] = None,
    gpu_type: Annotated[
        str | None, cluster(metavar="TYPE", help="Only on GPUs of this type.")
    ] = None,
    share_nodes: Annotated[
        bool,
        cluster(
            "--share-nodes",
            help="Let entries work on different GPUs of one node at once; results have a caution.",
        ),
    ] = False,
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

      energyscore suite models.yaml --on ray --gpu-type 'H100 80GB'

      energyscore suite models.yaml --write-sbatch /shared/job --slurm partition=gpu
    """
    from energyscore.base.errors import UsageError
    from energyscore.cli.console import say_note
    from energyscore.cli.suite_cluster import ClusterAsked, check_place, gather_from, measure_on
    from energyscore.cli.suite_cluster import write_sbatch as write
    from energyscore.cli.suite_run import measure, plan_of, preview
    from energyscore.measurement.cluster.sbatch import read_slurm
    from energyscore.measurement.options import RunOptions
    from energyscore.measurement.suite.listing import read_listing
    from energyscore.measurement.suite.plan import select
    from energyscore.measurement.suite.where import on_nodes
    from energyscore.protocol.task import find_task, load_tasks

    talk = talk_of(quiet=quiet, verbose=verbose, yes=yes)
    given = {
        "--retries": retries, "--cpus": cpus, "--pip": pip or None, "--slurm": slurm or None,
        "--gpu-type": gpu_type,
        "--share-nodes": share_nodes, "--stop-on-failure": not keep_going,
        "--fresh": fresh,
    }  # fmt: skip
    check_place(on, write_sbatch, gather, given)
    sbatch_options = read_slurm(slurm or ())
    whole = read_listing(listing)
    known = load_tasks(task_path)
    wanted = {find_task(name, known).spec.id for name in task or ()}
    chosen = replace(whole, entries=tuple(select(whole.entries, only or (), size or ())))
    settings = read_settings(setting).over(RunOptions(screen=True) if screen else RunOptions())
    by_sbatch = write_sbatch or gather
    if by_sbatch or on == "slurm":  # its types are names of the cluster's own
        plan = plan_of(chosen, settings, task_path, on_nodes(None), gpu_type)
    else:
        plan = plan_of(chosen, settings, task_path, None if on == "local" else on_nodes(gpu_type))
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
    tries = 2 if retries is None else retries
    asked = ClusterAsked(
        plan, whole.source, out, form, talk, on, sbatch_options, cpus or 1, tries,
        not keep_going, gpu_type, share_nodes, task_path, limit_s, fresh, pip or (),
    )  # fmt: skip
    if gather:
        raise typer.Exit(gather_from(asked, gather))
    if write_sbatch:
        raise typer.Exit(write(asked, write_sbatch))
    if on != "local":
        raise typer.Exit(measure_on(asked))
    status = measure(
        plan, whole.source, out, form, task_path, talk, limit_s, fresh=fresh, stop=not keep_going
    )
    raise typer.Exit(status)
