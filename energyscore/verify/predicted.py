"""What the blocks of a screen predict, by least squares of our own.

A block's energy is a sum over its units (queries, or batches): so much for each, so much for its
size, and where that is needed for its size squared. Features are needed where the blocks are, unit
by unit, unlike the workload. Blocks of the largest units are certain: they count as they are, and
tell of squares where the others are too few for it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from energyscore.results.parts import Run
from energyscore.verify.examined import ExaminedResult
from energyscore.verify.spread import RunSpread, student_975
from energyscore.verify.student import t_quantile

_UNLIKE, _NOTHING_NEW = 0.03, 1e-3
_LEAST_WINDOWS, _LEAST_FREE = 4, 2
_WANDER = 0.01 / math.sqrt(12)  # of the mean: a GPU's level moves, and a screen sees one moment


class Predicted(NamedTuple):
    """A figure, its standard error, and by how many degrees of freedom that is known."""

    mean: float
    error: float
    degrees: float

    def half(self, misses: float) -> float:
        """Half its interval that misses in so many cases, as a share of it."""
        return t_quantile(1 - misses / 2, self.degrees) * self.error / self.mean


def predict(
    runs: Sequence[Run], energies_j: Sequence[float], whole: "np.ndarray"
) -> Predicted | None:
    """What one pass takes, from what each block took; None: they are too few to tell."""
    blocks = [(run.block, j / run.passes) for run, j in zip(runs, energies_j, strict=True)]
    known = [(np.array([b.units, b.size, b.square]), j, b.certain) for b, j in blocks if b]
    sure = [(x, j) for x, j, certain in known if certain]
    rows = np.array([x for x, _, certain in known if not certain]).reshape(-1, 3)
    y = np.array([j for _, j, certain in known if not certain])
    rest = np.maximum(0.0, whole - sum((x for x, _ in sure), np.zeros(3)))
    used = _needed(rows, rest)
    own = np.zeros(len(y))  # 1 for a block whose energy counts as it is, too
    if 2 in used and sure and len(y) - len(used) < _LEAST_FREE:
        # Of squares the largest units tell most; they stand in for blocks that are not there.
        rows, y = np.vstack([rows, [x for x, _ in sure]]), np.append(y, [j for _, j in sure])
        own, sure = np.append(own, np.ones(len(sure))), []
    free = len(y) - len(used)
    if len(known) < _LEAST_WINDOWS or free < _LEAST_FREE or y.sum() <= 0:
        return None
    x = rows[:, used]
    # What a block is expected to take: so much a unit, then twice what is fitted by that.
    v = x[:, 0] * (y.sum() / x[:, 0].sum())
    for _ in range(2 if len(used) > 1 else 0):
        fitted = x @ _solver(x, v) @ y
        if fitted.min() <= 0:
            break
        v = fitted
    solver = _solver(x, v)
    counts, hat = rest[used] @ solver + own, x @ solver
    leave = np.eye(len(y)) - hat
    squares = float(np.sum(((leave @ y) / v) ** 2))
    noise = math.sqrt(squares / float(np.sum((leave * v[None, :] / v[:, None]) ** 2)))
    mean = float(counts @ y) + sum(j for _, j in sure)
    if mean <= 0:
        return None
    shown = math.hypot(noise * float(np.linalg.norm(counts * v)), *(noise * j for _, j in sure))
    hidden = _WANDER * mean
    degrees = math.inf if shown == 0 else free * (1 + (hidden / shown) ** 2)
    return Predicted(mean, math.hypot(shown, hidden), degrees)


def spread_of_blocks(it: ExaminedResult, energies_j: Sequence[float] | None) -> RunSpread:
    """The score in Wh per 1,000 queries by the blocks' energies; empty where there is none."""
    screen, runs = it.result.screen, it.result.runs
    if screen is None or energies_j is None:
        return RunSpread()
    found = predict(runs, energies_j, np.array(screen.population.features))
    if found is None:
        return RunSpread()
    factor = 1000 / 3600 / screen.queries
    half_wh = max(found.half(screen.error), screen.least_half_width or 0.0) * found.mean * factor
    std_wh = half_wh * math.sqrt(len(runs)) / student_975(len(runs) - 1)
    return RunSpread(found.mean * factor, std_wh, found.error * factor, half_wh)


def written_of(runs: Sequence[Run], whole: "np.ndarray", queries: int) -> float:
    """Output tokens of a pass: those of a query in all blocks, or predicted as the energy is."""
    tokens, done = [run.output_tokens or 0 for run in runs], [run.queries for run in runs]
    alike = len({one / number for one, number in zip(tokens, done, strict=True)}) == 1
    found = None if alike else predict(runs, [float(one) for one in tokens], whole)
    return sum(tokens) / sum(done) * queries if found is None else found.mean


def _solver(x: "np.ndarray", v: "np.ndarray") -> "np.ndarray":
    """What turns energies into coefficients, by QR of the rows over the roots of their weights."""
    root = np.sqrt(v)
    q, r = np.linalg.qr(x / root[:, None])
    solved: np.ndarray = np.linalg.solve(r, q.T) / root
    return solved


def _needed(rows: "np.ndarray", whole: "np.ndarray") -> list[int]:
    """Which features the blocks are regressed on: how many units, and what they are unlike in."""
    different = len({tuple(row) for row in rows})
    used = [0]
    if different < 2:
        return used
    each = rows / rows[:, :1]
    ratios = each * whole[0] / np.maximum(whole, 1e-300)
    for place in (1, 2):
        column = ratios[:, place]
        if math.sqrt(float(np.mean((column - 1) ** 2))) <= _UNLIKE or len(used) >= different:
            continue
        others = ratios[:, used]
        told = others @ np.linalg.lstsq(others, column, rcond=None)[0]
        if float(np.linalg.norm(column - told)) > _NOTHING_NEW * float(np.linalg.norm(column)):
            used.append(place)
    return used
