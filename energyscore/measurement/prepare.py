"""What is found out before the first model is loaded: everything that can be wrong by then."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from energyscore.base.errors import (
    DatasetError,
    EnergyScoreError,
    ModelError,
)
from energyscore.base.files import local_path
from energyscore.base.text import first_of
from energyscore.base.units import counted
from energyscore.base.writing import check_folder
from energyscore.measurement.ahead import (
    Look,
    check_official,
    forecast_job,
    say_ahead,
    warn_of_others,
)
from energyscore.measurement.backend import Device
from energyscore.measurement.cost import CostMeter
from energyscore.measurement.entries import (
    SessionEntry,
    finished_by_same_command,
    with_finished,
)
from energyscore.measurement.forecast import Forecast
from energyscore.measurement.loading import measure_loading
from energyscore.measurement.metering import (
    Metering,
    check_power_limit,
    count_gpu_processes,
    measure_idle_gpus,
    plan_metering,
)
from energyscore.measurement.modes import Question, why_not
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.options import UNTIL, Job, RunOptions
from energyscore.measurement.placement import check_spread, choose_device
from energyscore.measurement.quality.evaluate import Examination, examine
from energyscore.measurement.screen.stopping import Until
from energyscore.measurement.server.find import check_asked, on_server, serving
from energyscore.measurement.server.served import Server
from energyscore.measurement.server.tokens import named_spec
from energyscore.measurement.threads import set_threads
from energyscore.protocol import hub
from energyscore.protocol.grid import find_grid
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.selection import BUNDLED
from energyscore.protocol.task import TaskFile, find_task, load_tasks
from energyscore.protocol.workload import Workload, load_workload
from energyscore.results.loading import Loading
from energyscore.results.parts import Caution, Domain


@dataclass(frozen=True)
class Prepared:
    """What is to be measured, and on what."""

    entries: list[SessionEntry]
    failures: list[EnergyScoreError]
    device: Device
    before: Mapping[str, int] | None  # compute processes of each GPU before this process used it
    idle_w: Mapping[Domain, float]  # and its power then
    country: str | None
    cost: CostMeter  # it began before the GPU was metered idle
    loadings: Mapping[str, Loading]  # by the keys of entries, where it was asked for
    forecast: Forecast | None = None  # of what is to be measured; None: nothing, or a suite's
    server: Server | None = None  # that has the model; None: it is loaded here


def prepare(job: Job, observer: LineObserver, stack: contextlib.ExitStack) -> Prepared:
    """Check the options, load the queries and choose the device, before any model is loaded.

    A server that is to be started runs from here on, until `stack` ends.

    Raises:
        EnergyScoreError: when something named does not exist or does not fit.
    """
    options, look = job.options, Look()
    if options.threads:
        set_threads(options.threads)
    known = load_tasks(job.task_path)
    tasks = [find_task(name, known) for name in dict.fromkeys(job.tasks)]
    for task in tasks:
        check_spread(task.spec, options.spread)
    pairs = _models_at_tasks(job, tasks)
    generations = {task.spec.id: options.generations(task.spec) for task in tasks}
    country = find_grid(options.country).country if options.country else None
    check_folder(job.out, observer.warn)
    counting = [named_spec(job.server.tokenizer)] if job.server and job.server.tokenizer else []
    online = _ask_hub(options, [*(model for _, model in pairs), *counting], observer)
    workloads: dict[tuple[str, str], Workload] = {}
    examinations: dict[tuple[str, str], Examination] = {}
    entries = []
    for task, model in pairs:
        source, cautions = options.source_of(model, online=online), []
        if options.dataset is None and model.source == "hub" and not online:
            message = "the official dataset needs the hub; the bundled sample was used"
            cautions.append(Caution(code="bundled_sample", message=message))
        place = (task.spec.id, source)
        if place not in workloads:
            workloads[place] = _load_queries(task, source, options, observer)
            if options.quality:
                examinations[place] = _examine(task, source, options, observer)
        entries += [
            SessionEntry(
                task, model, workloads[place], cautions, generation, examinations.get(place), load
            )
            for generation in generations[task.spec.id]
            for load in (job.server.loads if job.server else (None,))
        ]
    entries, failures = _refuse_modes(entries, observer)
    entries, server = _look_up(entries, job, observer, stack, online=online)
    device = _device_of(server, job)
    # Who is on the GPUs of a server is not foreign to it.
    before = count_gpu_processes() if device == "cuda" and not server else None
    # What cannot be metered is found out before the first model is loaded.
    named = (metering := plan_metering(device, options.gpu or ())).uuids
    idle_w: Mapping[Domain, float] = {}
    pending = [entry for entry in entries if entry.finished is None]
    _check_metered(options if pending else options.without(["screen"]), device, metering)
    forecast = None
    if pending and server is None:
        forecast = _look_ahead(pending, len(entries), job, device, look, observer)
    cost = CostMeter(gpus=bool(named) or device == "cuda")
    if pending and server is None and options.idle_s > 0 and (named or device == "cuda"):
        observer.say(f"Metering the idle GPU for {options.idle_s:.0f} s ...")
        idle_w = measure_idle_gpus(named, options.idle_s)
    loadings = _loadings(pending, job, device, observer) if options.loading else {}
    if server and server.loading:
        loadings = {entry.key: server.loading for entry in pending}
        idle_w = server.loading.floor_w if options.idle_s > 0 else {}
    return Prepared(
        entries, failures, device, before, idle_w, country, cost, loadings, forecast, server
    )


def _models_at_tasks(job: Job, tasks: Sequence[TaskFile]) -> list[tuple[TaskFile, ModelSpec]]:
    """Every model at every task, as it was asked for."""
    if job.server is not None:
        check_asked(job.options, [task.spec for task in tasks], job.models)
    return [
        (task, on_server(name) if job.server else job.options.model_spec(name, task.spec))
        for task in tasks
        for name in dict.fromkeys(job.models or task.spec.default_models)
    ]


def _look_up(
    entries: Sequence[SessionEntry],
    job: Job,
    observer: LineObserver,
    stack: contextlib.ExitStack,
    *,
    online: bool,
) -> tuple[list[SessionEntry], Server | None]:
    """The entries with what is finished of them, and the server; None where none is needed.

    One that would be started is not, where results say what it was found to do and have all.
    """
    if job.server is None:
        return with_finished(entries, job, online=online), None
    if found := finished_by_same_command(entries, job, online=online):
        observer.say(
            "The server is not started: its command, the files in it and the environment are as "
            "they were when all of this was measured. --fresh starts it."
        )
        return found, None
    work = [(one.task.spec, one.workload, one.generation) for one in entries]
    server = stack.enter_context(serving(job, work, observer))

    def told(entry: SessionEntry) -> list[list[object]]:
        return [server.told_apart_by(entry.task.spec, entry.load)]

    return with_finished(entries, job, told, online=online), server


def _device_of(server: Server | None, job: Job) -> Device:
    """Where the work is done; a server that is not needed works nowhere."""
    if server is None:
        return "cpu" if job.server else choose_device(job.options)
    return server.device


def _ask_hub(options: RunOptions, models: Sequence[ModelSpec], observer: LineObserver) -> bool:
    """Whether something of the hub is needed and it can be reached; else nobody asks it again."""
    online = _needs_hub(options, models)
    if online:
        observer.say(f"Asking {hub.endpoint()} ...")
        if not (online := hub.is_reachable()):
            observer.warn(
                "the hub cannot be reached (or HF_HUB_OFFLINE is set); only what is in the local "
                "cache can be used."
            )
    if not online:
        hub.stay_offline()
    return online


def _check_metered(options: RunOptions, device: Device, metering: Metering) -> None:
    """An error where GPUs are limited, or decide a screen, and it is known that none is metered."""
    check_power_limit(device, metering.uuids, options.power_limit)
    if not options.screen:
        return
    gpus = bool(metering.uuids) or (device == "cuda" and not metering.failures)
    Until.parse(options.until or UNTIL).check_metered(gpus=gpus)


def _loadings(
    pending: Sequence[SessionEntry], job: Job, device: Device, observer: LineObserver
) -> dict[str, Loading]:
    """What loading each model takes, before this process uses the device and draws more for it."""
    found = {}
    for entry in pending:
        observer.model(entry.label, entry.task.spec.id, "loading")
        asked = job.model_copy(update={"options": entry.asked(job.options)})
        found[entry.key] = measure_loading(asked, entry.task.spec, entry.model, device, observer)
    return found


def _look_ahead(
    pending: Sequence[SessionEntry],
    listed: int,
    job: Job,
    device: Device,
    look: Look,
    observer: LineObserver,
) -> Forecast | None:
    """Say what is to be known before a run; a suite has said of its own what all of it takes."""
    options = job.options
    if options.official or not (options.quick or options.screen):
        work = [(one.task, one.model, one.workload, one.generation) for one in pending]
        check_official(work, options, device, observer)
    warn_of_others(look, observer)
    if job.request is not None:
        return None
    asked = [(one.task, one.model, one.generation) for one in pending]
    forecast = forecast_job(asked, listed, job, device)
    say_ahead(forecast, options, observer)
    return forecast


def _needs_hub(options: RunOptions, models: Iterable[ModelSpec]) -> bool:
    path = local_path(options.dataset) if options.dataset else None
    remote_data = options.dataset not in (None, BUNDLED) and not (path and path.exists())
    return remote_data or any("hub" in model.sources for model in models)


def _load_queries(
    task: TaskFile, source: str, options: RunOptions, observer: LineObserver
) -> Workload:
    wanted = options.queries or task.spec.queries
    workload = load_workload(task, source, wanted, options.selection, strict=options.strict)
    if empty := workload.empty_rows:
        observer.warn(
            f"{workload.dataset}: {counted(len(empty), 'row')} left out, as they hold nothing "
            f"({first_of(empty)}); --strict refuses them."
        )
    if len(workload.queries) < wanted:
        held = counted(len(workload.queries), "query", "queries")
        have = f"{workload.dataset} holds {held}, not {wanted}"
        if options.strict:
            raise DatasetError(f"{have}.", "Lower --queries or leave out --strict.")
        observer.warn(f"{have}; those are used.")
    return workload


def _examine(
    task: TaskFile, source: str, options: RunOptions, observer: LineObserver
) -> Examination:
    """What answers are judged by; what is missing for it is said before anything is measured."""
    wanted = options.queries or task.spec.queries
    found = examine(task, source, wanted, options.selection, options.labels, options.clip)
    if found.reason:
        observer.warn(f"{task.spec.id}: the quality will not be known: {found.reason}.")
    return found


def _refuse_modes(
    entries: Sequence[SessionEntry], observer: LineObserver
) -> tuple[list[SessionEntry], list[EnergyScoreError]]:
    """Leave out the entries whose models lack the mode, and say so; a ModelError if all do."""
    problems = why_not([Question(one.task.spec, one.model, one.mode) for one in entries])
    if all(problems):
        raise ModelError(" ".join(dict.fromkeys(problems)))
    failures = [ModelError(problem) for problem in problems if problem]
    for failure in failures:
        observer.fail(str(failure), failure.code)
    left = zip(entries, problems, strict=True)
    return [entry for entry, problem in left if not problem], list(failures)
