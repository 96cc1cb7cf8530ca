"""How much less energy one result takes than the others that are comparable to it. Pure.

The least of a cohort is held against each of the others: the ratio of their energies with its 95%
interval (`effect`). Where the interval contains 1, the two are not told apart.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from energyscore.judge.comparability import meter_uncertainty
from energyscore.judge.effect import Effect, compare_samples
from energyscore.judge.figures import LEAST_WH
from energyscore.judge.rating import RatedResult
from energyscore.judge.unratable import why_no_place


@dataclass(frozen=True)
class Saving:
    """The least of a cohort against another; `effect.ratio` is the other's energy over its own."""

    least: RatedResult
    other: RatedResult
    effect: Effect


def savings_in(entries: Sequence[RatedResult]) -> list[list[Saving]]:
    """A list a cohort of two results or more, the largest first: the least against each other.

    The others come from the least energy to the most.
    """
    cohorts: dict[Hashable, list[RatedResult]] = {}
    for entry in entries:
        known = (entry.rating.energy_wh or 0.0) >= LEAST_WH
        key = entry.cohort
        if known and key is not None and why_no_place(entry.result)[0] is None:
            cohorts.setdefault((entry.result.task.id, key), []).append(entry)
    found = [_savings(members) for members in cohorts.values() if len(members) > 1]
    return sorted(found, key=len, reverse=True)


def _savings(members: Sequence[RatedResult]) -> list[Saving]:
    least, *others = sorted(members, key=lambda entry: entry.rating.energy_wh or 0.0)
    return [Saving(least, other, _effect(least, other)) for other in others]


def _effect(least: RatedResult, other: RatedResult) -> Effect:
    assert least.headline is not None
    assert other.headline is not None
    common = meter_uncertainty(least.result, other.result)
    return compare_samples(least.headline.summary, other.headline.summary, common)
