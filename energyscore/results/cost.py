"""What measuring itself took: time and energy, from loading the model to the end of the runs.

Judging answers is not in it. An interrupted session counts up to its last finished run.
"""

import itertools
import math
from collections.abc import Iterator, Sequence

from pydantic import Field

from energyscore.results.parts import Domain, Energy, Method, Part, Positive, PositiveCount, Run

_ROUNDING = 1e-6

COUNTER_SLACK = 0.02
"""A run's energy is that of its edges by the counter's steps, a session's that of the counter as it
stands: the one may exceed the other by so little."""

OLDER_SESSIONS = "an earlier session that an older version began did not record it"


class FullProtocol(Part):
    """What the full protocol would have taken, by what was measured of it."""

    runs: PositiveCount
    duration_s: Positive
    energy_j: dict[Domain, Energy | None]


class Cost(Part):
    """Time and energy of a measurement: loading, idle, warm-up and runs, all sessions together.

    A counter is read at the edges of a session. What no counter covers from edge to edge is null
    with a reason, but for estimates: there the mean power of the runs stands for the whole time.
    """

    duration_s: Positive | None = Field(description="null: not known of an earlier session")
    energy_j: dict[Domain, Energy | None]
    methods: dict[Domain, Method] = Field(description="of those that have an energy")
    reasons: dict[Domain, str] = Field(description="why a domain has no energy")
    sessions: PositiveCount = Field(description="from one start to its end or interruption")
    full: FullProtocol | None = Field(
        default=None, description="in place of a screen; null: it was done, or is not known"
    )


def unknown_cost(why: str) -> Cost:
    """The cost of a session of which nothing was recorded."""
    return Cost(duration_s=None, energy_j={}, methods={}, reasons={"all": why}, sessions=1)


def spent_s(costs: Sequence[Cost], runs: Sequence[Run]) -> float:
    """Seconds that earlier sessions took; where one does not tell, those of their runs at least."""
    took_s = math.fsum(one.duration_s or 0.0 for one in costs)
    return max(took_s, math.fsum(run.duration_s for run in runs))


def added(costs: Sequence[Cost], *, every_domain: bool = True) -> Cost:
    """Of several sessions: what one of them does not know, all of them do not.

    Where not `every_domain` is metered in all, as of several models on different GPUs, each counts
    where it is.
    """
    domains = dict.fromkeys(itertools.chain.from_iterable(one.energy_j for one in costs))
    durations_s = [one.duration_s for one in costs]
    energy_j: dict[Domain, float | None] = {}
    reasons: dict[Domain, str] = {}
    for domain in domains:
        of = [one for one in costs if every_domain or domain in one.energy_j]
        known_j = [energy for one in of if (energy := one.energy_j.get(domain)) is not None]
        energy_j[domain] = math.fsum(known_j) if len(known_j) == len(of) else None
        if energy_j[domain] is None:
            lacking = next(one.reasons for one in of if one.energy_j.get(domain) is None)
            reasons[domain] = lacking.get(domain) or lacking.get("all") or "not metered"
    methods = {d: method for one in costs for d, method in one.methods.items() if energy_j[d]}
    # One estimate among several makes the sum an estimate.
    methods |= {
        d: "estimated" for one in costs for d in methods if one.methods.get(d) == "estimated"
    }
    return Cost(
        duration_s=None if None in durations_s else math.fsum(filter(None, durations_s)),
        energy_j=energy_j,
        methods=methods,
        reasons=reasons,
        sessions=sum(one.sessions for one in costs),
        full=_added_full([one.full for one in costs if one.full]) if costs[-1].full else None,
    )


def _added_full(parts: Sequence[FullProtocol]) -> FullProtocol:
    domains = dict.fromkeys(itertools.chain.from_iterable(one.energy_j for one in parts))
    energies = {d: [one.energy_j[d] for one in parts if d in one.energy_j] for d in domains}
    return FullProtocol(
        runs=sum(one.runs for one in parts),
        duration_s=math.fsum(one.duration_s for one in parts),
        energy_j={
            d: None if None in e else math.fsum(filter(None, e)) for d, e in energies.items()
        },
    )


def cost_contradictions(cost: Cost | None, runs: Sequence[Run]) -> Iterator[str]:
    """A measurement takes at least as much as its runs; older files do not tell."""
    if cost is None:
        return
    took_s = math.fsum(run.duration_s for run in runs)
    if cost.duration_s is not None and cost.duration_s < (1 - _ROUNDING) * took_s:
        yield f"cost.duration_s: it is {cost.duration_s:.7g}, but the runs took {took_s:.7g}"
    for domain, energy_j in cost.energy_j.items():
        runs_j = [run.energy_j.get(domain) for run in runs]
        known_j = math.fsum(one for one in runs_j if one is not None)
        if energy_j is not None and energy_j < (1 - COUNTER_SLACK) * known_j:
            yield f"cost.energy_j.{domain}: it is {energy_j:.7g}, but the runs took {known_j:.7g}"
        if (energy_j is None) != (domain not in cost.methods):
            yield f"cost.methods.{domain}: an energy has a method, and no other has"
        if energy_j is None and not cost.reasons.get(domain):
            yield f"cost.reasons.{domain}: there is no energy, and no reason for it"
