"""A session of `energyscore run`: every model at every task, each result written as it comes.

Here the parts meet: tasks, models, workloads, meters and backends are looked up and handed to
the benchmark; its runs are journaled, and the result is assembled, written and rated.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from energyscore.base.errors import DatasetError, EnergyScoreError, ModelError, TaskError
from energyscore.base.files import local_path
from energyscore.base.lookup import resolve
from energyscore.measurement import catalog, environment
from energyscore.measurement.assemble import Subject, assemble, identity
from energyscore.measurement.backend import Backend
from energyscore.measurement.benchmark import Measured, run_benchmark
from energyscore.measurement.device import choose_device, gpus_for
from energyscore.measurement.imports import uncollected
from energyscore.measurement.metering import (
    Metering,
    count_gpu_processes,
    measure_idle_gpus,
    open_metering,
    plan_metering,
)
from energyscore.measurement.modes import Question, why_not
from energyscore.measurement.options import Interrupted, Options
from energyscore.measurement.placement import check_spread
from energyscore.measurement.selftest.report import with_selftest
from energyscore.measurement.work import Plan, SessionObserver
from energyscore.protocol import bundled, hub
from energyscore.protocol.grid import find_grid
from energyscore.protocol.model import ModelFacts, ModelSpec, parse_model
from energyscore.protocol.task import Generation, Mode, TaskFile, find_task, load_tasks
from energyscore.protocol.workload import BUNDLED, OFFICIAL, Workload, load_workload
from energyscore.results import store
from energyscore.results.parts import Domain
from energyscore.results.result import Caution, Idle, Result, Run
from energyscore.results.score import is_precise


@dataclass(frozen=True)
class _Entry:
    """One model at one task, its queries, and how it generates text."""

    task: TaskFile
    model: ModelSpec
    workload: Workload
    cautions: tuple[Caution, ...]
    generation: Generation | None

    @property
    def mode(self) -> Mode | None:
        """The mode to reason in; None where the task has none."""
        return self.generation.reasoning if self.generation else None

    @property
    def label(self) -> str:
        """The model for people, with its mode of reasoning."""
        return f"{self.model.label}, reasoning {self.mode}" if self.mode else self.model.label


class Session:
    """Measures what the options name; everything that can be wrong is found out first."""

    def __init__(
        self,
        options: Options,
        observer: SessionObserver,
        on_result: Callable[[], None] = lambda: None,
    ) -> None:
        """Check the options and load the queries; `on_result` is called after each result.

        Raises:
            EnergyScoreError: when something named does not exist or does not fit.
        """
        self._options = options
        self._observer = observer
        self._on_result = on_result
        self.results: list[tuple[Path, Result]] = []
        known = load_tasks(options.task_path)
        tasks = [find_task(name, known) for name in dict.fromkeys(options.tasks)]
        for task in tasks:
            check_spread(task.spec, options.spread)
        pairs = [(task, spec) for task in tasks for spec in self._models_of(task)]
        generations = {task.spec.id: options.generations(task.spec) for task in tasks}
        self._country = find_grid(options.country).country if options.country else None
        store.check_writable(options.out)
        self._online = self._needs_hub(pairs) and self._reach_hub(pairs)
        if not self._online:
            hub.stay_offline()
        self._workloads: dict[tuple[str, str], Workload] = {}
        self._entries = [
            self._entry(task, spec, generation)
            for task, spec in pairs
            for generation in generations[task.spec.id]
        ]
        self._failures = self._refuse_modes()
        self._device = choose_device(options)
        self._before = count_gpu_processes() if self._device == "cuda" else None
        # What cannot be metered is found out before the first model is loaded.
        named = plan_metering(self._device, options.gpus).uuids
        self._idle_w = self._idle_without_model(named)

    def measure_all(self) -> list[EnergyScoreError]:
        """Measure every entry. One that fails is reported and does not stop the others."""
        failures = list(self._failures)
        for number, entry in enumerate(self._entries, start=1):
            place = f"[{number}/{len(self._entries)}]"
            self._observer.model(entry.label, entry.task.spec.id, place)
            try:
                self.results.append(self._measure(entry))
                self._on_result()
            except KeyboardInterrupt:
                done = f"{len(self.results)} of {len(self._entries)} results are written"
                failures.append(Interrupted(f"interrupted; {done}.", "Repeat it to go on."))
            except EnergyScoreError as error:
                failures.append(error)
            else:
                continue
            self._observer.fail(str(failures[-1]))
            if isinstance(failures[-1], Interrupted):
                break
        return failures

    def _models_of(self, task: TaskFile) -> list[ModelSpec]:
        options = self._options
        specs = [
            parse_model(
                text,
                revision=options.revision,
                random_weights=options.random_weights,
                dtype=options.dtype,
                trust_remote_code=options.trust_remote_code,
                allow_pickle=options.allow_pickle,
            )
            for text in dict.fromkeys(options.models or task.spec.default_models)
        ]
        for spec in specs:
            if spec.source == "builtin":
                bundled.find_architecture(spec.id, task.spec.modality)
        return specs

    def _needs_hub(self, pairs: Sequence[tuple[TaskFile, ModelSpec]]) -> bool:
        dataset = self._options.dataset
        path = local_path(dataset) if dataset else None
        remote_data = dataset not in (None, BUNDLED) and not (path and path.exists())
        return remote_data or any(spec.source == "hub" for _, spec in pairs)

    def _reach_hub(self, pairs: Sequence[tuple[TaskFile, ModelSpec]]) -> bool:
        self._observer.say(f"Asking {hub.endpoint()} ...")
        if hub.is_reachable():
            return True
        self._observer.warn(
            "the hub cannot be reached (or HF_HUB_OFFLINE is set); only what is in the local "
            "cache can be used."
        )
        return False

    def _entry(self, task: TaskFile, spec: ModelSpec, generation: Generation | None) -> _Entry:
        options = self._options
        source, cautions = options.dataset, []
        if source is None:
            official = spec.source == "hub" and self._online
            source = OFFICIAL if official else BUNDLED
            if spec.source == "hub" and not official:
                message = "the official dataset needs the hub; the bundled sample was used"
                cautions.append(Caution(code="bundled_sample", message=message))
        key = (task.spec.id, source)
        if key not in self._workloads:
            wanted = options.queries or task.spec.queries
            self._workloads[key] = workload = load_workload(task, source, wanted)
            if len(workload.queries) < wanted:
                have = f"{workload.dataset} holds {len(workload.queries)} queries, not {wanted}"
                if options.strict:
                    raise DatasetError(f"{have}.", "Lower --queries or leave out --strict.")
                self._observer.warn(f"{have}; those are used.")
        return _Entry(task, spec, self._workloads[key], tuple(cautions), generation)

    def _refuse_modes(self) -> list[EnergyScoreError]:
        """Leave out, and say at once, all entries whose models lack the mode.

        Raises:
            ModelError: when none is left.
        """
        asked = [Question(one.task.spec, one.model, one.mode) for one in self._entries]
        problems = why_not(asked)
        if all(problems):
            raise ModelError(" ".join(dict.fromkeys(problems)))
        failures = [ModelError(problem) for problem in problems if problem]
        for failure in failures:
            self._observer.fail(str(failure))
        left = zip(self._entries, problems, strict=True)
        self._entries = [entry for entry, problem in left if not problem]
        return list(failures)

    def _idle_without_model(self, named: Sequence[str]) -> dict[Domain, float]:
        """What the GPUs draw before this process uses them: now or never."""
        seconds = self._options.idle_seconds
        if seconds <= 0 or not (named or self._device == "cuda"):
            return {}
        self._observer.say(f"Metering the idle GPU for {seconds:.0f} s ...")
        return measure_idle_gpus(named, seconds)

    def _measure(self, entry: _Entry) -> tuple[Path, Result]:
        spec = entry.task.spec
        options = self._options
        metering = plan_metering(
            self._device, options.gpus, self._before, shared=options.allow_shared
        )
        with uncollected():
            backend: Backend = resolve(catalog.BACKENDS, spec.modality)()
        try:
            self._observer.stage("loading the model", None)
            batch_size = options.batch_size or spec.batch_size
            asked = spec.model_copy(
                update={"generation": entry.generation, "batch_size": batch_size}
            )
            facts = backend.load(
                entry.model, asked, self._device, gpus_for(self._device, options.spread)
            )
            if not set(backend.phases) <= set(spec.phases):
                raise TaskError(
                    f"The task {spec.id} has the phases {', '.join(spec.phases)}; "
                    f"{entry.model.label} does {', '.join(backend.phases)}."
                )
            occupied = backend.gpu_uuids()
            if len(occupied) > 1:
                listed = ", ".join(occupied)
                self._observer.say(f"{entry.label} is divided over {len(occupied)} GPUs: {listed}")
            open_metering(metering, occupied)
            for notice in metering.failures:
                self._observer.warn(notice)
            return self._run(entry, backend, facts, metering)
        finally:
            metering.close()
            backend.close()

    def _run(
        self, entry: _Entry, backend: Backend, facts: ModelFacts, metering: Metering
    ) -> tuple[Path, Result]:
        options = self._options
        generation = entry.generation and entry.generation.within(facts.context_length)
        plan = options.plan(entry.task.spec, backend.phases, entry.workload, metering, generation)
        machine = environment.describe(metering.gpu_parts(), metering.driver, metering.cuda)
        subject = Subject(
            task=entry.task.spec,
            model=entry.model,
            facts=facts,
            plan=plan,
            device=self._device,
            metered_gpus=metering.uuids,
            gpus_chosen_by=metering.chosen_by,
            occupied_gpus=metering.occupied,
            shared=metering.shared,
            environment=with_selftest(options.out, machine, self._observer.warn),
            meters=tuple(meter.name for meter in metering.meters),
            country=self._country,
            request=options.request,
        )
        folder = store.result_folder(options.out, entry.model.folder, entry.task.spec.id)
        journal = store.Journal(folder, identity(subject))
        with journal.lock():
            if options.fresh:
                journal.discard()
            finished = journal.load()
            cautions = [*entry.cautions, *metering.cautions(), *self._budget(entry, plan)]
            if finished:
                message = f"{len(finished)} runs were measured before an interruption"
                self._observer.say(f"{message}; going on from there.")
                cautions.append(Caution(code="resumed", message=message))
            measured = self._benchmark(entry, backend, metering, plan, journal, finished)
            idle = Idle(
                seconds=plan.idle_s,
                without_model_w={
                    domain: power_w
                    for domain, power_w in self._idle_w.items()
                    if domain.removeprefix("gpu:") in metering.uuids
                },
                with_model_w=dict(measured.idle_w),
            )
            result = assemble(subject, measured.runs, measured.warmup, idle, cautions)
            path = store.save_result(folder, result, journal.load_raws())
            journal.discard()
        return path, result

    def _budget(self, entry: _Entry, plan: Plan) -> list[Caution]:
        """Say what a mode may cost before it does; a caution where the context allows less."""
        asked, generation = entry.generation, plan.generation
        if asked is None or generation is None or generation.reasoning is None:
            return []
        most, queries = generation.max_new_tokens, len(plan.workload.queries)
        self._observer.say(
            f"{entry.label}: at most {most:,} tokens a query, {most * queries:,} a pass of "
            f"{queries:,}; the time is estimated after the warm-up."
        )
        if most == asked.max_new_tokens:
            return []
        message = (
            f"answers had at most {most} tokens instead of {asked.max_new_tokens}: the model's "
            "context has no more room beside a prompt"
        )
        return [Caution(code="budget_lowered", message=message)]

    def _benchmark(
        self,
        entry: _Entry,
        backend: Backend,
        metering: Metering,
        plan: Plan,
        journal: store.Journal,
        finished: list[Run],
    ) -> Measured:
        def enough(runs: Sequence[Run]) -> bool:
            target = plan.target_half_width
            return target is not None and is_precise(runs, metering.uuids, target)

        try:
            return run_benchmark(
                plan,
                backend,
                metering.meters,
                finished=finished,
                on_run=journal.append,
                observer=self._observer,
                on_warm=functools.partial(
                    self._observer.estimate, at_most=plan.target_half_width is not None
                ),
                on_idle=metering.set_idle,
                enough=enough,
                thermometer=metering.temperature_c,
            )
        except KeyboardInterrupt:
            done = len(journal.load())
            raise Interrupted(
                f"interrupted; {done} of {plan.repeats} runs of {entry.model.label} are kept.",
                "The same command goes on from there (--fresh starts anew).",
            ) from None
