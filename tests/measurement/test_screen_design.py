"""Which queries the blocks of a screen hold."""

import itertools
import random

import pytest

from energyscore.measurement.screen.design import certain_of, plan_blocks, population_of

SIZES = [float(100 + number) for number in range(60)]


def first(count, *arguments):
    return list(itertools.islice(plan_blocks(*arguments), count))


def test_blocks_of_a_pass_hold_every_query_once():
    blocks = first(12, SIZES, 1, 7, 10)
    for turn in (blocks[:6], blocks[6:]):
        assert sorted(number for block in turn for number in block.queries) == list(range(60))
    assert {len(block.queries) for block in blocks} == {10}
    assert not any(block.certain for block in blocks)


def test_a_block_has_one_of_each_stratum_and_is_about_as_large_as_the_others():
    for block in first(6, SIZES, 1, 7, 10):
        strata = sorted(number // 6 for number in block.queries)
        assert strata == list(range(10))
        assert block.features[0] == 10
        assert block.features[1] == sum(SIZES[number] for number in block.queries)
        assert block.features[1] == pytest.approx(sum(SIZES) / 6, rel=0.005)
        assert block.features[2] == sum(SIZES[number] ** 2 for number in block.queries)


def test_what_a_pass_leaves_over_begins_the_next():
    # Blocks of 25 of 60 queries: two in the first pass, and 10 are left; then 70 make two more.
    blocks = first(4, SIZES, 1, 7, 25)
    done = [number for block in blocks[:2] for number in block.queries]
    assert len(set(done)) == 50
    missing = set(range(60)) - set(done)
    later = [number for block in blocks[2:] for number in block.queries]
    counts = {number: later.count(number) for number in missing}
    assert len(later) == 50
    assert sum(counts.values()) >= 10
    assert [len(block.queries) for block in first(3, SIZES, 1, 7, 100)] == [60, 60, 60]


def test_the_largest_are_certain_where_the_tail_is_heavy():
    light = sorted(SIZES, reverse=True)
    assert certain_of(light, 10) == 0
    # The mean is 100 / 64: a block of 10 is 15.6, of 9 14.1, of 30 46.9, of 32 50, of 33 51.6.
    heavy = [30.0, 8.0, *[1.0] * 62]
    assert certain_of(heavy, 10) == 0  # larger than a block, and less than two
    assert certain_of(heavy, 9) == 1  # as large as two by itself
    assert certain_of(heavy, 30) == 1  # within three quarters, 35.2, and both are not
    assert certain_of(heavy, 32) == 1  # 38 of 37.5
    assert certain_of(heavy, 33) == 2  # 38 of 38.7
    assert certain_of([90.0, *[0.0] * 3], 1) == 1
    assert certain_of([5.0, 5.0, 5.0], 5) == 0


def test_certain_blocks_come_first_and_never_again():
    sizes = [1.0] * 83 + [9.0, 8.0]
    blocks = first(8, sizes, 1, 3, 20)
    assert [block.certain for block in blocks] == [True] + [False] * 7
    assert sorted(blocks[0].queries) == [83, 84]
    assert blocks[0].features == (2.0, 17.0, 145.0)
    assert not {83, 84} & {number for block in blocks[1:] for number in block.queries}
    assert len({number for block in blocks[1:5] for number in block.queries}) == 80


def test_with_batches_the_batch_is_the_unit():
    sizes = SIZES[:59]
    blocks = first(50, sizes, 4, 42, 3)
    # All batches of the ten passes of the full measurement, in the orders of its runs.
    batches = []
    for seed in range(42, 52):
        order = list(range(59))
        random.Random(seed).shuffle(order)
        batches += [tuple(order[at : at + 4]) for at in range(0, 59, 4)]
    found = [
        block.queries[at : at + 4] for block in blocks for at in range(0, len(block.queries), 4)
    ]
    assert sorted(found) == sorted(batches)
    for block in blocks:
        of_it = [block.queries[at : at + 4] for at in range(0, len(block.queries), 4)]
        padded = [max(sizes[number] for number in batch) * len(batch) / 4 for batch in of_it]
        assert block.features == pytest.approx((3, sum(padded), sum(one**2 for one in padded)))


def test_a_certain_batch_stands_for_those_of_ten_passes():
    sizes = [1.0] * 99 + [60.0]
    blocks = first(5, sizes, 2, 42, 4)
    assert [block.certain for block in blocks] == [True] + [False] * 4
    assert blocks[0].features == (1.0, 60.0, 3600.0)
    assert not any(99 in block.queries for block in blocks[1:])


def test_the_population_is_a_pass_of_the_full_measurement():
    assert population_of([1.0, 2.0, 4.0], 1, 0) == (3.0, 7.0, 21.0)
    # Ten passes in pairs: the largest with one of two, so padded sizes differ from pass to pass.
    units, size, square = population_of([1.0, 1.0, 4.0, 4.0], 2, 0)
    assert units == 2
    assert 5 < size < 8  # the two large ones together, or apart
    assert square == pytest.approx(size * 4 + (8 - size) / 3 * 1 - (8 - size) / 3 * 4)


def test_the_same_seed_gives_the_same_blocks():
    assert first(9, SIZES, 1, 7, 10) == first(9, SIZES, 1, 7, 10)
    assert first(6, SIZES, 1, 7, 10) != first(6, SIZES, 1, 8, 10)
