"""One threshold on one measurement: kept, broken, or not to be told. Pure.

A figure keeps to a limit, or breaks it, when its whole 95% interval says so; a regression is one
when the interval of the ratio to the baseline lies beyond what is allowed. Between the two it
cannot be told. A measurement without energy, interval or baseline never passes for that.
"""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from energyscore.base.stats import MIN_REPEATS_TO_JUDGE
from energyscore.base.units import format_number, format_wh
from energyscore.judge.conditions import (
    NEEDED,
    Changes,
    changes,
    differences,
    meter_uncertainty,
    most_alike,
    not_known,
)
from energyscore.judge.effect import (
    CONFIDENCE,
    MOST_REPEATS,
    Decision,
    Needed,
    compare_samples,
    decide_limit,
    decide_ratio,
    interval_of,
    repeats_for_limit,
    repeats_for_ratio,
)
from energyscore.judge.figures import PHASES, SYSTEM, UNIT, Figure, Measured
from energyscore.judge.policy import Limit, Rule
from energyscore.results.result import Part

Outcome = Literal["pass", "fail", "inconclusive", "invalid", "unsupported"]
CountsAs = Literal["pass", "warning", "failure", "error"]

_OUTCOMES: dict[Decision, Outcome] = {"within": "pass", "beyond": "fail", "open": "inconclusive"}


class Against(Part):
    """The baseline of a check."""

    source: str
    created_at: str
    commit: str | None
    wh_per_1k_queries: float | None


class Check(Part):
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
    limit: float | None = Field(None, description="the most that is allowed; of stars the least")
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
        "", description="what tells it from a check that looks the same: its result's time or file"
    )
    outcome: Outcome
    counts_as: CountsAs = "error"
    reason: str

    @property
    def subject(self) -> str:
        """What is checked, for people."""
        if self.model is None:
            return "no result"
        mode = "" if self.reasoning is None else f" (reasoning {self.reasoning})"
        return f"{self.model}{mode}{f' ({self.apart})' if self.apart else ''}"

    @property
    def said(self) -> str:
        """The reason, and whether its figure, where it has one, is an estimate."""
        return f"{self.reason} (estimated)" if self.is_estimate else self.reason

    @property
    def is_estimate(self) -> bool:
        """Whether there is a figure, and it is an estimate."""
        return self.estimated and self.value is not None


def check_presence(rule: Rule, scope: str, hint: str = "") -> Check:
    """A rule, or a name in it, that no result fits: what was to be checked has not been.

    Args:
        rule: the rule.
        scope: what nothing fits, for people.
        hint: what may be wrong with it.
    """
    return Check(
        rule=rule.place,
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
    one: Measured,
    limit: Limit,
    baselines: Sequence[Measured],
    rule: Rule,
    allow: frozenset[str],
) -> Check:
    """A limit on energy, absolute or relative to the baseline that is most alike."""
    figure = one.figures.get(limit.metric)
    blank = _blank(one, limit, rule, figure)
    if one.unusable:
        return _with(blank, "invalid", one.unusable.removeprefix("invalid: "))
    if figure is None or figure.sample is None:
        return _with(blank, "unsupported", f"no energy: {_why_none(figure, limit.metric)}")
    if limit.limit_wh is not None:
        return _absolute(blank, figure, limit)
    assert limit.allowed is not None
    alike = [
        other
        for other in baselines
        if (other.task, other.model, other.reasoning) == (one.task, one.model, one.reasoning)
    ]
    baseline = most_alike(one, alike, allow)
    if baseline is None:
        reason = "there is no baseline of it; `energyscore baseline save` makes one"
        return _with(blank, "unsupported", reason)
    return _relative(blank, one, figure, baseline, limit, allow)


def check_stars(one: Measured, least: int, rule: Rule) -> Check:
    """At least so many stars."""
    stars = one.stars
    blank = Check(
        rule=rule.place,
        kind="stars",
        threshold=f"stars>={least}",
        task=one.task,
        model=one.name,
        reasoning=one.reasoning,
        hardware=one.hardware,
        source=one.source,
        created_at=one.created_at,
        metric="stars",
        estimated=stars.estimated,
        unit="stars",
        limit=least,
        outcome="unsupported",
        reason="",
    )
    if stars.stars is None:
        outcome: Outcome = "invalid" if one.unusable else "unsupported"
        return _with(blank, outcome, f"no stars: {stars.reason.removeprefix('invalid: ')}")
    said = f"{stars.stars} of 5 stars relative to {stars.relative_to}"
    if stars.probabilities is None:
        outcome = "fail" if stars.stars < least else "inconclusive"
        few = f"; how sure cannot be told, measure {MIN_REPEATS_TO_JUDGE} runs or more"
        return _with(blank, outcome, said + few * (outcome != "fail"), value=stars.stars)
    chance = min(1.0, sum(stars.probabilities[least - 1 :]))
    surely, surely_not = chance >= CONFIDENCE, chance <= 1 - CONFIDENCE
    outcome = "pass" if surely else "fail" if surely_not else "inconclusive"
    said += f", {least} or more with a chance of {chance:.1%}"
    return _with(blank, outcome, said, value=stars.stars, probability=chance)


