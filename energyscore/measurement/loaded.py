"""One entry's model, loaded: what it is, and how its runs are planned."""

from energyscore.base.errors import UnsupportedError
from energyscore.measurement.backend import Backend
from energyscore.measurement.entries import SessionEntry
from energyscore.measurement.metering import Metering
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.options import MOST_REPEATS, UNTIL, Job, RunOptions
from energyscore.measurement.screen.run import BLOCK_S, Asked, quick_block_s
from energyscore.measurement.screen.stopping import Until
from energyscore.measurement.server.served import QUICK_WINDOW_S, ServedModel
from energyscore.measurement.warmup import LONE_PHASE_S
from energyscore.measurement.work import SEED, Plan
from energyscore.protocol.model import ModelFacts
from energyscore.protocol.scales import DEFAULT_SCALE, load_scale
from energyscore.protocol.stars import StarRange
from energyscore.protocol.task import TaskSpec
from energyscore.results.conformance import MIN_WINDOW_S
from energyscore.results.parts import Caution


def plan_runs(
    entry: SessionEntry,
    backend: Backend | ServedModel,
    facts: ModelFacts,
    metering: Metering,
    options: RunOptions,
) -> Plan:
    """How the loaded model is measured, by the options and the meters that work here."""
    task, quick = entry.task.spec, options.quick
    if options.screen:
        window_s = quick_block_s(metering.least_window_s) if quick else BLOCK_S
    else:
        window_s = metering.least_window_s if quick else MIN_WINDOW_S
    limits = True  # whether it is said how long answers are
    if isinstance(backend, ServedModel):
        limits = backend.can.limits
        window_s = max(window_s, QUICK_WINDOW_S) if quick else window_s
    return Plan(
        workload=entry.workload,
        phases=backend.phases,
        batch_size=options.batch_size or task.batch_size,
        repeats=options.runs(task) or MOST_REPEATS,
        seed=SEED,
        quick=quick,
        min_window_s=window_s,
        screen=options.screen,
        absent=metering.absent,
        target_half_width=options.target_half_width,
        lone_s=0.0 if quick or options.screen or metering.nvml is None else LONE_PHASE_S,
        idle_s=options.idle_s if metering.measures else 0.0,
        generation=entry.generation and entry.generation.within(facts.context_length)
        if limits
        else None,
    )


def say_budget(entry: SessionEntry, plan: Plan, observer: LineObserver) -> list[Caution]:
    """Say what a mode may cost before it does; a caution where the context allows less."""
    asked, generation = entry.generation, plan.generation
    if asked is None or generation is None or generation.reasoning is None:
        return []
    most, queries = generation.max_new_tokens, len(plan.workload.queries)
    observer.tell(
        f"at most {most:,} tokens a query, {most * queries:,} a pass of "
        f"{queries:,}; the time is estimated after the warm-up."
    )
    if most == asked.max_new_tokens:
        return []
    message = (
        f"answers had at most {most} tokens instead of {asked.max_new_tokens}: the model's "
        "context has no more room beside a prompt"
    )
    return [Caution(code="budget_lowered", message=message)]


def asked_of(job: Job, task: TaskSpec, facts: ModelFacts, began_s: float) -> Asked:
    """What a job asks of the screen of a model that began then, on the monotonic clock.

    Pauses do not count. A star is against the default reference.

    Raises:
        UnsupportedError: when the reference has no stars for such a model.
    """
    until = Until.parse(job.options.until or UNTIL)
    stars = _stars(until, task, facts) if until.kind == "star" else None
    budget_s = job.options.budget
    deadline_s = None if budget_s is None else began_s + budget_s
    return Asked(until, task.repeats, budget_s, deadline_s, stars, job.beaten_by)


def _stars(until: Until, task: TaskSpec, facts: ModelFacts) -> StarRange:
    size = task.class_of(facts.parameters, facts.quantization_bits)
    scale = load_scale(DEFAULT_SCALE)
    band = scale.band(task.scale_task, size)
    if band is None or scale.uncertainty is None:
        raise UnsupportedError(
            f"--until {until.text}: {DEFAULT_SCALE} has no stars for {task.id}"
            f"{f' class {size}' if size else ''}.",
            "Ask for a half-width or a limit.",
        )
    return StarRange(band.range_wh, scale.uncertainty)
