"""Whether a result is plausible: its runs, their power, and what was noticed."""

from collections import defaultdict
from collections.abc import Iterator

from energyscore.verify.examined import ExaminedResult, ExaminedRun, MeteredGpu
from energyscore.verify.figures import half_width
from energyscore.verify.findings import NOT_APPLICABLE, ROUNDING, Derived, Finds, Problem

LIMIT_SHARE = 1.05  # mean power over a window stays below this share of the limit
IDLE_SHARE = 0.9  # work takes more than this share of what idling takes
_SLOWED, _CAPPED = 0x20 | 0x40 | 0x80, 0x04
_LEAST_WEIGHTS = 200e6
_BYTES = {"float64": 8.0, "float32": 4.0, "float16": 2.0, "bfloat16": 2.0}


def check_runs(it: ExaminedResult) -> Finds:
    """The runs are numbered without gaps, and as many as were planned."""
    runs, planned = it.result.runs, it.result.protocol.repeats
    target = it.result.protocol.target_half_width
    numbers = [run.index + 1 for run in runs]
    yield Derived("the list of runs", numbers, [*range(1, len(runs) + 1)])
    # What a server does not keep up with only grows in the next run.
    if any(one.code == "rate_not_sustained" for one in runs[-1].notices):
        planned = min(planned, len(runs))
    if len(runs) > planned or (len(runs) < planned and target is None):
        yield f"{planned} runs were planned, {len(runs)} are there"
    elif len(runs) < planned:
        reached = half_width(it)
        if reached is None or reached > (target or 0.0) * (1 + ROUNDING):
            yield f"{len(runs)} of {planned} runs are there, and the interval is not narrow enough"
    if any(run.phases.keys() != runs[0].phases.keys() for run in runs):
        yield "the runs have unlike phases"


def check_domains(place: ExaminedRun) -> Finds:
    """Figures are of metered domains only, and a missing energy has its reason."""
    run = place.run
    known, phases = run.energy_j.keys(), run.phases.values()
    whole = [run.methods.keys(), *(part.energy_j.keys() for part in phases)]
    whole += [part.se_j.keys() for part in phases]
    some = [run.reasons.keys(), run.facts.keys(), run.phase_methods.keys()]
    some += [run.phase_reasons.keys(), run.phase_facts.keys()]
    if any(names != known for names in whole) or any(not names <= known for names in some):
        yield "it has figures of a domain without energy, or lacks figures of a domain"
    for domain, energy_j in run.energy_j.items():
        if (energy_j is None) != (run.methods.get(domain) is None):
            yield f"{domain}: an energy without a method, or the reverse"
        if energy_j is None and not run.reasons.get(domain):
            yield f"{domain}: there is no energy and no reason for it"


def check_queries(place: ExaminedRun) -> Finds:
    """Each run did whole passes over the workload."""
    run, workload = place.run, place.it.result.workload
    if run.load is None:  # those in a server's window are counted otherwise
        yield Derived("the number of queries", run.queries, run.passes * place.queries)
    if (run.thinking_tokens or 0) > (run.output_tokens or 0):
        yield f"{run.thinking_tokens} of {run.output_tokens} tokens cannot be thinking"
    if (run.answers_cut or 0) > run.queries:
        yield f"{run.answers_cut} of {run.queries} answers cannot be cut"
    if run.block is not None or run.load is not None:
        return
    if run.input_tokens is None or workload.input_tokens is None:
        return
    yield Derived(
        "the number of input tokens", run.input_tokens, run.passes * workload.input_tokens
    )
    if run.index == 0 and run.output_tokens is not None:
        one_pass = run.output_tokens // run.passes
        yield Derived("the output tokens of one pass", workload.output_tokens, one_pass)


def check_limits(it: ExaminedResult) -> Finds:
    """The power limit of the rules' GPU is one that it can have."""
    if not it.gpu_domains or not it.result.valid:
        yield NOT_APPLICABLE
    most_w = it.rules.most_power_w
    for gpu in it.result.environment.gpus:
        if (gpu.power_limit_w or 0.0) > most_w and it.rules.is_its_gpu(gpu.name):
            yield f"{gpu.name} has {most_w:g} W at most, not {gpu.power_limit_w:g} W"


def check_power(gpu: MeteredGpu) -> Finds:
    """Mean power lies between idling and the GPU's limit."""
    result, energy_j, duration_s = gpu.it.result, gpu.energy_j, gpu.run.duration_s
    if energy_j is None or not result.valid:
        yield NOT_APPLICABLE
        return
    stated_w = (gpu.number("power_limit_w"), gpu.machine_w)
    limits = [limit_w for limit_w in stated_w if limit_w is not None]
    period_ms = gpu.number("update_period_ms")
    period_s = 0.1 if period_ms is None else period_ms / 1e3
    if not 0 <= period_s <= 1:
        yield f"a counter is not updated every {period_s:g} s"
        return
    mean = f"{energy_j / duration_s:.1f} W on average"
    # The counter's last update before an edge counts as the edge.
    if limits and energy_j > min(limits) * LIMIT_SHARE * (duration_s + 2 * period_s + 0.1):
        yield f"{mean}, over its limit of {min(limits):.0f} W"
    idle_w = result.idle.with_model_w.get(gpu.domain)
    if idle_w and energy_j < IDLE_SHARE * idle_w * (duration_s - 2 * period_s):
        yield f"{mean}, less than the {idle_w:.1f} W of its idling"


