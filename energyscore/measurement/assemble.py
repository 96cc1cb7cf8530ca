"""The result of a measurement, put together from what was measured and what was known."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from energyscore.base.stamps import digest_of, utc_stamp
from energyscore.base.version import __version__
from energyscore.measurement.backend import CutInputs, Device
from energyscore.measurement.benchmark import Repeats
from energyscore.measurement.metering import Metering
from energyscore.measurement.options import BY_TASKS
from energyscore.measurement.server.cautions import load_cautions
from energyscore.measurement.server.served import ServedModel
from energyscore.measurement.threads import threads_in_use
from energyscore.measurement.warmup import Warmup
from energyscore.measurement.work import Plan
from energyscore.protocol.census import Census
from energyscore.protocol.model import ModelFacts, ModelSpec
from energyscore.protocol.selection import Selection
from energyscore.protocol.task import TaskSpec
from energyscore.results import checks
from energyscore.results.conformance import max_gpus_of, with_conformance
from energyscore.results.model_part import CensusPart, LayersPart
from energyscore.results.parts import (
    Caution,
    Domain,
    EmptyRows,
    EnvironmentPart,
    Idle,
    InputsCut,
    ModelPart,
    ProtocolPart,
    Run,
    SelectionPart,
    TaskPart,
    WorkloadPart,
)
from energyscore.results.per_token import with_per_token
from energyscore.results.performance import summarize_performance
from energyscore.results.result import Result
from energyscore.results.score import emissions_for, score_runs
from energyscore.results.screen_part import ScreenPart
from energyscore.results.screened import of_a_pass, screen_cautions

MOST_NAMED = 100  # numbers of rows that a result names


@dataclass(frozen=True)
class Setup:
    """What is measured, where, and by which meters: known before the first run."""

    task: TaskSpec
    model: ModelSpec
    facts: ModelFacts
    plan: Plan
    device: Device
    metering: Metering
    environment: EnvironmentPart
    country: str | None = None  # whose CO2 was asked for
    request: str | None = None  # the key of what was asked for
    machine: str | None = None  # that measures (`suite.where`)
    served: ServedModel | None = None  # None: a model of this process does the work


def identity(setup: Setup) -> str:
    """SHA-256 of all that decides what is measured; runs are shared only where it is equal.

    The number of repeats is left out: asking for more goes on from those that are there. So is
    the self-test that a result cites: it tells of the machine, and changes nothing in it; and
    the country, and who asked for it.
    """
    plan, metering = setup.plan, setup.metering
    meters = [meter.name for meter in metering.meters]
    content = {
        "task": setup.task.digest,
        "model": [setup.model.label, str(setup.model.path), _decisive(setup.facts)],
        "seeds": [plan.seed, setup.model.seed],
        "workload": [plan.workload.fingerprint, plan.batch_size],
        "generation": plan.generation and plan.generation.recorded(),
        "window": [plan.quick, plan.min_window_s],
        "device": [setup.device, metering.uuids, meters, metering.shared],
        "occupied": metering.occupied,
        "threads": threads_in_use(),
        "machine": setup.environment.model_dump(mode="json", exclude={"selftest"}),
        "version": __version__,
        **({"screen": True} if plan.screen else {}),
        **({"server": setup.served.told_apart_by} if setup.served else {}),
    }
    return digest_of(content)


def _decisive(facts: ModelFacts) -> dict[str, Any]:
    """What is known of a model, but for what is only told of it."""
    known = asdict(facts)
    for told in ("parent", "census"):
        del known[told]
    return known


def protocol_of(plan: Plan, metering: Metering, warmup: Warmup, device: Device) -> ProtocolPart:
    """How a model or a function was measured, as results keep it."""
    return ProtocolPart(
        device=device,
        quick=plan.quick,
        repeats=plan.repeats,
        target_half_width=plan.target_half_width,
        min_window_s=plan.min_window_s,
        warmup_s=warmup.duration_s,
        warmup_queries=warmup.queries,
        warmup_steady=warmup.steady,
        metered_gpus=list(metering.uuids),
        gpus_chosen_by=metering.chosen_by,
        occupied_gpus=list(metering.occupied),
        shared=metering.shared,
        threads=threads_in_use(),
    )


def assemble(
    setup: Setup,
    repeats: Repeats,
    idle_w: Mapping[Domain, float],
    cautions: Sequence[Caution],
    screen: ScreenPart | None = None,
) -> Result:
    """Score the runs, of which there is one at least, check them, and put the result together.

    `idle_w` is what GPUs drew before this process used them, `cautions` what is known beyond what
    the checks find in the runs.
    """
    runs, uuids = repeats.runs, setup.metering.uuids
    idle = Idle(
        seconds=setup.plan.idle_s,
        without_model_w={d: w for d, w in idle_w.items() if d.removeprefix("gpu:") in uuids},
        with_model_w=dict(repeats.idle_w),
    )
    task, facts = setup.task, setup.facts
    size = task.class_of(facts.parameters, facts.quantization_bits)
    workload = _workload_part(setup, runs, repeats.warmup.inputs_cut, screen)
    plan = replace(setup.plan, repeats=len(runs)) if screen else setup.plan
    protocol = protocol_of(plan, setup.metering, repeats.warmup, setup.device)
    if setup.served:  # its threads are not this process's
        protocol = protocol.model_copy(update={"threads": None})
    found = checks.find_cautions(
        runs, protocol, workload, setup.plan.workload.wanted, facts, max_gpus_of(task, size)
    )
    invalid_reasons = checks.find_invalid_reasons(runs, protocol)
    load, of_load = None, []
    if served := setup.served:
        load = served.load_part(runs, setup.plan.generation)
        of_load = [*load_cautions(runs, served.can, served.whole), *served.server.cautions]
    result = Result(
        created_at=utc_stamp(),
        identity=identity(setup),
        request=setup.request,
        machine=setup.machine,
        task=TaskPart(
            id=task.id, version=task.version, digest=task.digest, scale_task=task.scale_task
        ),
        model=_model_part(setup.model, facts, size),
        workload=workload,
        protocol=protocol,
        environment=setup.environment,
        runs=runs,
        idle=idle,
        screen=screen,
        score=score_runs(runs, uuids, idle, [one.name for one in setup.environment.gpus], screen),
        performance=summarize_performance(run.performance for run in runs),
        load=load,
        emissions=emissions_for(setup.country),
        conformance=[],
        official=False,
        cautions=[*screen_cautions(screen), *of_load, *found, *cautions],
        valid=not invalid_reasons,
        invalid_reasons=invalid_reasons,
    )
    return with_conformance(task, with_per_token(result))


def _workload_part(
    setup: Setup, runs: Sequence[Run], cut: CutInputs | None, screen: ScreenPart | None
) -> WorkloadPart:
    workload, phases = setup.plan.workload, setup.plan.phases
    generation = setup.plan.generation or setup.task.generation
    writes = "decode" in phases or (setup.served is not None and setup.served.can.limits)
    settings = generation.recorded() if generation and writes else None
    if setup.task.diffusion is not None and "call" in phases:
        settings = dict(setup.task.diffusion.model_dump())
    read, written = _tokens_of_a_pass(runs, len(workload.queries), cut, screen)
    return WorkloadPart(
        dataset=workload.dataset,
        revision=workload.revision,
        official=workload.official,
        fingerprint=workload.fingerprint,
        queries=len(workload.queries),
        batch_size=setup.plan.batch_size,
        seed=setup.plan.seed,
        input_tokens=read,
        output_tokens=written,
        generation=settings,
        inputs_cut=InputsCut(**asdict(cut)) if cut else None,
        by=("generate" if writes else "head") if setup.task.modality in BY_TASKS else None,
        selection=_selection_part(workload.selection),
        empty_rows=_empty_rows(workload.empty_rows),
    )


def _tokens_of_a_pass(
    runs: Sequence[Run], queries: int, cut: CutInputs | None, screen: ScreenPart | None
) -> tuple[int | None, int | None]:
    """What is read and written in one pass; of a screen as it follows from its blocks."""
    run = runs[0]
    tokens = run.input_tokens, run.output_tokens
    if run.load is not None:  # a window is no pass
        read, written = (
            None if one is None else round(one / run.load.requests * queries) for one in tokens
        )
        return read, written
    if screen is None:
        read, written = (None if one is None else one // run.passes for one in tokens)
        return read, written
    read, written = (
        round(of_a_pass(screen, runs, [getattr(one, name) for one in runs]))
        for name in ("input_tokens", "output_tokens")
    )
    if read and screen.size_in == "tokens" and screen.population.units == screen.queries:
        read = round(screen.population.size)  # known of every query
    elif read and cut is not None and cut.unit == "tokens":
        read = round(cut.total - cut.lost)
    return read, written


def _selection_part(selection: Selection) -> SelectionPart | None:
    """What was said to be taken of the dataset; None where nothing was."""
    if selection == Selection():
        return None
    columns = dict(selection.columns)
    return SelectionPart(config=selection.config, split=selection.split, columns=columns)


def _empty_rows(numbers: Sequence[int]) -> EmptyRows | None:
    if not numbers:
        return None
    return EmptyRows(count=len(numbers), first=list(numbers[:MOST_NAMED]))


def _model_part(spec: ModelSpec, facts: ModelFacts, size: str | None) -> ModelPart:
    known = {**asdict(facts), "census": facts.census and _census_part(facts.census)}
    for name in ("context_length", "experts", "dequantized", "left_over"):
        del known[name]
    return ModelPart(id=spec.label, source=spec.source, model_class=size, **known)


def _census_part(census: Census) -> CensusPart:
    return CensusPart(
        bytes_before=census.bytes_before,
        bytes_after=census.bytes_after,
        layers=[LayersPart(**asdict(layer)) for layer in census.layers],
    )
