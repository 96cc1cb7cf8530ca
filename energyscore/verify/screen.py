"""A screen claims no more than its blocks and its looks allow, and its blocks are what it says."""

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from energyscore.verify.examined import ExaminedResult, ExaminedRun
from energyscore.verify.findings import NOT_APPLICABLE, Derived, Finds, Problem
from energyscore.verify.predicted import written_of

_MISSES = 0.05
_ROUNDING = 1e-9

_Sums: TypeAlias = tuple[float, float, float]  # units, their sizes, and these squared


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
    written = written_of(it.result.runs, np.array(screen.population.features), screen.queries)
    within = 1.0 + 1e-6 * written  # it is rounded
    yield Derived(
        "the output tokens of one pass", it.result.workload.output_tokens, written, within
    )
    if it.result.workload.batch_size == 1 and screen.size_in == "tokens":
        read, size = it.result.workload.input_tokens, screen.population.size
        yield Derived("the input tokens of one pass", read, size, 0.5 + 1e-6 * size)


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


def check_blocks(it: ExaminedResult) -> Finds:
    """The largest are measured first and whole, and no query has a second turn before all had one.

    With batches a query is in several units, so only the units' sizes tell.
    """
    screen, blocks = it.result.screen, [run.block for run in it.result.runs if run.block]
    if screen is None or not blocks:
        yield NOT_APPLICABLE
        return
    sure = [block for block in blocks if block.certain]
    drawn = [block for block in blocks if not block.certain]
    if any(block.certain for block in blocks[len(sure) :]):
        yield "its certain blocks are not all before the others"
    largest_of, others_of = ([block.features for block in some] for some in (sure, drawn))
    whole, planned = screen.population.features, blocks[0].planned_units
    yield from _of_the_largest(whole, largest_of, others_of, planned)
    if it.result.workload.batch_size > 1:
        return
    largest = {number for block in sure for number in block.queries}
    if len(largest) < sum(len(block.queries) for block in sure):
        yield "a query is twice in its certain blocks"
    if any(not largest.isdisjoint(block.queries) for block in drawn):
        yield "a query is in a certain block and in another one too"
    rest = screen.queries - len(largest)
    turn = drawn[: rest // blocks[0].planned_units]
    if max(Counter(number for block in turn for number in block.queries).values(), default=1) > 1:
        yield "a query has a second turn before all others had one"


def _of_the_largest(
    whole: _Sums, sure: Sequence[_Sums], drawn: Sequence[_Sums], planned_units: int
) -> Finds:
    """Certain blocks hold the largest units, each block as much as others at least, but the last.

    The mean of sizes by their own weight is at most the largest, and their plain mean at least the
    least: so much can be told without each size.
    """
    if not sure:
        return
    least = min(size / units for units, size, _ in sure)
    rest = whole[1] - sum(one[1] for one in sure), whole[2] - sum(one[2] for one in sure)
    others = [rest] if rest[0] > _ROUNDING * whole[1] else []
    others += [(size, square) for _, size, square in drawn]
    if any(square > least * size * (1 + _ROUNDING) for size, square in others):
        yield "its certain blocks are not of the largest queries, or one of them is missing"
    typical = whole[1] / whole[0] * planned_units
    if any(size < typical * (1 - _ROUNDING) for _, size, _ in sure[:-1]):
        yield "a certain block is smaller than a block has to be"
