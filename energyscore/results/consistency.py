"""Whether a result agrees with itself: what follows from its runs is derived again.

Results come from others, and every field is easily edited. Agreement proves nothing; a
contradiction is something that no measurement can have written. `energyscore verify` goes down to
the raw records.
"""

import functools
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from energyscore.base.stamps import utc_stamp
from energyscore.base.stats import Spread
from energyscore.base.text import first_of
from energyscore.protocol.task import TaskSpec, load_tasks
from energyscore.results.answers import answers_contradictions
from energyscore.results.checks import find_invalid_reasons
from energyscore.results.conformance import points_held
from energyscore.results.cost import cost_contradictions
from energyscore.results.gpu_sensors import sensor_error
from energyscore.results.loading import loading_contradictions
from energyscore.results.parts import Run
from energyscore.results.per_token import energy_per_token, joules_per_output_token
from energyscore.results.quality import quality_contradictions
from energyscore.results.result import RULES_VERSION, Result
from energyscore.results.score import least_steps_se_j, score_runs
from energyscore.results.screened import screen_contradictions

_ROUNDING = 1e-6  # as a share of the mean: whoever passed figures on may have rounded them
_STEPS_SLACK = 0.05  # the counter's period is rounded in the facts
_LEAST_OWN_ERROR = 0.25  # of what the table says today: other versions may know it better
_CLOCKS_APART = timedelta(days=1)  # of the machine that measured and the one that reads
_NOT_COMPARED = {
    *("systematic", "systematic_range", "reason", "net_reason", "system_reason"),
    "joules_per_output_token",
}
"""What a score says beside its figures; a later version may say it otherwise."""


def contradiction(result: Result) -> str:
    """The first field that disagrees with the others, and how; empty where none does."""
    try:
        return next(_contradictions(result), "")
    except (ArithmeticError, ValueError, LookupError, TypeError) as error:
        # Figures out of all measure, or settings of no task: nothing can be computed from them.
        return f"runs: what they hold cannot be computed with ({type(error).__name__}: {error})"


def is_bundled_task(digest: str) -> bool:
    """Whether a task is one that comes with energyscore, by the digest of its definition."""
    return digest in _bundled()


def _contradictions(result: Result) -> Iterator[str]:
    yield from _date(result)
    yield from _methods(result)
    yield from _gpus(result)
    yield from _own_error(result)
    yield from _runs(result)
    yield from _steps(result)
    yield from _phases(result)
    yield from _quality(result)
    yield from screen_contradictions(result.screen, result.runs, result.workload.queries)
    yield from cost_contradictions(result.cost, result.runs)
    yield from loading_contradictions(result.loading)
    yield from _load(result)
    work = result.workload
    yield from answers_contradictions(result.answers, work.queries, work.batch_size)
    cut = result.workload.inputs_cut
    if cut is not None and cut.total is not None and (cut.lost or 0.0) > cut.total:
        yield f"workload.inputs_cut: {cut.lost:g} {cut.unit} of {cut.total:g} cannot be cut off"
    made = _derived(result)
    score = made["score"]
    _accept_older_intervals(result, score)
    largest = max(score["gpu_wh_per_1k_queries"] or 0.0, score["system_wh_per_1k_queries"] or 0.0)
    yield from _differences("", _said(result, made), made, _ROUNDING * largest)
    yield from _tokens(result)
    if reasons := result.valid and (result.invalid_reasons or _invalid_reasons(result)):
        yield f"valid: it is true, but {reasons[0]}"
    if not result.conformance:
        yield "conformance: no point of the protocol is in it"


def _load(result: Result) -> Iterator[str]:
    """The load is that of its runs, and what spoils one of them is told as such."""
    if result.load and (problem := result.load.problem):
        yield f"load: {problem}"
    for name in ("completed", "failed"):
        of_runs = sum(getattr(run.load, name) for run in result.runs if run.load)
        if result.load and (stated := getattr(result.load, name)) != of_runs:
            yield f"load.{name}: it is {stated}, but the runs have {of_runs}"
    for run in result.runs:
        spoiling = {one.code for one in run.notices if one.invalidates}
        told = run.load.server if run.load else None
        others = told and (told.other_requests or told.other_output_tokens)
        if run.load and abs(run.load.requests - run.queries) > 0.5:
            yield f"runs[{run.index}].queries: {run.queries}, of {run.load.requests:g} requests"
        if run.load and run.load.failed and "request_failed" not in spoiling:
            yield f"runs[{run.index}].load.failed: it is {run.load.failed}, and its run not invalid"
        if others and "other_requests" not in spoiling:
            yield f"runs[{run.index}].load.server: others asked it, and its run is not invalid"
        outstanding = run.load and run.load.outstanding
        if outstanding and outstanding.grows and "rate_not_sustained" not in spoiling:
            yield f"runs[{run.index}].load.outstanding: it grows, and its run is not invalid"
        if result.load and (outstanding is None) == (result.load.kind == "open"):
            yield f"runs[{run.index}].load.outstanding: only an open loop has it"
        yield from _requests(run)


