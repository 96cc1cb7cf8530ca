"""One threshold on the quality of a result's answers: kept, broken, or inconclusive. Pure.

By its whole 95% interval, as all limits. Relative to a baseline it is the difference that is known
to an interval: by pairs where both answered the same rows, which tells much less of a loss than
two intervals do. A missing quality never passes.
"""

from dataclasses import dataclass

from energyscore.base.units import four_digits, with_ends
from energyscore.judge import effect
from energyscore.judge.counterparts import Counterparts, is_same
from energyscore.judge.gate_checks import (
    NO_BASELINE,
    OUTCOMES,
    Against,
    GateCheck,
    Outcome,
    blank_limit,
    decided,
    percent_of,
    why_invalid,
)
from energyscore.judge.policy import Limit
from energyscore.judge.qualities import QualityContrast, contrast, why_unlike
from energyscore.judge.rating import RatedResult
from energyscore.results.quality import Quality

_MORE_ROWS = "cannot tell: evaluate more rows"


@dataclass(frozen=True)
class _Change:
    """A quality's value, the baseline's before it, and by how much it is better."""

    value: float
    before: float
    contrast: QualityContrast


def check_quality(
    place: str,
    one: RatedResult,
    limit: Limit,
    baselines: Counterparts | None,
    allow: frozenset[str],
) -> GateCheck:
    """A limit on quality, absolute or relative to the most comparable of its baselines."""
    quality = one.result.quality
    check = blank_limit(
        place,
        one,
        limit,
        estimated=False,
        unit=quality.metric if quality else limit.metric,
        value=quality and quality.value,
        ci95=quality and quality.ci95,
    )
    if reason := why_invalid(one):
        return decided(check, "invalid", reason)
    if quality is None or quality.value is None:
        return decided(check, "unsupported", f"no quality: {_why_none(quality)}")
    if quality.higher_is_better != limit.least:
        better, right = ("more", ">=") if quality.higher_is_better else ("less", "<=")
        reason = f"{better} is better for {quality.metric}: write {limit.metric}{right}"
        return decided(check, "unsupported", reason)
    if limit.most is not None:
        return _absolute(check, quality.value, limit.most, limit)
    baseline = None if baselines is None else baselines.of(one, allow)
    if baseline is None or limit.allowed is None:
        return decided(check, "unsupported", NO_BASELINE)
    before = baseline.result.quality
    against = Against(
        source=baseline.file,
        created_at=baseline.result.created_at,
        commit=baseline.commit,
        wh_per_1k_queries=None,
        value=before and before.value,
    )
    check = check.model_copy(update={"baseline": against})
    change = _change_from(one, quality, baseline)
    if not isinstance(change, _Change):
        return decided(check, *change)
    return _relative(check, change, quality.higher_is_better, limit.allowed, limit)


def _why_none(quality: Quality | None) -> str:
    if quality is None:
        return "it was not measured (energyscore run --quality)"
    return quality.reason or "its metric has no value"


def _absolute(check: GateCheck, value: float, limit: float, how: Limit) -> GateCheck:
    shown = with_ends(value, check.ci95, four_digits)
    said = f"{check.unit} {shown}, {_bound(how)} {limit:.4g} allowed"
    return _by_interval(check, value, check.ci95, limit, how, said)


def _relative(
    check: GateCheck, change: _Change, higher_is_better: bool, allowed: float, how: Limit
) -> GateCheck:
    before, ends = change.before, change.contrast.interval()
    if ends is not None:
        # What it is better by, as a ratio: of a metric of which less is better, turned.
        low, high = ends if higher_is_better else (-ends[1], -ends[0])
        ends = 1 + low / before, 1 + high / before
    ratio = change.value / before
    said = f"{check.unit} {with_ends(ratio, ends, percent_of)} against {before:.4g}"
    said += ", by pairs of rows" * change.contrast.paired
    said += f", {_bound(how)} {percent_of(allowed)} allowed"
    more = {"ratio": ratio, "ratio_ci95": ends, "limit": before * allowed}
    check = check.model_copy(update=more)
    return _by_interval(check, ratio, ends, allowed, how, said)


def _change_from(
    one: RatedResult, quality: Quality, baseline: RatedResult
) -> _Change | tuple[Outcome, str]:
    """How a quality compares with the baseline's, or why it does not."""
    before = baseline.result.quality
    if is_same(baseline, one):
        return "inconclusive", "it is its own baseline: nothing was measured since"
    if not baseline.result.valid:
        return "invalid", f"its baseline is invalid: {'; '.join(baseline.result.invalid_reasons)}"
    if before is None or before.value is None:
        return "unsupported", f"its baseline has no quality: {_why_none(before)}"
    if unlike := why_unlike(before, quality):
        return "unsupported", f"its baseline is unlike, {unlike}"
    if before.value <= 0:
        return "unsupported", f"its baseline is {before.value:.4g}: no share of it is a limit"
    found = contrast(quality, before)
    if found is None or quality.value is None:
        return "unsupported", f"no quality: {_why_none(quality)}"
    return _Change(quality.value, before.value, found)


def _by_interval(
    check: GateCheck,
    value: float,
    ends: tuple[float, float] | None,
    limit: float,
    how: Limit,
    said: str,
) -> GateCheck:
    """Decided by the interval; without one only what is beyond the limit as measured is known."""
    sign = -1 if how.least else 1
    turned = None if ends is None else (min(sign * e for e in ends), max(sign * e for e in ends))
    outcome = OUTCOMES[effect.decide(turned, sign * limit)]
    if ends is None and sign * value > sign * limit:
        outcome = "fail"
    if outcome == "inconclusive":
        said += f"; {_MORE_ROWS if ends else 'cannot tell: it has no interval'}"
    return decided(check, outcome, said)


def _bound(limit: Limit) -> str:
    if limit.least:
        return "more than" if limit.below else "at least"
    return "less than" if limit.below else "at most"
