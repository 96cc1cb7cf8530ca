"""The log of a submission, written anew from the result and held against the one that is there.

Each line states figures of the result; the form is that of the rules' version. The text is composed
here once more, by code of its own, so that a log can say nothing that the result does not.
"""

from collections.abc import Iterator
from itertools import zip_longest

from energyscore.results.result import Result, Run
from energyscore.verify.findings import Problem
from energyscore.verify.subject import Subject

LOG = "log.txt"
_MOST_LINES = 3


def check_log(subject: Subject) -> Iterator[Problem]:
    """The log says what the result says, line by line."""
    if LOG not in subject.files:
        return  # told with the other files
    there = subject.files[LOG].decode(errors="replace").split("\n")
    anew = "\n".join([*log_lines(subject.result), ""]).split("\n")
    told = 0
    for number, (line, wanted) in enumerate(zip_longest(there, anew), start=1):
        if line != wanted and told < _MOST_LINES:
            told += 1
            yield Problem(
                f"{LOG}, line {number}: it says {_quoted(line)}, by the result it is "
                f"{_quoted(wanted)}"
            )


def log_lines(result: Result) -> Iterator[str]:
    """The lines that the log of a result has."""
    yield from _subject_lines(result)
    yield from _machine_lines(result)
    for run in result.runs:
        yield from _run_lines(run)
    score = result.score
    if score.gpu_wh_per_1k_queries is None:
        yield f"no GPU score: {score.reason}"
    else:
        ends = score.ci95
        interval = "not known" if ends is None else f"{ends[0]!r} to {ends[1]!r}"
        yield (
            f"score {score.gpu_wh_per_1k_queries!r} Wh of GPU energy per 1,000 queries, 95% "
            f"interval {interval}"
        )
    yield from (f"caution {caution.code}: {caution.message}" for caution in result.cautions)
    yield from (f"invalid: {reason}" for reason in result.invalid_reasons)
    for point in result.conformance:
        held = "held" if point.ok else "not held"
        yield f"protocol {point.name}: {held} ({point.required}; {point.actual})"


def _subject_lines(result: Result) -> Iterator[str]:
    task, model, work, how = result.task, result.model, result.workload, result.protocol
    yield f"energyscore {result.environment.energyscore}, rules {result.rules_version}"
    yield f"written {result.created_at}, measurement {result.identity}"
    yield f"task {task.id} version {task.version} ({task.digest})"
    parts = [
        f"model {model.id} ({model.source}, {_revision(model.revision)})",
        model.architecture,
        f"{model.parameters} parameters",
        model.dtype,
        model.quantization or "not quantized",
        f"{model.weights} weights",
        f"class {model.model_class}" if model.model_class else "no size class",
    ]
    yield ", ".join(parts)
    settings = [f"{name} {value}" for name, value in (work.generation or {"none": ""}).items()]
    yield (
        f"data {work.dataset}, {_revision(work.revision)}: {work.queries} queries, batch "
        f"{work.batch_size}, seed {work.seed}, generation {', '.join(settings).strip()}"
    )
    pace = "pace not checked"
    if how.warmup_steady is not None:
        pace = "steady" if how.warmup_steady else "not steady"
    planned = "1 run" if how.repeats == 1 else f"{how.repeats} runs"
    yield (
        f"warm-up {how.warmup_s:.1f} s with {how.warmup_queries} queries, {pace}; window "
        f"{how.min_window_s:g} s at least; {len(result.runs)} of {planned}"
    )


def _machine_lines(result: Result) -> Iterator[str]:
    machine, idle = result.environment, result.idle
    yield (
        f"machine {machine.os}, Python {machine.python}, {_text(machine.cpu)} "
        f"({_text(machine.cpu_count)} cores), driver {_text(machine.driver)}, CUDA "
        f"{_text(machine.cuda)}"
    )
    for gpu in machine.gpus:
        limit_w, memory_mb = _text(gpu.power_limit_w), _text(gpu.memory_total_mb)
        yield f"GPU {gpu.name} {gpu.uuid}, limit {limit_w} W, {memory_mb} MB"
    packages = sorted(machine.packages.items())
    yield "packages " + ", ".join(f"{name} {version}" for name, version in packages)
    for domain, power_w in sorted(idle.without_model_w.items()):
        yield f"idle without the model: {domain} {power_w:.2f} W over {idle.seconds:g} s"
    for domain, power_w in sorted(idle.with_model_w.items()):
        yield f"idle with the model: {domain} {power_w:.2f} W over {idle.seconds:g} s"


def _run_lines(run: Run) -> Iterator[str]:
    passes = "1 pass" if run.passes == 1 else f"{run.passes} passes"
    yield (
        f"run {run.index + 1} {run.started_at}: {run.queries} queries in {run.duration_s:.3f} s, "
        f"{passes}, {run.input_tokens} tokens in, {run.output_tokens} out"
    )
    for domain, energy_j in sorted(run.energy_j.items()):
        if energy_j is None:
            yield f"  {domain}: not measured: {run.reasons.get(domain, 'unknown')}"
            continue
        line = f"  {domain}: {energy_j:.3f} J ({run.methods.get(domain)})"
        facts = [f"{name} {_text(value)}" for name, value in sorted(_facts(run, domain))]
        yield "; ".join([line, ", ".join(facts)]) if facts else line
    for name, part in run.phases.items():
        shares = [
            f"{domain} not known" if energy_j is None else f"{domain} {energy_j:.3f} J"
            for domain, energy_j in sorted(part.energy_j.items())
        ]
        yield f"  phase {name}: {part.duration_s:.3f} s; {', '.join(shares)}"
    for notice in run.notices:
        yield f"  notice {notice.code}: {notice.message}"


def _facts(run: Run, domain: str) -> list[tuple[str, float | int | str | None]]:
    return list(run.facts.get(domain, {}).items())


def _revision(revision: str | None) -> str:
    return f"revision {revision}" if revision is not None else "no revision"


def _text(value: float | str | None) -> str:
    return "not known" if value is None else str(value)


def _quoted(line: str | None) -> str:
    return "nothing" if line is None else repr(line[:150])
