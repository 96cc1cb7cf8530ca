"""One threshold on one result: kept, broken, or inconclusive. Pure.

A figure keeps to a limit, or breaks it, when its whole 95% interval says so; a regression is one
when the interval of the ratio to the baseline lies beyond what is allowed. Between the two the
check is inconclusive. A result without energy, interval or baseline never passes for that.
"""

import functools
from typing import Any, Literal

from pydantic import Field

from energyscore.base.stats import MIN_REPEATS_TO_JUDGE, Summary
from energyscore.base.units import format_number, with_ends
from energyscore.judge import effect
from energyscore.judge.cautions import cautions_on, is_block
from energyscore.judge.changes import Changes
from energyscore.judge.comparability import NEEDED
from energyscore.judge.compare import FigureChange, figure_change
from energyscore.judge.counterparts import Counterparts, is_same
from energyscore.judge.figures import TIMES, UNIT, format_figure, unit_of
from energyscore.judge.policy import Limit
from energyscore.judge.rating import RatedResult
from energyscore.judge.terms import Terms, terms_between
from energyscore.judge.unratable import why_unratable
from energyscore.results.names import mode_of, with_details
from energyscore.results.parts import Part
from energyscore.results.result import Result

Outcome = Literal["pass", "fail", "inconclusive", "invalid", "unsupported"]
CountsAs = Literal["pass", "warning", "failure", "error"]

OUTCOMES: dict[effect.Decision, Outcome]
OUTCOMES = {"within": "pass", "beyond": "fail", "open": "inconclusive"}
NO_BASELINE = "there is no baseline of it; `energyscore baseline save` makes one"


class Against(Part):
    """The baseline of a check."""

    source: str
    created_at: str
    commit: str | None
    wh_per_1k_queries: float | None = Field(description="null: the figure has another unit")
    value: float | None = Field(None, description="its figure, in the unit of the check")


class GateCheck(Part):
    """One threshold on one result."""

    rule: str = Field(description="where it stands: rules[0] of the policy, or options")
    kind: Literal["limit", "regression", "stars", "presence"]
    threshold: str = Field(description="as it was written")
    task: str | None = Field(description="null: no result fits the rule")
    model: str | None
    reasoning: str | None
    hardware: str | None
    source: str | None = Field(description="the result's file")
    created_at: str | None = Field(None, description="when it was measured, UTC, ISO 8601")
    metric: str
    estimated: bool = Field(description="whether the figure is an estimate and no meter's")
    unit: str = Field(description="of value, interval and limit")
    value: float | None = None
    ci95: tuple[float, float] | None = None
    limit: float | None = Field(
        None, description="the most that is allowed; of stars, and of `>=`, the least"
    )
    ratio: float | None = Field(None, description="to the baseline")
    ratio_ci95: tuple[float, float] | None = None
    allowed_ratio: float | None = None
    probability: float | None = Field(None, description="that it has so many stars or more")
    baseline: Against | None = None
    runs: int | None = None
    repeats_needed: int | None = Field(
        None, description="repeats that would decide it in 4 of 5 cases; null: decided, or unknown"
    )
    changed: Changes = Field(
        {}, description="what may explain a change: versions, revision; of the baseline and now"
    )
    apart: str = Field(
        "",
        description="what tells it from a check that looks the same: its result's load, setting, "
        "time or file",
    )
    cautions: list[str] = Field([], description="what whoever reads its figures must know")
    outcome: Outcome
    counts_as: CountsAs = "error"
    reason: str

    @property
    def subject(self) -> str:
        """What is checked, for people."""
        if self.model is None:
            return "no result"
        return with_details(self.model, mode_of(self.reasoning), self.apart)

    @property
    def said(self) -> str:
        """The reason, and whether its figure, where it has one, is an estimate."""
        return f"{self.reason} (estimated)" if self.is_estimate else self.reason

    @property
    def is_estimate(self) -> bool:
        """Whether there is a figure, and it is an estimate."""
        return self.estimated and self.value is not None


def check_presence(place: str, scope: str, hint: str = "") -> GateCheck:
    """The check of a rule, or of a name in it, that no result fits; `hint`: what may be wrong."""
    return GateCheck(
        rule=place,
        kind="presence",
        threshold=scope,
        task=None,
        model=None,
        reasoning=None,
        hardware=None,
        source=None,
        metric="presence",
        estimated=False,
        unit="",
        outcome="unsupported",
        reason=f"no result fits the rule ({scope})"
        + (f"; {hint}" if hint else "; `optional: true` lets that be"),
    )


