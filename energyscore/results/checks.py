"""Cautions about a result, and the reasons for which it is invalid."""

import statistics
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from energyscore.base.stats import are_apart, find_drift, find_outliers
from energyscore.base.text import first_of
from energyscore.base.units import counted, wh_per_1k_queries
from energyscore.protocol.model import ModelFacts
from energyscore.results.parts import Caution, ProtocolPart, Run, WorkloadPart
from energyscore.results.plausibility import CLOCKS_APART, why_implausibly_low
from energyscore.results.score import figures_of, gpu_domains, is_precise, precision_of

SECOND_SOURCE_DISAGREEMENT = 0.05

TOO_BUSY = 0.25
"""Estimates made while others use more than this get no stars.

An estimate follows the load of the whole machine. Where others have a quarter of the processor, at
most three quarters are the model's: the energy is at least a third too high by their work alone,
and the work takes longer besides. That is more than a star's width between many models.
"""

TOO_BUSY_CODE = "too_busy"
"""Of the notice and the caution that say so."""

_Found: TypeAlias = Iterator[tuple[str, str]]  # cautions as code and message


def find_cautions(
    runs: Sequence[Run],
    protocol: ProtocolPart,
    workload: WorkloadPart,
    wanted_queries: int,
    facts: ModelFacts,
    max_gpus: int | None,
) -> list[Caution]:
    """All cautions of a result; its model's class allows `max_gpus`, None for any number."""
    found = [
        *_of_setup(protocol, workload, wanted_queries, facts, max_gpus),
        *_of_answers(runs, workload, facts),
    ]
    if message := why_implausibly_low(runs, protocol, facts, workload.batch_size):
        found.append(("implausibly_low", message))
    return find_run_cautions(runs, protocol) + _cautions(found)


def find_run_cautions(runs: Sequence[Run], protocol: ProtocolPart) -> list[Caution]:
    """Cautions that depend only on the runs."""
    found = [*_noticed(runs), *_of_pace(runs, protocol), *_of_energy(runs, protocol)]
    return _cautions([*found, *_of_idle_gpus(runs, protocol)])


def idle_gpus(protocol: ProtocolPart) -> list[str]:
    """UUIDs of GPUs that were metered by name (--gpu) although the model is on others only."""
    by_name = protocol.device == "cuda" and protocol.gpus_chosen_by == "user"
    if not by_name or not protocol.occupied_gpus:
        return []
    return [uuid for uuid in protocol.metered_gpus if uuid not in protocol.occupied_gpus]


def why_not_of_model(protocol: ProtocolPart) -> str:
    """Why the metered GPU energy is not that of the model; empty when it is."""
    if protocol.device == "cpu" and protocol.metered_gpus:
        return "the metered GPU did not do the work (--gpu beside work on the processor)"
    if idle := idle_gpus(protocol):
        return f"{' and '.join(idle)} was metered too and did none of the work (--gpu)"
    return ""


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
    domains = protocol.gpu_domains
    reasons += [
        f"no energy for {domain}: {run.reasons.get(domain, 'unknown')}"
        for run in runs
        for domain in domains
        if run.energy_j.get(domain) is None
    ]
    return list(dict.fromkeys(reasons))


def why_output_length(runs: Sequence[Run], workload: WorkloadPart) -> str:
    """How far answers are from the length that the protocol forces; empty if it is held."""
    generation = workload.generation or {}
    length = generation.get("max_new_tokens")
    if not isinstance(length, int) or generation.get("min_new_tokens") != length:
        return ""
    for run in runs:
        if run.load is not None:
            # Of what straddles a window a part is counted: whole answers tell their length.
            if other := run.load.other_lengths:
                return f"{other} of {run.load.completed} answers have not the {length} tokens"
        elif (written := run.output_tokens or 0) != run.queries * length:
            made = written / run.queries
            return f"{made:.2f} tokens a query were generated instead of {length}"
    return ""


def _cautions(found: Sequence[tuple[str, str]]) -> list[Caution]:
    return [Caution(code=code, message=message) for code, message in found]


def _noticed(runs: Sequence[Run]) -> _Found:
    """What the meters noticed: the first message of each code, and in how many runs."""
    notices = [notice for run in runs for notice in run.notices]
    first: dict[str, str] = {}
    for notice in notices:
        first.setdefault(notice.code, notice.message)
    for code, message in first.items():
        count = sum(notice.code == code for notice in notices)
        yield code, message if len(runs) == 1 else f"{message} ({count} of {len(runs)} runs)"


