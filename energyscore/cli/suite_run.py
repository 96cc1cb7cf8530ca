"""How the command line runs a suite: the plan of this machine, its preview, its measurement."""

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from energyscore.base.interrupts import Interrupted
from energyscore.base.writing import check_folder
from energyscore.cli.console import Talk, say, say_note, say_skipped, show_json
from energyscore.cli.options import TableOrJson
from energyscore.cli.suite_view import SuiteProgress, forecast_of_plan, show_plan, show_summary
from energyscore.measurement.ahead import NOT_STARTED, power_limit_w
from energyscore.measurement.child import job_command
from energyscore.measurement.metering import describe_machine
from energyscore.measurement.modes import Question, why_not_elsewhere
from energyscore.measurement.options import Job, RunOptions
from energyscore.measurement.suite.entry import Entry
from energyscore.measurement.suite.estimate import Estimate, estimate, needed_bytes
from energyscore.measurement.suite.finished import ByKey, by_key
from energyscore.measurement.suite.key import key_here, work_here
from energyscore.measurement.suite.listing import Listing
from energyscore.measurement.suite.plan import Planned, make_plan
from energyscore.measurement.suite.report import (
    FILE_NAME,
    Record,
    SuiteReport,
    hidden_by,
    report_to_json,
)
from energyscore.measurement.suite.runner import record_before, run_suite
from energyscore.measurement.suite.where import WhereOf, here
from energyscore.protocol import hub
from energyscore.protocol.task import load_tasks
from energyscore.publish.against_screen import screens_came_to
from energyscore.publish.answers import answers_by_task
from energyscore.publish.results_folder import ResultsFolder
from energyscore.publish.took import measuring_took
from energyscore.results.result import Result
from energyscore.results.store import KnownResults

LIMITING = "--set max_new_tokens=N"


def run_all(
    options: RunOptions,
    out: Path,
    form: TableOrJson,
    task_path: Path | None,
    talk: Talk,
    *,
    fresh: bool,
) -> int:
    """`energyscore run --all`: every task with its default models; gives the exit status."""
    entries = tuple(
        Entry(f"task {name}", name, model, options=options)
        for name, task in load_tasks(task_path).items()
        for model in task.spec.default_models
    )
    listing = Listing("all tasks", entries, ours=True)
    plan = plan_of(listing, RunOptions(), task_path)
    return measure(plan, listing.source, out, form, task_path, talk, fresh=fresh)


def plan_of(
    listing: Listing,
    override: RunOptions,
    task_path: Path | None,
    where_of: WhereOf | None = None,
    gpu_type: str | None = None,
) -> list[Planned]:
    """What the list comes to now: on this machine, unless `where_of` says otherwise."""
    online = hub.is_reachable()
    keys, work = key_here(online=online, gpu_type=gpu_type), work_here(online=online)
    return make_plan(listing, load_tasks(task_path), override, keys, work, where_of or here())


def measure(
    plan: Sequence[Planned],
    source: str,
    out: Path,
    form: TableOrJson,
    task_path: Path | None,
    talk: Talk,
    timeout_s: float | None = None,
    *,
    fresh: bool = False,
    stop: bool = False,
) -> int:
    """Measure a plan, show what became of it, and give the exit status."""
    known, plan = begin(plan, out, fresh=fresh)
    report = run_plan(plan, source, known, task_path, talk, timeout_s, fresh=fresh, stop=stop)
    return conclude(report, plan, known, form, talk, fresh=fresh)


def run_plan(
    plan: Sequence[Planned],
    source: str,
    known: KnownResults,
    task_path: Path | None,
    talk: Talk,
    timeout_s: float | None = None,
    *,
    fresh: bool = False,
    stop: bool = False,
    foretell: bool = True,
) -> SuiteReport:
    """Measure a plan that has begun, after it was said what it takes unless that was done."""
    command = functools.partial(
        _command, out=known.folder, task_path=task_path, fresh=fresh, verbose=talk.verbose
    )
    with SuiteProgress(len(plan), talk) as progress:
        if foretell:
            _say_ahead(_outlooks(plan, known, fresh=fresh), progress)
        return run_suite(
            plan, source, known, command, progress, ResultsFolder(known).write_csv,
            fresh=fresh, stop_on_failure=stop, timeout_s=timeout_s,
        )  # fmt: skip


def begin(plan: Sequence[Planned], out: Path, *, fresh: bool) -> tuple[KnownResults, list[Planned]]:
    """What is in the folder, and the plan with what cannot be measured named."""
    check_folder(out, say_note)
    known = KnownResults(out, say_skipped)
    plan = _with_modes_checked(plan, by_key(known), fresh=fresh, online=hub.is_reachable)
    for one in plan:
        if one.problem:
            say_note(f"{one.entry.place}: {one.label}, {one.task_name}: {one.problem}")
    return known, plan


