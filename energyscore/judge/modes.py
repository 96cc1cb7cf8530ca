"""Modes of reasoning in results: their names, their tokens, and how many times `off` they take."""

from collections.abc import Sequence
from dataclasses import dataclass

from energyscore.judge.comparability import cohort_key
from energyscore.judge.figures import headline_of
from energyscore.results.result import Result

_ORDER = ("off", "low", "medium", "high", "on", "default")
"""What is compared against: the first of these that a model was measured in."""


@dataclass(frozen=True)
class Multiple:
    """Energy as so many `times` that `of` a lower mode."""

    times: float
    of: str


@dataclass(frozen=True)
class Tokens:
    """Generated tokens of a query, on average over all runs; None where they are not known."""

    output: float | None
    thinking: float | None


def tokens_of(result: Result) -> Tokens:
    """How long the answers were, and how much of them was thinking."""
    queries = sum(run.queries_done for run in result.runs)
    return Tokens(
        *(
            None if None in found else sum(one or 0 for one in found) / queries
            for found in (
                [run.output_tokens for run in result.runs],
                [run.thinking_tokens for run in result.runs],
            )
        )
    )


def multiples_of(results: Sequence[Result]) -> list[Multiple | None]:
    """The energy of each result against that of the same model in the lowest mode at hand.

    Compared are results that differ in their mode only. None for the lowest mode itself, for
    invalid results, and where there is nothing to compare with.
    """
    lowest: dict[object, Result] = {}
    asked = [one for one in results if one.valid and one.mode]
    for result in sorted(asked, key=lambda one: _ORDER.index(one.mode or "default")):
        lowest.setdefault(_alike(result), result)
    return [
        _multiple(result, lowest.get(_alike(result))) if result.mode else None for result in results
    ]


def _alike(result: Result) -> object:
    model = result.model
    return model.id, model.revision, model.dtype, cohort_key(result, any_mode=True)


def _multiple(result: Result, base: Result | None) -> Multiple | None:
    if base is None or base.mode is None or base.mode == result.mode or not result.valid:
        return None
    headline, least = headline_of(result), headline_of(base)
    if headline is None or least is None:
        return None
    return Multiple(headline.energy_wh / least.energy_wh, base.mode)
