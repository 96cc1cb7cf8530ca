"""What changed between two sets of measurements: pairs of like ones, and the effect in each.

Unlike measurements are refused, with the list of what differs; each point can be allowed by name.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal

from pydantic import Field

from energyscore.base.errors import UsageError
from energyscore.judge.conditions import (
    PAIRED_BY,
    Changes,
    Difference,
    changes,
    check_allowed,
    differences,
    meter_uncertainty,
    most_alike,
    not_known,
)
from energyscore.judge.effect import compare_samples
from energyscore.judge.figures import GPU, PHASES, SYSTEM, Condition, Figure, Measured
from energyscore.results.result import Part

_MIXED = "measured in one, estimated in the other"


class Side(Part):
    """One of the two measurements of a pair."""

    source: str
    created_at: str
    hardware: str
    model: str
    commit: str | None
    stars: int | None
    stars_relative_to: str | None
    stars_estimated: bool
    stars_reason: str


class Row(Part):
    """The effect in one figure, in Wh per 1,000 queries; null with the reason where there is none.

    `ratio` is after / before; its interval stands on the spread of the runs (Welch, log scale).
    """

    metric: str
    phase: str = Field(description="total, a phase, or system")
    estimated: bool = Field(description="whether one of the two is an estimate and no meter's")
    before_wh_per_1k_queries: float | None
    after_wh_per_1k_queries: float | None
    before_runs: int | None
    after_runs: int | None
    ratio: float | None
    ratio_ci95: tuple[float, float] | None
    p_value: float | None
    significant: bool | None = Field(description="whether the interval excludes 1; null: unknown")
    difference_wh_per_1k_queries: float | None
    difference_ci95_wh_per_1k_queries: tuple[float, float] | None
    change_percent: float | None
    reason: str


class Pair(Part):
    """Two measurements that belong together."""

    task: str
    model: str
    before: Side
    after: Side
    refused: list[Difference] = Field(description="in what they are unlike; empty: compared")
    allowed: list[Difference] = Field(description="in what they are unlike, as was allowed")
    not_known: list[str] = Field(description="conditions that one of the two does not tell")
    changed: Changes = Field(
        description="what may explain a difference: versions, revision; before and after"
    )
    meter_uncertainty: float = Field(
        description="standard uncertainty of the ratio for meters that are not the same, a share"
    )
    same: bool = Field(description="whether both are one measurement, with nothing to compare")
    reason: str = Field(description="why the two cannot be compared at all; empty: they can")
    rows: list[Row]


class Comparison(Part):
    """All pairs, and what has no counterpart."""

    comparison_version: Literal[1] = 1
    pairs: list[Pair]
    only_before: list[str]
    only_after: list[str]

    @property
    def exit_status(self) -> int:
        """0 all are compared, 2 some are unlike or nothing is in both, 3 some have no energy."""
        if not self.pairs or any(pair.refused or pair.same for pair in self.pairs):
            return 2
        return 3 if any(pair.reason for pair in self.pairs) else 0


def compare(
    before: Sequence[Measured], after: Sequence[Measured], allow: Iterable[str] = ()
) -> Comparison:
    """Compare measurements with their counterparts: same task, model and reasoning mode.

    One with one is a pair in any case. Of several counterparts the most alike is taken, and of
    those the newest.

    Raises:
        UsageError: for an unknown name in `allow`, or a counterpart that is not the only one.
    """
    allowed = check_allowed(allow)
    if len(before) == len(after) == 1:
        pairs = [_pair(before[0], after[0], allowed)]
        return Comparison(pairs=pairs, only_before=[], only_after=[])
    pairs, used, lonely = [], set(), []
    for one in after:
        found = _counterpart(one, before, allowed)
        if found is None:
            lonely.append(_name(one))
        else:
            used.add(_key(found, allowed))
            pairs.append(_pair(found, one, allowed))
    unused = [_name(one) for one in before if _key(one, allowed) not in used]
    return Comparison(pairs=pairs, only_before=unused, only_after=lonely)


def _pair(before: Measured, after: Measured, allowed: Collection[str]) -> Pair:
    points = differences(before, after)
    refused = [point for point in points if point.name not in allowed]
    common = meter_uncertainty(before, after)
    reason = _why_not(before, after)
    rows = [] if refused or reason else _rows(before, after, common)
    if rows and rows[0].ratio is None:
        reason = rows[0].reason
    return Pair(
        task=after.task,
        model=after.label,
        before=_side(before),
        after=_side(after),
        refused=refused,
        allowed=[point for point in points if point.name in allowed],
        not_known=not_known(before, after),
        changed=changes(before, after),
        meter_uncertainty=common,
        same=before.is_same_as(after),
        reason=reason,
        rows=rows,
    )


def _why_not(before: Measured, after: Measured) -> str:
    if before.is_same_as(after):
        return "both are the same measurement: there is nothing to compare"
    for one in (before, after):
        if one.unusable:
            return f"{one.source}: {one.unusable}"
    return ""


def _rows(before: Measured, after: Measured, common: float) -> list[Row]:
    """The headline first, then the phases of both, then the system."""
    rows = [_row(name, before, after, common) for name in (GPU, *PHASES, SYSTEM)]
    found = [row for row in rows if row is not None]
    measured = [row for row in found if row.ratio is not None or row.metric != SYSTEM]
    # On the processor alone the system's figure is the headline.
    system = [row for row in found if row.metric == SYSTEM and row.ratio is not None]
    on_gpu = any(one.figures[GPU].sample for one in (before, after))
    return measured if on_gpu or not system else system


def _row(metric: str, before: Measured, after: Measured, common: float) -> Row | None:
    was, now = before.figures.get(metric), after.figures.get(metric)
    if was is None or now is None:
        return None
    mixed = metric == SYSTEM and was.estimated != now.estimated
    first, second = was.sample, now.sample
    if first is None or second is None or mixed:
        reason = _MIXED if mixed else _absent(before, was, after, now)
        effect = None
    else:
        effect, reason = compare_samples(first, second, common), ""
        if effect.ci95 is None:
            reason = f"no interval: {_without_interval(metric, before, was, after)}"
    return Row(
        metric=metric,
        phase="total" if metric == GPU else PHASES.get(metric, "system"),
        estimated=was.estimated or now.estimated,
        before_wh_per_1k_queries=first and first.mean,
        after_wh_per_1k_queries=second and second.mean,
        before_runs=first and first.runs,
        after_runs=second and second.runs,
        ratio=effect and effect.ratio,
        ratio_ci95=effect and effect.ci95,
        p_value=effect and effect.p_value,
        significant=effect and effect.significant,
        difference_wh_per_1k_queries=effect and effect.difference,
        difference_ci95_wh_per_1k_queries=effect and effect.difference_ci95,
        change_percent=effect and (effect.ratio - 1) * 100,
        reason=reason,
    )


def _absent(before: Measured, was: Figure, after: Measured, now: Figure) -> str:
    missing = [(before, was), (after, now)]
    return "; ".join(f"{one.source}: {fig.reason}" for one, fig in missing if fig.sample is None)


def _without_interval(metric: str, before: Measured, was: Figure, after: Measured) -> str:
    samples = [figure.sample for figure in (was, after.figures[metric])]
    if all(sample and sample.std is not None and sample.runs > 1 for sample in samples):
        return "the runs spread beyond all bounds"
    one = before if was.sample and was.sample.std is None else after
    sample = one.figures[metric].sample
    why = "one run only" if sample and sample.runs == 1 else "the CSV does not tell the spread"
    return f"{one.source}: {why}"


def _side(one: Measured) -> Side:
    stars = one.stars
    return Side(
        source=one.source,
        created_at=one.created_at,
        hardware=one.hardware,
        model=one.label,
        commit=one.commit,
        stars=stars.stars,
        stars_relative_to=stars.relative_to if stars.stars else None,
        stars_estimated=stars.estimated,
        stars_reason=stars.reason,
    )


def _counterpart(
    one: Measured, others: Sequence[Measured], allowed: Collection[str]
) -> Measured | None:
    found = [other for other in others if _key(other, allowed) == _key(one, allowed)]
    if "model" in allowed and len({other.model for other in found}) > 1:
        models = ", ".join(sorted({other.model for other in found}))
        raise UsageError(
            f"Several models could be compared with {one.label}: {models}.",
            "With --allow model name one result on each side.",
        )
    return most_alike(one, found, allowed)


def _key(one: Measured, allowed: Collection[str]) -> tuple[Condition, ...]:
    return tuple(one.conditions[name] for name in PAIRED_BY if name not in allowed)


def _name(one: Measured) -> str:
    return f"{one.task}, {one.label}"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `compare --format json` prints."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "energyscore-comparison-1",
        **Comparison.model_json_schema(mode="serialization"),
    }
