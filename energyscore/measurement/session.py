"""A session: every model at every task, each result written as it comes. The main path.

prepare   find out everything that can be wrong before a model is loaded (`prepare.py`)
measure   one entry: load, meter, warm up and run, assemble, save
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from energyscore.base.errors import EnergyScoreError
from energyscore.base.interrupts import Interrupted
from energyscore.base.lookup import resolve
from energyscore.base.units import counted, format_duration, format_wh
from energyscore.measurement import catalog, environment
from energyscore.measurement.ahead import say_pace
from energyscore.measurement.answers import take_answers
from energyscore.measurement.assemble import Setup, assemble, identity
from energyscore.measurement.backend import Backend
from energyscore.measurement.benchmark import Repeats, run_benchmark
from energyscore.measurement.circumstances import cautions_of
from energyscore.measurement.compiling import compile_ahead
from energyscore.measurement.cost import CostMeter
from energyscore.measurement.entries import SessionEntry, finished_by_now
from energyscore.measurement.imports import uncollected
from energyscore.measurement.judging import judge_answers
from energyscore.measurement.loaded import asked_of, plan_runs, say_budget
from energyscore.measurement.loading import load_model
from energyscore.measurement.metering import (
    open_metering,
    plan_metering,
    power_limited,
    strangers_now,
)
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.options import Job
from energyscore.measurement.prepare import Prepared, prepare
from energyscore.measurement.screen.full import with_full_protocol
from energyscore.measurement.screen.run import Asked, run_screen
from energyscore.measurement.selftest.report import with_selftest
from energyscore.measurement.server.runs import run_load
from energyscore.measurement.server.served import ServedModel
from energyscore.protocol.model import ModelFacts
from energyscore.results import store
from energyscore.results.cost import Cost, added, spent_s
from energyscore.results.parts import Caution, Run
from energyscore.results.quality import in_words
from energyscore.results.raw import RawRun
from energyscore.results.result import Result
from energyscore.results.score import figures_of, is_precise
from energyscore.results.screen_part import ScreenPart


@dataclass
class SessionOutcome:
    """What a session came to: the results with their files, and what failed."""

    results: list[tuple[Path, Result]] = field(default_factory=list)
    failures: list[EnergyScoreError] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)  # of those that were measured now

    @property
    def exit_status(self) -> int:
        """The gravest counts: interrupted, then invalid or unsupported, then wrong input."""
        statuses = [failure.exit_code for failure in self.failures]
        statuses += [3 for _, result in self.results if not result.valid]
        return max(statuses, default=0)


def run_session(
    job: Job, observer: LineObserver, on_result: Callable[[], None] = lambda: None
) -> SessionOutcome:
    """Measure all that a job asks for. An entry that fails does not stop the others.

    Raises:
        EnergyScoreError: when something named does not exist or does not fit.
    """
    with contextlib.ExitStack() as stack:
        return _measure_all(prepare(job, observer, stack), job, observer, on_result)


def _measure_all(
    prepared: Prepared, job: Job, observer: LineObserver, on_result: Callable[[], None]
) -> SessionOutcome:
    outcome = SessionOutcome(failures=list(prepared.failures))
    count = len(prepared.entries)
    for number, entry in enumerate(prepared.entries, start=1):
        observer.model(entry.label, entry.task.spec.id, f"[{number}/{count}]")
        try:
            if before := entry.finished or finished_by_now(entry, job):
                outcome.results.append(_measured_before(entry, before, observer))
                continue
            outcome.results.append(measure(entry, prepared, job, observer))
            on_result()
            continue
        except KeyboardInterrupt:
            done = f"{len(outcome.results)} of {count} results are written"
            failure: EnergyScoreError = Interrupted(f"interrupted; {done}.", "Repeat it to go on.")
        except EnergyScoreError as error:
            failure = error
        outcome.failures.append(failure)
        named = entry.model.label in str(failure) or isinstance(failure, Interrupted)
        observer.fail(str(failure) if named else f"{entry.label}: {failure}", failure.code)
        if isinstance(failure, Interrupted):
            break
    outcome.costs = prepared.cost.end()
    return outcome


def _measured_before(
    entry: SessionEntry, before: tuple[Path, Result], observer: LineObserver
) -> tuple[Path, Result]:
    """Say that an entry is finished, and give its result."""
    path, result = before
    store.Journal(path.parent, result.identity).drop_saved_unless_busy()
    what = f"{entry.label}, {entry.task.spec.id}"
    observer.say(f"{what}: measured before ({path}); --fresh measures it anew.")
    if entry.examination is not None and result.quality is not None:
        observer.say(f"{what}: {in_words(result.quality)}")
    return before


def measure(
    entry: SessionEntry, prepared: Prepared, job: Job, observer: LineObserver
) -> tuple[Path, Result]:
    """Load a model, meter it while it warms up and runs, and write the result.

    Raises:
        Interrupted: after Ctrl-C or SIGTERM; finished runs are kept.
        EnergyScoreError: when the model cannot be loaded or measured.
    """
    options, device = job.options, prepared.device
    prepared.cost.begin_next()
    metering = plan_metering(
        device, options.gpu or (), prepared.before, shared=options.allow_shared
    )
    with contextlib.ExitStack() as stack:
        stack.callback(metering.close)
        backend, facts = _begin(entry, prepared, job, observer, stack)
        served = backend if isinstance(backend, ServedModel) else None
        if served:
            metering.family = served.server.family
        occupied = backend.gpu_uuids()
        if len(occupied) > 1:
            gpus = f"{len(occupied)} GPUs: {', '.join(occupied)}"
            observer.tell(f"divided over {gpus}")
        metered = metering.uuids or occupied
        stack.enter_context(power_limited(metered, options.power_limit, observer.warn))
        open_metering(metering, occupied, backend.compiled)
        names = ", ".join(meter.name for meter in metering.meters)
        queries = counted(len(entry.workload.queries), "query", "queries")
        observer.detail(f"{queries} of {entry.workload.dataset}")
        observer.detail(f"on {device}, metered by {names or 'nothing'}")
        for line in (*metering.failures, *strangers_now(metering)):
            observer.warn(line)
        machine = environment.describe(metering.gpu_parts(), metering.driver, metering.cuda)
        setup = Setup(
            task=entry.task.spec,
            model=entry.model,
            facts=facts,
            plan=plan_runs(entry, backend, facts, metering, options),
            device=device,
            metering=metering,
            environment=with_selftest(job.out, machine, observer.warn),
            country=prepared.country,
            request=entry.key,
            machine=entry.where.machine,
            served=served,
        )
        return _run_and_save(entry, setup, backend, prepared, job, observer)


def _begin(
    entry: SessionEntry,
    prepared: Prepared,
    job: Job,
    observer: LineObserver,
    stack: contextlib.ExitStack,
) -> tuple[Backend | ServedModel, ModelFacts]:
    """What does the work, and its facts: a model that is loaded here, or a server that has it."""
    if prepared.server is not None:
        assert entry.load is not None
        served = ServedModel(prepared.server, entry.task.spec, entry.load)
        return served, served.facts()
    with uncollected():
        backend: Backend = resolve(catalog.BACKENDS, entry.task.spec.modality)()
    stack.callback(backend.close)
    observer.stage("loading the model", None)
    asked = entry.task.spec, entry.model, entry.generation, prepared.device, job.options
    return backend, load_model(backend, *asked)


def _run_and_save(
    entry: SessionEntry,
    setup: Setup,
    backend: Backend | ServedModel,
    prepared: Prepared,
    job: Job,
    observer: LineObserver,
) -> tuple[Path, Result]:
    """Warm up and run, keep each run in a journal, and write the result."""
    plan, metering = setup.plan, setup.metering
    folder = store.result_folder(job.out, entry.model.folder, entry.task.spec.id)
    journal = store.Journal(folder, identity(setup))
    with journal.lock():
        # Another process may have finished it while this one loaded the model.
        if before := finished_by_now(entry, job):
            return _measured_before(entry, before, observer)
        journal.drop_saved()
        if job.fresh:
            journal.discard()
        finished, earlier = journal.load(), journal.costs()
        cautions = [*entry.cautions, *metering.cautions(), *say_budget(entry, plan, observer)]
        cautions += cautions_of(job)
        if finished:
            done = counted(len(finished), "block" if plan.screen else "run")
            message = f"{done} measured before an interruption"
            observer.tell(f"{message}; going on from there.")
            cautions.append(Caution(code="resumed", message=message))
        began_s = prepared.cost.began_s - spent_s(earlier, finished)
        asked = asked_of(job, setup.task, setup.facts, began_s) if plan.screen else None
        try:
            repeats, screen = _do_runs(
                setup,
                backend,
                prepared,
                asked,
                observer,
                finished,
                lambda run, raw: _keep(run, raw, journal, setup, prepared.cost, observer),
            )
        except KeyboardInterrupt:
            kept = len(journal.load())
            done = counted(kept, "block") if plan.screen else f"{kept} of {plan.repeats} runs"
            raise Interrupted(
                f"interrupted; kept of {entry.model.label}: {done}.",
                "The same command goes on from there (--fresh starts anew).",
            ) from None
        before_now = [run.index for run in finished]
        cost = added([*earlier, prepared.cost.so_far(repeats.runs, before_now)])
        cost = with_full_protocol(cost, screen, repeats.runs, setup.task.repeats)
        prepared.cost.keep(cost)
        cautions += metering.idle_cautions(plan.idle_s, repeats.idle_w)
        result = assemble(setup, repeats, prepared.idle_w, cautions, screen)
        beside: dict[str, Any] = {"cost": cost, "loading": prepared.loadings.get(entry.key)}
        if not isinstance(backend, ServedModel):
            beside["memory"] = backend.memory()
            beside["compilation"] = backend.compiled()
            beside["answers"] = take_answers(backend, plan) if job.tuning else None
        beside["quality"] = judge_answers(entry, setup, backend, observer)
        result = result.model_copy(update=beside)
        path = store.save_result(folder, result, journal.load_raws())
        journal.discard()
    return path, result


def _do_runs(
    setup: Setup,
    backend: Backend | ServedModel,
    prepared: Prepared,
    asked: Asked | None,
    observer: LineObserver,
    finished: Sequence[Run],
    on_run: Callable[[Run, RawRun], None],
) -> tuple[Repeats, ScreenPart | None]:
    """The runs, of a server under its load; or the blocks of a screen, and how it ended."""
    plan, metering, target = setup.plan, setup.metering, setup.plan.target_half_width

    def enough(runs: Sequence[Run]) -> bool:
        return target is not None and is_precise(runs, metering.uuids, target)

    if isinstance(backend, ServedModel):
        repeats = run_load(
            plan,
            backend,
            metering.meters,
            finished=finished,
            on_run=on_run,
            observer=observer,
            on_idle=metering.set_idle,
            enough=enough,
            thermometer=metering.temperature_c,
        )
        return repeats, None
    compile_ahead(plan, backend, observer)
    if asked is not None:
        return run_screen(
            plan,
            backend,
            metering.meters,
            asked,
            uuids=metering.uuids,
            finished=finished,
            on_run=on_run,
            observer=observer,
            on_idle=metering.set_idle,
            thermometer=metering.temperature_c,
        )
    repeats = run_benchmark(
        plan,
        backend,
        metering.meters,
        finished=finished,
        on_run=on_run,
        observer=observer,
        on_warm=lambda pace: say_pace(pace, plan, prepared.forecast, observer),
        on_idle=metering.set_idle,
        enough=enough,
        thermometer=metering.temperature_c,
    )
    return repeats, None


def _keep(
    run: Run,
    raw: RawRun,
    journal: store.Journal,
    setup: Setup,
    cost: CostMeter,
    observer: LineObserver,
) -> None:
    """Keep a finished run, and say what it came to where that was asked for."""
    journal.append(run, raw, cost.so_far([run]), cost.session)
    energy = ", ".join(
        f"{format_wh(wh)} per 1,000 queries" for wh in figures_of([run], setup.metering.uuids)
    )
    lasted = f"{format_duration(run.duration_s)}, {run.passes} x the workload"
    observer.detail(f"run {run.index + 1}: {lasted}, {energy}")
