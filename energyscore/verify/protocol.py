"""The protocol's points by the rules that the result names, and what is claimed of the result."""

import math
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from energyscore.results.log import to_log
from energyscore.verify.findings import Problem
from energyscore.verify.rules import TaskRules, band_of
from energyscore.verify.strict_json import BadJson, parse_strict
from energyscore.verify.subject import Subject, apart, name_of

WH, SUMMARY, LOG = "GPU_ENERGY_WH.txt", "GPU_ENERGY_SUMMARY.json", "log.txt"
_OURS = {"result.json", "environment.json", LOG, WH, SUMMARY}


def check_task(subject: Subject) -> Iterator[Problem]:
    """Task, version, scale and size class are those of the rules."""
    result, task = subject.result, subject.task
    if task is None:
        yield Problem(
            f"{result.task.id} (version {result.task.version}) is not a task of the rules "
            f"{subject.rules.version}: its protocol cannot be checked",
            "warning",
        )
        return
    if (result.task.version, result.task.scale_task) != (task.version, task.scale_task):
        yield Problem("the task's version or scale is not that of its definition")
    size = task.class_of(result.model.parameters, result.model.quantization_bits)
    if result.model.model_class != size:
        yield Problem(
            f"a model of {result.model.parameters:,} parameters is of class {size}, not "
            f"{result.model.model_class}"
        )
    if result.workload.official and result.workload.dataset != task.dataset:
        yield Problem(f"{result.workload.dataset[:80]!r} is not the task's official dataset")
    unknown = set(result.runs[0].phases) - set(task.phases)
    if unknown:
        yield Problem(f"the task has no phase {', '.join(sorted(unknown))}")


def check_hardware(subject: Subject) -> Iterator[Problem]:
    """The metered GPUs are those of the environment, and the runs have their energies."""
    result = subject.result
    protocol, described = result.protocol, [gpu.uuid for gpu in result.environment.gpus]
    if sorted(protocol.metered_gpus) != sorted(described):
        yield Problem("the metered GPUs are not those that the environment describes")
    if len(set(protocol.metered_gpus)) < len(protocol.metered_gpus):
        yield Problem("a GPU is metered twice")
    if (protocol.gpus_chosen_by is None) != (not protocol.metered_gpus):
        yield Problem("it does not say who chose the GPUs, or there are none")
    for run in result.runs:
        found = sorted(domain for domain in run.energy_j if domain.startswith("gpu:"))
        if found != sorted(subject.gpu_domains):
            yield Problem(f"{name_of(run)} has energy of other GPUs than were metered")


def check_conformance(subject: Subject) -> Iterator[Problem]:
    """Each point of the protocol is held where the result says so."""
    result, task = subject.result, subject.task
    stated = {check.name: check.ok for check in result.conformance}
    if len(stated) < len(result.conformance):
        yield Problem("a point is listed twice")
    if result.official != all(stated.values()):
        yield Problem("it says `official` against its own list of points")
    if task is None:
        return
    found = dict(_points(subject, task))
    for name in sorted(stated.keys() ^ found.keys()):
        yield Problem(f"the point {name!r} is missing, or is none of the rules")
    for name, ok in found.items():
        if name in stated and stated[name] != ok:
            yield Problem(
                f"{name}: the result says {'held' if stated[name] else 'not held'}, by the rules "
                f"it is {'held' if ok else 'not held'}"
            )


def check_official(subject: Subject) -> Iterator[Problem]:
    """The manifest says what keeps the result from being official."""
    listed, result = subject.listed, subject.result
    points = [
        ("validity", result.valid),
        ("raw record", subject.raw is not None),
        ("task", subject.task is not None),
        ("counter and power", not subject.has("counter_power_disagree")),
        *((check.name, check.ok) for check in result.conformance),
    ]
    missing = [name for name, ok in points if not ok]
    if listed.not_official != missing or listed.official != (not missing):
        yield Problem(
            f"the manifest says that {listed.not_official} keep it from being official; it is "
            f"{missing}"
        )
    elif missing:
        yield Problem(f"it is not official: {', '.join(missing)}", "warning")


def check_identity(subject: Subject) -> Iterator[Problem]:
    """The manifest means this measurement."""
    if subject.listed.identity != subject.result.identity:
        yield Problem("the manifest names another measurement")


def check_stars(subject: Subject) -> Iterator[Problem]:
    """The stars follow from the score and the bands of the reference that is named."""
    result, listed = subject.result, subject.listed
    energy_wh = result.score.gpu_wh_per_1k_queries
    scale = listed.scale or subject.rules.scales[-1]
    if scale not in subject.rules.scales:
        yield Problem(f"the reference {scale[:60]!r} is unknown to the rules")
        return
    band = band_of(scale, result.task.scale_task, result.model.model_class)
    ratable = listed.official and band is not None and energy_wh is not None
    if not ratable:
        if listed.stars is not None or listed.scale is not None:
            yield Problem("it is given stars, where there can be none")
        return
    assert band is not None
    assert energy_wh is not None
    low_wh, high_wh = band
    # Five bands of one width, each closed above.
    upper = [low_wh + k * (high_wh - low_wh) / 5 for k in (1, 2, 3, 4)]
    stars = 5 - sum(energy_wh > edge for edge in upper)
    if listed.stars != stars or listed.scale is None:
        yield Problem(f"{energy_wh:.6g} Wh are {stars} stars in {scale}, not {listed.stars}")


