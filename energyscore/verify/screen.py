"""A screen's score, predicted again from its blocks by least squares of our own.

A block's energy is a sum over its units (queries, or batches): so much for each, so much for its
size, and where that is needed for its size squared. Features are needed where the blocks are, unit
by unit, unlike the workload. Blocks of the largest units are certain: they count as they are.
"""

import math
from collections.abc import Sequence

import numpy as np

from energyscore.results.parts import Run
from energyscore.verify.examined import ExaminedResult, ExaminedRun
from energyscore.verify.findings import NOT_APPLICABLE, Derived, Finds, Problem
from energyscore.verify.spread import RunSpread, student_975
from energyscore.verify.student import t_quantile

_UNLIKE, _NOTHING_NEW = 0.03, 1e-3
_LEAST_WINDOWS, _LEAST_FREE = 4, 2
_WANDER = 0.01 / math.sqrt(12)  # of the mean: a GPU's level moves, and a screen sees one moment
_MISSES = 0.05
_GROWTH = 1.25  # of the blocks from look to look


def check_screen(it: ExaminedResult) -> Finds:
    """The interval that is claimed is no narrower than the looks allow."""
    screen = it.result.screen
    if screen is None:
        yield NOT_APPLICABLE
        return
    by_width = screen.target and not screen.beaten
    allowed = _MISSES if by_width else _MISSES / 2**screen.looks
    if screen.error > allowed * (1 + 1e-9):
        yield f"its interval misses in {screen.error:g} of cases, {allowed:g} are allowed"
    if screen.target and screen.looks > 1 and (screen.least_half_width or 0.0) < screen.target:
        yield "after its first look it claims less than the half-width that it went on until"
    yield from _beaten(it)
    yield Derived(
        "the number of queries of its workload", screen.queries, it.result.workload.queries
    )
    if it.result.workload.batch_size == 1:
        yield Derived("the number of units", screen.population.units, float(screen.queries))
    if it.result.official:
        yield "no screen is official"
    if it.task is not None:
        done = sum(run.queries for run in it.result.runs)
        share = done / (it.task.repeats * screen.queries)
        yield Derived("the share of the work", screen.share, share)
    written = _written(it.result.runs, np.array(screen.population.features), screen.queries)
    within = 1.0 + 1e-6 * written  # it is rounded
    yield Derived(
        "the output tokens of one pass", it.result.workload.output_tokens, written, within
    )
    had = _looks_at(it.result.runs, np.array(screen.population.features))
    if screen.looks < had:
        yield f"it had {had} looks at its blocks, not {screen.looks}"


def _beaten(it: ExaminedResult) -> Finds:
    """One that was ended as beaten has an interval above what it was beaten by."""
    screen = it.result.screen
    if screen is None or not screen.beaten:
        return
    by_gpu = it.gpu_domains and not screen.until.startswith("system")
    interval = it.result.score.ci95 if by_gpu else it.result.score.system_ci95
    if screen.decided or screen.beaten_by is None:
        yield "it was ended as beaten, but it was decided, or there is nothing that beats it"
    elif interval is None or interval[0] <= screen.beaten_by:
        yield f"it was ended as beaten, and may need {screen.beaten_by:g} Wh or less"


def check_block(place: ExaminedRun) -> Finds:
    """A block has the queries that it names, and their tokens."""
    block, screen, run = place.run.block, place.it.result.screen, place.run
    if (block is None) != (screen is None):
        yield "blocks and screens go together"
    if block is None or screen is None:
        yield NOT_APPLICABLE
        return
    if any(number >= screen.queries for number in block.queries):
        yield f"it has a query that is none of the {screen.queries}"
    if place.it.result.workload.batch_size > 1:
        return
    yield Derived("the number of its units", block.units, float(len(block.queries)))
    if block.square < block.size**2 / block.units * (1 - 1e-9):
        yield "its sizes squared are less than those of equal sizes"
    if screen.size_in == "tokens" and run.input_tokens:
        tokens = run.input_tokens / run.passes
        if abs(block.size - tokens) > 1e-6 * tokens:
            message = f"its size is {block.size:g} tokens, and {tokens:g} were read"
            yield Problem(message, "warning")


def spread_of_blocks(it: ExaminedResult, energies_j: Sequence[float] | None) -> RunSpread:
    """The score in Wh per 1,000 queries by the blocks' energies; empty where there is none."""
    screen, runs = it.result.screen, it.result.runs
    if screen is None or energies_j is None:
        return RunSpread()
    found = _predict(runs, energies_j, np.array(screen.population.features))
    if found is None:
        return RunSpread()
    mean, error, degrees = found
    factor = 1000 / 3600 / screen.queries
    half = max(
        t_quantile(1 - screen.error / 2, degrees) * error / mean, screen.least_half_width or 0.0
    )
    std = half * mean * math.sqrt(len(runs)) / student_975(len(runs) - 1)
    return RunSpread(mean * factor, std * factor, error * factor, half * mean * factor)


def _written(runs: Sequence[Run], whole: "np.ndarray", queries: int) -> float:
    """Tokens of one pass: as many a query as in all blocks, or predicted as the energy is."""
    tokens, done = [run.output_tokens for run in runs], [run.queries for run in runs]
    alike = len({one / number for one, number in zip(tokens, done, strict=True)}) == 1
    found = None if alike else _predict(runs, [float(one) for one in tokens], whole)
    return sum(tokens) / sum(done) * queries if found is None else found[0]


def _looks_at(runs: Sequence[Run], whole: "np.ndarray") -> int:
    """How often there was a look at blocks in this order: ever more seldom after the first."""
    energies_j = [math.fsum(j for j in run.energy_j.values() if j) for run in runs]
    looks = drawn = due = 0
    for place, run in enumerate(runs, 1):
        if None in run.energy_j.values():
            break
        drawn += run.block is not None and not run.block.certain
        if drawn >= due and _predict(runs[:place], energies_j[:place], whole) is not None:
            looks, due = looks + 1, max(drawn + 1, math.ceil(_GROWTH * drawn))
    return looks


def _predict(
    runs: Sequence[Run], energies_j: Sequence[float], whole: "np.ndarray"
) -> tuple[float, float, float] | None:
    """Joules of a pass, their standard error and its degrees of freedom."""
    blocks = [(run.block, j / run.passes) for run, j in zip(runs, energies_j, strict=True)]
    known = [(np.array([b.units, b.size, b.square]), j, b.certain) for b, j in blocks if b]
    sure = [(x, j) for x, j, certain in known if certain]
    rows = np.array([x for x, _, certain in known if not certain]).reshape(-1, 3)
    y = np.array([j for _, j, certain in known if not certain])
    rest = np.maximum(0.0, whole - sum((x for x, _ in sure), np.zeros(3)))
    used = _needed(rows, rest)
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
    gains, hat = rest[used] @ solver, x @ solver
    leave = np.eye(len(y)) - hat
    squares = float(np.sum(((leave @ y) / v) ** 2))
    noise = math.sqrt(squares / float(np.sum((leave * v[None, :] / v[:, None]) ** 2)))
    mean = float(gains @ y) + sum(j for _, j in sure)
    if mean <= 0:
        return None
    shown = math.hypot(noise * float(np.linalg.norm(gains * v)), *(noise * j for _, j in sure))
    hidden = _WANDER * mean
    degrees = math.inf if shown == 0 else free * (1 + (hidden / shown) ** 2)
    return mean, math.hypot(shown, hidden), degrees


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
