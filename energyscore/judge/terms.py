"""On what terms two results can be compared. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from energyscore.judge.changes import Changes, changes
from energyscore.judge.comparability import (
    Difference,
    differences,
    meter_uncertainty,
    not_known,
)
from energyscore.judge.rating import RatedResult


@dataclass(frozen=True)
class Terms:
    """On what terms two results can be compared.

    Attributes:
        refused: in what they are unlike; where it is empty they can be compared.
        allowed: in what they are unlike, as was allowed.
        not_known: the conditions that are not known of one of the two.
        changed: what is not a condition, but may explain a difference.
        meter_uncertainty: what the error of the meters adds to the ratio, as a share.
    """

    refused: list[Difference]
    allowed: list[Difference]
    not_known: list[str]
    changed: Changes
    meter_uncertainty: float


def terms_between(before: RatedResult, after: RatedResult, allowed: Collection[str]) -> Terms:
    """The terms for two results, of which some conditions are allowed to differ."""
    points = differences(before.conditions, after.conditions)
    return Terms(
        refused=[point for point in points if point.name not in allowed],
        allowed=[point for point in points if point.name in allowed],
        not_known=not_known(before.conditions, after.conditions),
        changed=changes(before.result, after.result),
        meter_uncertainty=meter_uncertainty(before.result, after.result),
    )
