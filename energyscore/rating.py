"""The star rule: equal-width bands, and against whom a result may be rated.

Stars are relative. They are given against a dated reference only when the result was measured
on the reference's hardware by its protocol; otherwise against the cohort of comparable results
at hand, and said to be so. Estimated energy is rated among estimates only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from energyscore.checks import is_gpu
from energyscore.errors import UsageError, did_you_mean
from energyscore.result import Result

DEFAULT_SCALE = "aienergyscore-2025-02"
COHORT = "cohort"
BANDS = 5

Basis = Literal["gpu", "system"]
Kind = Literal["reference", "cohort"]


_Cohorts: TypeAlias = dict[tuple[object, ...] | None, list[tuple[tuple[str, str | None], float]]]


class Band(BaseModel):
    """The extremes of one task and class in a reference."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: str
    model_class: str | None
    models: Annotated[int, Field(gt=1)]
    min_wh_per_1k_queries: Annotated[float, Field(gt=0)]
    max_wh_per_1k_queries: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _ordered(self) -> "Band":
        if self.min_wh_per_1k_queries >= self.max_wh_per_1k_queries:
            raise ValueError("min_wh_per_1k_queries must be below max_wh_per_1k_queries")
        return self


class Scale(BaseModel):
    """A dated reference: bands, the hardware they were measured on, and where they are from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    name: Annotated[str, Field(min_length=1)]
    date: str
    source: str
    gpu: Annotated[str, Field(min_length=1)]
    rule: Literal["equal-width"]
    bands: Annotated[list[Band], Field(min_length=1)]

    def band(self, task: str, model_class: str | None) -> Band | None:
        """The band of that task and class, if the reference has it."""
        for band in self.bands:
            if band.task == task and band.model_class == model_class:
                return band
        return None


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
    """

    stars: int | None
    kind: Kind | None
    scale: str | None
    basis: Basis | None
    estimated: bool
    energy_wh: float | None
    reason: str
    not_comparable: tuple[str, ...]


def stars_for(energy: float, low: float, high: float) -> int:
    """Stars by the official rule: [low, high] cut into five equal bands, closed on the right.

    Below `low` is 5, above `high` is 1. Cutting the published energies of February 2025 this
    way reproduces all the stars published with them.
    """
    width = (high - low) / BANDS
    for band in range(1, BANDS):
        if energy <= low + band * width:
            return BANDS + 1 - band
    return 1


