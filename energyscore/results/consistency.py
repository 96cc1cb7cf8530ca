"""Whether a result agrees with itself: what follows from its runs is derived again. Pure.

Results come from others, and every field is easily edited. Agreement proves nothing; a
contradiction is something that no measurement can have written. `energyscore verify` goes down to
the raw records.
"""

import functools
import math
from collections.abc import Iterator
from typing import Any

from energyscore.base.stats import Spread
from energyscore.protocol.task import TaskSpec, load_tasks
from energyscore.results.checks import find_invalid_reasons
from energyscore.results.conformance import check_conformance
from energyscore.results.result import RULES_VERSION, Result
from energyscore.results.score import score_runs

_ROUNDING = 1e-6  # as a share of the mean: whoever passed figures on may have rounded them
_NOT_COMPARED = {"systematic", "systematic_range", "reason", "net_reason", "system_reason"}
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
    yield from _methods(result)
    made = _derived(result)
    said = result.model_dump(include=set(made))
    said["conformance"] = {check.name: check.ok for check in result.conformance}
    score = made["score"]
    _accept_older_intervals(result, score)
    largest = max(score["gpu_wh_per_1k_queries"] or 0.0, score["system_wh_per_1k_queries"] or 0.0)
    yield from _differences("", said, made, _ROUNDING * largest)
    if reasons := result.valid and (result.invalid_reasons or _invalid_reasons(result)):
        yield f"valid: it is true, but {reasons[0]}"
    if not result.conformance:
        yield "conformance: no point of the protocol is in it"


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


def _derived(result: Result) -> dict[str, Any]:
    """What follows from the rest of a result, field by field."""
    score = score_runs(result.runs, result.protocol.metered_gpus, result.idle)
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
        points = check_conformance(task, result)
        made["conformance"] = {point.name: point.ok for point in points}
    return made


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
        for name in (name for name in made if name not in _NOT_COMPARED):
            inner = f"{where}.{name}".lstrip(".")
            yield from _differences(inner, known.get(name, "missing"), made[name], slack)
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