def check_weights(it: ExaminedResult) -> Finds:
    """Every token takes reading the weights, and that takes energy."""
    model = it.result.model
    if not it.gpu_domains or it.result.protocol.device != "cuda":
        yield NOT_APPLICABLE
        return
    size = _BYTES.get(model.dtype or "")
    if model.quantization is not None:
        size = model.quantization_bits / 8 if model.quantization_bits else None
    weights = (model.parameters or 0) * (size or 0)
    if weights < _LEAST_WEIGHTS or it.has("implausibly_low"):
        return
    step_j = weights * it.rules.least_j_per_byte
    for place in ExaminedRun.each(it):
        energy_j = sum(it.gpu_energy_j(place.run))
        floor_j = (place.run.output_tokens or 0) / it.result.workload.batch_size * step_j
        if 0 < energy_j < floor_j:
            yield Problem(
                f"{place.where}: {energy_j:.1f} J are less than reading the weights takes "
                f"({floor_j:.1f} J), unless only a part of them is read",
                "warning",
            )
            return


def check_warmup(it: ExaminedResult) -> Finds:
    """A full warm-up lasts until the pace is steady, or as long as the rules ask."""
    protocol, most_s = it.result.protocol, it.rules.most_warmup_s
    steady, lasted_s = protocol.warmup_steady, protocol.warmup_s
    if protocol.quick:
        if steady is not None:
            yield "a quick warm-up cannot tell whether the pace is steady"
    elif steady is None:
        yield Problem("it is not recorded whether the pace was steady", "warning")
    elif not steady and lasted_s < most_s:
        yield f"the warm-up ended after {lasted_s:.0f} s, neither steady nor after {most_s:.0f} s"
    elif not steady:
        yield Problem(f"the pace was not steady after {lasted_s:.0f} s of warm-up", "warning")


def check_validity(it: ExaminedResult) -> Finds:
    """What spoils a measurement makes it invalid, with that reason."""
    result = it.result
    if result.valid != (not result.invalid_reasons):
        yield "it is valid with reasons against it, or invalid without a reason"
    if not result.valid:
        yield Problem(f"it is invalid: {result.invalid_reasons[:1]}; it has no stars", "warning")
    reason = next(_spoilers(it), None)
    if result.valid and reason is not None:
        yield f"it is marked as valid, but {reason}"


def check_noticed(place: ExaminedRun) -> Finds:
    """Every notice of a run is among the cautions, and every fact that asks for one has it."""
    codes = place.codes
    for code in sorted(code for code in codes if not place.it.has(code)):
        yield f"{code} was noticed, and is not among the cautions"
    for domain in place.it.gpu_domains:
        reasons = place.run.facts.get(domain, {}).get("clocks_event_reasons")
        bits = reasons if isinstance(reasons, int) else 0
        if bits & _SLOWED and not codes & {"thermal_slowdown", "power_brake"}:
            yield f"{domain} was slowed down, and no notice says so"
        if bits & _CAPPED and "power_cap" not in codes:
            yield f"{domain} ran into its limit, and no notice says so"


def check_cautions(it: ExaminedResult) -> Finds:
    """The cautions that follow from the result are there, and no others of these."""
    protocol = it.result.protocol
    for code, present in (
        ("random_weights", it.result.model.weights == "random"),
        ("warmup_unsteady", protocol.warmup_steady is False),
        ("gpu_not_of_model", protocol.device == "cpu" and bool(it.gpu_domains)),
    ):
        if present != it.has(code):
            yield f"the caution {code} is missing, or is there without cause"


def _spoilers(it: ExaminedResult) -> Iterator[str]:
    """Why the result cannot be valid."""
    protocol = it.result.protocol
    limits: dict[str, set[float]] = defaultdict(set)
    spoiling = {*it.rules.invalidating, *(() if protocol.shared else ("contention",))}
    for place in ExaminedRun.each(it):
        for notice in place.run.notices:
            if notice.invalidates or notice.code in spoiling:
                yield f"{place.where}: {notice.message}"
    for gpu in MeteredGpu.each(it):
        limit_w = gpu.number("power_limit_w")
        if gpu.energy_j is None:
            yield f"{gpu.where} has no energy"
        if limit_w is not None:
            limits[gpu.domain].add(limit_w)
    for domain, found in limits.items():
        if len(found) > 1:
            yield f"the power limit of {domain} changed between runs"
    for uuid in set(protocol.occupied_gpus) - set(protocol.metered_gpus):
        yield f"the model occupies {uuid}, which was not metered"
    if protocol.device == "cuda" and not protocol.metered_gpus:
        yield "the GPU that did the work was not metered"