def check_official_files(subject: Subject) -> Iterator[Problem]:
    """The AI Energy Score's files say the same, and are there only for measured GPU energy."""
    score, files = subject.result.score, subject.files
    total_wh = score.gpu_wh_per_1k_queries
    if total_wh is None or not subject.result.valid:
        for name in sorted({WH, SUMMARY} & files.keys()):
            yield Problem(f"there is a {name}, but no valid GPU score")
        return
    if WH not in files or SUMMARY not in files:
        yield Problem(f"{WH} or {SUMMARY} is missing")
        return
    if apart(_number(files[WH]), total_wh):
        yield Problem(f"{WH} does not say {total_wh} Wh")
    phases = {f"{name}_wh": phase.gpu_wh_per_1k_queries for name, phase in score.phases.items()}
    if _json(files[SUMMARY]) != {"units": "Wh", "total": total_wh, **phases}:
        yield Problem(f"{SUMMARY} is not the score and its phases")


def check_other_files(subject: Subject) -> Iterator[Problem]:
    """The environment and the log are there, and nothing that no submission has."""
    result, files = subject.result, subject.files
    raw = {result.raw.file} if result.raw else set()
    for name in sorted(files.keys() - _OURS - raw):
        yield Problem(f"{name} is none of a submission's files")
    if _json(files.get("environment.json", b"")) != result.environment.model_dump(mode="json"):
        yield Problem("environment.json is not the result's environment")
    if not files.get(LOG):
        yield Problem(f"{LOG} is missing or empty")


def check_log(subject: Subject) -> Iterator[Problem]:
    """The log is the text of the result, line by line."""
    there = subject.files.get(LOG, b"").split(b"\n")
    wanted = to_log(subject.result).encode().split(b"\n")
    for number, (line, own) in enumerate(zip_longest(there, wanted), start=1):
        if line != own:
            yield Problem(f"line {number} is {line!r:.150}; by the result it is {own!r:.150}")
            return


def _points(subject: Subject, task: TaskRules) -> Iterator[tuple[str, bool]]:
    """The points of the protocol by the rules, and whether each is held."""
    result, rules = subject.result, subject.rules
    workload, protocol, runs = result.workload, result.protocol, result.runs
    names = [gpu.name for gpu in result.environment.gpus] if protocol.metered_gpus else []
    official = set(rules.gpu.lower().split())
    most = task.most_gpus(result.model.model_class)
    methods = {run.methods.get(domain) for run in runs for domain in subject.gpu_domains}
    yield "hardware", bool(names) and all(official <= set(n.lower().split()) for n in names)
    yield "device", protocol.device == "cuda" and protocol.gpus_chosen_by == "model"
    yield "gpus", bool(names) and (most is None or len(names) <= most)
    yield "exclusive use", not any(n.code == "contention" for run in runs for n in run.notices)
    yield "dataset", workload.official and workload.dataset == task.dataset
    yield "queries", workload.queries == task.queries
    yield "batch size", workload.batch_size == task.batch_size
    yield "repeats", len(runs) >= task.repeats
    yield "precision", result.model.quantization is not None or result.model.dtype in task.precision
    yield "weights", result.model.weights == "pretrained"
    yield "window", min(run.duration_s for run in runs) >= rules.min_window_s
    yield "warm-up", not protocol.quick
    yield "GPU energy", methods == {"counter"}
    made = dict(workload.generation or {})
    decoded = any("decode" in run.phases for run in runs)
    in_one_pass = "forward" in task.phases and workload.generation is None and not decoded
    if task.generation is not None and not in_one_pass:
        made.pop("reasoning", None)
        wanted = {k: v for k, v in task.generation.items() if k != "reasoning"}
        yield "generation", made == wanted and _forced(subject)
    if task.diffusion is not None:
        yield "generation", made == task.diffusion


def _forced(subject: Subject) -> bool:
    """Where the length of answers is forced, all were that long."""
    generation = subject.result.workload.generation or {}
    length = generation.get("max_new_tokens")
    if not isinstance(length, int) or generation.get("min_new_tokens") != length:
        return True
    return all(run.output_tokens == run.queries * length for run in subject.result.runs)


def _number(data: bytes) -> float | None:
    try:
        value = float(data.decode("ascii"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _json(data: bytes) -> Any:
    try:
        return parse_strict(data)
    except BadJson:
        return None