def check_limit(
    place: str,
    one: RatedResult,
    limit: Limit,
    baselines: Counterparts | None,
    allow: frozenset[str],
) -> GateCheck:
    """A limit on energy, absolute or relative to the most comparable of its baselines."""
    figure = one.figure(limit.metric)
    summary = figure.summary
    check = blank_limit(
        place,
        one,
        limit,
        estimated=figure.estimated,
        unit=unit_of(limit.metric),
        value=summary and summary.mean,
        ci95=summary and summary.ci95,
        runs=summary and summary.count,
    )
    if reason := why_invalid(one):
        return decided(check, "invalid", reason)
    if summary is None:
        what = "energy" if check.unit == UNIT else "such figure"
        return decided(check, "unsupported", f"no {what}: {figure.reason}")
    if limit.most is not None:
        return _absolute(check, summary, one, limit.most, below=limit.below)
    baseline = None if baselines is None else baselines.of(one, allow)
    if baseline is None:
        return decided(check, "unsupported", NO_BASELINE)
    return _relative(check, summary, one, baseline, limit, allow)


def check_stars(place: str, one: RatedResult, least: int) -> GateCheck:
    """At least so many stars."""
    rating = one.rating
    check = blank_check(
        place,
        one,
        kind="stars",
        threshold=f"stars>={least}",
        metric="stars",
        estimated=rating.estimated,
        unit="stars",
        limit=least,
    )
    if rating.stars is None:
        invalid = why_invalid(one)
        why = f"no stars: {invalid or rating.reason}"
        return decided(check, "invalid" if invalid else "unsupported", why)
    check = check.model_copy(update={"value": rating.stars})
    said = f"{rating.stars} of 5 stars relative to {rating.scale}"
    if rating.probabilities is None:
        if rating.stars < least:
            return decided(check, "fail", said)
        said += f"; how sure cannot be told, measure {MIN_REPEATS_TO_JUDGE} runs or more"
        return decided(check, "inconclusive", said)
    chance = min(1.0, sum(rating.probabilities[least - 1 :]))
    surely, surely_not = chance >= effect.CONFIDENCE, chance <= 1 - effect.CONFIDENCE
    outcome: Outcome = "pass" if surely else "fail" if surely_not else "inconclusive"
    said += f", {least} or more with a chance of {chance:.1%}"
    return decided(check, outcome, said, probability=chance)


def blank_check(place: str, one: RatedResult, **fields: Any) -> GateCheck:
    """A check of a result, with all but its outcome."""
    result = one.result
    return GateCheck(
        rule=place,
        task=result.task.id,
        model=one.name,
        reasoning=result.mode,
        hardware=result.hardware,
        source=one.file,
        created_at=result.created_at,
        apart=", ".join(filter(None, (result.load.words if result.load else "", one.setting))),
        cautions=[caution.message for caution in cautions_on(result)],
        outcome="unsupported",
        reason="",
        **fields,
    )


def blank_limit(place: str, one: RatedResult, limit: Limit, **fields: Any) -> GateCheck:
    """The same of a limit on a figure."""
    kind = "limit" if limit.allowed is None else "regression"
    named = {"kind": kind, "threshold": limit.text, "metric": limit.metric}
    return blank_check(place, one, **named, limit=limit.most, allowed_ratio=limit.allowed, **fields)


def decided(check: GateCheck, outcome: Outcome, reason: str, **more: Any) -> GateCheck:
    """The check with its outcome."""
    return check.model_copy(update={"outcome": outcome, "reason": reason, **more})


def why_invalid(one: RatedResult) -> str:
    """Why a result may not be rated; the outcome itself says that it is invalid."""
    return "; ".join(one.result.invalid_reasons) or why_unratable(one.result)


def _absolute(
    check: GateCheck, summary: Summary, one: RatedResult, limit: float, *, below: bool
) -> GateCheck:
    outcome = OUTCOMES[effect.decide_limit(summary, limit)]
    ends = summary.ci95
    show = functools.partial(format_figure, metric=check.metric)
    most = "less than" if below else "at most"
    said = f"{with_ends(summary.mean, ends, show)}, {most} {show(limit)} allowed"
    if outcome != "inconclusive":
        return decided(check, outcome, said)
    needed = effect.repeats_for_limit(summary, limit)
    reason = f"{said}; {_how_to_decide(needed, summary.count, one.result)}"
    return decided(check, outcome, reason, repeats_needed=needed and needed.runs)


