"""What a result must be told with: cautions, reasons not to rate it, and protocol conformance."""

import statistics
from collections.abc import Sequence

from energyscore.model import ModelFacts
from energyscore.plausibility import CLOCKS_APART, find_implausibly_low
from energyscore.result import Caution, Check, EnvironmentPart, ProtocolPart, Run, WorkloadPart
from energyscore.scoring import figures_of, is_precise
from energyscore.statistics import are_apart, find_drift, find_outliers, summarize
from energyscore.task import TaskSpec

OFFICIAL_GPU = "H100 80GB"
MIN_WINDOW_S = 60.0
SECOND_SOURCE_DISAGREEMENT = 0.05


def find_cautions(
    runs: Sequence[Run],
    protocol: ProtocolPart,
    workload: WorkloadPart,
    wanted_queries: int,
    facts: ModelFacts,
    max_gpus: int | None,
) -> list[Caution]:
    """Everything that whoever reads the figure must know.

    Args:
        runs: what was measured.
        protocol: how.
        workload: the work of one pass.
        wanted_queries: queries that were asked for.
        facts: the model.
        max_gpus: how many GPUs the model's class allows, None for any number.
    """
    cautions = find_run_cautions(runs, protocol)
    if protocol.device == "cpu" and protocol.metered_gpus:
        message = "the work ran on the processor; the GPUs named with --gpu were metered as asked"
        cautions.append(Caution(code="gpu_not_of_model", message=message))
    if workload.queries < wanted_queries:
        message = f"the dataset has {workload.queries} queries, {wanted_queries} were asked for"
        cautions.append(Caution(code="fewer_queries", message=message))
    if facts.weights == "random":
        message = "weights are random: the energy is the architecture's, the answers mean nothing"
        cautions.append(Caution(code="random_weights", message=message))
    gpus = {*protocol.metered_gpus, *protocol.occupied_gpus}
    if protocol.device == "cuda" and max_gpus is not None and len(gpus) > max_gpus:
        message = f"{len(gpus)} GPUs were used, where the model's class allows {max_gpus}"
        cautions.append(Caution(code="several_gpus", message=message))
    return [
        *cautions,
        *_output_lengths(runs, workload),
        *_cut_inputs(workload),
        *_cut_answers(runs, workload, facts),
        *find_implausibly_low(runs, protocol, facts, workload.batch_size),
    ]


def find_run_cautions(runs: Sequence[Run], protocol: ProtocolPart) -> list[Caution]:
    """What of it the runs alone tell, whatever the work was."""
    cautions = _from_notices(runs)
    if protocol.warmup_steady is False:
        message = f"the pace was not steady after {protocol.warmup_s:.0f} s of warm-up"
        cautions.append(Caution(code="warmup_unsteady", message=message))
    cautions += [
        Caution(code="power_limit_changed", message=message)
        for message in _power_limits_changed(runs, protocol)
    ]
    return [
        *cautions,
        *_too_wide(runs, protocol),
        *_clocks_changed(runs, protocol),
        *_second_source(runs),
        *_trends(runs, protocol),
    ]


def find_invalid_reasons(runs: Sequence[Run], protocol: ProtocolPart) -> list[str]:
    """Why a result may not be rated; none when it may."""
    reasons = [notice.message for run in runs for notice in run.notices if notice.invalidates]
    if protocol.device == "cuda" and not protocol.metered_gpus and not protocol.occupied_gpus:
        reasons.append("the GPU that did the work was not metered")
    reasons += [
        f"the model occupies {uuid}, which was not metered"
        for uuid in protocol.occupied_gpus
        if uuid not in protocol.metered_gpus
    ]
    # Runs under unlike limits are not repeats of one another.
    reasons += _power_limits_changed(runs, protocol)
    for run in runs:
        for uuid in protocol.metered_gpus:
            domain = f"gpu:{uuid}"
            if run.energy_j.get(domain) is None:
                reasons.append(f"no energy for {domain}: {run.reasons.get(domain, 'unknown')}")
    return list(dict.fromkeys(reasons))


