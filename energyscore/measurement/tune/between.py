"""Which batch size between those tried is worth a trial. Pure.

Between two batch sizes the energy of a whole batch is taken to grow at least as fast as between the
two before, and no faster than between the two after: first reading the weights is what takes long,
then the arithmetic, and at last memory is short. That bounds from below what a batch size between
them can need, and where even that promises less than the noise, none is tried.
"""

import math
from collections.abc import Sequence

from energyscore.measurement.tune.evidence import (
    TOO_LARGE,
    energy_of,
    half_width,
    is_candidate,
)
from energyscore.measurement.tune.space import TrialOutcome

EVEN = 8
"""From four times so many on, batch sizes are multiples of it: GPUs work in such tiles."""


def between(best: TrialOutcome, alike: Sequence[TrialOutcome], drift: float | None) -> int | None:
    """The batch size to try next beside the best; None: none promises more than the noise.

    `alike` are all that were tried with its settings but for the batch size, the best among them.
    """
    noise = math.hypot(half_width(best), drift or 0.0)
    known = sorted((one for one in alike if is_candidate(one)), key=size_of)
    tried = {size_of(one) for one in alike}
    walls = [size_of(one) for one in alike if one.status in TOO_LARGE]
    edges = [*map(size_of, known), *([min(walls)] if walls else [])]
    place = known.index(best)
    worth = []
    for below in (place - 1, place):
        if 0 <= below < len(edges) - 1:
            middle = _middle(edges[below], edges[below + 1])
            promise = _promise(known, below, edges[below + 1])
            if promise > noise and middle not in tried:
                worth.append((promise, middle))
    return max(worth)[1] if worth else None


def size_of(outcome: TrialOutcome) -> int:
    """Its queries at once."""
    return outcome.settings.batch_size


def _promise(known: Sequence[TrialOutcome], place: int, top: int) -> float:
    """By how much less than the best anything between a place and the next may need, as a log."""
    least = min(map(energy_of, known))
    lines = [_line(known[place - 1], known[place])] if place > 0 else [(0.0, _whole(known[place]))]
    if place + 2 < len(known):
        lines.append(_line(known[place + 2], known[place + 1]))
    sizes = range(size_of(known[place]) + 1, top)
    bounds = [max(slope * size + start for slope, start in lines) / size for size in sizes]
    return math.log(least / max(min(bounds, default=least), least / 100))


def _whole(outcome: TrialOutcome) -> float:
    """The energy of a batch, but for the unit."""
    return energy_of(outcome) * size_of(outcome)


def _line(one: TrialOutcome, other: TrialOutcome) -> tuple[float, float]:
    """Slope and start of the energy of a batch through two; it never falls."""
    slope = max(0.0, (_whole(other) - _whole(one)) / (size_of(other) - size_of(one)))
    return slope, _whole(other) - slope * size_of(other)


def _middle(low: int, high: int) -> int:
    """Half way by the factor; in tiles where they are small against it."""
    middle = math.sqrt(low * high)
    even = round(middle / EVEN) * EVEN
    if even >= 4 * EVEN and low < even < high:
        return even
    return round(middle)
