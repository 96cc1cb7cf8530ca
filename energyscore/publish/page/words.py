"""Results in the words of the page. What has no figure says so; it is never 0. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from energyscore.base.units import format_duration, format_number
from energyscore.judge.footprint import format_co2, format_cost
from energyscore.judge.rating import RatedResult, Rating
from energyscore.publish.margins import decimals_for, with_decimals
from energyscore.publish.typesetting import plain
from energyscore.results.result import Result

NOT_KNOWN = "not known"

# Characters that HTML forbids, and those that turn around what stands beside them.
_UNSHOWN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    r"\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_METHODS = {"counter": "energy counter", "power_integral": "integrated power"}


@dataclass(frozen=True)
class Basis:
    """What a figure is of.

    Attributes:
        key: `gpu`, `system`, `estimated` or `none`: figures of one key only are alike.
        what: what was metered.
        how: by what.
    """

    key: str
    what: str
    how: str


def shown(value: object) -> object:
    """A value as templates write it; they escape what this returns.

    Raises:
        TypeError: when it is None: what is missing must be said in words.
    """
    if value is None:
        raise TypeError("a template writes None: say what is missing")
    # What a macro gives has been escaped already.
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return _UNSHOWN.sub("\ufffd", value)
    return value


def name_of(entry: RatedResult) -> str:
    """The model's name as it stands; in words where nothing of it can be seen."""
    return entry.name if plain(entry.name) else "(a model without a name)"


def basis_of(result: Result, rating: Rating) -> Basis:
    """What the rated figure is of, and how it was obtained."""
    if rating.basis == "gpu":
        return Basis("gpu", "GPU", _METHODS.get(result.score.method or "", "method not known"))
    if rating.basis == "system" and rating.estimated:
        return Basis("estimated", "Processor and memory", "estimated, not metered")
    if rating.basis == "system":
        return Basis("system", "Processor and memory", "measured")
    return Basis("none", "Nothing", "not measured")


def bounds_of(result: Result, rating: Rating) -> tuple[float, float] | None:
    """The 95% interval of the rated figure over the runs, in Wh per 1,000 queries."""
    if rating.basis == "gpu":
        return result.score.ci95
    return result.score.system_ci95 if rating.basis == "system" else None


def decimals_of(result: Result, rating: Rating) -> int | None:
    """The decimals that the figure's interval allows; None: three significant digits."""
    if rating.energy_wh is None:
        return None
    return decimals_for(_half_width(bounds_of(result, rating)), rating.energy_wh)


def figure_of(result: Result, rating: Rating) -> str:
    """The rated figure in Wh per 1,000 queries, with the digits that its interval allows."""
    return with_decimals(rating.energy_wh or 0.0, decimals_of(result, rating))


def margin_of(result: Result, rating: Rating) -> str:
    """Half the interval, in Wh and as a share of the figure, or why there is none."""
    half = _half_width(bounds_of(result, rating))
    if rating.energy_wh is None:
        return ""
    if half is None:
        return "one run, no interval" if result.score.runs == 1 else "no interval"
    shown = with_decimals(half, decimals_of(result, rating))
    return f"± {shown} Wh ({_share(half / rating.energy_wh)})"


def _share(share: float) -> str:
    """A margin as a share: two digits are all that it knows."""
    percent = share * 100
    if 0 < percent < 0.005:
        return "< 0.01 %"
    return f"{percent:.{2 if percent < 1 else 1 if percent < 10 else 0}f} %"


def _half_width(interval: tuple[float, float] | None) -> float | None:
    return None if interval is None else (interval[1] - interval[0]) / 2


def derived_of(entry: RatedResult) -> dict[str, str]:
    """CO2 and cost of 1,000 queries, where they were asked for and the energy is known."""
    co2_g, cost, site = entry.co2_g_per_1k_queries, entry.cost_per_1k_queries, entry.footprint
    derived = {} if co2_g is None else {"CO2": format_co2(co2_g)}
    if cost is not None and site is not None:
        derived["Cost"] = format_cost(cost, site.currency).replace("\n", ", ")
    return derived


def why_no_figure(result: Result) -> str:
    """The reason that stands in a result without energy."""
    return result.score.reason or result.score.system_reason or "no energy was measured"


def chance_of(rating: Rating) -> str:
    """The chance of the stars, the likeliest first, without those below half a per cent."""
    if rating.probabilities is None:
        return ""
    if max(rating.probabilities) >= 0.995:
        return "chance > 99 %"
    by_stars = enumerate(rating.probabilities, start=1)
    ranked = sorted(by_stars, key=lambda entry: entry[1], reverse=True)
    return ", ".join(
        f"{stars}\u2605 {chance * 100:.0f} %" for stars, chance in ranked if chance >= 0.005
    )


def stars_label(rating: Rating) -> str:
    """What is said where the stars cannot be seen."""
    return f"{rating.stars} of 5 stars{', estimated' if rating.estimated else ''}"


def format_count(number: int) -> str:
    """A count with three significant digits: `950`, `124 M`, `1.56 B`."""
    if number >= 10**21:
        return f"10^{len(str(number)) - 1}"
    for factor, unit in ((10**9, " B"), (10**6, " M"), (10**3, " k")):
        # From where three digits would be rounded up to the larger unit's one.
        if number >= 0.9995 * factor:
            return format_number(number / factor) + unit
    return str(number)


def date_of(moment: str) -> tuple[str, str]:
    """The day of a moment, and the moment for machines; what is no moment stays as it is."""
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return moment, ""
    return parsed.date().isoformat(), parsed.isoformat()


def second_of(moment: str) -> str:
    """A moment in UTC, to the second; as it stands where it is none."""
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    if parsed.tzinfo is None:
        return moment
    try:
        return f"{parsed.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        return moment


def duration_of(duration_s: float) -> str:
    """A duration for people; what is below a second in milliseconds, so that none reads as 0."""
    if duration_s < 1:
        return f"{format_number(duration_s * 1000)} ms"
    return format_duration(duration_s)


def known(value: object, absent: str = NOT_KNOWN) -> str:
    """A value for people; `absent` where there is none."""
    if value is None or value == "":
        return absent
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return format_number(value)
    return f"{value:,}" if isinstance(value, int) and value < 10**15 else str(value)
