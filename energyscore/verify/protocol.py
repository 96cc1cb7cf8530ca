"""The protocol's points by the rules that the result names, and what is claimed of the result."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from energyscore.results.log import to_log
from energyscore.verify.examined import ExaminedResult
from energyscore.verify.findings import Derived, Finds, Problem
from energyscore.verify.rules import TaskRules, band_of
from energyscore.verify.strict_json import BadJson, parse_strict

WH, SUMMARY, LOG = "GPU_ENERGY_WH.txt", "GPU_ENERGY_SUMMARY.json", "log.txt"
_OURS = {"result.json", "environment.json", LOG, WH, SUMMARY}


def check_conformance(it: ExaminedResult) -> Finds:
    """Each point of the protocol is held where the result says so."""
    result, task = it.result, it.task
    stated = {check.name: check.ok for check in result.conformance}
    if len(stated) < len(result.conformance):
        yield "a point is listed twice"
    yield Derived("`official` by the list of points", result.official, all(stated.values()))
    if task is None:
        return
    found = dict(_points(it, task))
    for name in sorted(stated.keys() ^ found.keys()):
        yield f"the point {name[:60]!r} is missing, or is not one of the rules"
    for name in sorted(stated.keys() & found.keys()):
        yield Derived(f"`ok` of the point {name!r}", stated[name], found[name])


def check_official(it: ExaminedResult) -> Finds:
    """The manifest says what keeps the result from being official."""
    listed, result = it.listed, it.result
    points = [
        ("validity", result.valid),
        ("raw record", it.raw is not None),
        ("task", it.task is not None),
        ("counter and power", not it.has("counter_power_disagree")),
        *((check.name, check.ok) for check in result.conformance),
    ]
    missing = [name for name, ok in points if not ok]
    yield Derived("the manifest's list of points not held", listed.not_official, missing)
    yield Derived("`official` in the manifest", listed.official, not missing)
    if missing:
        yield Problem(f"it is not official: {', '.join(missing)}", "warning")


def check_stars(it: ExaminedResult) -> Finds:
    """The stars follow from the score and the bands of the reference that is named."""
    result, listed = it.result, it.listed
    energy_wh = result.score.gpu_wh_per_1k_queries
    scale = listed.scale or it.rules.scales[-1]
    if scale not in it.rules.scales:
        yield f"the reference {scale[:60]!r} is unknown to the rules"
        return
    band = band_of(scale, result.task.scale_task, result.model.model_class)
    stars = None
    comparable = listed.official and not it.is_sampled  # the rules' references are greedy
    if comparable and band is not None and energy_wh is not None:
        low_wh, high_wh = band
        # Five bands of one width, each closed above.
        stars = 5 - sum(energy_wh > low_wh + k * (high_wh - low_wh) / 5 for k in (1, 2, 3, 4))
    yield Derived(f"the number of stars in {scale}", listed.stars, stars)
    if (listed.scale is None) != (stars is None):
        yield "stars are given without a reference, or the reverse"


def check_official_files(it: ExaminedResult) -> Finds:
    """The AI Energy Score's files say the same, and are there only for measured GPU energy."""
    score, files = it.result.score, it.files
    total_wh = score.gpu_wh_per_1k_queries
    if total_wh is None or not it.result.valid:
        for name in sorted({WH, SUMMARY} & files.keys()):
            yield f"there is a {name}, but no valid GPU score"
        return
    yield Derived(WH, _json(files.get(WH, b"")), total_wh)
    parts = {f"{name}_wh": phase.gpu_wh_per_1k_queries for name, phase in score.phases.items()}
    if it.is_sampled:
        parts = {"preprocess_wh": 0.0, "prefill_wh": 0.0, "decode_wh": total_wh}
    summary = {"units": "Wh", "total": total_wh, **parts, **_newer_form(it)}
    yield Derived(SUMMARY, _json(files.get(SUMMARY, b"")), summary)