def load_scale(name: str) -> Scale:
    """A bundled scale by name, or one of your own by the path of its JSON file.

    Raises:
        UsageError: when there is none of that name, or the file is wrong in some key.
    """
    folder = resources.files("energyscore.scales")
    bundled = [entry.name.removesuffix(".json") for entry in folder.iterdir()]
    bundled = [entry for entry in bundled if not entry.startswith("_")]
    try:
        if name in bundled:
            text = (folder / f"{name}.json").read_text(encoding="utf-8")
        elif name.endswith(".json") or Path(name).is_file():
            text = Path(name).read_text(encoding="utf-8")
        else:
            raise UsageError(f"Unknown scale {name!r}.", did_you_mean(name, [*bundled, COHORT]))
        return Scale.model_validate_json(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Scale {name} cannot be read: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(f"Scale {name}: {place}: {first['msg']}.") from error


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
    cohorts = _cohorts(results)
    if scale == COHORT:
        return [_rate_in_cohort(result, cohorts, ()) for result in results]
    reference = load_scale(scale or DEFAULT_SCALE)
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
    names = [gpu.name for gpu in result.environment.gpus]
    if not names or not all(is_gpu(name, reference.gpu) for name in names):
        points.insert(0, f"hardware: {result.hardware} instead of {reference.gpu}")
    if reference.band(result.task.scale_task, result.model.model_class) is None:
        points.append(f"task: {_task_and_class(result)} is not in {reference.name}")
    return tuple(points)


def cohort_key(result: Result) -> tuple[object, ...] | None:
    """What two results must share to be rated together; None when the result has no figure.

    float16 and bfloat16 count as one precision: the protocol allows either.
    """
    basis = rated_figure(result)
    if basis is None:
        return None
    gpus = tuple(sorted(f"{gpu.name} {gpu.power_limit_w}" for gpu in result.environment.gpus))
    generation = result.workload.generation or {}
    return (
        result.task.id,
        result.task.version,
        result.model.model_class,
        "half" if result.model.dtype in ("float16", "bfloat16") else result.model.dtype,
        result.workload.batch_size,
        result.workload.fingerprint,
        tuple(sorted(generation.items())),
        result.protocol.device,
        gpus or (result.environment.cpu, result.environment.cpu_count),
        basis[1:],
    )


def rated_figure(result: Result) -> tuple[float, Basis, bool] | None:
    """The figure that is rated: Wh per 1,000 queries, its basis, whether it is an estimate."""
    score = result.score
    if score.gpu_wh_per_1k_queries is not None:
        return score.gpu_wh_per_1k_queries, "gpu", False
    if score.system_wh_per_1k_queries is not None:
        return score.system_wh_per_1k_queries, "system", score.system_method == "estimated"
    return None


def latest_only(results: Iterable[Result]) -> list[Result]:
    """The newest result of each identity, in the order in which identities first occur."""
    newest: dict[str, Result] = {}
    for result in results:
        known = newest.get(result.identity)
        if known is None or result.created_at >= known.created_at:
            newest[result.identity] = result
    return list(newest.values())


def _rate_by_reference(result: Result, reference: Scale, departures: tuple[str, ...]) -> Rating:
    if departures:
        reason = f"not comparable to {reference.name}: {'; '.join(departures)}"
        return _without_stars(result, reason, departures)
    unratable = _why_unratable(result)
    energy = result.score.gpu_wh_per_1k_queries
    if unratable or energy is None:
        return _without_stars(result, unratable or result.score.reason, departures)
    band = reference.band(result.task.scale_task, result.model.model_class)
    assert band is not None  # `differences` would have named its absence
    stars = stars_for(energy, band.min_wh_per_1k_queries, band.max_wh_per_1k_queries)
    return Rating(stars, "reference", reference.name, "gpu", False, energy, "", ())


def _cohorts(results: Sequence[Result]) -> _Cohorts:
    """The comparable results by what they share: (model, revision) and figure of each."""
    cohorts: _Cohorts = {}
    for result in results:
        figure = rated_figure(result)
        if figure is not None and not _why_unratable(result):
            member = ((result.model.id, result.model.revision), figure[0])
            cohorts.setdefault(cohort_key(result), []).append(member)
    return cohorts


def _rate_in_cohort(result: Result, cohorts: _Cohorts, departures: tuple[str, ...]) -> Rating:
    unratable = _why_unratable(result)
    figure = rated_figure(result)
    if unratable or figure is None:
        return _without_stars(result, unratable or "no energy was measured", departures)
    energy, basis, estimated = figure
    cohort = cohorts[cohort_key(result)]
    models = len({model for model, _ in cohort})
    low = min(figure for _, figure in cohort)
    high = max(figure for _, figure in cohort)
    if models < 2 or low == high:
        reason = "stars are relative: at least two comparable models are needed"
        return _without_stars(result, reason, departures)
    stars = stars_for(energy, low, high)
    scale = f"cohort of {models}"
    return Rating(stars, "cohort", scale, basis, estimated, energy, "", departures)


def _why_unratable(result: Result) -> str:
    if not result.valid:
        return f"invalid: {'; '.join(result.invalid_reasons)}"
    return ""


def _without_stars(result: Result, reason: str, departures: tuple[str, ...]) -> Rating:
    figure = rated_figure(result)
    energy, basis, estimated = figure if figure else (None, None, False)
    return Rating(None, None, None, basis, estimated, energy, reason, departures)


def _task_and_class(result: Result) -> str:
    size = f" class {result.model.model_class}" if result.model.model_class else ""
    return f"{result.task.scale_task}{size}"
