"""How long an entry will take, where that is known; what is not known stays unknown."""

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from energyscore.base.stats import MIN_REPEATS_TO_JUDGE
from energyscore.base.units import JOULES_PER_WH
from energyscore.measurement.options import RunOptions
from energyscore.measurement.suite.plan import Planned
from energyscore.measurement.warmup import LONE_PHASE_S, WARMUP_BLOCK_S
from energyscore.protocol.task import TaskSpec
from energyscore.results.conformance import MIN_WINDOW_S
from energyscore.results.result import Result

LEAST_WARMUP_BLOCKS = 3

_WEIGHTS = re.compile(r"(model|diffusion_pytorch_model)(-\d+-of-\d+)?\.safetensors")
_PICKLED = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin")
_SMALL = (".json", ".txt", ".model", ".jinja", ".py")


@dataclass(frozen=True)
class Estimate:
    """What an entry will take, as `--dry-run` shows it; None where it is not known.

    The time is without loading the model: that of an earlier result of the same model; or what the
    protocol takes at least; or at most what answers of full length take at the pace of an earlier
    result in another mode.
    """

    estimated_seconds: float | None = None
    estimate_basis: Literal["earlier", "at_least", "at_most"] | None = None
    most_tokens_a_query: int | None = None  # where the length of answers is not fixed
    most_tokens_a_pass: int | None = None  # of the answers to all queries, once
    size_bytes: int | None = None  # what of the model's files on the hub is needed
    full_budget: bool = False  # answers may have as many tokens as the official protocol allows
    power_w: float | None = None  # the mean of the model's last result here


def estimate(planned: Planned, earlier: Iterable[Result], *, on_gpu: bool) -> Estimate:
    """How long a measurement takes, metered on a GPU or not.

    Of the earlier results of the same model at the same task, the last that was measured in the
    same way on such a machine tells the time.
    """
    if planned.task is None or planned.problem:
        return Estimate()
    return estimate_of(planned.task.spec, planned.entry.options, earlier, on_gpu=on_gpu)


def estimate_of(
    spec: TaskSpec, options: RunOptions, earlier: Iterable[Result], *, on_gpu: bool
) -> Estimate:
    """The same of one model at one task with these options; of several modes the first counts."""
    here = [result for result in earlier if (result.protocol.device == "cuda") == on_gpu]
    found = replace(_duration(spec, options, here, on_gpu=on_gpu), power_w=_power_w(here))
    generation = options.generation(spec)
    if spec.generation is None or generation is None or generation.reasoning is None:
        return found
    most, queries = generation.max_new_tokens, options.queries or spec.queries
    return replace(
        found,
        most_tokens_a_query=most,
        most_tokens_a_pass=most * queries,
        full_budget=most >= spec.generation.max_new_tokens,
    )


def _power_w(results: Sequence[Result]) -> float | None:
    """The mean power of the last result that has an energy, in watts."""
    for result in sorted(results, key=lambda one: one.created_at, reverse=True):
        score = result.score
        wh = score.gpu_wh_per_1k_queries or score.system_wh_per_1k_queries
        if wh:
            queries = sum(run.queries_done for run in result.runs)
            joules = wh * JOULES_PER_WH * queries / 1000
            return joules / sum(run.duration_s for run in result.runs)
    return None


def _duration(
    spec: TaskSpec, options: RunOptions, here: Sequence[Result], *, on_gpu: bool
) -> Estimate:
    if options.screen:
        return Estimate() if options.budget is None else Estimate(options.budget, "at_most")
    generation = options.generation(spec)
    idle_s = options.idle_s if on_gpu else 0.0
    runs = options.runs(spec)
    work = (options.quick, options.queries or spec.queries, options.batch_size or spec.batch_size)
    alike = [
        result
        for result in here
        if (result.protocol.quick, result.workload.queries, result.workload.batch_size) == work
        and result.screen is None
        and (generation is None or result.workload.generation == generation.recorded())
    ]
    if alike:
        last = max(alike, key=lambda result: result.created_at)
        a_run_s = statistics.fmean(run.duration_s for run in last.runs)
        measured_s = a_run_s * (runs or len(last.runs)) + last.protocol.warmup_s
        return Estimate(measured_s + 2 * idle_s, "earlier")
    # How long answers get is the mode's and the limit's; the pace is the model's.
    paces = [
        (r.created_at, run.duration_s / run.output_tokens)
        for r in here
        if r.workload.batch_size == work[2]
        for run in r.runs
        if run.output_tokens
    ]
    if generation and runs and paces:
        a_run_s = work[1] * generation.max_new_tokens * max(paces)[1]
        least_s = 0.0 if options.quick else MIN_WINDOW_S
        return Estimate(runs * max(a_run_s, least_s) + 2 * idle_s, "at_most")
    if options.quick:
        return Estimate()
    seconds = (runs or MIN_REPEATS_TO_JUDGE) * MIN_WINDOW_S + LEAST_WARMUP_BLOCKS * WARMUP_BLOCK_S
    if on_gpu and "prefill" in spec.phases:
        seconds += LONE_PHASE_S
    return Estimate(seconds + 2 * idle_s, "at_least")


def needed_bytes(sizes: Mapping[str, int], planned: Planned) -> int:
    """What of a model's files on the hub a measurement loads, given their sizes in bytes."""
    options = planned.entry.options
    parts = "model_index.json" in sizes  # of several models, each in a folder of its own
    inside = {path: path.rpartition("/") for path in sizes}
    loaded = {path: name for path, (folder, _, name) in inside.items() if parts or not folder}
    weights = [path for path, name in loaded.items() if _WEIGHTS.fullmatch(name)]
    if not weights and options.allow_pickle:
        weights = [path for path, name in loaded.items() if _PICKLED.fullmatch(name)]
    small = [path for path in loaded if path.endswith(_SMALL)]
    return sum(sizes[path] for path in small + ([] if options.random_weights else weights))
