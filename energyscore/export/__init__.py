"""Exporters: one format a module, each a pure function from rated results to bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

from energyscore.rating import Rating
from energyscore.result import Result


@dataclass(frozen=True)
class RatedResult:
    """A result, its rating, and the file it is kept in (empty when in none)."""

    result: Result
    rating: Rating
    file: str = ""


Report = Sequence[RatedResult]
