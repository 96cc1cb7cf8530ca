"""A session of `energyscore run`: every model at every task, each result written as it comes.

Here the parts meet: tasks, models, workloads, meters and backends are looked up and handed to
the benchmark; its runs are journaled, and the result is assembled, written and rated.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from energyscore import __version__, builtin, catalog, checks, environment, hub, rating, store
from energyscore.backend import Backend, ModelFacts
from energyscore.benchmark import Plan, Warmup, run_benchmark
from energyscore.cli.meters import Metering, open_metering, plan_metering
from energyscore.console import ProgressObserver, describe_estimate
from energyscore.errors import DatasetError, EnergyScoreError, UnsupportedError
from energyscore.export import RatedResult
from energyscore.meters.codecarbon import GridIntensity
from energyscore.model import Dtype, ModelSpec, parse_model
from energyscore.result import (
    Caution,
    ModelPart,
    ProtocolPart,
    Result,
    Run,
    TaskPart,
    WorkloadPart,
)
from energyscore.scoring import emissions_of, score_runs
from energyscore.task import TaskFile, find_task, load_tasks
from energyscore.workload import BUNDLED, OFFICIAL, Workload, load_workload

SEED = 42


class Interrupted(EnergyScoreError):
    """Ctrl-C during a measurement; what was finished is kept."""

    exit_code = 130


@dataclass(frozen=True)
class Options:
    """The command line of `run`, checked for form only."""

    tasks: tuple[str, ...]
    models: tuple[str, ...]
    random_weights: bool
    revision: str | None
    device: str
    gpus: tuple[str, ...]
    dtype: Dtype
    batch_size: int | None
    queries: int | None
    repeats: int | None
    dataset: str | None
    task_path: Path | None
    country: str | None
    quick: bool
    strict: bool
    fresh: bool
    allow_pickle: bool
    trust_remote_code: bool
    out: Path


@dataclass(frozen=True)
class _Entry:
    """One model at one task, and its queries."""

    task: TaskFile
    model: ModelSpec
    workload: Workload
    cautions: tuple[Caution, ...]


class Session:
    """Measures what the options name; everything that can be wrong is found out first."""

    def __init__(self, options: Options, observer: ProgressObserver) -> None:
        """Check the options and load the queries.

        Raises:
            EnergyScoreError: when something named does not exist or does not fit.
        """
        self._options = options
        self._observer = observer
        self._results: list[tuple[Path, Result]] = []
        known = load_tasks(options.task_path)
        tasks = [find_task(name, known) for name in dict.fromkeys(options.tasks)]
        pairs = [(task, spec) for task in tasks for spec in self._models_of(task)]
        self._grid = GridIntensity(options.country) if options.country else None
        store.check_writable(options.out)
        self._online = self._needs_hub(pairs) and self._reach_hub(pairs)
        if not self._online:
            hub.stay_offline()
        self._workloads: dict[tuple[str, str], Workload] = {}
        self._entries = [self._entry(task, spec) for task, spec in pairs]
        self._device = self._choose_device()

    def measure_all(self) -> list[EnergyScoreError]:
        """Measure every entry. One that fails is reported and does not stop the others."""
        failures: list[EnergyScoreError] = []
        for number, entry in enumerate(self._entries, start=1):
            place = f"[{number}/{len(self._entries)}]"
            self._observer.model(entry.model.label, entry.task.spec.id, place)
            try:
                self._results.append(self._measure(entry))
                self._write_csv()
            except Interrupted:
                raise
            except EnergyScoreError as error:
                failures.append(error)
                self._observer.fail(str(error))
        return failures

    def report(self) -> list[RatedResult]:
        """The results of this session, rated among all comparable ones in the output folder."""
        own = [result for _, result in self._results]
        files = {id(result): str(path) for path, result in self._results}
        shown = self._rated(own)
        return [RatedResult(one.result, one.rating, files[id(one.result)]) for one in shown]

    @property
    def csv_path(self) -> Path:
        """The table beside the results."""
        return self._options.out / store.CSV_NAME

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
                builtin.find_architecture(spec.id, task.spec.modality)
        return specs

    def _needs_hub(self, pairs: Sequence[tuple[TaskFile, ModelSpec]]) -> bool:
        dataset = self._options.dataset
        remote_data = dataset not in (None, BUNDLED) and not Path(str(dataset)).exists()
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

    def _entry(self, task: TaskFile, spec: ModelSpec) -> _Entry:
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
        return _Entry(task, spec, self._workloads[key], tuple(cautions))

    def _choose_device(self) -> str:
        if self._options.device == "cpu":
            return "cpu"
        import torch

        if torch.cuda.is_available():
            return "cuda"
        if self._options.device == "cuda":
            raise UnsupportedError(
                "--device cuda: torch sees no NVIDIA GPU here.",
                "`energyscore doctor` says why; --device cpu works everywhere.",
            )
        return "cpu"

    def _measure(self, entry: _Entry) -> tuple[Path, Result]:
        spec = entry.task.spec
        metering = plan_metering(self._device, self._options.gpus)
        backend: Backend = catalog.resolve(catalog.BACKENDS, spec.modality)()
        try:
            self._observer.stage("loading the model", None)
            facts = backend.load(entry.model, spec, self._device)
            open_metering(metering, backend.gpu_uuids())
            for notice in metering.failures:
                self._observer.warn(notice)
            return self._run(entry, backend, facts, metering)
        finally:
            metering.close()
            backend.close()

    def _run(
        self, entry: _Entry, backend: Backend, facts: ModelFacts, metering: Metering
    ) -> tuple[Path, Result]:
        plan = self._plan(entry, metering)
        identity = self._identity(entry, plan, facts, metering)
        folder = store.result_folder(self._options.out, entry.model.folder, entry.task.spec.id)
        journal = store.Journal(folder, identity)
        with journal.lock():
            if self._options.fresh:
                journal.discard()
            finished = journal.load()
            kept = len(finished)
            if finished:
                self._observer.say(
                    f"{kept} of {plan.repeats} runs were measured before the interruption; going on."
                )
            try:
                runs, warmup = run_benchmark(
                    plan,
                    backend,
                    metering.meters,
                    finished=finished,
                    on_run=journal.append,
                    observer=self._observer,
                    on_warm=lambda runs, s: self._observer.say(describe_estimate(runs, s)),
                )
            except KeyboardInterrupt:
                done = len(journal.load())
                raise Interrupted(
                    f"interrupted; {done} of {plan.repeats} runs of {entry.model.label} are kept.",
                    "The same command goes on from there (--fresh starts anew).",
                ) from None
            result = self._assemble(entry, plan, identity, facts, metering, runs, warmup, kept)
            path = store.save_result(folder, result)
            journal.discard()
        return path, result

    def _plan(self, entry: _Entry, metering: Metering) -> Plan:
        spec, options = entry.task.spec, self._options
        return Plan(
            workload=entry.workload,
            phases=tuple(spec.phases),
            batch_size=options.batch_size or spec.batch_size,
            repeats=options.repeats or (1 if options.quick else spec.repeats),
            seed=SEED,
            quick=options.quick,
            min_window_s=0.0 if options.quick else checks.MIN_WINDOW_S,
            absent=metering.absent,
        )

    def _identity(
        self, entry: _Entry, plan: Plan, facts: ModelFacts, metering: Metering
    ) -> str:
        """Digest of all that decides what is measured; only equal ones may share runs.

        The number of repeats is left out: asking for more goes on from those that are there.
        """
        content = {
            "task": entry.task.spec.digest,
            "model": [entry.model.label, str(entry.model.path), asdict(facts)],
            "seed": [plan.seed, entry.model.seed],
            "workload": [entry.workload.fingerprint, plan.batch_size],
            "window": [plan.quick, plan.min_window_s],
            "device": [self._device, metering.uuids, [meter.name for meter in metering.meters]],
            "machine": asdict_part(self._machine(metering)),
            "version": __version__,
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _machine(self, metering: Metering) -> environment.EnvironmentPart:
        return environment.describe(metering.gpu_parts(), metering.driver, metering.cuda)

    def _assemble(
        self,
        entry: _Entry,
        plan: Plan,
        identity: str,
        facts: ModelFacts,
        metering: Metering,
        runs: list[Run],
        warmup: Warmup,
        kept: int,
    ) -> Result:
        spec = entry.task.spec
        size = spec.class_of(facts.parameters, facts.quantization_bits)
        first = runs[0]
        workload = WorkloadPart(
            dataset=entry.workload.dataset,
            revision=entry.workload.revision,
            official=entry.workload.official,
            fingerprint=entry.workload.fingerprint,
            queries=len(entry.workload.queries),
            batch_size=plan.batch_size,
            seed=plan.seed,
            input_tokens=first.input_tokens // first.passes,
            output_tokens=first.output_tokens // first.passes,
            generation=spec.generation.model_dump() if spec.generation else None,
        )
        protocol = ProtocolPart(
            device="cuda" if self._device == "cuda" else "cpu",
            quick=plan.quick,
            repeats=plan.repeats,
            min_window_s=plan.min_window_s,
            warmup_s=warmup.duration_s,
            warmup_queries=warmup.queries,
            warmup_steady=warmup.steady,
            metered_gpus=list(metering.uuids),
            gpus_chosen_by=metering.chosen_by,
        )
        machine = self._machine(metering)
        cautions = checks.find_cautions(
            runs, protocol, workload, entry.workload.wanted, facts.weights
        )
        cautions += entry.cautions
        cautions += [Caution(code="meter_failed", message=text) for text in metering.failures]
        if kept:
            message = f"{kept} of {len(runs)} runs were measured before an interruption"
            cautions.append(Caution(code="resumed", message=message))
        reasons = checks.find_invalid_reasons(runs, protocol)
        score = score_runs(runs, metering.uuids)
        grid = self._grid
        return Result(
            created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            identity=identity,
            task=TaskPart(
                id=spec.id, version=spec.version, digest=spec.digest, scale_task=spec.scale_task
            ),
            model=_model_part(entry.model, facts, size),
            workload=workload,
            protocol=protocol,
            environment=machine,
            runs=runs,
            score=score,
            emissions=emissions_of(
                score,
                grid.country if grid else None,
                grid.g_per_kwh if grid else None,
                grid.source if grid else None,
            ),
            conformance=checks.check_conformance(
                spec, facts, size, workload, protocol, machine, runs
            ),
            cautions=cautions,
            valid=not reasons,
            invalid_reasons=reasons,
        )

    @cached_property
    def _earlier(self) -> list[tuple[Path, Result]]:
        """Results that were in the output folder before; files that are not results are not
        this command's business."""
        found = []
        for path in sorted(self._options.out.rglob("*.json")):
            try:
                found.append((path, store.load_result(path)))
            except EnergyScoreError:
                continue
        return found

    def _rated(self, results: Sequence[Result]) -> list[RatedResult]:
        everything = [*(result for _, result in self._earlier), *results]
        ratings = rating.rate(everything)[len(everything) - len(results) :]
        return [RatedResult(result, r) for result, r in zip(results, ratings, strict=True)]

    def _write_csv(self) -> None:
        everything = [*self._earlier, *self._results]
        ratings = rating.rate([result for _, result in everything])
        report = [
            RatedResult(result, stars, str(path.relative_to(self._options.out)))
            for (path, result), stars in zip(everything, ratings, strict=True)
        ]
        content: bytes = catalog.resolve(catalog.EXPORTERS, "csv")(report)
        store.write_atomically(self.csv_path, content)


def asdict_part(part: environment.EnvironmentPart) -> dict[str, object]:
    """The environment as plain data."""
    content: dict[str, object] = part.model_dump(mode="json")
    return content


def _model_part(spec: ModelSpec, facts: ModelFacts, size: str | None) -> ModelPart:
    return ModelPart(
        id=spec.label,
        source=spec.source,
        revision=facts.revision,
        architecture=facts.architecture,
        parameters=facts.parameters,
        dtype=facts.dtype,
        quantization=facts.quantization,
        quantization_bits=facts.quantization_bits,
        weights="random" if facts.weights == "random" else "pretrained",
        model_class=size,
    )
