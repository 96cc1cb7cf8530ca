"""`energyscore tune`: the settings with which a model needs the least energy on this machine."""

from typing import Annotated, Literal

import typer

from energyscore.cli.options import (
    FORMAT,
    RESULTS,
    Out,
    Quiet,
    TaskPath,
    Verbose,
    Yes,
    complete_task,
    measuring,
    talk_of,
)

_TRIED, _LIMITS = "What is tried", "Limits"


def tune(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="A task by its name (see `energyscore tasks`).",
            show_default=False,
            autocompletion=complete_task,
        ),
    ],
    model: Annotated[
        str,
        measuring(
            metavar="ID|DIR|builtin:NAME",
            help="The model: its hub id, a local folder, or a bundled architecture.",
        ),
    ],
    batch_size: Annotated[
        str,
        typer.Option(
            metavar="auto|1,2,4",
            help="Batch sizes; auto: doubled from 1 until one does not fit or passes a limit, and "
            "between the best.",
            rich_help_panel=_TRIED,
        ),
    ] = "auto",
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="float16,bfloat16",
            help="Precisions. Default: those of the device; with --quick only the default's.",
            show_default=False,
            rich_help_panel=_TRIED,
        ),
    ] = None,
    quantization: Annotated[
        str | None,
        typer.Option(
            metavar="int8,nf4",
            help="Ways to quantize the weights while they are loaded, as `run --quantization` "
            "has them, beside none.",
            show_default=False,
            rich_help_panel=_TRIED,
        ),
    ] = None,
    attention: Annotated[
        str | None,
        typer.Option(
            metavar="eager,sdpa",
            help="Implementations of attention, beside the model's own.",
            show_default=False,
            rich_help_panel=_TRIED,
        ),
    ] = None,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Try torch.compile too; the time that it takes is part of the warm-up.",
            rich_help_panel=_TRIED,
        ),
    ] = False,
    power_limit: Annotated[
        str | None,
        typer.Option(
            metavar="150,200",
            help="Power limits of each metered GPU in watts, beside the one that is set; each is "
            "put back. It takes root.",
            show_default=False,
            rich_help_panel=_TRIED,
        ),
    ] = None,
    exhaustive: Annotated[
        bool,
        typer.Option(
            "--exhaustive",
            help="Try every combination, instead of one setting after another from the best.",
            rich_help_panel=_TRIED,
        ),
    ] = False,
    max_latency: Annotated[
        str | None,
        typer.Option(
            metavar="2s",
            help="The most time that 90 of 100 queries take, with its unit.",
            show_default=False,
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(
            metavar="20GB",
            help="The most memory: on GPUs the peak, on a processor that of the weights.",
            show_default=False,
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    max_quality_loss: Annotated[
        str | None,
        typer.Option(
            metavar="1%",
            help="How much worse than the default's the quality of the answers may be. It is "
            "measured in each trial.",
            show_default=False,
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        measuring(
            metavar="TIME",
            help="The most time for the search, such as 30m; it says what was not tried then.",
        ),
    ] = None,
    quick: Annotated[
        bool,
        measuring(
            "--quick",
            help="Small screens: blocks of 2 s, until the half-width is 10% or 20 s have passed, "
            "and no batch over 4 that may take over 2 s.",
        ),
    ] = False,
    full: Annotated[
        bool,
        measuring("--full", help="Measure each trial by the task's whole protocol; no screens."),
    ] = False,
    setting: Annotated[
        list[str] | None,
        measuring(
            "--set",
            metavar="OPTION=VALUE",
            help="A run option of all trials, such as device=cpu or queries=200. Repeatable.",
        ),
    ] = None,
    fresh: Annotated[
        bool, measuring("--fresh", help="Measure trials that are finished once more.")
    ] = False,
    task_path: TaskPath = None,
    yes: Yes = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    out: Out = RESULTS,
    form: Annotated[Literal["table", "json", "csv", "markdown"], FORMAT] = "table",
) -> None:
    """Find the settings with which a model needs the least energy on this machine.

    The default is measured first, then one setting after another, each in a process of its own and
    by a screen. The best is measured once more: its saving against the default stands on that. What
    does not fit into memory, or passes a limit, is told and no end. OUT/tune.json holds all of it.

    The same command goes on where it was: what is finished is not measured again.

    Exit status: 0 there is a best setting, 2 wrong usage or input, 3 none could be measured.

    Examples:
      energyscore tune text_classification --model builtin:distilbert-sst2 --quick

      energyscore tune text_generation --model openai-community/gpt2 --max-latency 2s

      energyscore tune text_generation --model ./my-model --batch-size 1,8,64 --dtype bfloat16

      energyscore tune text_generation --model builtin:gpt2 --budget 30m --max-quality-loss 1%
    """
    from energyscore.cli.console import say, write_data
    from energyscore.cli.run_options import read_settings
    from energyscore.cli.tune_options import (
        options_of_trials,
        read_attentions,
        read_batch_sizes,
        read_budget,
        read_dtypes,
        read_limits,
        read_power_limits,
        read_quantizations,
    )
    from energyscore.cli.tune_run import Dimensions, run_tune
    from energyscore.cli.tune_view import show_tuning
    from energyscore.measurement.tune.request import TuneRequest
    from energyscore.protocol.task import find_task, load_tasks
    from energyscore.publish.tuning import to_csv, to_json, to_markdown

    talk = talk_of(quiet=quiet, verbose=verbose, yes=yes)
    limits = read_limits(max_latency, max_memory, max_quality_loss)
    dimensions = Dimensions(
        read_batch_sizes(batch_size),
        read_dtypes(dtype),
        read_quantizations(quantization),
        read_attentions(attention),
        read_power_limits(power_limit),
        compiled=compiled,
        exhaustive=exhaustive,
        quick=quick,
    )
    options = options_of_trials(read_settings(setting), limits, quick=quick, full=full)
    found = find_task(task, load_tasks(task_path))
    request = TuneRequest(found, model, options, out, task_path, limits, verbose)
    done = run_tune(request, dimensions, talk, read_budget(budget), fresh=fresh)
    if done.tuning is not None and done.report is not None:
        command = done.report.command
        if form == "table":
            show_tuning(done.tuning, command, done.other_command)
        elif form == "markdown":
            write_data(to_markdown(done.tuning, command, done.other_command))
        else:
            write_data({"json": to_json, "csv": to_csv}[form](done.report))
    if not talk.quiet:
        go_on = "Interrupted; the same command goes on from there. " if done.interrupted else ""
        why = f": {done.ended}" if done.ended else ""
        say(f"{go_on}Report: {done.file}." if done.file else f"{go_on}Nothing was measured{why}.")
    raise typer.Exit(done.exit_status)
