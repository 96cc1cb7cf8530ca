"""When requests come: by chance at a rate, by a day's profile, or as a trace says. Pure."""

import math
import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from energyscore.base.errors import UsageError
from energyscore.base.units import format_number

DAY_S = 86_400.0
DAYS_A_YEAR = 365
HOUR_S = 3600.0


@dataclass(frozen=True)
class Arrivals:
    """Times of requests in seconds from midnight of the first day, in order, within a horizon.

    A horizon is what the energy is counted over. `begin_s` is when it begins.
    """

    times_s: tuple[float, ...]
    begin_s: float
    end_s: float

    @property
    def per_hour(self) -> float:
        """Requests an hour over the horizon."""
        return len(self.times_s) / (self.end_s - self.begin_s) * HOUR_S

    def halves(self) -> tuple["Arrivals", "Arrivals"]:
        """The first half of the requests, and the rest, each with its part of the horizon."""
        middle = len(self.times_s) // 2
        cut_s = self.times_s[middle]
        return (
            Arrivals(self.times_s[:middle], self.begin_s, cut_s),
            Arrivals(self.times_s[middle:], cut_s, self.end_s),
        )

    def until(self, end_s: float) -> "Arrivals":
        """What came before a moment of the horizon."""
        return Arrivals(self.times_s[: bisect_left(self.times_s, end_s)], self.begin_s, end_s)


def by_chance(rates_per_h: Sequence[float], days: float, seed: int) -> Arrivals:
    """Requests that come independently of each other (Poisson), at the rate of each hour of a day.

    One rate holds for all hours, 24 are those of the day from midnight on. Times are drawn at the
    highest rate, and kept with the share that an hour's rate has of it.
    """
    highest = max(rates_per_h)
    draw = random.Random(seed)
    end_s, now_s, times = days * DAY_S, 0.0, []
    while (now_s := now_s + draw.expovariate(highest / HOUR_S)) < end_s:
        hour = int(now_s % DAY_S // HOUR_S)
        if draw.random() * highest < rates_per_h[hour % len(rates_per_h)]:
            times.append(now_s)
    return Arrivals(tuple(times), 0.0, end_s)


def recorded(times_s: Sequence[float]) -> Arrivals:
    """Requests of a trace; the horizon ends one mean gap after the last of them.

    So it holds as many gaps as requests, and its rate is theirs.

    Raises:
        UsageError: for fewer than two requests, or where all come at one moment.
    """
    times = sorted(times_s)
    if len(times) < 2 or times[0] == times[-1]:
        raise UsageError("The trace holds no two requests at different times.")
    if not all(map(math.isfinite, times)):
        raise UsageError("The trace holds times that are no numbers.")
    span_s = times[-1] - times[0]
    return Arrivals(tuple(times), times[0], times[-1] + span_s / (len(times) - 1))


ENOUGH = 20_000  # requests: the energy of so many is known to well under 1%
HORIZONS = 5
MOST = 1_000_000  # requests of a horizon: more take minutes


@dataclass(frozen=True)
class Demand:
    """How requests come: at rates an hour, one or those of 24 hours, or as a trace has them."""

    rates_per_h: tuple[float, ...] = ()
    trace: Arrivals | None = None

    @property
    def per_hour(self) -> float:
        """Requests an hour on average."""
        if self.trace is not None:
            return self.trace.per_hour
        return math.fsum(self.rates_per_h) / len(self.rates_per_h)

    @property
    def steady(self) -> bool:
        """Whether all hours are alike."""
        return len(self.rates_per_h) == 1

    def horizons(self, least_s: float = 0.0, *, whole_days: bool) -> list[Arrivals]:
        """The trace, or several horizons of requests that come by chance, each from a seed.

        `least_s` is how long each of these lasts at least.

        Raises:
            UsageError: where these were too many requests to be simulated.
        """
        if self.trace is not None:
            return [self.trace]
        days = max(ENOUGH / HORIZONS / (24 * self.per_hour), least_s / DAY_S)
        if whole_days or not self.steady:
            days = math.ceil(days)
        if days * 24 * self.per_hour > MOST:
            raise UsageError(
                f"{format_number(days * 24 * self.per_hour)} requests are too many to be simulated "
                f"one by one: {MOST:,} are the most.",
                "Leave --hours away, or name a shorter --window, or a --trace of some minutes.",
            )
        return [by_chance(self.rates_per_h, days, seed) for seed in range(HORIZONS)]
