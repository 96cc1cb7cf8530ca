"""Which model to choose: the Pareto front of energy and quality, and who meets requirements. Pure.

A dominates B when it needs less energy and is no worse, each shown at `ALPHA` / (m - 1) for m
candidates (intersection-union): the upper bound of ln(E_A / E_B) is below 0, and the lower bound of
how much better A is lies above -delta, the loss of quality that is allowed. A surely does not
dominate B when it is shown to need more energy, or to be worse by more than delta.

Requirements are held against the figures as they were measured. Whether an interval keeps to a
limit is what the gate asks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from energyscore.base.errors import UnsupportedError, UsageError
from energyscore.base.text import first_of
from energyscore.judge.comparability import candidate_conditions
from energyscore.judge.comparable import departures_between
from energyscore.judge.contenders import (
    Contender,
    effect_between,
    quality_between,
    why_no_candidate,
)
from energyscore.judge.effect import Effect
from energyscore.judge.families import ModelFamily, families_of
from energyscore.judge.qualities import DRAWS, QualityContrast, kind_of, why_unlike
from energyscore.judge.rating import RatedResult
from energyscore.results.quality import Quality

Front = Literal["dominated", "not dominated", "undecided", "quality not measured", "not asked"]
Required = Literal["quality", "quality loss", "latency", "ttft", "energy", "tokens", "queries"]

ALPHA = 0.025
"""Of one bound: two of them make a 95% interval."""
_MOST_DRAWS = 10_000


@dataclass(frozen=True)
class Requirements:
    """What is asked of a model; None: nothing. `quality_loss` is a share of the best quality."""

    quality: float | None = None
    quality_loss: float | None = None
    latency_s: float | None = None
    energy_wh: float | None = None
    tokens_per_s: float | None = None
    queries_per_s: float | None = None
    ttft_s: float | None = None

    @property
    def any(self) -> bool:
        """Whether anything is asked."""
        return self != Requirements()

    @property
    def need_quality(self) -> bool:
        """Whether a model without quality cannot meet them."""
        return self.quality is not None or self.quality_loss is not None


@dataclass(frozen=True)
class Shortfall:
    """A requirement that a candidate fails, or whose figure it lacks (`value` None)."""

    name: Required
    value: float | None
    limit: float


@dataclass(frozen=True)
class Placed:
    """A candidate with its place: on the front or not, and what it lacks of the requirements."""

    candidate: Contender
    front: Front
    by: Contender | None
    lacks: tuple[Shortfall, ...]

    @property
    def meets(self) -> bool | None:
        """Whether it meets all requirements; None where a figure is missing."""
        if any(one.value is not None for one in self.lacks):
            return False
        return None if self.lacks else True


@dataclass(frozen=True)
class Rival:
    """The recommended candidate against another one.

    `effect.ratio` is the other's energy over its own; `quality` is by how much it is better.
    """

    other: Placed
    effect: Effect
    quality: QualityContrast | None


@dataclass(frozen=True)
class Choice:
    """All candidates from the least energy to the most, and the one to choose."""

    judged: list[Placed]
    recommended: Placed | None
    others: list[Rival]
    without_energy: list[tuple[RatedResult, str]]
    requirements: Requirements
    families: list[ModelFamily]

    @property
    def metric(self) -> str | None:
        """The metric of quality; None where no candidate has one."""
        known = (one.candidate.quality for one in self.judged)
        return next((quality.metric for quality in known if quality), None)

    @property
    def exit_status(self) -> int:
        """0 one is recommended, 1 none meets the requirements, 3 a figure is missing."""
        if self.recommended:
            return 0
        return 3 if any(one.meets is None for one in self.judged) else 1


def choose(
    candidates: Sequence[Contender], requirements: Requirements, *, fronts: bool = True
) -> Choice:
    """Judge comparable candidates, and choose that which meets the requirements by least energy.

    Without `fronts` nobody asks who dominates whom, which takes long among hundreds.

    Raises:
        UsageError: where they are not comparable, with what differs.
        UnsupportedError: where none has an energy.
    """
    reasons = [why_no_candidate(one.entry) for one in candidates]
    without = [(one.entry, why) for one, why in zip(candidates, reasons, strict=True) if why]
    known = [one for one, why in zip(candidates, reasons, strict=True) if not why]
    if not known:
        named = "; ".join(f"{entry.file}: {why}" for entry, why in without)
        raise UnsupportedError(f"There is nothing to choose among: {named}.")
    _check_alike(known)
    known.sort(key=lambda one: one.energy_wh)
    limits = _limits(known, requirements)
    nobody: list[tuple[Front, Contender | None]] = [("not asked", None)] * len(known)
    places = _fronts(known, _loss(known, requirements)) if fronts else nobody
    judged = [
        Placed(one, *place, _lacks(one, limits)) for one, place in zip(known, places, strict=True)
    ]
    recommended = next((one for one in judged if one.meets), None)
    others = [
        Rival(
            other,
            effect_between(recommended.candidate, other.candidate),
            quality_between(recommended.candidate, other.candidate),
        )
        for other in judged
        if recommended and other is not recommended
    ]
    return Choice(judged, recommended, others, without, requirements, families_of(known))


def _check_alike(known: Sequence[Contender]) -> None:
    """Refuse results of unlike hardware or work, and qualities of unlike kinds."""
    first = known[0].entry
    for one in known[1:]:
        points = departures_between(one.entry.result, first.result, candidate_conditions)
        if points:
            raise UsageError(
                f"{one.entry.label} and {first.label} are not comparable, unlike: "
                f"{'; '.join(map(str, points))}.",
                "Name results of one machine and one set of queries.",
            )
    _check_qualities([(one, one.quality) for one in known if one.quality])


def _check_qualities(found: Sequence[tuple[Contender, Quality]]) -> None:
    """Refuse qualities of unlike kinds, and name the results to leave out: the fewest."""
    kinds: dict[object, list[tuple[Contender, Quality]]] = {}
    for one, quality in found:
        kinds.setdefault(kind_of(quality), []).append((one, quality))
    apart = [
        [
            (one, why)
            for group in kinds.values()
            if (why := why_unlike(kept[0][1], group[0][1]))
            for one, _ in group
        ]
        for kept in kinds.values()
    ]
    others = min(filter(None, apart), key=len, default=[])
    if not others:
        return
    (one, why), unlike = others[0], {id(other) for other, _ in others}
    first = next(other for other, _ in found if id(other) not in unlike)
    metric = why.startswith("metric")
    remedy = "Name the metric with --quality-metric" if metric else "Evaluate all on one dataset"
    files = first_of([other.entry.file for other, _ in others])
    raise UsageError(
        f"The qualities of {first.entry.label} and {one.entry.label} are not comparable, {why}.",
        f"{remedy}, or leave out {files}.",
    )


def _best_quality(known: Sequence[Contender]) -> Quality | None:
    found = [(one.quality.value, one.quality) for one in known if one.quality]
    valued = [(value, quality) for value, quality in found if value is not None]
    if not valued:
        return None
    pick = max if valued[0][1].higher_is_better else min
    return pick(valued, key=lambda one: one[0])[1]


def _loss(known: Sequence[Contender], asked: Requirements) -> float:
    """The loss of quality that is allowed, in the unit of the metric."""
    best = _best_quality(known)
    return (asked.quality_loss or 0.0) * abs(best.value or 0.0) if best else 0.0


def _limits(known: Sequence[Contender], asked: Requirements) -> dict[Required, float]:
    limits: dict[Required, float | None] = {
        "quality": asked.quality,
        "latency": asked.latency_s,
        "ttft": asked.ttft_s,
        "energy": asked.energy_wh,
        "tokens": asked.tokens_per_s,
        "queries": asked.queries_per_s,
    }
    if asked.quality_loss is not None:
        best, loss = _best_quality(known), _loss(known, asked)
        worst = math.nan  # no quality is known: each candidate lacks it
        if best is not None and best.value is not None:
            worst = best.value + (-loss if best.higher_is_better else loss)
        limits["quality loss"] = worst
    return {name: limit for name, limit in limits.items() if limit is not None}


def _lacks(one: Contender, limits: dict[Required, float]) -> tuple[Shortfall, ...]:
    quality = one.quality
    values: dict[Required, float | None] = {
        "quality": quality.value if quality else None,
        "quality loss": quality.value if quality else None,
        "latency": one.latency_s,
        "ttft": one.ttft_s,
        "energy": one.energy_wh,
        "tokens": one.tokens_per_s,
        "queries": one.queries_per_s,
    }
    least = {"tokens", "queries"}
    if quality and quality.higher_is_better:
        least |= {"quality", "quality loss"}
    return tuple(
        Shortfall(name, value, limit)
        for name, limit in limits.items()
        if (value := values[name]) is None or (value < limit if name in least else value > limit)
    )


def _fronts(known: Sequence[Contender], loss: float) -> list[tuple[Front, Contender | None]]:
    """Each candidate's word, and the one that dominates it."""
    compared = [one for one in known if one.quality is not None]
    alpha = ALPHA / max(1, len(compared) - 1)
    found: list[tuple[Front, Contender | None]] = []
    for one in known:
        if one.quality is None:
            found.append(("quality not measured", None))
            continue
        told = [
            (other, _dominates(other, one, loss, alpha)) for other in compared if other is not one
        ]
        by = next((other for other, dominates in told if dominates), None)
        open_ = any(dominates is None for _, dominates in told)
        found.append(("dominated", by) if by else ("undecided" if open_ else "not dominated", None))
    return found


def _dominates(one: Contender, other: Contender, loss: float, alpha: float) -> bool | None:
    """Whether `one` dominates `other`; None where neither that nor the contrary is shown."""
    energy = effect_between(one, other)
    shown = energy.p_value is not None and energy.p_value < 2 * alpha
    if shown and energy.ratio < 1:  # the other needs less
        return False
    quality = quality_between(one, other, min(_MOST_DRAWS, math.ceil(DRAWS * ALPHA / alpha)))
    ends = quality.interval(1 - alpha) if quality else None
    if ends is None:
        return None
    if ends[1] < -loss:
        return False
    return True if shown and energy.ratio > 1 and ends[0] > -loss else None
