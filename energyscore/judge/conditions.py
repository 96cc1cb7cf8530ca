"""In what two measurements are unlike, and what that does to their comparison. Pure.

An error of the meter is the same in both on one GPU, and cancels. On different GPUs (by UUID), and
where counter and integrated power are compared, it does not: the reference's uncertainty stands in
the ratio for each of the two, u^2 = 2 ((systematic / sqrt 3)^2 + device_spread^2), as a share.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from itertools import zip_longest
from typing import TypeAlias

from pydantic import Field

from energyscore.base.errors import UsageError, did_you_mean
from energyscore.judge.figures import CONDITIONS, Condition, Measured
from energyscore.protocol.scales import DEFAULT_SCALE, load_scale
from energyscore.results.result import Part

PAIRED_BY = ("task", "model", "reasoning")
"""The conditions by which a measurement finds its counterpart."""

NEEDED = ("device", "gpu", "cpu", "method")
"""Conditions that must be known of both: without them no ratio is one of two models."""

_DIGEST_LENGTH = 12


Changes: TypeAlias = dict[str, tuple[str | None, str | None]]
"""What may explain a change: what it was before and is after; None where it is not known."""


class Difference(Part):
    """A condition in which two measurements are unlike."""

    name: str = Field(description="as --allow takes it")
    before: str
    after: str

    def __str__(self) -> str:
        """The point for people."""
        return f"{self.name}: {self.after} instead of {self.before}"


def check_allowed(names: Iterable[str]) -> frozenset[str]:
    """Names of conditions, checked.

    Raises:
        UsageError: when one is unknown, with the nearest ones.
    """
    allowed = frozenset(names)
    for name in sorted(allowed - set(CONDITIONS)):
        raise UsageError(f"Unknown difference {name!r}.", did_you_mean(name, CONDITIONS))
    return allowed


def differences(before: Measured, after: Measured) -> list[Difference]:
    """The conditions in which two measurements are unlike, as far as both tell them."""
    found = []
    for name in CONDITIONS:
        first, second = before.conditions.get(name), after.conditions.get(name)
        place = None if first is None or second is None else _unlike(first, second)
        if first is not None and second is not None and place is not None:
            was, now = _shown(first, place), _shown(second, place)
            found.append(Difference(name=name, before=was, after=now))
    return found


def changes(before: Measured, after: Measured) -> Changes:
    """What may differ between two that are compared, but may explain a change."""
    # Where one of the two, a row of a CSV, hardly tells any, nothing has changed by that.
    told = len(before.context) > 2 and len(after.context) > 2
    names = sorted({*before.context, *after.context})
    pairs = {name: (before.context.get(name), after.context.get(name)) for name in names}
    return {
        name: (was, now)
        for name, (was, now) in pairs.items()
        if was != now and (told or (was and now))
    }


def say_changes(found: Changes) -> str:
    """Changes for people: `also changed: driver 550 -> 570`."""
    listed = (f"{name} {was or 'none'} -> {now or 'none'}" for name, (was, now) in found.items())
    return f"also changed: {', '.join(listed)}"


def not_known(before: Measured, after: Measured) -> list[str]:
    """The conditions, or parts of them, that one of the two does not tell."""
    names = []
    for name in CONDITIONS:
        first, second = before.conditions.get(name), after.conditions.get(name)
        if first and second and (_untold(name, first) or _untold(name, second)):
            names.append(name)
    if before.gpus is None or after.gpus is None:
        names.append("which GPU (UUID)")
    return names


def meter_uncertainty(before: Measured, after: Measured) -> float:
    """What the error of the meters adds to a ratio, as a share; 0 where it is the same in both."""
    same_gpus = before.gpus is not None and before.gpus == after.gpus
    if same_gpus and _unlike(before.conditions["method"], after.conditions["method"]) is None:
        return 0.0
    error = load_scale(DEFAULT_SCALE).uncertainty
    assert error is not None  # a test holds the reference to stating it
    return math.sqrt(2) * math.hypot(error.systematic / math.sqrt(3), error.device_spread)


def most_alike(
    one: Measured, others: Sequence[Measured], allowed: Collection[str]
) -> Measured | None:
    """Of measurements the one with the fewest differences not allowed, of those the newest.

    One of the same revision of the model comes first: folders of one name are several models. The
    measurement itself comes last: with it there is nothing to compare.
    """

    def unlike(other: Measured) -> tuple[int, bool, bool]:
        points = [point for point in differences(other, one) if point.name not in allowed]
        return len(points), other.is_same_as(one), other.revision != one.revision

    by_age = sorted(others, key=lambda other: other.created_at, reverse=True)
    return min(by_age, key=unlike, default=None)


def _untold(name: str, condition: Condition) -> bool:
    return _tells_nothing(condition) or (name in NEEDED and condition[0] is None)


def _tells_nothing(condition: Condition) -> bool:
    return all(part is None for part in condition)


def _unlike(first: Condition, second: Condition) -> int | None:
    """The first part in which two conditions differ; None where they do not, or do not tell."""
    if _tells_nothing(first) or _tells_nothing(second):
        return None
    for place, (was, now) in enumerate(zip_longest(first, second, fillvalue="")):
        if was is not None and now is not None and was != now:
            return place
    return None


def _shown(condition: Condition, place: int) -> str:
    """A condition for people, up to the part that differs."""
    parts = [part for part in condition[: place + 1] if part is not None]
    return " ".join(part[:_DIGEST_LENGTH] if _is_digest(part) else part for part in parts) or "none"


def _is_digest(part: str) -> bool:
    return len(part) >= 40 and all(letter in "0123456789abcdef" for letter in part)
