"""The result of a measurement, put together from what was measured and what was known."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from energyscore.base.version import __version__
from energyscore.measurement.backend import CutInputs
from energyscore.measurement.warmup import Warmup
from energyscore.measurement.work import Plan
from energyscore.protocol.model import ModelFacts, ModelSpec
from energyscore.protocol.task import TaskSpec
from energyscore.results import checks
from energyscore.results.conformance import check_conformance, max_gpus_of
from energyscore.results.result import (
    Caution,
    EnvironmentPart,
    Idle,
    InputsCut,
    ModelPart,
    ProtocolPart,
    Result,
    Run,
    TaskPart,
    WorkloadPart,
)
from energyscore.results.score import emissions_for, score_runs


@dataclass(frozen=True)
class Subject:
    """What is measured, where, and by which meters: known before the first run.

    Attributes:
        task: the task.
        model: the model as it was asked for.
        facts: the model as it was loaded.
        plan: the queries and the protocol.
        device: where the model works.
        metered_gpus: UUIDs.
        gpus_chosen_by: whether the model or the user chose them.
        occupied_gpus: UUIDs of those that the model occupies.
        shared: whether other processes on the GPUs were allowed.
        environment: the machine.
        meters: names of the meters in use.
        country: whose electricity CO2 is wanted for; None: nobody asked.
        request: key of the entry of a suite that asked for it.
    """

    task: TaskSpec
    model: ModelSpec
    facts: ModelFacts
    plan: Plan
    device: Literal["cpu", "cuda"]
    metered_gpus: tuple[str, ...]
    gpus_chosen_by: Literal["model", "user"] | None
    occupied_gpus: tuple[str, ...]
    shared: bool
    environment: EnvironmentPart
    meters: tuple[str, ...]
    country: str | None = None
    request: str | None = None


def identity(subject: Subject) -> str:
    """SHA-256 of all that decides what is measured; runs are shared only where it is equal.

    The number of repeats is left out: asking for more goes on from those that are there. So is
    the self-test that a result cites: it tells of the machine, and changes nothing in it; and
    the country, and who asked for it.
    """
    plan = subject.plan
    content = {
        "task": subject.task.digest,
        "model": [subject.model.label, str(subject.model.path), asdict(subject.facts)],
        "seeds": [plan.seed, subject.model.seed],
        "workload": [plan.workload.fingerprint, plan.batch_size],
        "generation": plan.generation and plan.generation.recorded(),
        "window": [plan.quick, plan.min_window_s],
        "device": [subject.device, subject.metered_gpus, subject.meters, subject.shared],
        "occupied": subject.occupied_gpus,
        "machine": subject.environment.model_dump(mode="json", exclude={"selftest"}),
        "version": __version__,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def assemble(
    subject: Subject,
    runs: Sequence[Run],
    warmup: Warmup,
    idle: Idle,
    cautions: Sequence[Caution],
) -> Result:
    """Score the runs, check them, and put the result together.

    Args:
        subject: what was measured.
        runs: its runs, at least one.
        warmup: what went before them.
        idle: what was drawn before without work.
        cautions: what is known beyond what the checks find in the runs.
    """
    task, facts = subject.task, subject.facts
    size = task.class_of(facts.parameters, facts.quantization_bits)
    workload = _workload_part(subject, runs[0], warmup.inputs_cut)
    protocol = ProtocolPart(
        device=subject.device,
        quick=subject.plan.quick,
        repeats=subject.plan.repeats,
        target_half_width=subject.plan.target_half_width,
        min_window_s=subject.plan.min_window_s,
        warmup_s=warmup.duration_s,
        warmup_queries=warmup.queries,
        warmup_steady=warmup.steady,
        metered_gpus=list(subject.metered_gpus),
        gpus_chosen_by=subject.gpus_chosen_by,
        occupied_gpus=list(subject.occupied_gpus),
        shared=subject.shared,
    )
    found = checks.find_cautions(
        runs,
        protocol,
        workload,
        subject.plan.workload.wanted,
        facts,
        max_gpus_of(task, size),
    )
    invalid_reasons = checks.find_invalid_reasons(runs, protocol)
    conformance = check_conformance(
        task, facts, size, workload, protocol, subject.environment, runs
    )
    return Result(
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        identity=identity(subject),
        request=subject.request,
        task=TaskPart(
            id=task.id, version=task.version, digest=task.digest, scale_task=task.scale_task
        ),
        model=_model_part(subject.model, facts, size),
        workload=workload,
        protocol=protocol,
        environment=subject.environment,
        runs=list(runs),
        idle=idle,
        score=score_runs(runs, subject.metered_gpus, idle),
        emissions=emissions_for(subject.country),
        conformance=conformance,
        official=all(check.ok for check in conformance),
        cautions=[*found, *cautions],
        valid=not invalid_reasons,
        invalid_reasons=invalid_reasons,
    )


def _workload_part(subject: Subject, run: Run, cut: CutInputs | None) -> WorkloadPart:
    workload, phases = subject.plan.workload, subject.plan.phases
    generation = subject.plan.generation or subject.task.generation
    settings = generation.recorded() if generation and "decode" in phases else None
    if subject.task.diffusion is not None and "call" in phases:
        settings = dict(subject.task.diffusion.model_dump())
    return WorkloadPart(
        dataset=workload.dataset,
        revision=workload.revision,
        official=workload.official,
        fingerprint=workload.fingerprint,
        queries=len(workload.queries),
        batch_size=subject.plan.batch_size,
        seed=subject.plan.seed,
        input_tokens=run.input_tokens // run.passes,
        output_tokens=run.output_tokens // run.passes,
        generation=settings,
        inputs_cut=InputsCut(**asdict(cut)) if cut else None,
    )


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
        weights=facts.weights,
        model_class=size,
    )
