"""Rating results: against whom each may be rated, and how sure its stars are.

Stars are relative. They are given against a dated reference only when the result was measured
on the reference's hardware by its protocol; otherwise against the cohort of comparable results
at hand, and said to be so. Estimated energy is rated among estimates only.

Stars come with the probability of each, from what is known of the figure's uncertainty u:

- In a cohort on one GPU an error of its meter is the same in all figures and moves no stars: u is
  the standard error of the mean over the runs.
- Against a reference, which was measured elsewhere, and in a cohort whose members were metered on
  different GPUs (by UUID) it does not cancel: the reference's `uncertainty` is added,
  u^2 = SE^2 + (systematic x E / sqrt 3)^2 + (device_spread x E)^2.
- Few runs tell the standard error itself poorly: the probabilities are then Student's, with the
  degrees of freedom of u.
- A result does not say which processor of a name it was measured on: system figures of a cohort
  are taken to be from one machine.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from energyscore.judge.stars import Probabilities, star_probabilities, stars_for
from energyscore.protocol.scales import COHORT, DEFAULT_SCALE, Scale, Uncertainty, load_scale
from energyscore.results.conformance import is_gpu
from energyscore.results.consistency import is_bundled_task
from energyscore.results.result import Result

Basis = Literal["gpu", "system"]
Kind = Literal["reference", "cohort"]
_Figure: TypeAlias = tuple[float, Basis, bool]
COHORT_PARTS = (
    *("task definition", "size class", "precision", "batch size", "set of queries"),
    *("reasoning mode or budget", "device", "hardware", "meter"),
)
"""What each part of `cohort_key` is, for people."""
_REPEATABILITY_ONLY = Uncertainty(
    systematic=0, device_spread=0, source="measured alike: what errs in all alike moves no stars"
)


@dataclass(frozen=True)
class _Range:
    """What stars are relative to; `error` is None where its uncertainty is not known."""

    kind: Kind
    name: str
    low_wh: float
    high_wh: float
    error: Uncertainty | None


@dataclass(frozen=True)
class _Cohort:
    models: int
    range: _Range


@dataclass(frozen=True)
class Rating:
    """The stars of one result, or why it has none.

    Attributes:
        stars: 1 to 5, or None.
        kind: what the stars are relative to.
        scale: its name: a reference, or `cohort of N`.
        basis: which figure was rated: measured GPU energy, or the whole system's.
        estimated: whether that figure is an estimate.
        energy_wh: the figure, in Wh per 1,000 queries.
        reason: why there are no stars; empty when there are.
        not_comparable: the points in which the result departs from the reference's protocol.
        probabilities: the chance of 1, 2, 3, 4 and 5 stars, which sum to 1, or None.
        uncertainty_wh: the standard uncertainty that they stand on, in Wh per 1,000 queries.
        probability_reason: why there are no probabilities; empty when there are.
    """

    stars: int | None
    kind: Kind | None
    scale: str | None
    basis: Basis | None
    estimated: bool
    energy_wh: float | None
    reason: str
    not_comparable: tuple[str, ...]
    probabilities: Probabilities | None
    uncertainty_wh: float | None
    probability_reason: str


def rate(results: Sequence[Result], scale: str | None = None) -> list[Rating]:
    """Rate results, each against the scale that fits it.

    Args:
        results: the results; together they are each other's cohort.
        scale: None rates against the default reference where the result is comparable to it
            and against the cohort otherwise; `cohort` or the name or file of a reference rates
            against that only.

    Returns:
        One rating per result, in the same order.
    """
    reference = load_scale(DEFAULT_SCALE if scale in (None, COHORT) else scale)
    cohorts = _cohorts(results, reference.uncertainty)
    if scale == COHORT:
        return [_rate_in_cohort(result, cohorts, ()) for result in results]
    ratings = []
    for result in results:
        departures = differences(result, reference)
        if not departures or scale is not None:
            ratings.append(_rate_by_reference(result, reference, departures))
        else:
            ratings.append(_rate_in_cohort(result, cohorts, departures))
    return ratings


def differences(result: Result, reference: Scale) -> tuple[str, ...]:
    """The points in which a result departs from what a reference was measured by."""
    points = [
        f"{check.name}: {check.actual} instead of {check.required}"
        for check in result.conformance
        if not check.ok and check.name != "hardware"
    ]
    if not is_bundled_task(result.task.digest):
        # By a definition of somebody's own the points above may say anything.
        points.append("definition: a task of one's own instead of the one that was published")
    names = [gpu.name for gpu in result.environment.gpus]
    if not names or not all(is_gpu(name, reference.gpu) for name in names):
        points.insert(0, f"hardware: {result.hardware} instead of {reference.gpu}")
    if reference.band(result.task.scale_task, result.model.model_class) is None:
        points.append(f"task: {_task_and_class(result)} is not in {reference.name}")
    return tuple(points)


def cohort_key(result: Result, *, any_mode: bool = False) -> tuple[object, ...] | None:
    """What two results must share to be rated together; None when the result has no figure.

    float16 and bfloat16 count as one precision: the protocol allows either. How a model does the
    task (a head in one pass, or writing) is its own affair: the task's definition is what counts.
    Modes of reasoning are told apart unless `any_mode`, their budgets always.
    """
    basis = rated_figure(result)
    if basis is None:
        return None
    gpus = tuple(sorted(f"{gpu.name} {gpu.power_limit_w}" for gpu in result.environment.gpus))
    generation = result.workload.generation or {}
    mode = generation.get("reasoning")
    return (
        result.task.digest,
        result.model.model_class,
        "half" if result.model.dtype in ("float16", "bfloat16") else result.model.dtype,
        result.workload.batch_size,
        result.workload.fingerprint,
        (None if any_mode else mode, generation.get("max_new_tokens") if mode else None),
        result.protocol.device,
        gpus or (result.environment.cpu, result.environment.cpu_count),
        basis[1:],
    )


def rated_figure(result: Result) -> _Figure | None:
    """The figure that is rated: Wh per 1,000 queries, its basis, whether it is an estimate."""
    score = result.score
    if score.gpu_wh_per_1k_queries is not None:
        return score.gpu_wh_per_1k_queries, "gpu", False
    if score.system_wh_per_1k_queries is not None:
        return score.system_wh_per_1k_queries, "system", score.system_method == "estimated"
    return None


def latest_only(results: Iterable[Result]) -> list[Result]:
    """The newest result of each identity, in the order in which identities first occur.

    An invalid one counts only where there is no valid one: a spoilt repeat takes back no figure.
    """
    newest: dict[str, Result] = {}
    for result in results:
        known = newest.get(result.identity)
        if known is None or _rank(result) >= _rank(known):
            newest[result.identity] = result
    return list(newest.values())


def without_copies(results: Iterable[Result]) -> list[Result]:
    """Each result once, however many copies of it there are."""
    known: dict[str, list[Result]] = {}
    found = []
    for result in results:
        alike = known.setdefault(result.identity, [])
        if result not in alike:
            alike.append(result)
            found.append(result)
    return found


def set_aside(results: Iterable[Result]) -> list[Result]:
    """What `latest_only` leaves out, but for copies."""
    results = list(results)
    kept = latest_only(results)
    return without_copies([*kept, *results])[len(kept) :]


def _rank(result: Result) -> tuple[bool, str]:
    return result.valid, result.created_at


def why_unratable(result: Result) -> str:
    """Why a result may have no stars, whatever they would be relative to; empty when it may."""
    if not result.valid:
        return f"invalid: {'; '.join(result.invalid_reasons)}"
    if result.protocol.shared and any(c.code == "contention" for c in result.cautions):
        return "other processes used the GPU (--allow-shared)"
    return why_not_of_model(result)


def why_not_of_model(result: Result) -> str:
    """Why a result's GPU energy is none of its model's; empty when it is, or there is none."""
    if result.protocol.device == "cpu" and result.protocol.metered_gpus:
        return "the metered GPU did not do the work (--gpu beside work on the processor)"
    return ""


def _rate_by_reference(result: Result, reference: Scale, departures: tuple[str, ...]) -> Rating:
    if departures:
        reason = f"not comparable to {reference.name}: {'; '.join(departures)}"
        return _without_stars(result, reason, departures)
    unratable = why_unratable(result)
    energy = result.score.gpu_wh_per_1k_queries
    if unratable or energy is None:
        return _without_stars(result, unratable or result.score.reason, departures)
    band = reference.band(result.task.scale_task, result.model.model_class)
    assert band is not None  # `differences` would have named its absence
    low, high = band.min_wh_per_1k_queries, band.max_wh_per_1k_queries
    scale = _Range("reference", reference.name, low, high, reference.uncertainty)
    return _with_stars(result, (energy, "gpu", False), scale, ())


def _cohorts(
    results: Sequence[Result], error: Uncertainty | None
) -> dict[tuple[object, ...] | None, _Cohort]:
    """The cohorts by what their members share; `error` where their GPUs are not the same."""
    alike: dict[tuple[object, ...] | None, list[tuple[Result, float]]] = {}
    for result in results:
        figure = rated_figure(result)
        if figure is not None and not why_unratable(result):
            alike.setdefault(cohort_key(result), []).append((result, figure[0]))
    cohorts = {}
    for key, members in alike.items():
        models = len({(result.model.id, result.model.revision) for result, _ in members})
        # Counter and integrated power of one GPU err differently.
        one_place = (
            len({(frozenset(r.protocol.metered_gpus), r.score.method) for r, _ in members}) == 1
        )
        figures = [energy for _, energy in members]
        cohorts[key] = _Cohort(
            models,
            _Range(
                "cohort",
                f"cohort of {len(members)}",
                min(figures),
                max(figures),
                _REPEATABILITY_ONLY if one_place else error,
            ),
        )
    return cohorts


def _rate_in_cohort(
    result: Result,
    cohorts: dict[tuple[object, ...] | None, _Cohort],
    departures: tuple[str, ...],
) -> Rating:
    unratable = why_unratable(result)
    figure = rated_figure(result)
    if unratable or figure is None:
        return _without_stars(result, unratable or "no energy was measured", departures)
    cohort = cohorts[cohort_key(result)]
    if cohort.models < 2:
        reason = "stars are relative: at least two comparable models are needed"
        return _without_stars(result, reason, departures)
    if cohort.range.low_wh == cohort.range.high_wh:
        reason = "stars are relative: all comparable results have the same energy"
        return _without_stars(result, reason, departures)
    return _with_stars(result, figure, cohort.range, departures)


def _with_stars(
    result: Result, figure: _Figure, scale: _Range, departures: tuple[str, ...]
) -> Rating:
    energy, basis, estimated = figure
    low, high = scale.low_wh, scale.high_wh
    score = result.score
    std = score.std if basis == "gpu" else score.system_std
    probabilities = uncertainty_wh = None
    reason = ""
    if std is None or score.runs < 2:
        reason = "one run only"
    elif scale.error is None:
        reason = f"{scale.name} states no uncertainty"
    else:
        se_wh = std / math.sqrt(score.runs)
        uncertainty_wh = math.hypot(
            se_wh,
            scale.error.systematic * energy / math.sqrt(3),
            scale.error.device_spread * energy,
        )
        # Of the parts only the standard error is estimated from few (Welch and Satterthwaite).
        known_by = (score.runs - 1) * (uncertainty_wh / se_wh) ** 4 if se_wh else math.inf
        probabilities = star_probabilities(energy, low, high, uncertainty_wh, known_by)
    return Rating(
        stars=stars_for(energy, low, high),
        kind=scale.kind,
        scale=scale.name,
        basis=basis,
        estimated=estimated,
        energy_wh=energy,
        reason="",
        not_comparable=departures,
        probabilities=probabilities,
        uncertainty_wh=uncertainty_wh,
        probability_reason=reason,
    )


def _without_stars(result: Result, reason: str, departures: tuple[str, ...]) -> Rating:
    figure = rated_figure(result)
    energy, basis, estimated = figure if figure else (None, None, False)
    return Rating(
        stars=None,
        kind=None,
        scale=None,
        basis=basis,
        estimated=estimated,
        energy_wh=energy,
        reason=reason,
        not_comparable=departures,
        probabilities=None,
        uncertainty_wh=None,
        probability_reason="no stars",
    )


def _task_and_class(result: Result) -> str:
    size = f" class {result.model.model_class}" if result.model.model_class else ""
    return f"{result.task.scale_task}{size}"
