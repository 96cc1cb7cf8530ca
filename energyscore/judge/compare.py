"""What changed between two sets of results: pairs of comparable ones, and the effect in each.

Results that are not comparable are refused, with the list of what differs; each point can be
allowed by name.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal

from pydantic import Field

from energyscore.base.errors import UsageError
from energyscore.base.form import Part, schema_of
from energyscore.judge.cautions import cautions_on
from energyscore.judge.changes import Changes
from energyscore.judge.comparability import Difference, check_allowed
from energyscore.judge.counterparts import Counterparts, by_key, is_same, key_of
from energyscore.judge.effect import compare_samples
from energyscore.judge.figures import GPU, PHASES, SYSTEM, EnergyFigure
from energyscore.judge.rating import RatedResult
from energyscore.judge.terms import terms_between
from energyscore.judge.unratable import why_no_place


class Side(Part):
    """One of the two results of a pair."""

    source: str
    created_at: str
    hardware: str
    model: str
    commit: str | None
    stars: int | None
    stars_relative_to: str | None
    stars_estimated: bool
    stars_reason: str
    cautions: list[str] = Field([], description="what whoever reads its figures must know")


class FigureChange(Part):
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
    """Two results that belong together."""

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
    rows: list[FigureChange]


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
    before: Sequence[RatedResult], after: Sequence[RatedResult], allow: Iterable[str] = ()
) -> Comparison:
    """Compare results with their counterparts: same task, model and reasoning mode.

    One with one is a pair in any case. Where each side is of one model, and not of the same, the
    two models are compared. Of several counterparts the most comparable is taken, and of those the
    newest. A UsageError where `allow` has an unknown name, or several models could be the
    counterpart.
    """
    allowed = check_allowed(allow)
    if _are_two_models(before, after):
        allowed |= {"model"}
    if len(before) == len(after) == 1:
        pairs = [pair_of(before[0], after[0], allowed)]
        return Comparison(pairs=pairs, only_before=[], only_after=[])
    known = by_key(before, allowed)
    paired = {key_of(one, allowed) for one in after}
    return Comparison(
        pairs=[
            pair_of(_counterpart(one, known[key], allowed), one, allowed)
            for one in after
            if (key := key_of(one, allowed)) in known
        ],
        only_before=[_name(one) for one in before if key_of(one, allowed) not in paired],
        only_after=[_name(one) for one in after if key_of(one, allowed) not in known],
    )


def compare_all(
    first: Sequence[RatedResult], others: Sequence[Sequence[RatedResult]], allow: Iterable[str] = ()
) -> Comparison:
    """Compare the first results with each of the others; `only_before`: what none of those has.

    Raises:
        UsageError: as `compare`.
    """
    found = [compare(first, other, allow) for other in others]
    in_none = set.intersection(*(set(one.only_before) for one in found))
    return Comparison(
        pairs=[pair for one in found for pair in one.pairs],
        only_before=[name for name in found[0].only_before if name in in_none],
        only_after=[name for one in found for name in one.only_after],
    )


def _are_two_models(before: Sequence[RatedResult], after: Sequence[RatedResult]) -> bool:
    sides = [{one.result.model.id for one in side} for side in (before, after)]
    return all(len(side) == 1 for side in sides) and sides[0] != sides[1]


def _counterpart(one: RatedResult, others: Counterparts, allowed: Collection[str]) -> RatedResult:
    if "model" in allowed and len(others.models) > 1:
        models = ", ".join(sorted(others.models))
        raise UsageError(
            f"Several models could be compared with {one.label}: {models}.",
            "With --allow model name one result on each side.",
        )
    return others.of(one, allowed) or others.entries[0]


def pair_of(before: RatedResult, after: RatedResult, allowed: Collection[str]) -> Pair:
    """Two results with all in which they differ, and the effect where they can be compared."""
    terms = terms_between(before, after, allowed)
    reason = _why_not(before, after)
    unlike = terms.refused or reason
    rows = [] if unlike else _rows(before, after, terms.meter_uncertainty)
    if rows and rows[0].ratio is None:
        reason = rows[0].reason
    return Pair(
        task=after.result.task.id,
        model=after.label,
        before=_side(before),
        after=_side(after),
        **vars(terms),
        same=is_same(before, after),
        reason=reason,
        rows=rows,
    )


def _why_not(before: RatedResult, after: RatedResult) -> str:
    if is_same(before, after):
        return "both are the same measurement: there is nothing to compare"
    for one in (before, after):
        if reason := why_no_place(one.result)[1]:
            return f"{one.file}: {reason}"
    return ""


def _rows(before: RatedResult, after: RatedResult, common: float) -> list[FigureChange]:
    """The headline first, then the phases of both, then the system."""
    both = before.result.score.phases.keys() & after.result.score.phases.keys()
    metrics = (GPU, *(name for name, phase in PHASES.items() if phase in both))
    rows = [figure_change(name, before, after, common) for name in metrics]
    system = figure_change(SYSTEM, before, after, common)
    if system.ratio is None:
        return rows
    # On the processor alone the system's figure is the headline.
    on_gpu = any(one.figure(GPU).summary for one in (before, after))
    return [*rows, system] if on_gpu else [system]


def figure_change(
    metric: str, before: RatedResult, after: RatedResult, common: float
) -> FigureChange:
    """What changed in one figure; `common`: the uncertainty of the ratio for unlike meters."""
    was, now = before.figure(metric), after.figure(metric)
    first, second = was.summary, now.summary
    effect = None
    if first is None or second is None:
        missing = ((before, was), (after, now))
        reason = "; ".join(f"{o.file}: {fig.reason}" for o, fig in missing if fig.summary is None)
    elif was.estimated != now.estimated:
        reason = "measured in one, estimated in the other"
    else:
        effect, reason = compare_samples(first, second, common), ""
        if effect.ci95 is None:
            reason = f"no interval: {_why_no_interval(before, was, after, now)}"
    return FigureChange(
        metric=metric,
        phase="total" if metric == GPU else PHASES.get(metric, "system"),
        estimated=was.estimated or now.estimated,
        before_wh_per_1k_queries=first and first.mean,
        after_wh_per_1k_queries=second and second.mean,
        before_runs=first and first.count,
        after_runs=second and second.count,
        ratio=effect and effect.ratio,
        ratio_ci95=effect and effect.ci95,
        p_value=effect and effect.p_value,
        significant=effect and effect.significant,
        difference_wh_per_1k_queries=effect and effect.difference,
        difference_ci95_wh_per_1k_queries=effect and effect.difference_ci95,
        change_percent=effect and (effect.ratio - 1) * 100,
        reason=reason,
    )


def _why_no_interval(
    before: RatedResult, was: EnergyFigure, after: RatedResult, now: EnergyFigure
) -> str:
    for one, figure in ((before, was), (after, now)):
        if figure.summary and figure.summary.std is None:
            alone = figure.summary.count == 1
            return f"{one.file}: {'one run only' if alone else 'the spread is not known'}"
    return "the runs spread beyond all bounds"


def _side(one: RatedResult) -> Side:
    rating = one.rating
    return Side(
        source=one.file,
        created_at=one.result.created_at,
        hardware=one.result.hardware,
        model=one.label,
        commit=one.commit,
        stars=rating.stars,
        stars_relative_to=rating.scale,
        stars_estimated=rating.estimated,
        stars_reason=rating.reason,
        cautions=[caution.message for caution in cautions_on(one.result)],
    )


def _name(one: RatedResult) -> str:
    return f"{one.result.task.id}, {one.label}"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `compare --format json` prints."""
    return schema_of(Comparison, "energyscore-comparison-1")
