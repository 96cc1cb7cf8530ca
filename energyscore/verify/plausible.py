"""Whether a result can be: its runs, their dates, their power, and what was noticed."""

from collections.abc import Iterator, Sequence

from energyscore.results.result import Run
from energyscore.verify.figures import half_width
from energyscore.verify.findings import Problem
from energyscore.verify.subject import ROUNDING, Subject, name_of

LIMIT_SHARE = 1.05
"""Power limits are held to about this, over a window."""

IDLE_SHARE = 0.9
"""Work cannot take less than idling; what idling takes is known to about this."""

LEAST_BATCH_S = 10e-6
"""Starting one program on a GPU and waiting for its end takes longer; a processor's, too."""

SHORT_SHARE = 0.1
"""Answers of equal length do not differ so much that one takes less than this of what is usual."""

_SLOWED, _CAPPED = 0x20 | 0x40 | 0x80, 0x04
_LEAST_WEIGHTS = 200e6
_BYTES = {"float64": 8.0, "float32": 4.0, "float16": 2.0, "bfloat16": 2.0}


def check_runs(subject: Subject) -> Iterator[Problem]:
    """The runs are numbered without gaps, and as many as were planned."""
    result = subject.result
    count, planned = len(result.runs), result.protocol.repeats
    if [run.index for run in result.runs] != list(range(count)):
        yield Problem("the runs are not numbered from the first to the last")
    open_ended = result.protocol.target_half_width is not None
    if count > planned or (count < planned and not open_ended):
        yield Problem(f"{planned} runs were planned, {count} are there")
    elif count < planned:
        reached, target = half_width(subject), result.protocol.target_half_width
        if reached is None or reached > (target or 0.0) * (1 + ROUNDING):
            yield Problem(
                f"{planned} runs were planned until the interval is narrow enough; {count} are "
                "there, and it is not"
            )
    names = [set(run.phases) for run in result.runs]
    if any(one != names[0] for one in names):
        yield Problem("the runs have unlike phases")


def check_domains(subject: Subject) -> Iterator[Problem]:
    """What is said by domain is said of those that were metered; an absence has its reason."""
    for run in subject.result.runs:
        known = set(run.energy_j)
        whole = [set(run.methods), *(set(part.energy_j) for part in run.phases.values())]
        whole += [set(part.se_j) for part in run.phases.values()]
        some = [set(run.reasons), set(run.facts), set(run.phase_methods)]
        some += [set(run.phase_reasons), set(run.phase_facts)]
        if any(names != known for names in whole) or any(not names <= known for names in some):
            yield Problem(
                f"{name_of(run)}: it has figures of domains without energy, or none of one"
            )
        for domain, energy_j in run.energy_j.items():
            if (energy_j is None) != (run.methods.get(domain) is None):
                yield Problem(
                    f"{name_of(run)}: {domain}: an energy without a method, or the reverse"
                )
            if energy_j is None and not run.reasons.get(domain):
                yield Problem(
                    f"{name_of(run)}: {domain}: there is no energy, and no reason for that"
                )


