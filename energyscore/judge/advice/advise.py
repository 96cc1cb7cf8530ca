"""The advice: today's choice, the recommended one, what lies between, and what is missing. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from energyscore.base.errors import UsageError, did_you_mean
from energyscore.judge import choose as right_size
from energyscore.judge.advice import untried
from energyscore.judge.advice.at_hand import comparable, in_least_batches
from energyscore.judge.advice.days import Days, NoDays, days_of, least_day, of_other_batches
from energyscore.judge.advice.states import as_by_itself, by_state, one_by_one, state_of
from energyscore.judge.advice.steps import WayStep, way_between
from energyscore.judge.advice.untried import Missing
from energyscore.judge.choose import Choice, Requirements
from energyscore.judge.contenders import Contender
from energyscore.judge.footprint import Site
from energyscore.judge.rating import RatedResult
from energyscore.judge.schedule.arrivals import Demand


@dataclass(frozen=True)
class ServiceQuestion:
    """What is asked of a service.

    Attributes:
        demand: how requests come; None: nothing was said, and work comes in one piece.
        now: the model of today, by its name; None: the largest at hand.
    """

    requirements: Requirements = field(default_factory=Requirements)
    demand: Demand | None = None
    max_wait_s: float | None = None
    now: str | None = None
    site: Site | None = None


@dataclass(frozen=True)
class Advice:
    """What was measured, put together.

    Attributes:
        choice: all candidates against the requirements.
        recommended: the least energy that meets them; None where none does, or a figure is missing.
        largest: the candidate of most parameters, as it is by itself.
        steps: the way from today's choice to the recommended one; empty where they are the same.
        days: those of today's choice, and of each result along the way; None where one lacks them,
            or nobody said how requests come. Of the last one the policy to choose counts.
        least_day: another one that meets the requirements, and whose day takes less, as it idles or
            loads on less; None: no such one is known.
        missing: what is not known, and the commands that would tell.
        left_out: results that cannot be compared with the others, and why.
        all_judged: whether the choice is among all results at hand.
    """

    question: ServiceQuestion
    choice: Choice
    today: Contender
    largest: Contender
    recommended: Contender | None
    steps: list[WayStep]
    days: list[Days] | None
    least_day: Days | None
    missing: list[Missing]
    left_out: list[tuple[RatedResult, str]]
    all_judged: bool

    @property
    def estimated(self) -> bool:
        """Whether its energies are estimates and no meter's: all are, or none is."""
        return self.today.entry.rating.estimated

    @property
    def task(self) -> str:
        """What it is about."""
        return self.today.entry.result.task.id


def advise(candidates: Sequence[Contender], question: ServiceQuestion) -> Advice:
    """Put results of one task together.

    Raises:
        UsageError: where today's model is not among them.
        UnsupportedError: where none has an energy.
    """
    group, left_out = comparable(candidates)
    of_requests = question.demand is not None
    known, gathered = in_least_batches(one_by_one(group)) if of_requests else (group, [])
    today = _today(known, question.now, left_out, gathered)
    left_out += [(one.entry, why) for one, why in gathered]
    choice = right_size.choose(known, question.requirements, fronts=False)
    placed = choice.recommended
    recommended = placed.candidate if placed is not None else None
    states = by_state(known)
    steps = way_between(today, recommended, states) if recommended is not None else []
    along = [today, *(step.after for step in steps)]
    days, without = _days(along, group, question)
    end = recommended or today
    open_ = untried.without_figure(choice)
    sure = [one for one in (end, today, _largest(known)) if all(it.of is not one for it in open_)]
    batches = [*([end] if of_requests else []), *(one for one, _ in gathered)]
    missing = [
        *open_,
        *untried.without_quality(_told_apart(sure)),
        *untried.in_batches_alone(batches),
        *untried.without_days(without),
        *untried.undecided(today, end),
        *untried.still_screened(end),
        *untried.between(steps),
        *untried.untried_combinations(end, states),
        *untried.without_rival(group),
        *untried.without_settings(end, group),
        *untried.without_mode(end, group),
    ]
    all_judged = len(choice.judged) == len(candidates)
    return Advice(
        *(question, choice, today, _largest(known), recommended, steps, days),
        _least_day(choice, days, group, question),
        *(missing, left_out, all_judged),
    )


def _today(
    known: Sequence[Contender],
    now: str | None,
    left_out: Sequence[tuple[RatedResult, str]],
    gathered: Sequence[tuple[Contender, str]],
) -> Contender:
    """The result of today's choice: as it is named, or the largest model as it is by itself."""
    if now is None:
        return _largest(known)
    exact = [one for one in known if now in (one.entry.label, one.entry.title)]
    if len(exact) == 1:
        return exact[0]
    named = [one for one in known if now in (one.entry.name, one.entry.result.model.id)]
    alike = "Name results of one machine and one set of queries."
    batches = "Leave out --requests, or name a result of the smallest batches."
    unused = [(entry, why, alike) for entry, why in left_out]
    unused += [(one.entry, why, batches) for one, why in gathered]
    for entry, why, remedy in unused if not named else ():
        if now in (entry.label, entry.title, entry.name, entry.result.model.id):
            raise UsageError(f"--now: {entry.label} was left out: {why.rstrip('.')}.", remedy)
    if not named:
        names = {one.entry.name for one in known}
        raise UsageError(f"--now: no result is of the model {now!r}.", did_you_mean(now, names))
    return as_by_itself(named)


def _largest(known: Sequence[Contender]) -> Contender:
    """The model of most parameters, as it is by itself; of servers that of most energy."""
    largest = max(known, key=lambda one: (one.entry.result.model.parameters or 0, one.energy_wh))
    model = state_of(largest).model
    return as_by_itself([one for one in known if state_of(one).model == model])


def _days(
    along: Sequence[Contender], group: Sequence[Contender], question: ServiceQuestion
) -> tuple[list[Days] | None, list[NoDays]]:
    """The days of each result along the way, or of which they are not known."""
    if question.demand is None:
        return None, []
    found: list[Days] = []
    without: list[NoDays] = []
    for one in along:
        batches = of_other_batches(one, group) if one is along[-1] else [one]
        days = days_of(one, batches, question.demand, question.max_wait_s)
        if isinstance(days, Days):
            found.append(days)
        else:
            without.append(days)
    return (None if without else found), without


def _least_day(
    choice: Choice, days: list[Days] | None, group: Sequence[Contender], question: ServiceQuestion
) -> Days | None:
    """A day that takes less than that of the recommended one."""
    if not days or choice.recommended is None or question.demand is None:
        return None
    meeting = [one.candidate for one in choice.judged if one.meets]
    return least_day(days[-1], meeting, group, question.demand, question.max_wait_s)


def _told_apart(candidates: Sequence[Contender]) -> list[Contender]:
    """Each of these once, in their order; of one model its first."""
    counts: Counter[object] = Counter()
    found = []
    for one in candidates:
        counts[state_of(one).model] += 1
        if counts[state_of(one).model] == 1:
            found.append(one)
    return found
