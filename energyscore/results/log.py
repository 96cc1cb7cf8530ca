"""The log of a measurement: its result as text, for people who look through a submission. Pure.

It is the only writer of `log.txt`: `bundle` puts the text into a submission, and `verify` writes it
again from the result that it checked and compares.
"""

from collections.abc import Iterator

from energyscore.results.parts import ModelPart, Run
from energyscore.results.result import Result


def to_log(result: Result) -> str:
    """What was measured, where, how it went run by run, and all that was noticed."""
    return "\n".join([*_head(result), *_machine(result), *_runs(result), *_end(result)]) + "\n"


def _head(result: Result) -> Iterator[str]:
    model, workload, protocol = result.model, result.workload, result.protocol
    yield f"energyscore {result.environment.energyscore}, rules {result.rules_version}"
    yield f"written {result.created_at}, measurement {result.identity}"
    yield f"task {result.task.id} version {result.task.version} ({result.task.digest})"
    base = f"an adapter on {model.base_model}, " if model.base_model else ""
    yield (
        f"model {model.id} ({model.source}, {_revision(model.revision)}), "
        f"{base}{model.architecture}, {_known(model.parameters)} parameters, {model.precision}, "
        f"{model.quantization or 'not quantized'}, {_known(model.weights)} weights, {_way(model)}"
        + (f"class {model.model_class}" if model.model_class else "no size class")
    )
    making = ", ".join(f"{name} {value}" for name, value in (workload.generation or {}).items())
    yield (
        f"data {workload.dataset}, {_revision(workload.revision)}: {workload.queries} "
        f"queries, batch {workload.batch_size}, seed {workload.seed}, generation "
        f"{making or 'none'}"
    )
    pace = {True: "steady", False: "not steady", None: "pace not checked"}[protocol.warmup_steady]
    yield (
        f"warm-up {protocol.warmup_s:.1f} s with {protocol.warmup_queries} queries, "
        f"{pace}; window {protocol.min_window_s:g} s at least; {len(result.runs)} of "
        f"{protocol.repeats} run{'s' * (protocol.repeats != 1)}"
    )


def _way(model: ModelPart) -> str:
    """How the model's work was done, as far as the result says it."""
    on_load = "quantized on loading, " if model.quantized_on_load else ""
    attention = f"{model.attention} attention, " if model.attention else ""
    return f"{on_load}{attention}{'compiled, ' if model.compiled else ''}"


def _machine(result: Result) -> Iterator[str]:
    here = result.environment
    yield (
        f"machine {here.os}, Python {here.python}, {_known(here.cpu)} "
        f"({_known(here.cpu_count)} cores), driver {_known(here.driver)}, CUDA {_known(here.cuda)}"
    )
    for gpu in here.gpus:
        yield (
            f"GPU {gpu.name} {gpu.uuid}, limit {_known(gpu.power_limit_w)} W, "
            f"{_known(gpu.memory_total_mb)} MB"
        )
    yield "packages " + ", ".join(f"{name} {here.packages[name]}" for name in sorted(here.packages))
    for what, powers in (
        ("without the model", result.idle.without_model_w),
        ("with the model", result.idle.with_model_w),
    ):
        for domain, power_w in sorted(powers.items()):
            yield f"idle {what}: {domain} {power_w:.2f} W over {result.idle.seconds:g} s"


def _runs(result: Result) -> Iterator[str]:
    for run in result.runs:
        yield (
            f"run {run.index + 1} {run.started_at}: {run.queries} queries in {run.duration_s:.3f} "
            f"s, {run.passes} pass{'es' * (run.passes != 1)}, {_told(run.input_tokens)} tokens in, "
            f"{_told(run.output_tokens)} out"
        )
        for domain in sorted(run.energy_j):
            yield f"  {domain}: {_energy(run, domain)}"
        for name, part in run.phases.items():
            shares = [f"{d} {_joules(part.energy_j[d])}" for d in sorted(part.energy_j)]
            yield f"  phase {name}: {part.duration_s:.3f} s; {', '.join(shares)}"
        for notice in run.notices:
            yield f"  notice {notice.code}: {notice.message}"


def _told(number: int | None) -> str:
    return "unknown" if number is None else str(number)


def _energy(run: Run, domain: str) -> str:
    if run.energy_j[domain] is None:
        return f"not measured: {run.reasons.get(domain, 'unknown')}"
    facts = run.facts.get(domain, {})
    more = ", ".join(f"{name} {_known(facts[name])}" for name in sorted(facts))
    energy = f"{_joules(run.energy_j[domain])} ({run.methods[domain]})"
    return f"{energy}; {more}" if more else energy


def _known(value: float | str | None) -> str:
    return "not known" if value is None else str(value)


def _revision(revision: str | None) -> str:
    return "no revision" if revision is None else f"revision {revision}"


def _joules(energy_j: float | None) -> str:
    return "not known" if energy_j is None else f"{energy_j:.3f} J"


def _end(result: Result) -> Iterator[str]:
    score = result.score
    figure = score.gpu_wh_per_1k_queries
    within = "not known" if score.ci95 is None else " to ".join(map(repr, score.ci95))
    yield (
        f"score {figure!r} Wh of GPU energy per 1,000 queries, 95% interval {within}"
        if figure is not None
        else f"no GPU score: {score.reason}"
    )
    for caution in result.cautions:
        yield f"caution {caution.code}: {caution.message}"
    for reason in result.invalid_reasons:
        yield f"invalid: {reason}"
    for check in result.conformance:
        word = "held" if check.ok else "not held"
        yield f"protocol {check.name}: {word} ({check.required}; {check.actual})"
