"""The star rule: five bands of equal width, and the chance of each star."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from energyscore.base.stats import Spread, t_below
from energyscore.protocol.scales import Uncertainty

BANDS = 5


@dataclass(frozen=True)
class StarRange:
    """What stars are relative to: a range in Wh, and what stands between it and a figure."""

    range_wh: tuple[float, float]
    error: Uncertainty


Probabilities: TypeAlias = tuple[float, float, float, float, float]
"""The chance of 1, 2, 3, 4 and 5 stars, in this order."""


def inner_edges(low: float, high: float) -> list[float]:
    """The four edges between the bands, ascending; each belongs to the band below it."""
    width = (high - low) / BANDS
    return [low + band * width for band in range(1, BANDS)]


def stars_for(energy: float, low: float, high: float) -> int:
    """Stars by the official rule: [low, high] cut into five equal bands, closed on the right.

    Below `low` is 5, above `high` is 1. Cutting the published energies of February 2025 this
    way reproduces all the stars published with them.
    """
    for band, edge in enumerate(inner_edges(low, high)):
        if energy <= edge:
            return BANDS - band
    return 1


def star_probabilities(
    energy: float, low: float, high: float, uncertainty: float, degrees: float = math.inf
) -> Probabilities:
    """The chance of each star.

    With the edges b_k = low + k (high - low) / 5, the outer bands open:
    P(s stars) = F((b_(6-s) - energy) / u) - F((b_(5-s) - energy) / u), where F is the normal
    distribution function if u is well known. A standard error from a few runs is not: from two
    it is off by a factor of two or more as often as not. F is then Student's, as in the interval.

    `low` and `high` are taken as fixed. In a cohort they are members' own figures and as
    uncertain as the one that is rated, which may be one of them; that is not included.

    With an uncertainty u of 0 the star of `stars_for` is certain. `degrees` are those of freedom
    that u is known by; a fraction counts as the integer below.
    """
    if uncertainty == 0:
        given = stars_for(energy, low, high)
        one, two, three, four, five = (float(star == given) for star in range(1, BANDS + 1))
    else:
        degrees = max(1, math.floor(degrees)) if degrees < math.inf else degrees
        edges = inner_edges(low, high)
        to_edges = [t_below((edge - energy) / uncertainty, degrees) for edge in edges]
        shares = pairwise([0.0, *to_edges, 1.0])
        five, four, three, two, one = (max(0.0, above - below) for below, above in shares)
    return one, two, three, four, five


def star_chances(energy: float, spread: Spread, against: StarRange) -> tuple[Probabilities, float]:
    """The chance of each star of a figure that is known so well, and the uncertainty that counts.

    What stands between it and what it is rated against is added to what its runs tell.
    """
    error = against.error
    uncertainty = math.hypot(
        spread.shown,
        spread.unshown,
        error.systematic * energy / math.sqrt(3),
        error.device_spread * energy,
    )
    # Of the parts only what the runs show is estimated from few (Welch and Satterthwaite).
    shown = spread.shown
    degrees = spread.degrees * (uncertainty / shown) ** 4 if shown else math.inf
    return star_probabilities(energy, *against.range_wh, uncertainty, degrees), uncertainty
