"""Cautions about a result, and the reasons for which it is invalid."""

import statistics
from collections.abc import Sequence

from energyscore.base.stats import are_apart, find_drift, find_outliers, summarize
from energyscore.protocol.model import ModelFacts
from energyscore.results.parts import Caution, ProtocolPart, Run, WorkloadPart
from energyscore.results.plausibility import CLOCKS_APART, find_implausibly_low
from energyscore.results.score import figures_of, is_precise

SECOND_SOURCE_DISAGREEMENT = 0.05


def find_cautions(
    runs: Sequence[Run],
    protocol: ProtocolPart,
    workload: WorkloadPart,
    wanted_queries: int,
    facts: ModelFacts,
    max_gpus: int | None,
) -> list[Caution]:
    """All cautions of a result; its model's class allows `max_gpus`, None for any number."""
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
        *output_lengths(runs, workload),
        *_cut_inputs(workload),
        *_cut_answers(runs, workload, facts),
        *find_implausibly_low(runs, protocol, facts, workload.batch_size),
    ]


def find_run_cautions(runs: Sequence[Run], protocol: ProtocolPart) -> list[Caution]:
    """Cautions that depend only on the runs."""
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


def output_lengths(runs: Sequence[Run], workload: WorkloadPart) -> list[Caution]:
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
    cut = [run.answers_cut for run in runs if run.answers_cut]
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
