"""How the command line measures what advice is missing: a plan that is told, then a suite."""

import time
from collections.abc import Sequence
from pathlib import Path

from energyscore.base.errors import UsageError, sentence
from energyscore.base.interrupts import Interrupted
from energyscore.base.units import format_duration, format_wh
from energyscore.cli.console import Bar, Talk, say
from energyscore.cli.suite_run import begin, plan_of, run_plan
from energyscore.cli.tune_options import options_of_trials
from energyscore.cli.tune_run import Dimensions, run_tune
from energyscore.judge.advice.plan import Measuring, MeasuringPlan, plan_missing
from energyscore.judge.advice.untried import Missing
from energyscore.judge.footprint import Site
from energyscore.measurement.ahead import NOT_STARTED
from energyscore.measurement.metering import describe_machine
from energyscore.measurement.options import RunOptions
from energyscore.measurement.suite.entry import Entry
from energyscore.measurement.suite.listing import Listing
from energyscore.measurement.tune.request import Limits, TuneRequest
from energyscore.protocol.task import find_task, load_tasks
from energyscore.publish.advice.words import line_of
from energyscore.publish.derived import derived_from
from energyscore.results.parts import EnvironmentPart

FOLDER = "advice"
"""Below the first folder of results: so a suite's or a tune's own report stays what it is."""


def folder_for(paths: Sequence[Path]) -> Path:
    """Where it is measured into: a folder below the first one that was named.

    Raises:
        UsageError: where none was.
    """
    folder = next((path for path in paths if path.is_dir()), None)
    if folder is None:
        raise UsageError(
            "--measure: what is measured goes into a folder of results, and only files are named.",
            "Name the folder.",
        )
    return folder / FOLDER


def measure_missing(
    missing: Sequence[Missing], out: Path, budget_s: float | None, site: Site | None, talk: Talk
) -> bool:
    """Measure what is missing, as far as it fits; whether anything was to be measured.

    Raises:
        Interrupted: what is finished is kept, and the same command goes on.
    """
    machine = describe_machine()
    plan = plan_missing(missing, budget_s, lambda one: _why_not(one, machine))
    with Bar(talk) as bar:
        for line in _lines(plan, site):
            bar.say(line)
        if plan.chosen and not bar.agree("That is what would be measured."):
            raise Interrupted(NOT_STARTED, "--budget 10m takes less.")
    runs = [one for one in plan.chosen if one.command.name == "run"]
    tunes = [one for one in plan.chosen if one.command.name == "tune"]
    begun_s = time.monotonic()
    # What is planned may take longer than foreseen: then what does not fit any more is left.
    steps = [[one] for one in runs] if budget_s is not None else [runs] if runs else []
    for step in [*steps, *([one] for one in tunes)]:
        rest_s = None if budget_s is None else budget_s - (time.monotonic() - begun_s)
        if rest_s is not None and rest_s <= 0:
            for one in step:
                say(sentence(f"left out: {line_of(one.command)}: the budget is used up"))
        elif step[0].command.name == "run":
            _run(step, out, talk)
        else:
            _tune(step[0], out / "tune" / _as_folder(step[0].command.model), rest_s, talk)
    return bool(plan.chosen)


def _lines(plan: MeasuringPlan, site: Site | None) -> list[str]:
    """What is measured and what it takes."""
    lines = [
        f"to measure: {line_of(one.command)}"
        + ("" if one.seconds is None else f"  # about {format_duration(one.seconds)}")
        for one in plan.chosen
    ]
    lines += [sentence(f"left out: {line_of(one.command)}: {why}") for one, why in plan.left]
    if not plan.chosen:
        return [*lines, "Nothing is measured."]
    known = [
        *(["about " + format_duration(plan.seconds)] if plan.seconds is not None else []),
        *([format_wh(plan.wh)] if plan.wh is not None else []),
        *derived_from(plan.wh, site, " of CO2"),
    ]
    took = ", ".join(known) or "a time that is not known"
    return [*lines, f"It takes {took}. What was measured already is not measured again."]


def _why_not(one: Measuring, machine: EnvironmentPart) -> str:
    """Why it cannot be measured here; empty where it can."""
    result = one.pieces[0].of.entry.result
    here = {gpu.uuid for gpu in machine.gpus}
    gpus = set(result.protocol.metered_gpus)
    same = gpus <= here if gpus else (machine.cpu, machine.cpu_count) == (
        result.environment.cpu, result.environment.cpu_count
    )  # fmt: skip
    if not same:
        return f"{one.pieces[0].of.entry.label} was measured on another machine"
    if gone := [name for name in one.command.by_name if not Path(name).exists()]:
        return f"{' and '.join(gone)} is not in this folder: run it with the path of it"
    return ""


def _run(runs: Sequence[Measuring], out: Path, talk: Talk) -> None:
    """Measure by single commands, as a suite does."""
    entries = tuple(
        Entry(
            f"missing {place}",
            one.command.task,
            one.command.model,
            options=RunOptions.model_validate(dict(one.command.options)),
        )
        for place, one in enumerate(runs, start=1)
    )
    plan = plan_of(Listing("what advice is missing", entries, ours=False), RunOptions(), None)
    known, plan = begin(plan, out, fresh=False)
    report = run_plan(plan, "what advice is missing", known, None, talk, foretell=False)
    if report.interrupted:
        raise Interrupted("interrupted; finished work is kept.", "The same command goes on.")
    for record in report.entries:
        if record.reason:
            say(sentence(f"{record.label}: {record.status}: {record.reason}"))


def _tune(one: Measuring, out: Path, budget_s: float | None, talk: Talk) -> None:
    """Tune the settings of a model."""
    given = dict(one.command.options)
    quick = bool(given.pop("quick", False))
    named = given.pop("set", [])
    assert isinstance(named, list)
    options = RunOptions.model_validate(dict(pair.split("=", 1) for pair in named))
    limits = Limits()
    options = options_of_trials(options, limits, quick=quick, full=False)
    task = find_task(one.command.task, load_tasks(None))
    request = TuneRequest(task, one.command.model, options, out, None, limits, talk.verbose)
    done = run_tune(request, Dimensions(quick=quick), talk, budget_s)
    if done.interrupted:
        raise Interrupted("interrupted; finished work is kept.", "The same command goes on.")


def _as_folder(model: str) -> str:
    """A model's name as that of a folder."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in model)