def _counted(number: int, noun: str, several: str = "") -> str:
    """A number of things and the verb: `1 answer was`, `9 answers were`."""
    return f"{counted(number, noun, several)} {'was' if number == 1 else 'were'}"


def _of_setup(
    protocol: ProtocolPart,
    workload: WorkloadPart,
    wanted_queries: int,
    facts: ModelFacts,
    max_gpus: int | None,
) -> _Found:
    if protocol.device == "cpu" and protocol.metered_gpus:
        message = "the work ran on the processor; the GPUs named with --gpu were metered as asked"
        yield "gpu_not_of_model", message
    if workload.queries < wanted_queries:
        has = counted(workload.queries, "query", "queries")
        message = f"the dataset has {has}, {wanted_queries:,} were asked for"
        yield "fewer_queries", message
    if (empty := workload.empty_rows) is not None:
        rows = counted(empty.count, "row")
        yield (
            "empty_rows",
            f"{rows} of the dataset, left out as empty: number {first_of(empty.first)}",
        )
    if facts.weights == "random":
        message = "weights are random: the energy is the architecture's, the answers mean nothing"
        yield "random_weights", message
    if facts.dequantized:
        message = (
            f"the model is quantized ({facts.dequantized}), and this machine cannot compute so: "
            f"its weights were taken as {facts.dtype}"
        )
        yield "dequantized", message
    if facts.census is not None and (left := facts.census.fell_back):
        message = (
            f"{counted(left, 'layer')} of a kind that --quantization {facts.quantized_on_load} "
            "quantizes stayed as they were: their sizes do not fit, or the library left them out"
        )
        yield "partly_quantized", message
    if facts.left_over:
        weights = counted(len(facts.left_over), "weight")
        message = (
            f"{weights} of the model's files belong into its layers, and its class by config.json "
            f"has no place for them: {first_of(facts.left_over, 3)}"
        )
        yield "left_over_weights", message
    gpus = {*protocol.metered_gpus, *protocol.occupied_gpus}
    if protocol.device == "cuda" and max_gpus is not None and len(gpus) > max_gpus:
        message = f"{len(gpus)} GPUs were used, where the model's class allows {max_gpus}"
        yield "several_gpus", message


def _of_answers(runs: Sequence[Run], workload: WorkloadPart, facts: ModelFacts) -> _Found:
    """Queries and answers that were cut: their energy is for less than was asked."""
    if message := why_output_length(runs, workload):
        yield "output_length", message
    inputs = workload.inputs_cut
    if inputs is not None and inputs.queries:
        unit = "tokens" if inputs.unit == "tokens" else "s"
        message = (
            f"{inputs.queries} of {_counted(workload.queries, 'query', 'queries')} cut to the "
            f"{inputs.limit:.10g} {unit} that the model has room for"
        )
        if inputs.lost is not None and inputs.total is not None:
            lost = f"{inputs.lost:,.0f} of {inputs.total:,.0f} {unit}"
            message += f": {lost} were not read ({inputs.lost_share:.1%})"
        if inputs.official_limit is not None and inputs.limit < inputs.official_limit:
            message += (
                f". Its positions have room for {inputs.official_limit:.10g}: the tokenizer's "
                "model_max_length is smaller"
            )
        yield "inputs_cut", message
    if cut := sum(run.answers_cut or 0 for run in runs):
        limit = (workload.generation or {}).get("max_new_tokens")
        message = (
            f"{cut} of {_counted(sum(run.queries for run in runs), 'answer')} cut off at {limit} "
            "tokens: whole ones take more energy"
        )
        if facts.weights == "random":
            message += "; random weights never end one, so that modes hardly differ"
        yield "answers_cut", message


