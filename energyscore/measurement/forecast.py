"""What is said before anything is measured: how long it takes at least, and what it draws."""

from collections.abc import Iterable
from dataclasses import dataclass

from energyscore.base.units import format_duration, format_wh
from energyscore.measurement.suite.estimate import Estimate

LONG_S = 3600.0
"""What takes longer is begun with consent, where somebody is there to give it."""


@dataclass(frozen=True)
class Forecast:
    """The sum over all that is to be measured. Loading the models is not in it.

    Attributes:
        entries: how many there are to measure, of `listed`.
        known_s: what those take of which the time is known; `least`: they may take longer.
        bounded: of how many only the most is known, and `most_s`, what they take at most.
        unknown: of how many nothing is known.
        limit_w: what the GPU may draw at most; None where none is known.
        power_w: what earlier results drew on average; None where there is one without.
        full_budget: whether a mode of reasoning has the whole budget of the official protocol.
        answers: whether the length of answers is open.
    """

    entries: int
    listed: int
    known_s: float
    least: bool
    bounded: int
    most_s: float
    unknown: int
    limit_w: float | None
    power_w: float | None
    full_budget: bool
    answers: bool

    @property
    def costly(self) -> bool:
        """Whether it is begun with consent only."""
        return self.known_s + self.most_s > LONG_S or (self.full_budget and self.entries > 0)

    def drawn(self, seconds: float) -> str:
        """The energy of so many seconds of work, for people; empty where nothing is known."""
        if self.power_w is not None:
            return f"about {format_wh(self.power_w * seconds / 3600)}"
        if self.limit_w is not None:
            most = format_wh(self.limit_w * seconds / 3600)
            return f"up to {most} (the GPU's limit is {self.limit_w:.0f} W)"
        return ""

    def describe(self, limiting: str) -> str:
        """It for people; `limiting` is the option that bounds answers."""
        text = f"{self.entries} of {self.listed} to measure"
        if self.known_s:
            bound = "at least" if self.least else "about"
            text += f", {bound} {format_duration(self.known_s)}"
            if drawn := self.drawn(self.known_s):
                text += f" and {drawn}"
        if self.bounded:
            text += f"; {self.bounded} of them may take up to about {format_duration(self.most_s)}"
        if self.unknown:
            some = "it takes" if self.unknown == self.entries else f"{self.unknown} of them take"
            text += f"; how long {some} is known after the warm-up"
        if self.answers:
            text += f". Answers that reason may be long: {limiting} limits them"
        return f"{text}."

    def question(self) -> str:
        """What is asked where it is costly."""
        seconds = self.known_s + self.most_s
        time = "an unknown time" if not seconds else f"about {format_duration(seconds)}"
        if seconds and (self.least or self.unknown):
            time = f"{format_duration(seconds)} or more"
        budget = "answers of the full budget, " if self.full_budget else ""
        return f"This will take {budget}{time} and {self.drawn(seconds) or UNKNOWN_ENERGY}."


UNKNOWN_ENERGY = "an energy that the first result will tell"


def question_of(forecast: Forecast | None, seconds: float, *, at_most: bool = False) -> str:
    """What is asked once the warm-up has shown that the runs of a model take so long."""
    drawn = forecast.drawn(seconds) if forecast else ""
    time = f"{'up to' if at_most else 'about'} {format_duration(seconds)}"
    return f"Its runs will take {time} and {drawn or UNKNOWN_ENERGY}."


def forecast_of(
    estimates: Iterable[Estimate], listed: int, limit_w: float | None = None
) -> Forecast:
    """The sum of estimates; `listed` counts what is finished too."""
    estimates = list(estimates)
    timed = [
        (one.estimate_basis, one.estimated_seconds)
        for one in estimates
        if one.estimated_seconds is not None
    ]
    bounds = [seconds for basis, seconds in timed if basis == "at_most"]
    known = [seconds for basis, seconds in timed if basis != "at_most"]
    powers = [one.power_w for one in estimates if one.power_w is not None]
    return Forecast(
        entries=len(estimates),
        listed=listed,
        known_s=sum(known),
        least=any(basis == "at_least" for basis, _ in timed) or len(known) < len(estimates),
        bounded=len(bounds),
        most_s=sum(bounds),
        unknown=len(estimates) - len(timed),
        limit_w=limit_w,
        power_w=sum(powers) / len(powers) if len(powers) == len(estimates) and powers else None,
        full_budget=any(one.full_budget for one in estimates),
        answers=any(one.most_tokens_a_query for one in estimates),
    )
