"""What a day of requests comes to: with the model always loaded, and with the policy to choose.

Idling and loading are in it, once. Pure.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from energyscore.base.errors import EnergyScoreError, NotMeasuredError
from energyscore.base.stats import about, half_width_of
from energyscore.judge.advice.states import settings_of, state_of
from energyscore.judge.contenders import Contender
from energyscore.judge.schedule.arrivals import Demand
from energyscore.judge.schedule.decision import (
    ALWAYS,
    Decision,
    PolicyFigures,
    Wishes,
    decide,
)
from energyscore.judge.schedule.measured import MeasuredService, service_of
from energyscore.judge.schedule.service import TELLABLE, Service

_MOST_DAYS = 20  # that are tried beside the recommended one's, as each is a simulation


@dataclass(frozen=True)
class Days:
    """A candidate under requests: what `schedule` decides of it, and of it always loaded."""

    candidate: Contender
    measured: MeasuredService
    decision: Decision
    always: PolicyFigures

    @property
    def best(self) -> PolicyFigures | None:
        """The least energy within the wait."""
        return self.decision.recommended


@dataclass(frozen=True)
class NoDays:
    """Why nothing is known of a candidate's days, and what to do about it."""

    candidate: Contender
    why: str
    not_measured: bool


def days_of(
    one: Contender,
    batches: Sequence[Contender],
    demand: Demand,
    max_wait_s: float | None,
) -> Days | NoDays:
    """The days of a candidate; `batches`: itself, and the same in larger batches.

    Requests are gathered only where it was said how long they may wait.
    """
    sizes = sorted({other.entry.result.workload.batch_size for other in batches})
    sizes = [] if max_wait_s is None else sizes
    wishes = Wishes(max_wait_s=max_wait_s, batches=tuple(size for size in sizes if size > 1))
    try:
        measured = service_of([other.entry for other in batches])
        decision = _decided(measured.service, demand, wishes)
        always = decision.of(ALWAYS)
        if always is None:
            return NoDays(one, "one machine cannot answer the requests one by one", False)
        return Days(one, measured, decision, always)
    except EnergyScoreError as error:
        return NoDays(one, error.message, isinstance(error, NotMeasuredError))


def least_day(
    end: Days,
    candidates: Sequence[Contender],
    group: Sequence[Contender],
    demand: Demand,
    wait_s: float | None,
) -> Days | None:
    """Of other candidates the one whose day takes less than that of `end`, idling included.

    A model that takes less for a query may draw more while it waits for one. None: no other's day
    takes less, as far as idling and loading of the others were measured. Tried are the first few,
    which come by the energy of a query.
    """
    least: Days | None = None
    for one in [it for it in candidates if it is not end.candidate][:_MOST_DAYS]:
        days = days_of(one, of_other_batches(one, group), demand, wait_s)
        if isinstance(days, NoDays) or days.best is None:
            continue
        alike_wh = days.best.wh_per_day - floor_wh_between(end, days)
        if end.best is not None and alike_wh >= end.best.wh_per_day * (1 - TELLABLE):
            continue
        if least is None or least.best is None or days.best.wh_per_day < least.best.wh_per_day:
            least = days
    if least is None or least.best is None or end.best is None:
        return least
    ratio, ends = ratio_of_days(end.best, least.best)
    return least if (ends[1] if ends else ratio) < 1 else None


def floor_wh_between(before: Days, after: Days) -> float:
    """What a day after takes more, at most, as the machine itself drew more without a model.

    The machine is the same: this is no model's doing.
    """
    return (after.measured.service.floor_w - before.measured.service.floor_w) * 24


@functools.lru_cache(maxsize=64)
def _decided(service: Service, demand: Demand, wishes: Wishes) -> Decision:
    """With batches that are gathered, unless the requests are too few or too many for that.

    It is kept: what is asked along the way is asked again beside other candidates, and each answer
    is a simulation of a third of a second.
    """
    try:
        return decide(service, demand, wishes)
    except EnergyScoreError:
        if not wishes.batches:
            raise
        return decide(service, demand, Wishes(max_wait_s=wishes.max_wait_s))


def of_other_batches(one: Contender, candidates: Sequence[Contender]) -> list[Contender]:
    """A candidate, and the results that differ from it in their batch size alone."""
    state, settings = state_of(one), settings_of(one, without=("batch_size",))
    return [
        other
        for other in candidates
        if (found := state_of(other)).model == state.model
        and found.mode == state.mode
        and settings_of(other, without=("batch_size",)) == settings
    ]


def ratio_of_days(
    before: PolicyFigures, after: PolicyFigures
) -> tuple[float, tuple[float, float] | None]:
    """The energy of a day after over before, and its 95% interval.

    The requests are the same for both, by seed, so what they do by chance is counted twice in the
    interval: it is rather too wide.
    """
    ratio = after.wh_per_day / before.wh_per_day
    ends = before.wh_per_day_ci95, after.wh_per_day_ci95
    halves = [half_width_of(one) if one else None for one in ends]
    if halves[0] is None or halves[1] is None:
        return ratio, None
    return ratio, about(ratio, (halves[0] ** 2 + halves[1] ** 2) ** 0.5)
