"""What all judgements share: a metered window, and how a check comes to its status. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from energyscore.base.errors import EnergyScoreError
from energyscore.base.stats import find_drift
from energyscore.measurement.meter import Notice, Reading
from energyscore.measurement.selftest.report import Check, Figures


@dataclass(frozen=True)
class Observed:
    """One domain in one metered window.

    Attributes:
        reading: what was measured.
        duration_s: the window's length.
        notices: what the meter noticed.
        operations: how many operations of the load were done in it.
        temperatures_c: at its beginning and its end, None where not known.
    """

    reading: Reading
    duration_s: float
    notices: tuple[Notice, ...] = ()
    operations: int = 0
    temperatures_c: tuple[float | None, float | None] = (None, None)


def verdict(
    name: str,
    subject: str,
    figures: Figures,
    message: str,
    *,
    limit: str = "",
    cautions: Sequence[str] = (),
    invalid: Sequence[str] = (),
) -> Check:
    """A check of something that could be tested: `ok` unless something is said against it."""
    said = list(dict.fromkeys([message, *invalid, *cautions]))
    return Check(
        name=name,
        subject=subject,
        status="caution" if cautions or invalid else "ok",
        invalidates=bool(invalid),
        figures=figures,
        message="; ".join(part for part in said if part),
        limit=limit,
    )


def cannot(
    name: str, subject: str, why: str | EnergyScoreError, figures: Figures | None = None
) -> Check:
    """A check of something that could not be tested, and why."""
    return Check(
        name=name,
        subject=subject,
        status="cannot",
        invalidates=False,
        figures=figures or {},
        message=str(why).rstrip("."),
        limit="",
    )


def sort_notices(
    windows: Sequence[Observed], ignore: frozenset[str]
) -> tuple[list[str], list[str]]:
    """What to say as cautions and as what makes measurements invalid: once for each code."""
    notices = {n.code: n for window in windows for n in window.notices if n.code not in ignore}
    cautions = [notice.message for notice in notices.values() if not notice.invalidates]
    invalid = [notice.message for notice in notices.values() if notice.invalidates]
    return cautions, invalid


def variation(values: Sequence[float]) -> float:
    """The coefficient of variation: sample standard deviation by mean, of two values or more."""
    return stdev(values) / fmean(values)


def judge_spread(values: Sequence[float], limit: float) -> tuple[Figures, list[str]]:
    """Spread and trend of repeats of the same thing, and what must be said of them."""
    spread, drift = variation(values), find_drift(values)
    figures: Figures = {
        "repeats": len(values),
        "coefficient_of_variation": spread,
        "drift_share": None if drift is None else drift.change,
        "drift_p_value": None if drift is None else drift.p_value,
    }
    said = []
    if spread > limit:
        said.append(f"the repeats vary by more than {limit:.0%}: other work, heat or clocks")
    if drift is not None:
        said.append(f"they drift by {drift.change:+.1%} from the first to the last")
    return figures, said