def _of_pace(runs: Sequence[Run], protocol: ProtocolPart) -> _Found:
    """What was not the same all the time: pace, power limits and clocks."""
    if protocol.warmup_steady is False:
        message = f"the pace was not steady after {protocol.warmup_s:.0f} s of warm-up"
        yield "warmup_unsteady", message
    for message in _power_limits_changed(runs, protocol):
        yield "power_limit_changed", message
    # Repeats until an interval is narrow enough are bounded; here the bound came first.
    target, gpus = protocol.target_half_width, protocol.metered_gpus
    if target and figures_of(runs, gpus) and not is_precise(runs, gpus, target):
        reached = precision_of(runs, gpus)
        share = "" if reached is None else f", only {reached:.1%}"
        message = f"{len(runs)} runs did not reach a half-width of {target:.1%}{share}"
        yield "half_width_not_reached", message
    for uuid in protocol.metered_gpus:
        clocks_mhz = _facts(runs, uuid, "median_sm_clock_mhz")
        if are_apart(clocks_mhz, CLOCKS_APART):
            message = (
                f"the SM clock of {uuid} was not the same in all runs: their medians go from "
                f"{min(clocks_mhz):.0f} to {max(clocks_mhz):.0f} MHz"
            )
            yield "clocks_changed", message


def _power_limits_changed(runs: Sequence[Run], protocol: ProtocolPart) -> Iterator[str]:
    for uuid in protocol.metered_gpus:
        limits_w = sorted(set(_facts(runs, uuid, "power_limit_w")))
        if len(limits_w) > 1:
            listed = ", ".join(f"{limit_w:g} W" for limit_w in limits_w)
            yield f"the power limit of {uuid} was not the same in all runs: {listed}"


def _facts(runs: Sequence[Run], uuid: str, fact: str) -> list[float]:
    """A GPU's fact in every run that has it."""
    domain = f"gpu:{uuid}"
    found = [run.facts[domain].get(fact) for run in runs if domain in run.facts]
    return [float(value) for value in found if isinstance(value, int | float)]


def _of_idle_gpus(runs: Sequence[Run], protocol: ProtocolPart) -> _Found:
    """How much of the figure is of GPUs on which the model is not."""
    if not (idle := idle_gpus(protocol)):
        return
    shares_j = [run.total_j(gpu_domains(idle)) for run in runs]
    whole_j = [run.total_j(protocol.gpu_domains) for run in runs]
    known = [(ours, whole) for ours, whole in zip(shares_j, whole_j, strict=True) if ours and whole]
    adds = "an energy that is not known"
    if len(known) == len(runs):
        energy_j, queries = sum(ours for ours, _ in known), sum(run.queries_done for run in runs)
        share = energy_j / sum(whole for _, whole in known)
        adds = f"{wh_per_1k_queries(energy_j, queries):.3g} Wh per 1,000 queries, {share:.0%} of it"
    message = (
        f"the model is on {' and '.join(protocol.occupied_gpus)} only; {' and '.join(idle)} was "
        f"idle and metered too, as named with --gpu, and adds to the figure {adds}"
    )
    yield "idle_gpus_metered", message


def _of_energy(runs: Sequence[Run], protocol: ProtocolPart) -> _Found:
    """A second source that disagrees, a drift, and runs that stand out; none is dropped."""
    both = [
        (ours_j, second.gpu_energy_j, second.name)
        for run in runs
        if (second := run.second_source) is not None
        and second.gpu_energy_j is not None
        and (ours_j := run.total_j([d for d in run.energy_j if d.startswith("gpu:")]))
    ]
    ours_j, theirs_j = sum(ours for ours, _, _ in both), sum(theirs for _, theirs, _ in both)
    if ours_j and abs(theirs_j / ours_j - 1) > SECOND_SOURCE_DISAGREEMENT:
        message = f"{both[-1][2]} says {theirs_j:.1f} J of GPU energy, the meter {ours_j:.1f} J"
        yield "second_source_disagrees", message
    if any(run.block is not None for run in runs):
        return  # blocks of a screen are unlike by what they hold
    figures = figures_of(runs, protocol.metered_gpus)
    drift = find_drift(figures)
    if drift is not None:
        way = "rose" if drift.change > 0 else "fell"
        message = (
            f"the energy {way} by {abs(drift.change):.1%} over the {len(runs)} runs "
            f"(p = {drift.p_value:.1g}): they had not settled"
        )
        yield "drift", message
    for place in find_outliers(figures):
        off = figures[place] / statistics.median(figures) - 1
        message = f"run {runs[place].index + 1} is {off:+.1%} off the median of {len(runs)} runs"
        yield "outlier", message