def check_queries(subject: Subject) -> Iterator[Problem]:
    """Each run did whole passes over the workload, and as many phases as that takes."""
    workload = subject.result.workload
    for run in subject.result.runs:
        if run.queries != run.passes * workload.queries:
            yield Problem(
                f"{name_of(run)}: {run.queries} queries are not {run.passes} passes over "
                f"{workload.queries}"
            )
        if run.input_tokens != run.passes * workload.input_tokens:
            yield Problem(f"{name_of(run)}: its input is not that of {run.passes} passes")
        if run.index == 0 and run.output_tokens // run.passes != workload.output_tokens:
            yield Problem(f"{name_of(run)}: its output is not that of {run.passes} passes")
        for name in ("thinking_tokens", "answers_cut"):
            part = getattr(run, name)
            whole = run.output_tokens if name == "thinking_tokens" else run.queries
            if part is not None and part > whole:
                yield Problem(f"{name_of(run)}: {part} {name} of {whole}")
    size = workload.batch_size
    # On a processor the last batch of a pass takes as much less as it is smaller.
    smallest = workload.queries % size or size
    share = SHORT_SHARE * smallest / size if _is_forced(subject) else 0.0
    for run, raw in subject.pairs():
        batches = run.passes * -(-workload.queries // workload.batch_size)
        done = {
            name: batches_of(lengths_s, share if name == "decode" else 0.0)
            for name, lengths_s in raw.lengths_s().items()
            if name != "preprocess" and any(lengths_s)
        }
        few = {name: count for name, count in done.items() if count < batches}
        # Of a task of somebody's own it is not known whether each batch has each phase.
        if few and (subject.task is not None or few == done):
            name, count = min(few.items(), key=lambda item: item[1])
            yield Problem(
                f"{name_of(run)}: {run.queries} queries take {batches} batches, and {name} was "
                f"done {count} times"
            )
        elif not done:
            yield Problem(f"{name_of(run)}: no phase lasted any time")


def check_power(subject: Subject) -> Iterator[Problem]:
    """Mean power lies between idling and the GPU's limit, and the limit is one that it can have."""
    result = subject.result
    limits = {f"gpu:{gpu.uuid}": gpu.power_limit_w for gpu in result.environment.gpus}
    official = set(subject.rules.gpu.lower().split())
    for gpu in result.environment.gpus:
        if gpu.power_limit_w and official <= set(gpu.name.lower().split()):
            most_w = subject.rules.most_power_w
            if gpu.power_limit_w > most_w:
                yield Problem(f"{gpu.name} has {most_w:g} W at most, not {gpu.power_limit_w:g} W")
    if not result.valid:
        return
    for run in result.runs:
        for domain in subject.gpu_domains:
            yield from _power_of(subject, run, domain, limits.get(domain))


def check_weights(subject: Subject) -> Iterator[Problem]:
    """Every token takes reading the weights, and that takes energy."""
    result = subject.result
    model = result.model
    size = _BYTES.get(model.dtype)
    if model.quantization is not None:
        size = model.quantization_bits / 8 if model.quantization_bits else None
    if result.protocol.device != "cuda" or size is None or subject.has("implausibly_low"):
        return
    weights = model.parameters * size
    for run in result.runs:
        energies = [run.energy_j.get(domain) for domain in subject.gpu_domains]
        known = [energy for energy in energies if energy is not None]
        steps = run.output_tokens / result.workload.batch_size
        floor_j = steps * weights * subject.rules.least_j_per_byte
        if weights >= _LEAST_WEIGHTS and known and sum(known) < floor_j:
            yield Problem(
                f"{name_of(run)}: {sum(known):.1f} J are less than reading the weights takes "
                f"({floor_j:.1f} J), unless only a part of them is read",
                "warning",
            )
            return


def check_warmup(subject: Subject) -> Iterator[Problem]:
    """Until the pace was steady, or for as long as the rules ask; a quick one looks at nothing."""
    protocol, most_s = subject.result.protocol, subject.rules.most_warmup_s
    if protocol.quick:
        if protocol.warmup_steady is not None:
            yield Problem("it tells whether a quick warm-up was steady, which nobody looks at")
    elif protocol.warmup_steady is None:
        yield Problem("nothing tells whether the pace was steady", "warning")
    elif not protocol.warmup_steady and protocol.warmup_s < most_s:
        yield Problem(
            f"the warm-up ended after {protocol.warmup_s:.0f} s, neither steady nor after "
            f"{most_s:.0f} s"
        )
    elif not protocol.warmup_steady:
        yield Problem(
            f"the pace was not steady after {protocol.warmup_s:.0f} s of warm-up", "warning"
        )


def check_validity(subject: Subject) -> Iterator[Problem]:
    """What spoils a measurement is said of it, and makes it invalid."""
    result = subject.result
    if result.valid != (not result.invalid_reasons):
        yield Problem("it is valid with reasons against it, or invalid without one")
    if not result.valid:
        yield Problem(f"it is invalid: {result.invalid_reasons[:1]}; it has no stars", "warning")
    reasons = list(_spoilers(subject))
    if result.valid and reasons:
        yield Problem(f"it says that it is valid, but {reasons[0]}")


def check_notices(subject: Subject) -> Iterator[Problem]:
    """What the meters noticed stands among the cautions, and what facts show was noticed."""
    result = subject.result
    told = {caution.code for caution in result.cautions}
    for run in result.runs:
        codes = {notice.code for notice in run.notices}
        for code in sorted(codes - told):
            yield Problem(f"{name_of(run)}: {code} was noticed, and is not among the cautions")
        for domain in subject.gpu_domains:
            reasons = run.facts.get(domain, {}).get("clocks_event_reasons")
            bits = reasons if isinstance(reasons, int) else 0
            if bits & _SLOWED and not codes & {"thermal_slowdown", "power_brake"}:
                yield Problem(f"{name_of(run)}: {domain} was slowed down, and nothing says so")
            if bits & _CAPPED and "power_cap" not in codes:
                yield Problem(f"{name_of(run)}: {domain} ran into its limit, and nothing says so")
    for code, present in (
        ("random_weights", result.model.weights == "random"),
        ("warmup_unsteady", result.protocol.warmup_steady is False),
        ("gpu_not_of_model", result.protocol.device == "cpu" and bool(subject.gpu_domains)),
    ):
        if present != (code in told):
            yield Problem(f"the caution {code} is missing, or has no ground")


def batches_of(lengths_s: Sequence[float], share: float) -> int:
    """How many batches went through a phase, given how long it lasted each time.

    What lasts no time is none, nor what takes less than that share of what is usual; usual is what
    half of all time was spent in.
    """
    usual_s, spent_s, half_s = 0.0, 0.0, sum(lengths_s) / 2
    for usual_s in sorted(lengths_s, reverse=True):
        spent_s += usual_s
        if spent_s >= half_s:
            break
    least_s = max(LEAST_BATCH_S, share * usual_s)
    return sum(length_s >= least_s for length_s in lengths_s)


def _is_forced(subject: Subject) -> bool:
    generation = subject.result.workload.generation or {}
    length = generation.get("max_new_tokens")
    return length is not None and generation.get("min_new_tokens") == length


def _spoilers(subject: Subject) -> Iterator[str]:
    """Why the result cannot be valid."""
    result, protocol = subject.result, subject.result.protocol
    limits: dict[str, set[float]] = {}
    for run in result.runs:
        for notice in run.notices:
            named = notice.code in subject.rules.invalidating
            if notice.invalidates or named or (notice.code == "contention" and not protocol.shared):
                yield f"{name_of(run)}: {notice.message}"
        for domain in subject.gpu_domains:
            if run.energy_j.get(domain) is None:
                yield f"{name_of(run)}: {domain} has no energy"
            limit = run.facts.get(domain, {}).get("power_limit_w")
            if isinstance(limit, int | float):
                limits.setdefault(domain, set()).add(float(limit))
    for domain, found in limits.items():
        if len(found) > 1:
            yield f"the power limit of {domain} changed between runs"
    for uuid in protocol.occupied_gpus:
        if uuid not in protocol.metered_gpus:
            yield f"the model occupies {uuid}, which was not metered"
    if protocol.device == "cuda" and not protocol.metered_gpus:
        yield "the GPU that did the work was not metered"


def _power_of(subject: Subject, run: Run, domain: str, limit_w: float | None) -> Iterator[Problem]:
    energy_j = run.energy_j.get(domain)
    if energy_j is None:
        return
    facts = run.facts.get(domain, {})
    stated, period_ms = facts.get("power_limit_w"), facts.get("update_period_ms")
    limits = [limit for limit in (stated, limit_w) if isinstance(limit, int | float)]
    period_s = period_ms / 1e3 if isinstance(period_ms, int | float) else 0.1
    if not 0 <= period_s <= 1:
        yield Problem(f"{name_of(run)}: {domain}: a counter is not updated every {period_s:g} s")
        return
    mean_w = energy_j / run.duration_s
    # The counter's last update before an edge counts as the edge.
    if limits and energy_j > min(limits) * LIMIT_SHARE * (run.duration_s + 2 * period_s + 0.1):
        yield Problem(
            f"{name_of(run)}: {domain}: {mean_w:.0f} W on average, over its limit of "
            f"{min(limits):.0f} W"
        )
    idle = subject.result.idle
    idle_w = idle.with_model_w.get(domain)
    if idle_w and energy_j < IDLE_SHARE * idle_w * (run.duration_s - 2 * period_s):
        yield Problem(
            f"{name_of(run)}: {domain}: {mean_w:.1f} W on average, less than the {idle_w:.1f} W of "
            "its idling"
        )
