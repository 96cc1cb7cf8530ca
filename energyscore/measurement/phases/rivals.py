"""Other ways in which power may go with the phases: where one explains more, the fit is in doubt.

The regression takes the power within a phase as even, or as linear in the phase's length. If it is
not, a wrong lag or response explains the rest, and the figures are wrong with confidence. So rivals
are tried: power that differs at the beginning or the end of a phase, that depends on the length of
the phase before, or not linearly on its own. Pure.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from energyscore.measurement.phases.ticks import FEW, VARYING, Signals

_PARTS = (1 / 8, 1 / 2)


def rivals(work: Signals) -> Iterator[tuple[str, Signals]]:
    """What each rival says, and its signals; for phases that are entered often."""
    entered, edges_s = work.intervals
    often = [p for p in range(work.phases) if np.count_nonzero(entered == p) >= FEW]
    if len(often) == 0:
        return
    for part in _PARTS:
        yield "uneven at the beginning", _split(work, often, part, last=False)
        if part != 1 / 2:
            yield "uneven at the end", _split(work, often, part, last=True)
    lengths = np.diff(edges_s)
    relative = {p: lengths / lengths[entered == p].mean() - 1 for p in often}
    varying = [p for p in often if relative[p][entered == p].std() > VARYING]
    if varying:
        squares = [(p, np.where(entered == p, relative[p] ** 2, 0.0)) for p in varying]
        yield "not linear in its length", Signals(work.phases, entered, edges_s, squares)
    before = np.roll(entered, 1)
    after = [(p, q) for p in often for q in varying if p != q]
    terms = [
        (p, np.where((entered == p) & (before == q), np.roll(relative[q], 1), 0.0))
        for p, q in after
        if np.count_nonzero((entered[1:] == p) & (before[1:] == q)) >= FEW
    ]
    if terms:
        yield "other after a longer phase", Signals(work.phases, entered, edges_s, terms)


def _split(work: Signals, often: Sequence[int], part: float, *, last: bool) -> Signals:
    """Signals with a power of its own for the first, or the last, part of each interval."""
    entered, edges_s = work.intervals
    cuts = edges_s[:-1] + np.diff(edges_s) * (1 - part if last else part)
    edges = np.append(np.stack([edges_s[:-1], cuts], axis=1).ravel(), edges_s[-1])
    twice = np.repeat(entered, 2)
    chosen = np.tile([last, not last], len(entered)).astype(bool)
    terms = [(p, np.where((twice == p) & chosen, 1.0, 0.0)) for p in often]
    return Signals(work.phases, twice, edges, terms)
