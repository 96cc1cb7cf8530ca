"""Energy, quality and latency of a candidate as text, and the difference of two qualities. Pure."""

from collections.abc import Sequence

from energyscore.base.units import format_joules, format_number, format_seconds, with_ends
from energyscore.judge.contenders import Contender
from energyscore.judge.qualities import QualityContrast
from energyscore.publish import margins
from energyscore.results.quality import Quality

REPORTED = "reported, not measured here"
_SHARES = ("accuracy", "acc", "acc_norm", "top1", "exact_match")
"""Metrics whose differences are told in points: hundredths."""
_MOST_DIGITS = 4


def energy_cell(one: Contender) -> str:
    """`1.02 (0.98 to 1.06) Wh`; the head of the table tells where it is estimated."""
    headline = one.entry.headline
    assert headline is not None
    return f"{with_ends(headline.energy_wh, headline.ci95)} Wh"


def energy_name(known: Sequence[Contender]) -> str:
    """Of their energies: metered or estimated, which only all of those that compare can be."""
    return f"{'estimated ' * any(one.entry.rating.estimated for one in known)}energy"


def joules_per_token(one: Contender) -> float | None:
    """Of the energy that is compared, that of an output token; None where none is known."""
    summary = one.entry.figure(f"{one.entry.rating.basis}_joules_per_output_token").summary
    return summary.mean if summary else None


def token_cell(one: Contender) -> str:
    """`0.512 J`."""
    joules = joules_per_token(one)
    return "not known" if joules is None else format_joules(joules)


def quality_cell(one: Contender) -> str:
    """`0.912 (0.880 to 0.935)`."""
    if one.quality is None or one.quality.value is None:
        return "not measured"
    return with_ends(one.quality.value, one.quality.ci95, quality_value)


def latency_cell(one: Contender) -> str:
    """The 90th percentile."""
    return "not recorded" if one.latency_s is None else format_seconds(one.latency_s)


def ttft_cell(one: Contender) -> str:
    """The 90th percentile of the time to the first token."""
    return "not recorded" if one.ttft_s is None else format_seconds(one.ttft_s)


def throughput_cell(one: Contender) -> str:
    """Output tokens a second; of work that writes none, queries."""
    if one.tokens_per_s is not None:
        return f"{format_number(one.tokens_per_s)} tokens/s"
    if one.queries_per_s is not None:
        return f"{format_number(one.queries_per_s)} queries/s"
    return "not recorded"


def quality_value(value: float) -> str:
    """A quality: three decimals below 10."""
    return f"{value:.3f}" if abs(value) < 10 else format_number(value)


def difference(quality: Quality, contrast: QualityContrast) -> str:
    """How a model of this quality compares: `0.4 (-0.3 to 1.1) points less accurate`."""
    metric, ends = quality.metric, contrast.interval()
    share = metric in _SHARES
    # The sign is turned: what is told is by how much it is worse.
    worse = -contrast.better_by
    turned = (-ends[1], -ends[0]) if ends else None
    is_worse = worse > 0 or (worse == 0 and quality.higher_is_better)
    if not is_worse:
        worse, turned = contrast.better_by, ends
    scale = 100 if share else 1
    amount = _signed(worse * scale, turned and (turned[0] * scale, turned[1] * scale))
    if share:
        return f"{amount} points {'less' if is_worse else 'more'} accurate"
    lower = is_worse == quality.higher_is_better
    return f"{metric} {amount} {'lower' if lower else 'higher'}"


def _signed(value: float, ends: tuple[float, float] | None) -> str:
    """`0.4 (-0.3 to 1.1)`, with the digits that the interval allows.

    A bound on one side of 0 is not shown as 0.
    """
    if ends is None:
        return f"{format_number(value)} (no interval)"
    decimals = margins.decimals_for((ends[1] - ends[0]) / 2, value)
    digits = 1 if decimals is None else max(1, decimals - 1)
    while digits < _MOST_DIGITS and any(end and not float(f"{end:.{digits}f}") for end in ends):
        digits += 1
    return with_ends(value, ends, lambda one: f"{one + 0.0:.{digits}f}")  # no -0.0