def check_conformance(
    task: TaskSpec,
    facts: ModelFacts,
    model_class: str | None,
    workload: WorkloadPart,
    protocol: ProtocolPart,
    environment: EnvironmentPart,
    runs: Sequence[Run],
) -> list[Check]:
    """Each point of the official protocol: official is what holds them all."""
    gpus = [gpu.name for gpu in environment.gpus] if protocol.metered_gpus else []
    on_gpu = protocol.device == "cuda" and protocol.gpus_chosen_by == "model"
    official_gpu = bool(gpus) and all(is_gpu(name, OFFICIAL_GPU) for name in gpus)
    max_gpus = max_gpus_of(task, model_class)
    precision = facts.quantization or facts.dtype
    shortest_s = min(run.duration_s for run in runs)
    methods = {run.methods.get(f"gpu:{uuid}") for run in runs for uuid in protocol.metered_gpus}
    dataset_revision = (workload.revision or "")[:12]
    generation = workload.generation or {}
    shared = sum(any(one.code == "contention" for one in run.notices) for run in runs)
    points = [
        ("hardware", OFFICIAL_GPU, ", ".join(gpus) or environment.cpu or "no GPU", official_gpu),
        ("device", "model on the metered GPUs", protocol.device, on_gpu),
        (
            "gpus",
            ("1" if max_gpus == 1 else f"1 to {max_gpus}") if max_gpus else "1 or more",
            str(len(gpus)),
            bool(gpus) and (max_gpus is None or len(gpus) <= max_gpus),
        ),
        (
            "exclusive use",
            "no other process on the GPUs",
            f"others in {shared} of {len(runs)} runs" if shared else "none was seen",
            not shared,
        ),
        (
            "dataset",
            task.dataset.id,
            f"{workload.dataset} {dataset_revision}".strip(),
            workload.official,
        ),
        ("queries", str(task.queries), str(workload.queries), workload.queries == task.queries),
        (
            "batch size",
            str(task.batch_size),
            str(workload.batch_size),
            workload.batch_size == task.batch_size,
        ),
        ("repeats", f"{task.repeats} or more", str(len(runs)), len(runs) >= task.repeats),
        (
            "precision",
            " or ".join(task.precision),
            precision,
            facts.quantization is not None or facts.dtype in task.precision,
        ),
        ("weights", "pretrained", facts.weights, facts.weights == "pretrained"),
        (
            "window",
            f"{MIN_WINDOW_S:.0f} s a run",
            f"{shortest_s:.1f} s",
            shortest_s >= MIN_WINDOW_S,
        ),
        ("warm-up", "until steady, or two minutes", _warmup(protocol), not protocol.quick),
        (
            "GPU energy",
            "counter",
            " and ".join(sorted(str(method) for method in methods)) or "no GPU was metered",
            methods == {"counter"},
        ),
    ]
    # Of a task that some models do in one forward pass, only the others generate.
    in_one_pass = "forward" in task.phases and workload.generation is None
    if task.generation is not None and not in_one_pass:
        wanted = task.generation.recorded()
        # Models are compared in each of their modes: none is more official than another.
        same = generation == wanted | {
            name: mode for name, mode in generation.items() if name == "reasoning"
        } and not _output_lengths(runs, workload)
        made = sum(run.output_tokens for run in runs) / sum(run.queries for run in runs)
        actual = f"{made:.1f} tokens on average"
        if generation.get("max_new_tokens") != wanted["max_new_tokens"]:
            actual = f"at most {generation.get('max_new_tokens')} tokens, {actual}"
        points.append(("generation", _lengths(wanted), actual, same))
    if task.diffusion is not None:
        steps = task.diffusion.model_dump()
        points.append(("generation", _steps(steps), _steps(generation), generation == steps))
    return [Check(name=n, required=r, actual=a, ok=ok) for n, r, a, ok in points]


def max_gpus_of(task: TaskSpec, model_class: str | None) -> int | None:
    """How many GPUs a model of that class may use: one where the task has no classes."""
    size = next((c for c in task.classes if c.name == model_class), None)
    return size.max_gpus if size else 1


def _from_notices(runs: Sequence[Run]) -> list[Caution]:
    first: dict[str, str] = {}
    count: dict[str, int] = {}
    for run in runs:
        for notice in run.notices:
            first.setdefault(notice.code, notice.message)
            count[notice.code] = count.get(notice.code, 0) + 1
    return [
        Caution(
            code=code,
            message=message if len(runs) == 1 else f"{message} ({count[code]} of {len(runs)} runs)",
        )
        for code, message in first.items()
    ]


def _per_run(runs: Sequence[Run], uuid: str, fact: str) -> list[float]:
    """A GPU's fact in every run that has it."""
    found = [run.facts.get(f"gpu:{uuid}", {}).get(fact) for run in runs]
    return [float(value) for value in found if isinstance(value, int | float)]


def _power_limits_changed(runs: Sequence[Run], protocol: ProtocolPart) -> list[str]:
    messages = []
    for uuid in protocol.metered_gpus:
        limits_w = sorted(set(_per_run(runs, uuid, "power_limit_w")))
        if len(limits_w) > 1:
            listed = ", ".join(f"{limit_w:g} W" for limit_w in limits_w)
            messages.append(f"the power limit of {uuid} was not the same in all runs: {listed}")
    return messages


def _clocks_changed(runs: Sequence[Run], protocol: ProtocolPart) -> list[Caution]:
    cautions = []
    for uuid in protocol.metered_gpus:
        clocks_mhz = _per_run(runs, uuid, "median_sm_clock_mhz")
        if are_apart(clocks_mhz, CLOCKS_APART):
            message = (
                f"the SM clock of {uuid} was not the same in all runs: their medians go from "
                f"{min(clocks_mhz):.0f} to {max(clocks_mhz):.0f} MHz"
            )
            cautions.append(Caution(code="clocks_changed", message=message))
    return cautions