def conclude(
    report: SuiteReport,
    plan: Sequence[Planned],
    known: KnownResults,
    form: TableOrJson,
    talk: Talk,
    *,
    fresh: bool = False,
) -> int:
    """Show what became of a suite, and give the exit status."""
    out = known.folder
    if form == "json":
        sys.stdout.write(report_to_json(report))
    else:
        made = [out / one.result for one in report.entries if one.result]
        show_summary(report, answers_by_task(ResultsFolder(known).rated_own(made)))
    for hidden, shown in hidden_by(report.entries):
        say_note(
            f"{plan[hidden].entry.place} and {plan[shown].entry.place} came to the same "
            "measurement; tables show the newer result only. Leave one of both out."
        )
    go_on = "the same command goes on from there"
    if fresh:
        go_on = "without --fresh the same command measures what has no result yet"
    go_on = f"Interrupted; {go_on}. " if report.interrupted else ""
    if not talk.quiet:
        now = _measured_now(report, known)
        if took := measuring_took([one.cost for one in now if one.cost]):
            say(took)
        for line in screens_came_to(now):
            say(line)
        say(f"{go_on}Report: {out / FILE_NAME}. Stars: energyscore rate {out}{_country_of(plan)}")
    return report.exit_status


def _measured_now(report: SuiteReport, known: KnownResults) -> list[Result]:
    """The results of the entries that were measured now."""
    now = {known.folder / one.result for one in report.entries if one.result and one.seconds}
    return [result for path, result in known.load() if path in now]


def _country_of(plan: Sequence[Planned]) -> str:
    """The option that also gives CO2 of entries that were measured before it was asked for."""
    countries = {one.entry.options.country for one in plan} - {None}
    return f" --country {countries.pop()}" if len(countries) == 1 else ""


def _with_modes_checked(
    plan: Sequence[Planned], finished: ByKey, *, fresh: bool, online: Callable[[], bool]
) -> list[Planned]:
    """The plan with the reason for those whose models lack the mode, as far as it can be known."""

    def is_open(planned: Planned) -> bool:
        return record_before(planned, finished, fresh=fresh).status == "pending"

    asked = {
        place: question
        for place, one in enumerate(plan)
        if one.task and one.model and one.mode
        if (question := Question(one.task.spec, one.model, one.mode)).is_open and is_open(one)
    }
    if not asked:
        return list(plan)
    say("Checking the reasoning modes that models have ...")
    answers = why_not_elsewhere(list(asked.values()), online=online())
    problems = dict(zip(asked, answers, strict=True))
    return [
        replace(one, problem=problems[place], key="") if problems.get(place) else one
        for place, one in enumerate(plan)
    ]


def _say_ahead(outlooks: Sequence[tuple[Record, Estimate]], progress: SuiteProgress) -> None:
    """Say what the suite will take; where that is much, ask once whether to go on."""
    # A setting for one entry may be another's: of several GPUs in use the limits are not summed.
    machine = describe_machine()
    forecast = forecast_of_plan(outlooks, power_limit_w(machine, RunOptions()))
    if not forecast.entries:
        return
    progress.say(forecast.describe(LIMITING))
    if forecast.costly and not progress.agree(forecast.question()):
        raise Interrupted(NOT_STARTED, "--set quick=true takes less.")


def _outlooks(
    plan: Sequence[Planned], known: KnownResults, *, fresh: bool
) -> list[tuple[Record, Estimate]]:
    """What is to be done of each entry, and how long it takes by what is known here."""
    finished = by_key(known)
    has_gpu = bool(describe_machine().gpus)
    by_folder: dict[Path, list[Result]] = {}
    for path, result in known.load():
        by_folder.setdefault(path.parent, []).append(result)
    outlooks = []
    for planned in plan:
        earlier = by_folder.get(planned.folder(known.folder), []) if planned.model else []
        on_gpu = has_gpu and planned.entry.options.device != "cpu"
        record = record_before(planned, finished, fresh=fresh)
        outlooks.append((record, estimate(planned, earlier, on_gpu=on_gpu)))
    return outlooks


def _command(
    planned: Planned, *, out: Path, task_path: Path | None, fresh: bool, verbose: bool
) -> list[str]:
    """The command that measures an entry."""
    more: dict[str, Any] = {"verbose": True} if verbose else {}
    job = Job(
        tasks=(planned.task_name,),
        models=(planned.entry.model,),
        options=planned.entry.options,
        out=out,
        task_path=task_path,
        fresh=fresh,
        request=planned.key,
        **more,
    )
    return job_command(job)


def preview(plan: Sequence[Planned], out: Path, form: TableOrJson, *, fresh: bool) -> None:
    """Show what would be done, how long it takes and how much is loaded from the hub."""
    # Nothing is downloaded for it: what lies here is checked.
    known = KnownResults(out, say_skipped)
    finished = by_key(known)
    plan = _with_modes_checked(plan, finished, fresh=fresh, online=lambda: False)
    online = hub.is_reachable()
    file_sizes = functools.cache(hub.file_sizes)

    def size_of(planned: Planned) -> int | None:
        model = planned.model
        if model is None or model.source != "hub":
            return 0
        found = file_sizes(model.id, model.revision) if online else None
        return needed_bytes(found, planned) if found else None

    outlooks = [
        (record, replace(needed, size_bytes=size_of(planned)))
        for planned, (record, needed) in zip(plan, _outlooks(plan, known, fresh=fresh), strict=True)
    ]
    if form == "table":
        show_plan(outlooks)
        say(forecast_of_plan(outlooks).describe(LIMITING))
        return
    show_json({"plan": [one.model_dump(mode="json") | asdict(needed) for one, needed in outlooks]})
