"""Which result is held against which: the one that differs least among those of one key. Pure."""

from collections.abc import Collection, Iterable

from energyscore.judge.comparability import PAIRED_BY, Condition, differences
from energyscore.judge.rating import RatedResult
from energyscore.judge.unratable import why_unratable


def key_of(one: RatedResult, allowed: Collection[str] = ()) -> tuple[Condition, ...]:
    """What a result shares with its counterpart: task, model and mode, unless allowed to differ."""
    known = one.conditions
    return tuple(known[name] for name in PAIRED_BY if name not in allowed)


class Counterparts:
    """Results of one key, in groups of the same conditions, each the newest first.

    Many results of one model are few groups: whoever looks for a counterpart looks at groups.
    """

    def __init__(self, entries: Iterable[RatedResult]) -> None:
        """Group results."""
        self.entries = list(entries)
        self.models = {one.result.model.id for one in self.entries}
        self._groups: dict[object, list[RatedResult]] = {}
        self._nearest: dict[object, list[RatedResult]] = {}
        newest = sorted(self.entries, key=lambda one: one.result.created_at, reverse=True)
        for entry in newest:
            self._groups.setdefault(_all_conditions(entry), []).append(entry)

    def of(self, one: RatedResult, allowed: Collection[str]) -> RatedResult | None:
        """The result with the fewest differences that are not allowed.

        Of those one of the same revision of the model comes first, as folders of one name are
        several models; then one under just the same conditions, then the newest. The measurement
        itself comes last: with it there is nothing to compare.
        """

        def rank(other: RatedResult) -> tuple[bool, bool, bool]:
            other_revision = other.result.model.revision != one.result.model.revision
            return is_same(other, one), bool(why_unratable(other.result)), other_revision

        conditions = _all_conditions(one)
        alike = min(self._groups.get(conditions, ()), key=rank, default=None)
        if alike is not None and not any(rank(alike)):
            return alike
        known = (conditions, frozenset(allowed))
        if known not in self._nearest:
            self._nearest[known] = self._with_fewest_differences(one, allowed)
        nearest = self._nearest[known]
        if alike is not None:
            # It has no differences, and so is among them: of equals it comes first.
            nearest = [alike, *nearest]
        return min(nearest, key=rank, default=None)

    def _with_fewest_differences(
        self, one: RatedResult, allowed: Collection[str]
    ) -> list[RatedResult]:
        """The results whose conditions differ least from one's, the newest first."""
        refused = {
            key: sum(
                point.name not in allowed
                for point in differences(group[0].conditions, one.conditions)
            )
            for key, group in self._groups.items()
        }
        fewest = min(refused.values(), default=0)
        found = [
            entry
            for key, group in self._groups.items()
            if refused[key] == fewest
            for entry in group
        ]
        return sorted(found, key=lambda other: other.result.created_at, reverse=True)


def by_key(
    entries: Iterable[RatedResult], allowed: Collection[str] = ()
) -> dict[tuple[Condition, ...], Counterparts]:
    """Results by what they share with their counterparts."""
    found: dict[tuple[Condition, ...], list[RatedResult]] = {}
    for one in entries:
        found.setdefault(key_of(one, allowed), []).append(one)
    return {key: Counterparts(alike) for key, alike in found.items()}


def _all_conditions(one: RatedResult) -> object:
    return tuple(one.conditions.items())


def is_same(one: RatedResult, other: RatedResult) -> bool:
    """Whether both are one measurement, as a result and its baseline are."""
    mine, its = (
        (entry.result.identity, entry.result.created_at, entry.rating.energy_wh)
        for entry in (one, other)
    )
    return mine == its
