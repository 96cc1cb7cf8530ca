"""What is found out before the first model is loaded: everything that can be wrong by then."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from energyscore.base.errors import (
    DatasetError,
    EnergyScoreError,
    ModelError,
    UnsupportedError,
    UsageError,
)
from energyscore.base.files import local_path
from energyscore.base.stamps import digest_of
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
from energyscore.measurement.forecast import Forecast
from energyscore.measurement.imports import uncollected
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
from energyscore.measurement.placement import check_spread
from energyscore.measurement.quality.evaluate import Examination, examine
from energyscore.measurement.screen.stopping import Until
from energyscore.measurement.server.find import check_asked, find_server, on_server
from energyscore.measurement.server.served import Server
from energyscore.measurement.suite.finished import by_key, find_finished
from energyscore.measurement.suite.key import key_here
from energyscore.measurement.threads import set_threads
from energyscore.protocol import hub
from energyscore.protocol.grid import find_grid
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.task import Generation, Mode, TaskFile, find_task, load_tasks
from energyscore.protocol.workload import BUNDLED, Workload, load_workload
from energyscore.results import store
from energyscore.results.loading import Loading
from energyscore.results.names import mode_of, with_details
from energyscore.results.parts import Caution, Domain
from energyscore.results.result import Result


@dataclass(frozen=True)
class SessionEntry:
    """One model at one task, its queries, and how it generates text."""

    task: TaskFile
    model: ModelSpec
    workload: Workload
    cautions: Sequence[Caution]
    generation: Generation | None
    examination: Examination | None = None  # what its quality is judged by, where that is asked
    concurrency: int | None = None  # of the load on a server; None: a model of this process
    key: str = ""  # of what is asked for (`suite.key`)
    finished: tuple[Path, Result] | None = None  # its result, where it was measured before

    @property
    def mode(self) -> Mode | None:
        """The mode to reason in; None where the task has none."""
        return self.generation.reasoning if self.generation else None

    def asked(self, options: RunOptions) -> RunOptions:
        """Of the options of several entries those of this one."""
        return RunOptions(reasoning=[self.mode]).over(options) if self.mode else options

    @property
    def label(self) -> str:
        """The model for people, with its mode of reasoning and the load on it."""
        load = f"{self.concurrency:,} at once" if self.concurrency else ""
        return with_details(self.model.label, mode_of(self.mode), load)


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


def prepare(job: Job, observer: LineObserver) -> Prepared:
    """Check the options, load the queries and choose the device, before any model is loaded.

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
    online = _ask_hub(options, [model for _, model in pairs], observer)
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
            for load in (job.server.concurrency if job.server else (None,))
        ]
    entries, failures = _refuse_modes(entries, observer)
    server = find_server(job.server, job.models[0], options) if job.server else None
    entries = _with_finished(entries, job, server, online=online)
    device = server.device if server else choose_device(options)
    # Who is on the GPUs of a server is not foreign to it.
    before = count_gpu_processes() if device == "cuda" and not server else None
    # What cannot be metered is found out before the first model is loaded.
    named = (metering := plan_metering(device, options.gpu or ())).uuids
    idle_w: dict[Domain, float] = {}
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


def _with_finished(
    entries: Iterable[SessionEntry], job: Job, server: Server | None, *, online: bool
) -> list[SessionEntry]:
    """The entries with their keys, and the results of those that are finished.

    A suite has looked itself, and asks for what it wants to be measured.
    """
    if job.request is not None:
        return [replace(entry, key=job.request) for entry in entries]
    key_of = key_here(online=online)
    found = []
    for entry in entries:
        key = key_of(entry.task, entry.model, entry.asked(job.options))
        if server is not None:
            key = digest_of([key, *server.told_apart_by(entry.concurrency)])
        keyed = replace(entry, key=key)
        found.append(replace(keyed, finished=finished_by_now(keyed, job)))
    return found


def finished_by_now(entry: SessionEntry, job: Job) -> tuple[Path, Result] | None:
    """The result of an entry, if it is finished: another process may have been at it meanwhile."""
    if job.fresh:
        return None
    task = entry.task.spec
    folder = store.result_folder(job.out, entry.model.folder, task.id)
    kept = by_key(store.KnownResults(job.out, lambda error: None), folder)
    found = find_finished(entry.key, kept, job.options, task)
    return (job.out / found[0], found[1]) if found else None


def choose_device(options: RunOptions) -> Device:
    """The device that was asked for; by default a GPU where torch sees one.

    Raises:
        UnsupportedError: when torch sees no GPU although one was asked for.
        UsageError: when a model is to be spread over GPUs, and works on the processor.
    """
    if options.device != "cpu":
        with uncollected():
            import torch

        if torch.cuda.is_available():
            return "cuda"
        if options.device == "cuda":
            raise UnsupportedError(
                "--device cuda: torch sees no NVIDIA GPU here.",
                "`energyscore doctor` says why; --device cpu works everywhere.",
            )
    if options.spread:
        raise UsageError(
            f"--spread {options.spread} is for GPUs, and models work on the processor here.",
            "Leave it out; `energyscore doctor` says why there is no GPU.",
        )
    return "cpu"


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