def _requests(run: Run) -> Iterator[str]:
    """The requests of a run are those that ended in it, and known as well as it says."""
    load = run.load
    if load is None:
        return
    straddling, ended = load.straddling, load.completed
    if load.other_lengths > ended:
        yield f"runs[{run.index}].load.other_lengths: it is {load.other_lengths} of {ended}"
    # Those that ended, but for the parts of straddling ones.
    if abs(load.requests - ended) > straddling + _ROUNDING:
        yield f"runs[{run.index}].load.requests: {load.requests:.7g} are not the {ended} that ended"
    bound = straddling / load.requests
    if not math.isclose(load.bound, bound, rel_tol=_ROUNDING, abs_tol=_ROUNDING):
        yield f"runs[{run.index}].load.bound: it is {load.bound:.7g}, and not {bound:.7g}"


def _date(result: Result) -> Iterator[str]:
    """It was written in the past: the latest of several results counts."""
    latest = utc_stamp(datetime.now(UTC) + _CLOCKS_APART)
    if result.created_at > latest:
        yield f"created_at: {result.created_at} is in the future"


def _own_error(result: Result) -> Iterator[str]:
    """A measured score has the error of its GPUs' sensors, which is the end of its range."""
    score, between = result.score, result.score.systematic_range
    stated = score.systematic or 0.0
    if score.gpu_wh_per_1k_queries is None:
        return
    least = _LEAST_OWN_ERROR * sensor_error([gpu.name for gpu in result.environment.gpus]).most
    if stated < least:
        yield f"score.systematic: it is {stated:g}, but no sensor of these GPUs errs by so little"
    if between is None:  # older files
        return
    if between[0] > between[1]:
        yield f"score.systematic_range: {_shown(between)} is the wrong way round"
    most = max(map(abs, between))
    if abs(stated - most) > _ROUNDING:
        yield f"score.systematic: it is {stated:g}, but {most:g} follows from its range"


def _methods(result: Result) -> Iterator[str]:
    """Energy was measured in a way that exists: a GPU's is never an estimate."""
    for run in result.runs:
        for domain, energy_j in run.energy_j.items():
            on_gpu, method = domain.startswith("gpu:"), run.methods.get(domain)
            known = ("counter", "power_integral") if on_gpu else ("rapl", "estimated")
            if energy_j is not None and method not in known:
                yield (
                    f"runs.{run.index}.methods.{domain}: it must be {' or '.join(known)} (got "
                    f"{method or 'null'})"
                )


def _gpus(result: Result) -> Iterator[str]:
    """Each GPU is metered once; those that the model chose are its own, and none is split."""
    protocol = result.protocol
    metered = set(protocol.metered_gpus)
    if len(metered) < len(protocol.metered_gpus):
        yield "protocol.metered_gpus: a GPU is in it twice"
    if sorted(gpu.uuid for gpu in result.environment.gpus) != sorted(protocol.metered_gpus):
        yield "environment.gpus: they are not the metered GPUs (protocol.metered_gpus)"
    if protocol.gpus_chosen_by == "model" and not metered <= set(protocol.occupied_gpus):
        yield "protocol.occupied_gpus: the model chose the metered GPUs, but is not on all of them"
    if result.valid and any(gpu.mig for gpu in result.environment.gpus):
        yield "valid: it is true, but a GPU is split into MIG instances"


def _quality(result: Result) -> Iterator[str]:
    """The quality follows from its items; random weights have none."""
    if result.quality is None:
        return
    if result.quality.value is not None and result.model.weights == "random":
        yield "quality.value: the weights are random, and have no quality"
    yield from quality_contradictions(result.quality)


def _runs(result: Result) -> Iterator[str]:
    """Runs are numbered in their order, and none is another one's copy."""
    indices = [run.index for run in result.runs]
    if indices != list(range(len(indices))):
        yield f"runs: they are numbered {first_of(indices)}, and not from 0 in their order"
    seen: dict[tuple[object, ...], list[Run]] = {}
    for run in result.runs:
        known = (run.started_at, run.duration_s, *sorted(run.energy_j.items()))
        alike = seen.setdefault(known, [])
        for other in alike:
            if run.model_copy(update={"index": other.index}) == other:
                yield f"runs.{run.index}: it is run {other.index} again"
        alike.append(run)


def _steps(result: Result) -> Iterator[str]:
    """What a run states of its counter's steps is no less than those of its mean power."""
    for run in result.runs:
        for domain, stated in run.quantization_se_j.items():
            least = least_steps_se_j(run, domain)
            if stated < (1 - _STEPS_SLACK) * least:
                yield (
                    f"runs.{run.index}.quantization_se_j.{domain}: it is {stated:.7g}, but at "
                    f"least {least:.7g} follows from the counter's period"
                )