def _trends(runs: Sequence[Run], protocol: ProtocolPart) -> list[Caution]:
    """A drift over the runs, and runs that stand out. None is dropped for it."""
    figures = figures_of(runs, protocol.metered_gpus)
    cautions = []
    drift = find_drift(figures)
    if drift is not None:
        way = "rose" if drift.change > 0 else "fell"
        message = (
            f"the energy {way} by {abs(drift.change):.1%} over the {len(runs)} runs "
            f"(p = {drift.p_value:.1g}): they had not settled"
        )
        cautions.append(Caution(code="drift", message=message))
    for place in find_outliers(figures):
        off = figures[place] / statistics.median(figures) - 1
        message = f"run {runs[place].index + 1} is {off:+.1%} off the median of {len(runs)} runs"
        cautions.append(Caution(code="outlier", message=message))
    return cautions


def _too_wide(runs: Sequence[Run], protocol: ProtocolPart) -> list[Caution]:
    """Repeats until an interval is narrow enough are bounded; here the bound came first."""
    target, figures = protocol.target_half_width, figures_of(runs, protocol.metered_gpus)
    if target is None or not figures or is_precise(runs, protocol.metered_gpus, target):
        return []
    half_width = summarize(figures).half_width
    reached = "" if half_width is None else f", only {half_width / statistics.fmean(figures):.1%}"
    message = f"{len(runs)} runs did not reach a half-width of {target:.1%}{reached}"
    return [Caution(code="half_width_not_reached", message=message)]


def _second_source(runs: Sequence[Run]) -> list[Caution]:
    """CodeCarbon's GPU energy against ours, over all runs."""
    ours = theirs = 0.0
    name = ""
    for run in runs:
        gpu = [energy for domain, energy in run.energy_j.items() if domain.startswith("gpu:")]
        second = run.second_source
        if second is None or second.gpu_energy_j is None or not gpu or None in gpu:
            continue
        ours += sum(energy for energy in gpu if energy is not None)
        theirs += second.gpu_energy_j
        name = second.name
    if not ours or abs(theirs / ours - 1) <= SECOND_SOURCE_DISAGREEMENT:
        return []
    message = f"{name} says {theirs:.1f} J of GPU energy, the meter {ours:.1f} J"
    return [Caution(code="second_source_disagrees", message=message)]


def _output_lengths(runs: Sequence[Run], workload: WorkloadPart) -> list[Caution]:
    """Where the protocol forces the length, every query must have made exactly that."""
    generation = workload.generation or {}
    length = generation.get("max_new_tokens")
    if not isinstance(length, int) or generation.get("min_new_tokens") != length:
        return []
    short = [run for run in runs if run.output_tokens != run.queries * length]
    if not short:
        return []
    made = short[0].output_tokens / short[0].queries
    message = f"{made:.2f} tokens a query were generated instead of {length}"
    return [Caution(code="output_length", message=message)]


def _cut_inputs(workload: WorkloadPart) -> list[Caution]:
    """Queries of which the model saw a part only: its energy is for less than was asked."""
    cut = workload.inputs_cut
    if cut is None or not cut.queries:
        return []
    unit = "tokens" if cut.unit == "tokens" else "s"
    message = (
        f"{cut.queries} of {workload.queries} queries were cut to the {cut.limit:.10g} {unit} that "
        "the model has room for"
    )
    return [Caution(code="inputs_cut", message=message)]


def _cut_answers(runs: Sequence[Run], workload: WorkloadPart, facts: ModelFacts) -> list[Caution]:
    """Answers that would have gone on: their energy is that of a part of them."""
    cut = [run.cut_queries for run in runs if run.cut_queries]
    if not cut:
        return []
    limit = (workload.generation or {}).get("max_new_tokens")
    message = (
        f"{sum(cut)} of {sum(run.queries for run in runs)} answers were cut off at {limit} "
        "tokens: whole ones take more energy"
    )
    if facts.weights == "random":
        message += "; random weights never end one, so that modes hardly differ"
    return [Caution(code="answers_cut", message=message)]


def _warmup(protocol: ProtocolPart) -> str:
    if protocol.quick:
        return "quick"
    if protocol.warmup_steady is None:
        return "full, before an interruption"
    steady = "until steady" if protocol.warmup_steady else "not steady"
    return f"{steady} ({protocol.warmup_s:.0f} s)"


def _lengths(generation: dict[str, int | str]) -> str:
    return f"{generation['min_new_tokens']} to {generation['max_new_tokens']} tokens, greedy"


def _steps(diffusion: dict[str, int | str]) -> str:
    return (
        f"{diffusion.get('steps', 'unknown')} steps, {diffusion.get('images', 'unknown')} a query"
    )


def is_gpu(name: str, wanted: str) -> bool:
    """Whether a driver's name of a GPU holds every word of the one that is wanted."""
    return set(wanted.lower().split()) <= set(name.lower().split())