def _blank(one: Measured, limit: Limit, rule: Rule, figure: Figure | None) -> Check:
    sample = figure.sample if figure else None
    return Check(
        rule=rule.place,
        kind="limit" if limit.allowed is None else "regression",
        threshold=limit.text,
        task=one.task,
        model=one.name,
        reasoning=one.reasoning,
        hardware=one.hardware,
        source=one.source,
        created_at=one.created_at,
        metric=limit.metric,
        estimated=figure is not None and figure.estimated,
        unit=UNIT,
        value=sample.mean if sample else None,
        ci95=interval_of(sample) if sample else None,
        limit=limit.limit_wh,
        allowed_ratio=limit.allowed,
        runs=sample.runs if sample else None,
        outcome="unsupported",
        reason="",
    )


def _with(check: Check, outcome: Outcome, reason: str, **more: Any) -> Check:
    return check.model_copy(update={"outcome": outcome, "reason": reason, **more})


def _absolute(blank: Check, figure: Figure, limit: Limit) -> Check:
    sample, limit_wh = figure.sample, limit.limit_wh
    assert sample is not None
    assert limit_wh is not None
    outcome = _OUTCOMES[decide_limit(sample, limit_wh)]
    interval = interval_of(sample)
    spread = "" if interval is None else f" +/- {format_wh((interval[1] - interval[0]) / 2)}"
    most = "less than" if limit.below else "at most"
    said = f"{format_wh(sample.mean)}{spread}, {most} {format_wh(limit_wh)} allowed"
    if outcome != "inconclusive":
        return _with(blank, outcome, said)
    needed = repeats_for_limit(sample, limit_wh)
    reason = f"{said}; {_how_to_decide(needed, sample.runs)}"
    return _with(blank, outcome, reason, repeats_needed=needed and needed.runs)


def _relative(
    blank: Check,
    one: Measured,
    figure: Figure,
    baseline: Measured,
    limit: Limit,
    allow: frozenset[str],
) -> Check:
    before = baseline.figures.get(limit.metric)
    known, sample = before.sample if before else None, figure.sample
    against = Against(
        source=baseline.source,
        created_at=baseline.created_at,
        commit=baseline.commit,
        wh_per_1k_queries=known and known.mean,
    )
    blank = blank.model_copy(update={"baseline": against, "changed": changes(baseline, one)})
    points = [point for point in differences(baseline, one) if point.name not in allow]
    if points:
        names = " ".join(f"--allow {point.name}" for point in points)
        listed = "; ".join(map(str, points))
        return _with(blank, "unsupported", f"its baseline is unlike: {listed} ({names})")
    if baseline.is_same_as(one):
        return _with(blank, "inconclusive", "it is its own baseline: nothing was measured since")
    if baseline.unusable:
        return _with(blank, "invalid", f"its baseline is {baseline.unusable}")
    if before is None or known is None:
        why = _why_none(before, limit.metric)
        return _with(blank, "unsupported", f"its baseline has no energy: {why}")
    if limit.metric == SYSTEM and before.estimated != figure.estimated:
        return _with(blank, "unsupported", "one is measured, the other estimated")
    unknown = [name for name in not_known(baseline, one) if name not in allow]
    if missing := [name for name in unknown if name in NEEDED]:
        names = " ".join(f"--allow {name}" for name in missing)
        said = f"not known of both, so not surely alike: {', '.join(missing)} ({names})"
        return _with(blank, "unsupported", said)
    assert sample is not None
    assert limit.allowed is not None
    common = meter_uncertainty(baseline, one)
    effect = compare_samples(known, sample, common)
    outcome = _OUTCOMES[decide_ratio(effect, limit.allowed)]
    found = {
        "limit": known.mean * limit.allowed,
        "ratio": effect.ratio,
        "ratio_ci95": effect.ci95,
    }
    said = _change(effect.ratio)
    if effect.ci95 is not None:
        said += f" ({_change(effect.ci95[0])} to {_change(effect.ci95[1])})"
    most = f"{'below ' * limit.below}{_change(limit.allowed)}"
    said += f" against {format_wh(known.mean)}, {most} allowed"
    if common:
        said += f", meters not the same: {common:.1%} more uncertain"
    if unknown:
        said += f", not known of both: {', '.join(unknown)}"
    if outcome != "inconclusive":
        return _with(blank, outcome, said, **found)
    needed = repeats_for_ratio(known, sample, limit.allowed, common)
    runs = min(known.runs, sample.runs)
    reason = f"{said}; {_how_to_decide(needed, runs, meters_differ=common > 0)}"
    return _with(blank, outcome, reason, repeats_needed=needed and needed.runs, **found)


def _how_to_decide(needed: Needed | None, runs: int, *, meters_differ: bool = False) -> str:
    """How many repeats would decide, as far as that is known."""
    if needed is None:
        why = "one run has no interval" if runs == 1 else "the spread of its runs is not known"
        return f"cannot tell: {why}, measure {MIN_REPEATS_TO_JUDGE} runs or more"
    if needed.runs is None:
        if meters_differ:
            return "cannot tell, with any number of runs: measure both on one GPU"
        return f"cannot tell, not even with {MOST_REPEATS} runs: they spread too much"
    whose = " of both" if needed.of == "both" else ""
    return f"cannot tell, about {needed.runs} runs{whose} would (--repeats {needed.runs})"


def _why_none(figure: Figure | None, metric: str) -> str:
    return figure.reason if figure else f"it has no phase {PHASES.get(metric, metric)}"


def _change(ratio: float) -> str:
    """`+5%` for 1.05."""
    percent = (ratio - 1) * 100
    return f"{'-' if percent < 0 else '+'}{format_number(abs(percent))}%"