def _phases(result: Result) -> Iterator[str]:
    """The phases of a run sum to its energy, or all are unknown."""
    task = _bundled().get(result.task.digest)
    for run in result.runs:
        where = f"runs.{run.index}.phases"
        if not run.phases and task is not None and task.phases and result.protocol.metered_gpus:
            yield f"{where}: there are none, but the task has {', '.join(task.phases)}"
        split = [part.energy_j for part in run.phases.values()]
        for domain, energy_j in run.energy_j.items():
            known = [part for one in split if (part := one.get(domain)) is not None]
            if not known:
                continue
            slack = _ROUNDING * len(split) * (energy_j or 0.0)
            if energy_j is None or len(known) < len(split):
                yield f"{where}: only some have an energy of {domain}"
            elif abs((together_j := math.fsum(known)) - energy_j) > slack:
                said = f"{together_j:.7g} J of {domain}"
                yield f"{where}: they sum to {said}, but the run took {energy_j:.7g}"
            elif min(known) < -slack:
                yield f"{where}: one has a negative energy of {domain}"


def _tokens(result: Result) -> Iterator[str]:
    """Energy by tokens follows from the runs; older files have none."""
    said, headline = result.score.per_token, result.score.joules_per_output_token
    if headline is not None:  # older files have none
        made = joules_per_output_token(result, energy_per_token(result))
        slack = _ROUNDING * headline
        yield from _differences("score.joules_per_output_token", headline, made, slack)
    for name, made in energy_per_token(result).items() if said else ():
        slack = _ROUNDING * (made or 0.0)
        yield from _differences(f"score.per_token.{name}", said.get(name, "missing"), made, slack)


def _derived(result: Result) -> dict[str, Any]:
    """What follows from the rest of a result, field by field."""
    score = score_runs(result.runs, result.protocol.metered_gpus, result.idle, screen=result.screen)
    made: dict[str, Any] = {
        "score": score.model_dump(),
        "official": bool(result.conformance) and all(check.ok for check in result.conformance),
    }
    task = _bundled().get(result.task.digest)
    model = result.model
    if task is None or model.parameters is None:
        return made
    size = task.class_of(model.parameters, model.quantization_bits)
    made["task"] = {"id": task.id, "version": task.version, "scale_task": task.scale_task}
    made["model"] = {"model_class": size}
    if result.rules_version == RULES_VERSION:
        made["conformance"] = points_held(task, result)
    return made


def _said(result: Result, made: dict[str, Any]) -> dict[str, Any]:
    """What a result says of the fields that follow from the rest of it."""
    said: dict[str, Any] = {"score": result.score.model_dump(), "official": result.official}
    for name in ("task", "model"):
        said[name] = {field: getattr(getattr(result, name), field) for field in made.get(name, ())}
    said["conformance"] = {check.name: check.ok for check in result.conformance}
    return said


def _accept_older_intervals(result: Result, made: dict[str, Any]) -> None:
    """Put what older versions wrote into a derived score, where the result has just that.

    They had the symmetric t interval of the runs, and no interval of the net figure. Both kinds
    follow from mean, standard deviation and runs; what is shown is derived from these.
    """
    score = result.score
    if score.net_ci95 is None:
        made["net_ci95"] = None
    if any(run.quantization_se_j for run in result.runs):
        return
    for name, mean, std in (
        ("ci95", "gpu_wh_per_1k_queries", "std"),
        ("system_ci95", "system_wh_per_1k_queries", "system_std"),
    ):
        stated, figure, spread = getattr(score, name), made[mean], made[std]
        if stated is None or figure is None or spread is None:
            continue
        half = Spread(spread / math.sqrt(score.runs), 0.0, score.runs - 1).half_width
        symmetric = (figure - half, figure + half)
        if _are_alike(stated, symmetric, _ROUNDING * figure):
            made[name] = symmetric


def _invalid_reasons(result: Result) -> list[str]:
    score = result.score
    without = score.gpu_wh_per_1k_queries is None and score.system_wh_per_1k_queries is None
    if without or result.rules_version != RULES_VERSION:
        return []
    return find_invalid_reasons(result.runs, result.protocol)


def _differences(where: str, said: Any, made: Any, slack: float) -> Iterator[str]:
    """The fields that are not as they were derived."""
    if isinstance(made, dict):
        known = said if isinstance(said, dict) else {}
        for name, inner in made.items():
            stated = known.get(name, "missing")
            if stated != inner and name not in _NOT_COMPARED:
                yield from _differences(f"{where}.{name}".lstrip("."), stated, inner, slack)
    elif not _are_alike(said, made, slack):
        yield f"{where}: it is {_shown(said)}, but {_shown(made)} follows from the rest"


def _are_alike(said: Any, made: Any, slack: float) -> bool:
    if isinstance(said, tuple) and isinstance(made, tuple):
        return all(_are_alike(*pair, slack) for pair in zip(said, made, strict=True))
    if isinstance(said, float) and isinstance(made, float):
        return abs(said - made) <= slack
    return bool(said == made)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.7g}" if isinstance(value, float) else str(value)


@functools.cache
def _bundled() -> dict[str, TaskSpec]:
    return {task.spec.digest: task.spec for task in load_tasks().values()}
