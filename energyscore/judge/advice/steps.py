"""The way from today's choice to the recommended one, through results that were measured. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise

from energyscore.judge.advice.states import POINTS, Point, State, state_of
from energyscore.judge.contenders import Contender, effect_between, quality_between
from energyscore.judge.effect import Effect
from energyscore.judge.families import COMPRESSED, origin_of
from energyscore.judge.qualities import QualityContrast, why_unlike

_HALF = (("float16",), ("bfloat16",))


@dataclass(frozen=True)
class WayStep:
    """From one measured result to another; `changes` says in which points they are unlike."""

    before: Contender
    after: Contender
    changes: tuple[Point, ...]
    compressed: bool = False

    @property
    def together(self) -> bool:
        """Whether it is of several points, between which nothing was measured.

        To compress a model changes the precision of its weights; that is one point.
        """
        if len(self.changes) < 2:
            return False
        before, after = state_of(self.before), state_of(self.after)
        of_weights = self.changes == ("model", "settings")
        of_weights = of_weights and _without_weights(before) == _without_weights(after)
        return not (self.compressed and of_weights)

    @cached_property
    def effect(self) -> Effect:
        """`ratio` is the energy after the step over that before it."""
        return effect_between(self.before, self.after)

    @cached_property
    def quality(self) -> QualityContrast | None:
        """By how much it is better after the step; None where it is not known."""
        return quality_change(self.before, self.after)


def quality_change(before: Contender, after: Contender) -> QualityContrast | None:
    """By how much `after` is better than `before`; None where both are not of one kind."""
    if before.quality is None or after.quality is None or why_unlike(before.quality, after.quality):
        return None
    return quality_between(after, before)


def way_between(
    today: Contender, recommended: Contender, known: Mapping[State, Contender]
) -> list[WayStep]:
    """The steps, each of one point where the results between them were measured.

    Points whose results between are missing are one step. Of ways with as many steps the first is
    that which changes the model first, then the mode, then the settings. A model that was made from
    another one comes after that one, where it was measured alike.
    """
    end = state_of(recommended)
    begin = _of_precision(state_of(today), end)
    changed = begin.differs(end)
    # To each set of changed points the longest way: smaller sets come first.
    ways: dict[frozenset[Point], list[frozenset[Point]]] = {frozenset(): [frozenset()]}
    for count in range(1, len(changed) + 1):
        for points in combinations(changed, count):
            moved = frozenset(points)
            if begin.moved(moved, end) in known:
                before = max((way for done, way in ways.items() if done < moved), key=_preferred)
                ways[moved] = [*before, moved]
    way = ways[frozenset(changed)]
    results = [today, *(known[begin.moved(points, end)] for points in way[1:])]
    steps = [WayStep(*pair, _changes(*pair)) for pair in pairwise(results)]
    return [part for step in steps for part in _by_parent(step, known)]


def _changes(before: Contender, after: Contender) -> tuple[Point, ...]:
    """In which points two results are unlike."""
    to = state_of(after)
    return _of_precision(state_of(before), to).differs(to)


def _of_precision(state: State, other: State) -> State:
    """With the half precision of another model: of two models the protocol allows either."""
    precisions = state.settings[0], other.settings[0]
    if state.model == other.model or not all(one in _HALF for one in precisions):
        return state
    return replace(state, settings=(precisions[1], *state.settings[1:]))


def _preferred(way: Sequence[frozenset[Point]]) -> tuple[int, list[int]]:
    """More steps first; of as many those that change the first points first."""
    order = [-min(POINTS.index(point) for point in later - done) for done, later in pairwise(way)]
    return len(way), order


def _by_parent(step: WayStep, known: Mapping[State, Contender]) -> list[WayStep]:
    """A step to another model; where it was compressed from one that was measured, by way of it."""
    origin = origin_of(step.after.entry.result.model)
    if "model" not in step.changes or origin is None or origin.relation not in COMPRESSED:
        return [step]
    before, after = state_of(step.before), state_of(step.after)
    if before.model[0] == origin.id:
        return [WayStep(step.before, step.after, step.changes, compressed=True)]
    if step.changes != ("model",) and _without_weights(before) != _without_weights(after):
        return [step]
    parents = [
        one
        for state, one in known.items()
        if state.model[0] == origin.id and state.mode == after.mode and one is not step.after
        and _without_weights(state) == _without_weights(after)
    ]  # fmt: skip
    if len(parents) != 1 or _goes_round(step.after, known.values()):
        return [step]
    return [
        WayStep(step.before, parents[0], _changes(step.before, parents[0])),
        WayStep(parents[0], step.after, _changes(parents[0], step.after), compressed=True),
    ]


def _goes_round(child: Contender, known: Iterable[Contender]) -> bool:
    """Whether what a model was made from is said to be made from it in turn."""
    models = {one.entry.result.model.id: one.entry.result.model for one in known}
    name = child.entry.result.model.id
    above: set[str] = set()
    origin = origin_of(child.entry.result.model)
    while origin is not None and origin.id not in above:
        above.add(origin.id)
        parent = models.get(origin.id)
        origin = origin_of(parent) if parent is not None else None
    return name in above


def _without_weights(state: State) -> object:
    """Settings but for precision and quantization, which compressing changes."""
    return state.settings[2:]


def ratio_of(steps: Sequence[WayStep]) -> float:
    """The energy after all steps over that before them; each was measured, and so was this."""
    return math.prod(step.effect.ratio for step in steps)
