"""Figures with what they are known to, as text: `2.20 ± 0.20`, `3.2 %`, `-45 % +82 %`. Pure."""

import math

from energyscore.base.units import format_number, with_ends

WIDE = 0.2
"""From this half-width on an interval is visibly wider above its figure than below."""
_DIGITS = 2  # of a margin: a third says nothing
_MOST_DECIMALS = 9
_NOTHING = 1e-9  # a margin below this share of its figure is the rounding of floats


def decimals_for(margin: float | None, figure: float) -> int | None:
    """The decimals with which a margin has two significant digits; None: the figure's own three.

    None where there is no margin, or one that no decimals can show.
    """
    if margin is None or not margin > _NOTHING * abs(figure):
        return None
    # Rounded first: 0.0996 has its two digits at 0.10.
    rounded = float(f"{margin:.{_DIGITS - 1}e}")
    decimals = max(0, _DIGITS - 1 - math.floor(math.log10(rounded)))
    return decimals if decimals <= _MOST_DECIMALS else None


def with_decimals(figure: float, decimals: int | None) -> str:
    """A figure with so many decimals; with three significant digits where None."""
    return format_number(figure) if decimals is None else f"{figure:,.{decimals}f}"


def plus_minus(figure: float, margin: float | None, sign: str = "±") -> str:
    """A figure with its margin, to the decimals that the margin allows: `2.20 ± 0.20`.

    A wide one is told by its ends, as it is not as wide to either side: `2.2 (1.3 to 3.7)`.
    """
    decimals = decimals_for(margin, figure)
    if margin is not None and figure > 0 and margin > WIDE * figure:
        return f"{with_decimals(figure, decimals)} ({from_to(figure, margin / figure)})"
    shown = [with_decimals(one, decimals) for one in (figure, margin) if one is not None]
    return f" {sign} ".join(shown)


def margin_of(figure: float, half_width: float, unit: str) -> str:
    """What a figure is known to, from the half-width as a share: `± 0.20 Wh (9.1 %)`.

    Of a wide interval its ends.
    """
    half = half_width * figure
    if half > WIDE * figure:
        return f"{from_to(figure, half_width)} {unit} ({sides(half_width)})"
    return f"± {with_decimals(half, decimals_for(half, figure))} {unit} ({sides(half_width)})"


def from_to(figure: float, half_width: float) -> str:
    """The ends of an interval: `1.3 to 3.7`."""
    ends = figure * math.exp(-half_width), figure * math.exp(half_width)
    return " to ".join(f"{end:,.0f}" if end >= 100 else f"{end:.2g}" for end in ends)


def sides(half_width: float) -> str:
    """A half-width on the log scale as a share: `3.2 %`; of wide intervals both: `-45 % +82 %`."""
    if half_width <= WIDE:
        return percent(half_width)
    below, above = -math.expm1(-half_width), math.expm1(half_width)
    # It never reaches 0.
    shown = percent(below) if below < 0.99 else f"{min(below, 0.9999) * 100:.2f} %"
    return f"-{shown} +{percent(above)}"


def signed(sides: str, sign: str = "±") -> str:
    """A share with `±`, unless it has a sign for either side."""
    return sides if sides.startswith("-") else f"{sign} {sides}"


def percent(share: float) -> str:
    """A margin as a share of its figure: two digits are all that it knows."""
    shown = share * 100
    if 0 < shown < 0.005:
        return "< 0.01 %"
    return f"{shown:.{2 if shown < 1 else 1 if shown < 10 else 0}f} %"


def factor(ratio: float, interval: tuple[float, float] | None) -> str:
    """A ratio with the digits that its interval allows: `1.7 (1.5 to 1.9)`.

    A bound on one side of 1 is never shown as 1, and none as 0, which no factor is.
    """
    if interval is None:
        return format_number(ratio)
    low, high = interval
    margin = decimals_for((high - low) / 2, ratio)
    if margin is None:
        return format_number(ratio)
    decimals = max(0, margin - 1)
    while decimals < margin + 2 and any(_looks_one(end, decimals) for end in interval):
        decimals += 1
    return with_ends(ratio, interval, lambda one: _not_zero(one, decimals))


def _not_zero(figure: float, decimals: int) -> str:
    shown = f"{figure:,.{decimals}f}"
    return shown if float(shown.replace(",", "")) or not figure else f"{figure:.1g}"


def _looks_one(bound: float, decimals: int) -> bool:
    return bound != 1 and float(f"{bound:.{decimals}f}") == 1
