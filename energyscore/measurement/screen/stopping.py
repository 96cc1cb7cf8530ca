"""When a screen ends: a half-width is reached, a star or a limit is decided. Pure.

At the first look nothing was chosen yet, so its interval holds as it is. Whoever looks again and
again, and ends when the interval looks good, is wrong more often than the interval says:

- For a half-width, a later look claims the target and never less, though it may have come to less.
- For decisions, an error of 5% (star=99%: 1%) is spent over the looks: half of it at the first,
  half of what is left at the next, and so on. However many looks there are, all together spend no
  more. The interval is then the one that holds at all looks together. A screen that is beaten by
  something better ends by such a decision, whatever it was asked.
- The probability of a star is the one that tables say: of that interval, and of what stands between
  the figure and the reference. Where the reference alone leaves it open, no block decides it.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

from energyscore.base.errors import UnsupportedError
from energyscore.base.stats import Spread
from energyscore.protocol.stars import StarRange, star_chances
from energyscore.results.screening import Prediction

GROWTH = 1.25
"""A look comes when there are so many times the blocks of the look before."""

ERROR = 0.05
"""The chance of a wrong decision on a limit, all looks together, and of an interval that misses."""

_EXACT = Spread(0.0, 0.0, math.inf)
_STEPS = 16  # at which an interval is tried

FIGURES = ("gpu_wh_per_1k_queries", "system_wh_per_1k_queries")
"""What a limit may be on."""

EXPECTED = "it must be half-width=2%, star=99% or a limit such as gpu_wh_per_1k_queries<=2.5"

_ASKED = re.compile(r"(half-width|star)\s*=\s*(\d+(?:\.\d+)?)\s*%", re.ASCII)
_LIMIT = re.compile(r"([a-z0-9_]+)\s*(<=|<)\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)", re.ASCII)


@dataclass(frozen=True)
class StopDecision:
    """What a look came to.

    Attributes:
        stop: whether what was asked for is decided.
        half_width: half the 95% interval that may be claimed if it ends here, as a share of the
            mean.
        probability: of the star, or of the side of the limit, that it is on now; None for a
            half-width.
        star: the star it has now, where one was asked for.
        within: whether it keeps to the limit now, where one was asked for.
        in_vain: whether no further block would decide it.
    """

    stop: bool
    half_width: float
    probability: float | None = None
    star: int | None = None
    within: bool | None = None
    in_vain: bool = False


@dataclass(frozen=True)
class Until:
    """What a screen goes on until.

    `value` is a share for a half-width (0.02) and a star (0.99), and a figure for a limit on
    `figure`.
    """

    text: str
    kind: Literal["half-width", "star", "limit"]
    value: float
    figure: str = FIGURES[0]

    @classmethod
    def parse(cls, text: str) -> "Until":
        """Read what was asked for; a ValueError says how it is written."""
        text = text.strip()
        if found := _LIMIT.fullmatch(text):
            return cls(text, "limit", _positive(found[3]), _figure(found[1]))
        found = _ASKED.fullmatch(text)
        if found is None:
            raise ValueError(EXPECTED)
        share = float(found[2]) / 100
        if found[1] == "star":
            if not 0.5 <= share < 1:
                raise ValueError("a star is decided at 50% or more, below 100%")
            return cls(text, "star", share)
        if not 0.001 <= share <= 0.5:
            raise ValueError("a half-width is 0.1% to 50%")
        return cls(text, "half-width", share)

    def check_metered(self, *, gpus: bool) -> None:
        """Whether what is to be decided is metered at all.

        Raises:
            UnsupportedError: when it is to be decided by GPU energy, and no GPU is metered.
        """
        if self.kind != "half-width" and self.figure.startswith("gpu") and not gpus:
            raise UnsupportedError(
                f"--until {self.text}: no GPU is metered here.",
                "Ask for a half-width, or for system_wh_per_1k_queries.",
            )

    def look(
        self, figure: Prediction, looks_before: int, stars: StarRange | None = None
    ) -> StopDecision:
        """Look at a figure in the unit of what was asked for, after so many looks.

        For a star it is said what that is relative to.
        """
        if self.kind == "half-width":
            reached = figure.half_width()
            claimed = max(reached, self.value) if looks_before else reached
            return StopDecision(reached <= self.value, claimed)
        half = figure.half_width(spent_at(ERROR, looks_before))
        if self.kind == "limit":
            below = figure.chance_below(self.value)
            probability = max(below, 1 - below)
            # Either side may be wrong, so each has half of the error.
            error = spent_at(ERROR, looks_before) / 2
            return StopDecision(1 - probability <= error, half, probability, within=below >= 0.5)
        assert stars is not None
        star, probability = likeliest_star(figure, half, stars)
        error = spent_at(1 - self.value, looks_before)
        stop = 1 - probability <= error
        known = figure.interval(spent_at(ERROR, looks_before))
        in_vain = not stop and is_open_for_good(known, 1 - error, stars)
        return StopDecision(stop, half, probability, star=star, in_vain=in_vain)


def is_beaten(figure: Prediction, looks_before: int, beaten_by: float | None) -> bool:
    """Whether it surely needs more than something better does, after so many looks.

    Its whole interval lies above, as it holds at all looks together: with half of the error of a
    decision, as it can only be wrong to one side. `beaten_by` is as much as the better may need.
    """
    if beaten_by is None:
        return False
    return figure.interval(spent_at(ERROR, looks_before))[0] > beaten_by


def spent_at(error: float, looks_before: int) -> float:
    """What a look may spend of an error: half of what those before have left."""
    return error * 0.5 ** (looks_before + 1)


def next_look(drawn: int) -> int:
    """At how many blocks to look again after a look at so many; certain ones are not counted."""
    return max(drawn + 1, math.ceil(GROWTH * drawn))


def likeliest_star(figure: Prediction, half: float, stars: StarRange) -> tuple[int, float]:
    """The most probable star of a figure of which this half-width is claimed, and how probable."""
    spread = figure.as_repeats(half).spread()
    assert spread is not None
    return _likeliest(figure.mean, spread, stars)


def is_open_for_good(interval: tuple[float, float], asked: float, stars: StarRange) -> bool:
    """Whether no figure in an interval has a star of the probability asked, however well known."""
    low, high = interval
    places = [low * (high / low) ** (step / _STEPS) for step in range(_STEPS + 1)]
    return all(_likeliest(place, _EXACT, stars)[1] < asked for place in places)


def _likeliest(energy: float, spread: Spread, stars: StarRange) -> tuple[int, float]:
    chances, _ = star_chances(energy, spread, stars)
    star = max(range(len(chances)), key=chances.__getitem__)
    return star + 1, chances[star]


def _figure(name: str) -> str:
    if name not in FIGURES:
        raise ValueError(f"a screen is decided by {' or '.join(FIGURES)}")
    return name


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e15:
        raise ValueError(f"the limit is a number above 0, not {text}")
    return value