def _newer_form(it: ExaminedResult) -> dict[str, object]:
    """What summaries of the newer official method say beside the energy."""
    if not it.is_sampled:
        return {}
    result = it.result
    said = {
        "format": "ai_energy_benchmarks",
        "model": result.model.id,
        "task": result.task.scale_task,
        "class": result.model.model_class,
        "reasoning": (result.workload.generation or {}).get("reasoning"),
        "queries": 1000,
    }
    return {name: one for name, one in said.items() if one is not None}


def check_other_files(it: ExaminedResult) -> Finds:
    """The environment and the log are there, and nothing that no submission has."""
    result, files = it.result, it.files
    raw = {result.raw.file} if result.raw else set()
    for name in sorted(files.keys() - _OURS - raw):
        yield f"{name} is not a file of submissions"
    if _json(files.get("environment.json", b"")) != result.environment.model_dump(mode="json"):
        yield "environment.json is not the result's environment"
    if not files.get(LOG):
        yield f"{LOG} is missing or empty"


def check_log(it: ExaminedResult) -> Finds:
    """The log is the text of the result, line by line."""
    there = it.files.get(LOG, b"").split(b"\n")
    wanted = to_log(it.result).encode().split(b"\n")
    for number, (line, own) in enumerate(zip_longest(there, wanted), start=1):
        if line != own:
            said, right = ((part or b"").decode(errors="replace")[:150] for part in (line, own))
            yield f"line {number} is {said!r}; by the result it is {right!r}"
            return


def _points(it: ExaminedResult, task: TaskRules) -> Iterator[tuple[str, bool]]:
    """The points of the protocol by the rules, and whether each is held."""
    result, rules = it.result, it.rules
    workload, protocol, runs = result.workload, result.protocol, result.runs
    names = [gpu.name for gpu in result.environment.gpus] if protocol.metered_gpus else []
    most = task.most_gpus(result.model.model_class)
    yield "hardware", bool(names) and all(map(rules.is_its_gpu, names))
    yield "device", protocol.device == "cuda" and protocol.gpus_chosen_by == "model"
    yield "gpus", bool(names) and (most is None or len(names) <= most)
    yield "exclusive use", not any(n.code == "contention" for run in runs for n in run.notices)
    yield "dataset", workload.official and workload.dataset == task.dataset
    yield "queries", workload.queries == task.queries
    cut = workload.inputs_cut
    if cut is not None and cut.lost is not None:
        early = bool(cut.lost) and cut.official_limit is not None and cut.limit < cut.official_limit
        yield "inputs", not early and cut.lost <= rules.most_lost * (cut.total or 0.0)
    yield "batch size", workload.batch_size == task.batch_size
    yield "repeats", len(runs) >= task.repeats
    model = result.model
    own = model.quantization is not None and model.quantized_on_load is None
    yield "precision", own or model.dtype in task.precision
    if model.quantized_on_load is not None:
        yield "quantization", False
    if model.attention_default not in (None, model.attention):
        yield "attention", False
    if model.compiled:
        yield "compile", False
    yield "weights", result.model.weights == "pretrained"
    yield "window", min(run.duration_s for run in runs) >= rules.min_window_s
    yield "warm-up", not protocol.quick
    yield "GPU energy", it.gpu_methods == {"counter"}
    if result.screen is not None:
        yield "protocol", False
    if result.load is not None:
        yield "load", False
    made: dict[str, object] = dict(workload.generation or {})
    decoded = any("decode" in run.phases for run in runs)
    in_one_pass = "forward" in task.phases and workload.generation is None and not decoded
    if task.generation is not None and not in_one_pass:
        made.pop("reasoning", None)
        wanted: dict[str, object] = {k: v for k, v in task.generation.items() if k != "reasoning"}
        if it.is_sampled and task.scale_task in rules.sampled.tasks:
            wanted |= rules.sampled.generation | {"seed": made.get("seed")}
        length = it.forced_tokens
        whole = not length or all(
            run.output_tokens == run.queries * length
            if run.load is None
            else not run.load.other_lengths
            for run in runs
        )
        yield "generation", made == wanted and whole
    if task.diffusion is not None:
        yield "generation", made == task.diffusion


def _json(data: bytes) -> Any:
    try:
        return parse_strict(data)
    except BadJson:
        return None
