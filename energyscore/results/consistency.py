"""Whether a result agrees with itself: what is rated of it follows from its own runs. Pure.

Results come from others, and one of their fields is as easily edited as another. What is found here
is no proof of anything, only what no measurement can have written; `energyscore verify` goes down
to the raw records.
"""

import functools
from collections.abc import Iterator
from dataclasses import fields

from energyscore.base.stats import Summary
from energyscore.protocol.model import ModelFacts
from energyscore.protocol.task import TaskSpec, load_tasks
from energyscore.results.checks import find_invalid_reasons
from energyscore.results.conformance import check_conformance
from energyscore.results.result import RULES_VERSION, ModelPart, Result
from energyscore.results.score import figures_over

_ROUNDING = 1e-6
"""Figures may have been rounded by whoever passed them on: as a share of the mean."""

_FACTS = {field.name for field in fields(ModelFacts)} & ModelPart.model_fields.keys()
_GPU_METHODS = ("counter", "power_integral")
_OTHER_METHODS = ("rapl", "estimated")


def contradiction(result: Result) -> str:
    """The first field that disagrees with the others, and how; empty where none does."""
    checks = (_identity_of_task, _methods, _score, _validity, _size, _conformance)
    try:
        return next((found for check in checks for found in check(result)), "")
    except (ArithmeticError, ValueError, LookupError, TypeError) as error:
        # Figures out of all measure, or settings of no task: nothing can be computed from them.
        return f"runs: what they hold cannot be computed with ({type(error).__name__}: {error})"


def is_bundled_task(digest: str) -> bool:
    """Whether a task is one that comes with energyscore, by the digest of its definition."""
    return digest in _bundled()


def _identity_of_task(result: Result) -> Iterator[str]:
    """The task is called what the definition of that digest is called."""
    said, task = result.task, _task(result)
    if task is not None:
        wanted = {"id": task.id, "version": task.version, "scale_task": task.scale_task}
        for name, value in wanted.items():
            if getattr(said, name) != value:
                yield f"task.{name}: it is {getattr(said, name)}, and {value} by task.digest"


def _methods(result: Result) -> Iterator[str]:
    """Energy was measured in a way that there is: an estimate of a GPU is none."""
    for run in result.runs:
        for domain, energy_j in run.energy_j.items():
            known = _GPU_METHODS if domain.startswith("gpu:") else _OTHER_METHODS
            method = run.methods.get(domain)
            if energy_j is not None and method not in known:
                yield (
                    f"runs.{run.index}.methods.{domain}: it must be {' or '.join(known)} (got "
                    f"{method or 'null'})"
                )


def _score(result: Result) -> Iterator[str]:
    """The score is the mean over the runs, with their spread and its 95% t interval."""
    score, found = result.score, figures_over(result.runs, result.protocol.metered_gpus)
    yield from _figure(
        ("gpu_wh_per_1k_queries", "std", "ci95"),
        (score.gpu_wh_per_1k_queries, score.std, score.ci95),
        found.gpu,
    )
    yield from _figure(
        ("system_wh_per_1k_queries", "system_std", "system_ci95"),
        (score.system_wh_per_1k_queries, score.system_std, score.system_ci95),
        found.system,
    )
    for name, said, made in (
        ("method", score.method, found.method),
        ("system_method", score.system_method, found.system_method),
    ):
        if said != made:
            yield f"score.{name}: it is {said or 'null'}, by the runs {made or 'null'}"


def _figure(
    names: tuple[str, str, str],
    said: tuple[float | None, float | None, tuple[float, float] | None],
    made: Summary | None,
) -> Iterator[str]:
    wanted = (made.mean, made.std, made.ci95) if made else (None, None, None)
    slack = _ROUNDING * made.mean if made else 0.0
    for name, one, other in zip(names, said, wanted, strict=True):
        if not _alike(one, other, slack):
            yield f"score.{name}: it is {_shown(one)}, of the runs {_shown(other)}"


def _alike(
    one: float | tuple[float, float] | None, other: float | tuple[float, float] | None, slack: float
) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return all(_alike(a, b, slack) for a, b in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= slack
    return one is None and other is None


def _shown(figure: float | tuple[float, float] | None) -> str:
    if isinstance(figure, tuple):
        return f"[{', '.join(map(_shown, figure))}]"
    return "null" if figure is None else f"{figure:.7g}"


def _validity(result: Result) -> Iterator[str]:
    """What makes a result invalid is not passed over."""
    if result.valid and result.invalid_reasons:
        yield f"valid: it is true, but invalid_reasons says: {result.invalid_reasons[0]}"
    elif result.valid and _has_figure(result) and _of_these_rules(result):
        reasons = find_invalid_reasons(result.runs, result.protocol)
        if reasons:
            yield f"valid: it is true, but {reasons[0]}"


def _has_figure(result: Result) -> bool:
    score = result.score
    return score.gpu_wh_per_1k_queries is not None or score.system_wh_per_1k_queries is not None


def _size(result: Result) -> Iterator[str]:
    """The size class is that of the parameters."""
    task, model = _task(result), result.model
    if task is not None:
        size = task.class_of(model.parameters, model.quantization_bits)
        if model.model_class != size:
            yield (
                f"model.model_class: it is {model.model_class or 'null'}, and {size or 'null'} of "
                f"{model.parameters:,} parameters"
            )


def _conformance(result: Result) -> Iterator[str]:
    """The points of the protocol are all there, and official is what holds them all."""
    said = {check.name: check.ok for check in result.conformance}
    if result.official != (bool(said) and all(said.values())):
        is_so = "true" if result.official else "false"
        yield f"official: it is {is_so}, which the points of conformance contradict"
    task = _task(result)
    if task is None:
        if not said:
            yield "conformance: no point of the protocol is in it"
        return
    if not _of_these_rules(result):
        return
    model = result.model
    points = check_conformance(
        task,
        ModelFacts(**model.model_dump(include=_FACTS), context_length=None),
        model.model_class,
        result.workload,
        result.protocol,
        result.environment,
        result.runs,
    )
    for point in points:
        if said.get(point.name) is not point.ok:
            known = {None: "missing", True: "said to hold", False: "said not to hold"}
            yield (
                f"conformance: {point.name} is {known[said.get(point.name)]}, and is "
                f"{point.actual} where {point.required} is asked for"
            )


def _of_these_rules(result: Result) -> bool:
    return result.rules_version == RULES_VERSION


def _task(result: Result) -> TaskSpec | None:
    """The task that comes with energyscore, unchanged; None for one of somebody's own."""
    return _bundled().get(result.task.digest)


@functools.cache
def _bundled() -> dict[str, TaskSpec]:
    return {task.spec.digest: task.spec for task in load_tasks().values()}
