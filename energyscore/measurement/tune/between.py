"""Which batch size between those tried is worth a trial. Pure.

Between two batch sizes the energy of a whole batch is taken to grow at least as fast as between the
two before, and no faster than between the two after: first reading the weights is what takes long,
then the arithmetic, and at last memory is short. That bounds from below what a batch size between
them can need, and where even that promises no more than the noise, none is tried.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from energyscore.measurement.tune.evidence import (
    Evidence,
    energy_of,
    half_width,
    is_candidate,
    size_of,
)
from energyscore.measurement.tune.space import Settings, TrialOutcome

EVEN = 8
"""From four times so many on, batch sizes are multiples of it: GPUs work in such tiles."""

WIDE = 1.5
"""Between the largest batch size that fits and one so many times as large that does not, one is
tried in any case: what lies there is never seen by doubling."""

APART = 1.3
"""Energies of batch sizes that are closer say little of how fast they grow."""


def between(evidence: Evidence, best: TrialOutcome, *, others: bool) -> Settings | None:
    """What to try next between two batch sizes; None: nothing promises more than the noise.

    With the best settings, or with `others` between the batch sizes of all others that were tried.
    """
    own = evidence.alike(best.settings)
    found: list[tuple[float, int, Settings]] = []
    for group in evidence.groups:
        known = sorted(filter(is_candidate, group), key=size_of)
        if (group is own) == others or not known:
            continue
        wall = evidence.wall(known[0].settings)
        edges = sorted([*map(size_of, known), *([size_of(wall)] if wall else [])])
        if group is own and wall and size_of(wall) >= WIDE * size_of(known[-1]):
            below_wall = replace(best.settings, batch_size=_middle(*edges[-2:]))
            if evidence.gain(known[-1], best) < math.log(WIDE) and evidence.is_open(below_wall):
                return below_wall
        for place, (low, high) in enumerate(pairwise(edges)):
            settings = replace(known[0].settings, batch_size=_middle(low, high))
            least = _least(known, place, high)
            if 0 < least < energy_of(best) and evidence.is_open(settings):
                found.append((math.log(energy_of(best) / least), -low, settings))
    promise, _, settings = max(found, key=lambda one: one[:2], default=(0.0, 0, best.settings))
    return settings if promise > half_width(best) / 2 else None


def _least(known: Sequence[TrialOutcome], place: int, top: int) -> float:
    """What anything above a place and below the next needs at the least; 0: nothing is known."""
    start, size = known[place], size_of(known[place])
    apart = [one for one in known[:place] if size_of(one) * APART <= size]
    after = known[place + 1 :]
    if apart:
        lines = [_line(apart[-1], start)]
    elif after:  # of the first nothing is known before: it grows half as fast as after, or faster
        slope, _ = _line(start, after[0])
        lines = [(slope / 2, _whole(start) - slope / 2 * size)]
    else:
        return 0.0
    beyond = [one for one in after[1:] if size_of(one) >= APART * size_of(after[0])]
    if beyond:
        line = _line(after[0], beyond[0])
        # Where it grows more slowly after than before, one of the two is an exception.
        lines += [line] if line[0] >= _line(start, after[0])[0] else []
    bounds = [
        max(slope * between + at_0 for slope, at_0 in lines) / between
        for between in range(size + 1, top)
    ]
    return min(bounds, default=0.0)


def _whole(outcome: TrialOutcome) -> float:
    """The energy of a batch, but for the unit."""
    return energy_of(outcome) * size_of(outcome)


def _line(one: TrialOutcome, other: TrialOutcome) -> tuple[float, float]:
    """Slope of the energy of a batch through two, and where it meets 0; it never falls."""
    slope = max(0.0, (_whole(other) - _whole(one)) / (size_of(other) - size_of(one)))
    return slope, _whole(other) - slope * size_of(other)


def _middle(low: int, high: int) -> int:
    """Half way by the factor; in tiles where they are small against it."""
    middle = math.sqrt(low * high)
    even = round(middle / EVEN) * EVEN
    if even >= 4 * EVEN and low < even < high:
        return even
    return round(middle)
