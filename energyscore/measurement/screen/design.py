"""Which queries a block of a screen holds. Pure: sizes in, query numbers out.

A unit is a query, or with batches a batch as a pass makes them. The largest units are certain:
they are measured first and always. The rest of the pass is divided into blocks that hold as many
units each, one of each stratum by size, dealt so that the blocks come out about equally large. The
blocks are then taken in an order in which the first few already lie spread over all there are.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import NamedTuple

from energyscore.results.screening import Features

HEAVY = 5.0
"""Sizes of which the largest is more than so many times the mean have a heavy tail."""

ALONE = 2.0
"""A unit as large as so many blocks can be balanced by nothing else in its block."""

FILLED = 0.75
"""Where the tail is heavy, the largest are certain as long as they fill so much of a block."""

PASSES = 10
"""The passes of the full measurement: batches are expected as large as in these on average."""


@dataclass(frozen=True)
class PlannedBlock:
    """The numbers of its queries in the order in which they are done, and what is known of them."""

    queries: tuple[int, ...]
    features: Features
    certain: bool = False


class _Unit(NamedTuple):
    queries: tuple[int, ...]
    size: float

    @property
    def features(self) -> Features:
        return 1.0, self.size, self.size**2


def population_of(sizes: Sequence[float], batch_size: int, seed: int) -> Features:
    """The features of a pass over all queries; with batches, of one of the full measurement."""
    passes = _passes(batch_size)
    units, size, square = (
        total / passes for total in _sum(_units(sizes, batch_size, range(seed, seed + passes)))
    )
    return units, size, square


def plan_blocks(
    sizes: Sequence[float], batch_size: int, seed: int, block_units: int
) -> Iterator[PlannedBlock]:
    """The certain blocks, and then blocks without end: no unit twice before all had their turn.

    `sizes` has one number a query, in the order of the workload, above 0. A block has
    `block_units` units, or all where there are fewer; what a turn has left over begins the next.
    With batches, a turn has all batches of the full measurement: how long the longest of a batch
    is differs from pass to pass.
    """
    generator, passes = random.Random(f"blocks {seed}"), _passes(batch_size)
    over: list[_Unit] = []
    for first in count(seed, passes):
        units = _units(sizes, batch_size, range(first, first + passes))
        ranked = sorted(units, key=lambda unit: -unit.size)
        if first == seed:
            # Every tenth is what a pass has on average.
            one_pass = ranked[passes // 2 :: passes]
            largest = certain_of([unit.size for unit in one_pass], block_units)
            block_size = sum(unit.size for unit in units) / len(units) * block_units
            for group in _windows(one_pass[:largest], block_size):
                yield _block(group, generator, certain=True)
        rest = ranked[largest * passes :]
        ready = sorted([*over, *rest], key=lambda unit: -unit.size)
        dealt, over = _without_rest(ready, block_units, generator)
        for block in _spread(_deal(dealt, block_units, generator), generator):
            yield _block(block, generator)


def certain_of(ranked: Sequence[float], block_units: int) -> int:
    """How many of the largest units are certain, of all units' sizes, the largest first.

    Those larger than two blocks by themselves; and where the tail is heavy, as many of the largest
    as fill three quarters of a block together. A block of others is always left.
    """
    mean = sum(ranked) / len(ranked)
    block, filled = mean * block_units, 0.0
    heavy = ranked[0] > HEAVY * mean
    for certain, size in enumerate(ranked[: max(0, len(ranked) - block_units)]):
        filled += size
        if size <= ALONE * block and not (heavy and filled <= FILLED * block):
            return certain
    return max(0, len(ranked) - block_units)


def _passes(batch_size: int) -> int:
    return PASSES if batch_size > 1 else 1


def _units(sizes: Sequence[float], batch_size: int, seeds: Sequence[int]) -> list[_Unit]:
    """The units of passes in the orders of these seeds; a batch is padded to its longest."""
    if batch_size == 1:
        return [_Unit((number,), size) for number, size in enumerate(sizes)]
    units = []
    for seed in seeds:
        numbers = _order(seed, len(sizes))
        for first in range(0, len(numbers), batch_size):
            batch = numbers[first : first + batch_size]
            longest = max([sizes[number] for number in batch])
            units.append(_Unit(batch, longest * len(batch) / batch_size))
    return units


@lru_cache(maxsize=4 * PASSES)
def _order(seed: int, queries: int) -> tuple[int, ...]:
    """The order of the queries in a pass of the full measurement, as `Work` has it."""
    numbers = list(range(queries))
    random.Random(seed).shuffle(numbers)
    return tuple(numbers)


def _without_rest(
    ranked: Sequence[_Unit], block_units: int, generator: random.Random
) -> tuple[list[_Unit], list[_Unit]]:
    """As many units as fill whole blocks, and the rest, taken evenly from all sizes."""
    rest = len(ranked) % block_units if len(ranked) > block_units else 0
    step, first = len(ranked) / max(1, rest), generator.random()
    left = {int((first + place) * step) for place in range(rest)}
    dealt = [unit for place, unit in enumerate(ranked) if place not in left]
    return dealt, [ranked[place] for place in left]


def _deal(ranked: Sequence[_Unit], block_units: int, generator: random.Random) -> list[list[_Unit]]:
    """Divide units into blocks: of each stratum one a block, the largest to the least so far."""
    number = max(1, len(ranked) // block_units)
    blocks: list[list[_Unit]] = [[] for _ in range(number)]
    loads = [0.0] * number
    for first in range(0, len(ranked), number):
        stratum = ranked[first : first + number]
        order = sorted(range(number), key=lambda at: (loads[at], generator.random()))
        for at, unit in zip(order, stratum, strict=False):
            blocks[at].append(unit)
            loads[at] += unit.size
    return blocks


def _spread(blocks: list[list[_Unit]], generator: random.Random) -> Iterator[list[_Unit]]:
    """Blocks in an order of which each beginning lies spread over small ones and large ones.

    By the golden ratio around the circle of the sorted blocks, from a place by chance.
    """
    ranked = sorted(blocks, key=lambda block: sum([unit.size**2 for unit in block]) / len(block))
    place, left = generator.random(), len(ranked)
    while left:
        yield ranked.pop(int(place * left))
        place, left = (place + 0.6180339887498949) % 1, left - 1


def _windows(largest: Sequence[_Unit], least: float) -> Iterator[list[_Unit]]:
    """Certain units together until they are as large as a block."""
    group: list[_Unit] = []
    for unit in largest:
        group.append(unit)
        if sum(one.size for one in group) >= least:
            yield group
            group = []
    if group:
        yield group


def _block(
    units: Sequence[_Unit], generator: random.Random, *, certain: bool = False
) -> PlannedBlock:
    """Of these units in any order; a batch that is not full comes last: the others stay whole."""
    shuffled = generator.sample(units, len(units))
    ordered = sorted(shuffled, key=lambda unit: -len(unit.queries))
    queries = tuple(number for unit in ordered for number in unit.queries)
    return PlannedBlock(queries, _sum(units), certain)


def _sum(units: Sequence[_Unit]) -> Features:
    sizes = [unit.size for unit in units]
    return float(len(sizes)), sum(sizes), sum(size**2 for size in sizes)