def _relative(
    check: GateCheck,
    summary: Summary,
    one: RatedResult,
    baseline: RatedResult,
    limit: Limit,
    allow: frozenset[str],
) -> GateCheck:
    before = baseline.figure(limit.metric).summary
    against = Against(
        source=baseline.file,
        created_at=baseline.result.created_at,
        commit=baseline.commit,
        wh_per_1k_queries=before.mean if before and check.unit == UNIT else None,
        value=before and before.mean,
    )
    terms = terms_between(baseline, one, allow)
    own = [f"its baseline: {caution.message}" for caution in cautions_on(baseline.result)]
    check = check.model_copy(
        update={
            "baseline": against,
            "changed": terms.changed,
            "cautions": [*check.cautions, *own],
        }
    )
    common = 0.0 if limit.metric in TIMES else terms.meter_uncertainty
    change = figure_change(limit.metric, baseline, one, common)
    if refused := _why_not_relative(terms, baseline, one, change, allow):
        return decided(check, *refused)
    assert before is not None
    assert change.ratio is not None
    assert limit.allowed is not None
    interval = change.ratio_ci95
    said = with_ends(change.ratio, interval, percent_of)
    most = f"{'below ' * limit.below}{percent_of(limit.allowed)}"
    said += f" against {format_figure(before.mean, check.metric)}, {most} allowed"
    if common:
        said += f", meters not the same: {common:.1%} more uncertain"
    if unknown := [name for name in terms.not_known if name not in allow]:
        said += f", not known of both: {', '.join(unknown)}"
    needed = None
    outcome = OUTCOMES[effect.decide(interval, limit.allowed)]
    if outcome == "inconclusive":
        needed = effect.repeats_for_ratio(before, summary, limit.allowed, common)
        runs = min(before.count, summary.count)
        said += f"; {_how_to_decide(needed, runs, one.result, meters_differ=common > 0)}"
    return decided(
        check,
        outcome,
        said,
        limit=before.mean * limit.allowed,
        ratio=change.ratio,
        ratio_ci95=interval,
        repeats_needed=needed and needed.runs,
    )


def _why_not_relative(
    terms: Terms,
    baseline: RatedResult,
    one: RatedResult,
    change: FigureChange,
    allow: frozenset[str],
) -> tuple[Outcome, str] | None:
    """Why a result cannot be compared with its baseline; None when it can."""
    if terms.refused:
        names = " ".join(f"--allow {point.name}" for point in terms.refused)
        points = "; ".join(map(str, terms.refused))
        return "unsupported", f"its baseline is unlike: {points} ({names})"
    if is_same(baseline, one):
        return "inconclusive", "it is its own baseline: nothing was measured since"
    if reason := why_unratable(baseline.result):
        return "invalid", f"its baseline is {reason}"
    if change.ratio is None:
        return "unsupported", f"not comparable to its baseline: {change.reason}"
    for name in terms.not_known:
        if name in NEEDED and name not in allow:
            reason = f"{name} is not known of both, so not surely alike (--allow {name})"
            return "unsupported", reason
    return None


def _how_to_decide(
    needed: effect.Needed | None, runs: int, result: Result, *, meters_differ: bool = False
) -> str:
    """How many repeats would decide, as far as that is known."""
    if needed is None and is_block(result):
        return "cannot tell: a block is one window; `energyscore.measure` repeats a function"
    if needed is None:
        why = "one run has no interval" if runs == 1 else "the spread of its runs is not known"
        return f"cannot tell: {why}, measure {MIN_REPEATS_TO_JUDGE} runs or more"
    if needed.runs is None:
        if needed.steps:
            return "cannot tell: the runs are too short for the updates of the meter"
        if meters_differ:
            return "cannot tell, with any number of runs: measure both on one GPU"
        return f"cannot tell, not even with {effect.MOST_REPEATS} runs: they spread too much"
    whose = " of both" if needed.of == "both" else ""
    option = f"repeats={needed.runs}" if result.of_function else f"--repeats {needed.runs}"
    return f"cannot tell, about {needed.runs} runs{whose} would ({option})"


def percent_of(ratio: float) -> str:
    """`+5%` for 1.05."""
    percent = (ratio - 1) * 100
    return f"{'-' if percent < 0 else '+'}{format_number(abs(percent))}%"
