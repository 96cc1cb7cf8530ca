"""What a result must be told with: cautions, reasons not to rate it, and protocol conformance."""

from collections.abc import Sequence

from energyscore.backend import ModelFacts
from energyscore.result import Caution, Check, EnvironmentPart, ProtocolPart, Run, WorkloadPart
from energyscore.task import TaskSpec

OFFICIAL_GPU = "H100 80GB"
MIN_WINDOW_S = 60.0
SECOND_SOURCE_DISAGREEMENT = 0.05


def find_cautions(
    runs: Sequence[Run],
    protocol: ProtocolPart,
    workload: WorkloadPart,
    wanted_queries: int,
    weights: str,
) -> list[Caution]:
    """Everything that whoever reads the figure must know, each once."""
    cautions = _from_notices(runs)
    if protocol.device == "cpu" and protocol.metered_gpus:
        message = "the work ran on the processor; the GPUs named with --gpu were metered as asked"
        cautions.append(Caution(code="gpu_not_of_model", message=message))
    if workload.queries < wanted_queries:
        message = f"the dataset has {workload.queries} queries, {wanted_queries} were asked for"
        cautions.append(Caution(code="fewer_queries", message=message))
    if weights == "random":
        message = "weights are random: the energy is the architecture's, the answers mean nothing"
        cautions.append(Caution(code="random_weights", message=message))
    if not protocol.warmup_steady:
        message = f"the pace was not steady after {protocol.warmup_s:.0f} s of warm-up"
        cautions.append(Caution(code="warmup_unsteady", message=message))
    for uuid in protocol.metered_gpus:
        found = [run.facts.get(f"gpu:{uuid}", {}).get("power_limit_w") for run in runs]
        limits = sorted({str(limit) for limit in found if limit is not None})
        if len(limits) > 1:
            message = f"the power limit of {uuid} changed: {' W, '.join(limits)} W"
            cautions.append(Caution(code="power_limit_changed", message=message))
    return cautions + _second_source(runs) + _output_lengths(runs, workload)


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
    size = next((c for c in task.classes if c.name == model_class), None)
    max_gpus = size.max_gpus if size else 1
    precision = facts.quantization or facts.dtype
    shortest_s = min(run.duration_s for run in runs)
    methods = {run.methods.get(f"gpu:{uuid}") for run in runs for uuid in protocol.metered_gpus}
    dataset_revision = (workload.revision or "")[:12]
    generation = workload.generation or {}
    points = [
        ("hardware", f"NVIDIA {OFFICIAL_GPU}", ", ".join(gpus) or "no GPU", official_gpu),
        ("device", "model on the metered GPUs", protocol.device, on_gpu),
        (
            "gpus",
            ("1" if max_gpus == 1 else f"1 to {max_gpus}") if max_gpus else "1 or more",
            str(len(gpus)),
            bool(gpus) and (max_gpus is None or len(gpus) <= max_gpus),
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
        ("warm-up", "until steady", "quick" if protocol.quick else "full", not protocol.quick),
        (
            "GPU energy",
            "counter",
            " and ".join(sorted(str(method) for method in methods)) or "no GPU was metered",
            methods == {"counter"},
        ),
    ]
    if task.generation is not None:
        wanted = task.generation.model_dump()
        same = generation == wanted and not _output_lengths(runs, workload)
        made = sum(run.output_tokens for run in runs) / sum(run.queries for run in runs)
        points.append(
            ("generation", _lengths(wanted), f"{made:.1f} tokens on average", same),
        )
    return [Check(name=n, required=r, actual=a, ok=ok) for n, r, a, ok in points]


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


def _lengths(generation: dict[str, int | str]) -> str:
    return f"{generation['min_new_tokens']} to {generation['max_new_tokens']} tokens, greedy"


def is_gpu(name: str, wanted: str) -> bool:
    """Whether a driver's name of a GPU holds every word of the one that is wanted."""
    return set(wanted.lower().split()) <= set(name.lower().split())
