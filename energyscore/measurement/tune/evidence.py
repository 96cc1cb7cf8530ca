"""What the trials of a tune have shown so far, and what that says of those not tried. Pure."""

import math
from dataclasses import replace

from energyscore.measurement.tune.space import Settings, TrialOutcome

TOO_MUCH_MEMORY = {
    "out_of_memory": "did not fit in memory",
    "over_memory": "needs more memory than allowed",
}
TOO_LARGE = {**TOO_MUCH_MEMORY, "over_latency": "takes longer than allowed"}
"""What a larger batch can only have more of."""


SURELY = 1.25
"""A batch of more queries may need a little less by a better kernel, but not by this factor."""


class Evidence:
    """Outcomes by their settings, and what follows from them."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._told: dict[Settings, list[TrialOutcome]] = {}
        self._known: dict[Settings, TrialOutcome] = {}
        self._groups: dict[Settings, list[TrialOutcome]] = {}
        self._too_much_memory: dict[Settings, list[TrialOutcome]] = {}

    def tell(self, outcome: TrialOutcome) -> None:
        """A trial came to this; a second one of the same settings is kept beside the first."""
        settings = outcome.settings
        self._told.setdefault(settings, []).append(outcome)
        self._known[settings] = _together(self._told[settings])
        others = [one for one in self.alike(settings) if one.settings != settings]
        self._groups[group_of(settings)] = [*others, self._known[settings]]
        if outcome.status in TOO_MUCH_MEMORY:
            self._too_much_memory.setdefault(_without_power(settings), []).append(outcome)

    def at(self, settings: Settings) -> TrialOutcome | None:
        """What these settings came to; of repeats the mean, in an interval that holds both."""
        return self._known.get(settings)

    @property
    def outcomes(self) -> list[TrialOutcome]:
        """One of each settings, in the order in which they were first tried."""
        return list(self._known.values())

    @property
    def drift(self) -> float | None:
        """The log of a repeat's second energy over its first; None before there is one."""
        for told in self._told.values():
            known = [energy_of(one) for one in told if is_candidate(one)]
            if len(known) > 1:
                return math.log(known[-1] / known[0])
        return None

    @property
    def candidates(self) -> list[TrialOutcome]:
        """Those that may be chosen, the least energy first."""
        return sorted(filter(is_candidate, self.outcomes), key=energy_of)

    @property
    def best(self) -> TrialOutcome | None:
        """The one of the least energy among those that may be chosen."""
        return next(iter(self.candidates), None)

    @property
    def limit_wh(self) -> float | None:
        """What surely needs more than this is not the best: the best may need as much itself."""
        best = self.best
        if best is None or best.ci95 is None:
            return None
        return best.ci95[1] * math.exp(abs(self.drift or 0.0))

    def noise(self, one: TrialOutcome, other: TrialOutcome) -> float:
        """Two that differ by less, on the log scale, cannot be told apart."""
        return math.hypot(half_width(one), half_width(other), self.drift or 0.0)

    @property
    def undecided(self) -> list[TrialOutcome]:
        """Those that may need as little as the best, besides itself."""
        found = self.candidates
        return [one for one in found[1:] if self.gain(one, found[0]) <= self.noise(one, found[0])]

    def alike(self, settings: Settings) -> list[TrialOutcome]:
        """What was tried with the same settings but for the batch size."""
        return self._groups.get(group_of(settings), [])

    def best_alike(self, settings: Settings) -> TrialOutcome | None:
        """The best of what was tried with these settings but for the batch size."""
        found = filter(is_candidate, self.alike(settings))
        return min(found, key=energy_of, default=None)

    def gain(self, one: TrialOutcome, other: TrialOutcome) -> float:
        """How much less the other needs, on the log scale."""
        return math.log(energy_of(one) / energy_of(other))

    @property
    def groups(self) -> list[list[TrialOutcome]]:
        """Those that differ in the batch size alone are together."""
        return list(self._groups.values())

    def is_open(self, settings: Settings) -> bool:
        """Whether a trial of these would say something new."""
        return self.at(settings) is None and not self.why_not(settings)

    def why_not(self, settings: Settings) -> str:
        """Why these need no trial, from what smaller batches came to; empty if they do.

        A larger batch takes as much memory and as long, or more. It also takes as much energy or
        more: so with n times the queries each needs a share of 1/n at least. Where even that is
        well above the best, a larger batch need not be tried; but a rise alone says nothing.
        """
        wall, limit = self.wall(settings), self.limit_wh
        if wall is not None and size_of(wall) <= settings.batch_size:
            return f"batch size {size_of(wall)} {TOO_LARGE[wall.status]}"
        for one in filter(is_candidate, self.alike(settings)):
            times = settings.batch_size / size_of(one)
            if times > 1 and limit and one.ci95 and one.ci95[0] / times > SURELY * limit:
                return (
                    f"batch size {size_of(one)} needs so much energy that one {times:g} times as "
                    "large cannot need less than the best"
                )
        return ""

    def wall(self, settings: Settings) -> TrialOutcome | None:
        """The least batch size that was too large with these settings; None: none is known.

        How much power a GPU may draw changes nothing in what fits.
        """
        too_large = [one for one in self.alike(settings) if one.status in TOO_LARGE]
        too_large += self._too_much_memory.get(_without_power(settings), [])
        return min(too_large, key=size_of, default=None)


def size_of(outcome: TrialOutcome) -> int:
    """Its queries at once."""
    return outcome.settings.batch_size


def energy_of(outcome: TrialOutcome) -> float:
    """In Wh per 1,000 queries; without one it is never the least."""
    return outcome.energy_wh or math.inf


def half_width(outcome: TrialOutcome) -> float:
    """Half of its interval on the log scale; 0 where it has none."""
    if outcome.ci95 is None:
        return 0.0
    return math.log(outcome.ci95[1] / outcome.ci95[0]) / 2


def _together(told: list[TrialOutcome]) -> TrialOutcome:
    """The first that came to a figure, with the mean of all that did."""
    known = [one for one in told if is_candidate(one)]
    if len(known) < 2:
        return (known or told)[0]
    energies = [math.log(energy_of(one)) for one in known]
    intervals = [one.ci95 for one in known if one.ci95 is not None]
    lows, highs = [low for low, _ in intervals], [high for _, high in intervals]
    return replace(
        known[0],
        energy_wh=math.exp(math.fsum(energies) / len(energies)),
        ci95=(min(lows), max(highs)) if intervals else None,
    )


def is_candidate(outcome: TrialOutcome) -> bool:
    """Whether it has an energy and may be chosen."""
    return outcome.status in ("measured", "beaten") and bool(outcome.energy_wh)


def group_of(settings: Settings) -> Settings:
    """Them whatever the batch size."""
    return replace(settings, batch_size=1)


def _without_power(settings: Settings) -> Settings:
    return replace(settings, batch_size=1, power_limit_w=None)
