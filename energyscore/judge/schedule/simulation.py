"""One server's requests under a policy, event by event. Pure.

The energy is counted over the horizon of the requests: the floor throughout, the idle model above
it, loads, and the work. Work and loads that the horizon's end finds begun count whole, idling only
until then.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from energyscore.judge.schedule.arrivals import DAY_S, HOUR_S, Arrivals
from energyscore.judge.schedule.service import Service

MOMENT_S = 1e-6  # times that differ by less are the same: sums of floats are not exact


@dataclass(frozen=True)
class ServingPolicy:
    """When the model is loaded, and when requests are answered.

    Attributes:
        name: for people.
        timeout_s: unloaded after so much idle time; 0: at once, infinity: never.
        window_s: requests wait for the end of the window in which they come.
        batch: requests wait until so many are there.
        hours: loaded between these hours of each day; outside of them as `timeout_s` says.
    """

    name: str
    timeout_s: float
    window_s: float | None = None
    batch: int | None = None
    hours: tuple[float, float] | None = None

    @property
    def gathers(self) -> bool:
        """Whether requests wait for others, and are answered in batches."""
        return self.window_s is not None or self.batch is not None

    def is_loaded_at(self, moment_s: float) -> bool:
        """Whether the model is loaded then, whatever came before."""
        opened = _opened(self.hours, moment_s, moment_s) if self.hours else ()
        return self.timeout_s == math.inf or any(moment_s < end_s for _, end_s in opened)


@dataclass(frozen=True)
class Served:
    """What it came to: energy by what it went to, loads, and each request's wait for its start."""

    horizon_s: float
    floor_j: float
    idle_j: float
    load_j: float
    work_j: float
    work_s: float
    loads: int
    delayed: int  # requests that waited for a load: those that began it or came before its end
    waits_s: tuple[float, ...]

    @property
    def energy_j(self) -> float:
        """All of it."""
        return self.floor_j + self.idle_j + self.load_j + self.work_j

    def __add__(self, other: "Served") -> "Served":
        """Both horizons, one after the other."""
        return Served(
            self.horizon_s + other.horizon_s,
            self.floor_j + other.floor_j,
            self.idle_j + other.idle_j,
            self.load_j + other.load_j,
            self.work_j + other.work_j,
            self.work_s + other.work_s,
            self.loads + other.loads,
            self.delayed + other.delayed,
            self.waits_s + other.waits_s,
        )


def serve(arrivals: Arrivals, service: Service, policy: ServingPolicy) -> Served:
    """Answer all requests in their order, one batch after another.

    A model that is to be loaded when the horizon begins was loaded before; else the first request
    loads it.
    """
    cost = cache(service.cost)
    idle_s = work_j = work_s = 0.0
    loads = delayed = 0
    waits: list[float] = []
    free_s, is_loaded = arrivals.begin_s, policy.is_loaded_at(arrivals.begin_s)
    ready_s = -math.inf  # when the last load ended
    for released_s, came_s in _released(arrivals, service, policy):
        loading_s = 0.0
        if released_s > free_s or not is_loaded:
            gap = _idle(free_s, released_s, policy, loaded=is_loaded)
            if released_s > arrivals.end_s:
                counted = _idle(free_s, arrivals.end_s, policy, loaded=is_loaded)
                gap = gap._replace(idle_s=counted.idle_s)
            idle_s += gap.idle_s
            loads += gap.loads + (not gap.is_loaded)
            loading_s = 0.0 if gap.is_loaded else service.load_s
        start_s, is_loaded = max(released_s, free_s) + loading_s, True
        ready_s = start_s if loading_s else ready_s
        delayed += len(came_s) if released_s < ready_s else 0
        for size in service.split(len(came_s)) if policy.gathers else [1]:
            seconds, joules = cost(size)
            waits += [start_s - one for one in came_s[:size]]
            came_s = came_s[size:]
            work_j += joules
            work_s += seconds
            start_s += seconds
        free_s = start_s
    if arrivals.end_s > free_s:
        last = _idle(free_s, arrivals.end_s, policy, loaded=is_loaded)
        idle_s, loads = idle_s + last.idle_s, loads + last.loads
    horizon_s = arrivals.end_s - arrivals.begin_s
    return Served(
        horizon_s,
        floor_j=service.floor_w * horizon_s,
        idle_j=service.above_floor_w * idle_s,
        load_j=service.load_j * loads,
        work_j=work_j,
        work_s=work_s,
        loads=loads,
        delayed=delayed,
        waits_s=tuple(waits),
    )


class _Gap(NamedTuple):
    """A time without work: how long the model was loaded, loads at openings, and how it ends."""

    idle_s: float
    loads: int
    is_loaded: bool


def _idle(free_s: float, until_s: float, policy: ServingPolicy, *, loaded: bool) -> _Gap:
    """From the end of the work until the next of it, or the horizon's end.

    The model stays loaded for the timeout, and within the hours; it is loaded again so that it is
    ready when they begin.
    """
    until_s = max(free_s, until_s)
    kept_s = min(until_s, free_s + policy.timeout_s) if loaded else free_s
    idle_s, loads = kept_s - free_s, 0
    is_loaded = loaded and until_s <= free_s + policy.timeout_s + MOMENT_S
    if policy.hours is None:
        return _Gap(idle_s, loads, is_loaded)
    for begin_s, end_s in _opened(policy.hours, free_s, until_s):
        idle_s += max(0.0, min(end_s, until_s) - max(begin_s, kept_s))
        loads += begin_s > kept_s
        kept_s = max(kept_s, min(end_s, until_s))
        is_loaded = is_loaded or until_s < end_s
    return _Gap(idle_s, loads, is_loaded)


def _opened(
    hours: tuple[float, float], begin_s: float, end_s: float
) -> Iterator[tuple[float, float]]:
    """The times within the hours of each day that touch a stretch."""
    day_s = begin_s // DAY_S * DAY_S
    while day_s <= end_s:
        opens_s, closes_s = (day_s + hour * HOUR_S for hour in hours)
        if opens_s <= end_s and closes_s > begin_s:
            yield opens_s, closes_s
        day_s += DAY_S


def _released(
    arrivals: Arrivals, service: Service, policy: ServingPolicy
) -> Iterator[tuple[float, Sequence[float]]]:
    """When requests may be answered, and those that may then: alone, or gathered."""
    if not policy.gathers:
        yield from ((one, [one]) for one in arrivals.times_s)
        return
    gathered: list[float] = []
    ends_s = arrivals.begin_s
    for one in arrivals.times_s:
        if policy.window_s is not None and one >= ends_s:
            if gathered:
                yield ends_s, gathered
            gathered = []
            windows = math.floor((one - arrivals.begin_s) / policy.window_s) + 1
            ends_s = arrivals.begin_s + windows * policy.window_s
        gathered.append(one)
        if policy.batch is not None and len(gathered) == policy.batch:
            yield one, gathered
            gathered = []
    if gathered:
        yield (ends_s if policy.window_s is not None else arrivals.end_s), gathered
