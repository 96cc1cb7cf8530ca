"""The energy of a whole workload from blocks of some of its queries, by hand."""

import math
import random

import pytest

from energyscore.results.screening import (
    Prediction,
    ScreenBlock,
    estimate,
    regressors_of,
)

HIDDEN = 0.01 / math.sqrt(12)


def blocks_of(rows, *, certain=False):
    return [ScreenBlock(tuple(features), energy, certain) for features, energy in rows]


def test_blocks_as_large_as_the_workload_are_averaged():
    like = (10.0, 20.0, 60.0)
    blocks = blocks_of([(like, e) for e in (98, 100, 102, 100, 100)])
    found = estimate(blocks, (100.0, 200.0, 600.0))
    # Mean 100, standard deviation sqrt 2: ten such blocks are 1000, with 10 x sqrt 2 / sqrt 5.
    assert found.mean == pytest.approx(1000)
    assert found.se == pytest.approx(math.hypot(10 * math.sqrt(2 / 5), 1000 * HIDDEN))
    assert found.degrees == pytest.approx(4 * (1 + (1000 * HIDDEN) ** 2 / 40))
    assert (found.blocks, found.regressors) == (5, 1)


def test_two_sizes_are_regressed_and_the_certain_block_is_added():
    drawn = [((1, 1, 1), 10), ((1, 1, 1), 12), ((1, 3, 9), 30), ((1, 3, 9), 34)]
    blocks = blocks_of([((1, 9, 81), 50)], certain=True) + blocks_of(drawn)
    found = estimate(blocks, (11.0, 29.0, 131.0))
    # The rest are 10 units of mean size 2: between the means 11 and 32. Residuals of 1 and 2 are
    # 1/11 and 2/32 of what is expected, and of each pair one degree is left.
    noise = math.sqrt((2 / 11**2 + 2 * (2 / 32) ** 2) / 2)
    predicted = noise * math.sqrt(2 * (2.5 * 11) ** 2 + 2 * (2.5 * 32) ** 2)
    shown = math.hypot(predicted, noise * 50)
    assert found.mean == pytest.approx(50 + 10 * 21.5)
    assert found.se == pytest.approx(math.hypot(shown, 265 * HIDDEN))
    assert found.degrees == pytest.approx(2 * (1 + (265 * HIDDEN / shown) ** 2))
    assert (found.blocks, found.regressors) == (5, 2)


def test_a_law_of_the_features_is_found_exactly():
    units = [(4, 8, 20), (4, 10, 40), (4, 7, 15), (4, 12, 70), (4, 9, 22), (4, 5, 9)]
    energies = [3 * u + 2 * s + 0.5 * q for u, s, q in units]
    blocks = blocks_of(zip(units, energies, strict=True))
    found = estimate(blocks, (100.0, 300.0, 2000.0))
    assert found.mean == pytest.approx(300 + 600 + 1000)
    assert found.regressors == 3
    assert found.se == pytest.approx(1900 * HIDDEN, rel=1e-6)


def test_features_decide_which_are_needed_and_energies_never():
    alike = [(10.0, 20.0, 60.0), (10.0, 20.1, 60.5), (10.0, 19.9, 59.4)]
    assert regressors_of(alike, (100.0, 200.0, 600.0)) == (0,)
    # Here all blocks are 10% smaller than the workload.
    assert regressors_of(alike, (100.0, 220.0, 600.0)) == (0, 1)
    # 2% are left to the scatter of the blocks, 4% are not.
    assert regressors_of(alike, (100.0, 204.0, 600.0)) == (0,)
    assert regressors_of(alike, (100.0, 208.0, 600.0)) == (0, 1)
    apart = [(10.0, 20.0, 60.0), (10.0, 24.0, 70.0), (10.0, 19.0, 99.0), (10.0, 18.0, 50.0)]
    assert regressors_of(apart, (100.0, 200.0, 600.0)) == (0, 1, 2)
    assert regressors_of(apart[:2], (100.0, 200.0, 600.0)) == (0, 1)
    assert regressors_of(apart[:1], (100.0, 200.0, 600.0)) == (0,)
    # The square is told by units and size where there are two sizes only.
    two = [(2.0, 2.0, 2.0), (2.0, 4.0, 10.0), (2.0, 6.0, 18.0)]
    assert regressors_of(two, (10.0, 20.0, 50.0)) == (0, 1)
    assert regressors_of([(1.0, 1.0, 1.0)] * 5, (9.0, 9.0, 9.0)) == (0,)


def test_too_few_windows_tell_nothing():
    rows = [((10, 20, 60), energy) for energy in (98, 100, 102)]
    assert estimate(blocks_of(rows), (100.0, 200.0, 600.0)) is None
    certain = blocks_of([((1, 30, 900), 90)], certain=True)
    assert estimate(certain + blocks_of(rows), (101.0, 230.0, 1500.0)) is not None
    assert estimate([], (100.0, 200.0, 600.0)) is None
    nothing = blocks_of([((10, 20, 60), 0.0)] * 5)
    assert estimate(nothing, (100.0, 200.0, 600.0)) is None


@pytest.mark.parametrize("blocks", [3, 6])
def test_intervals_of_few_blocks_cover_what_they_claim(blocks):
    """With three blocks the normal quantile would cover 82%, with six 90%."""
    chance, rows, screens, covered = random.Random(blocks), (10.0, 20.0, 60.0), 600, 0
    for _ in range(screens):
        # Noise far above what is added for drift, beside a certain block that hardly varies.
        drawn = [ScreenBlock(rows, chance.gauss(100, 10)) for _ in range(blocks)]
        found = estimate([ScreenBlock((1.0, 2.0, 6.0), 1e-3, True), *drawn], (101.0, 202.0, 606.0))
        half = found.half_width() * found.mean
        covered += abs(found.mean - 1000) <= half
    # 95% of so many vary by 0.9%.
    assert 0.93 * screens <= covered <= 0.97 * screens


def test_a_prediction_in_another_unit_has_the_same_relative_interval():
    found = Prediction(100.0, 1.0, 4.0, 5, 1)
    assert found.half_width() == pytest.approx(0.027764, abs=1e-6)  # Student's t for 4
    assert found.half_width(0.01) == pytest.approx(0.046041, abs=1e-6)
    low, high = found.interval()
    assert (low, high) == pytest.approx((100 * math.exp(-0.027764), 100 * math.exp(0.027764)))
    assert found.times(2).half_width() == found.half_width()
    assert found.chance_below(100) == 0.5
    assert found.chance_below(high) == pytest.approx(0.975)
    assert found.chance_below(0) == 0
    assert found.chance_below(5e-324) == pytest.approx(0, abs=1e-15)


def test_the_largest_tell_of_the_square_while_others_are_too_few():
    """Three drawn blocks alone would leave no degree of freedom for three features."""

    def energy(units, size, square):
        return 3 * units + 2 * size + 0.5 * square

    drawn = [(4.0, 8.0, 20.0), (4.0, 10.0, 40.0), (4.0, 7.0, 15.0)]
    largest = [(1.0, 40.0, 1600.0), (1.0, 30.0, 900.0)]
    population = (102.0, 370.0, 4500.0)
    known = blocks_of([(x, energy(*x)) for x in largest], certain=True)
    found = estimate([*known, *blocks_of([(x, energy(*x)) for x in drawn])], population)
    assert found.mean == pytest.approx(energy(*population))
    assert (found.blocks, found.regressors) == (5, 3)
    # An energy counts as it is and tells of the others: both move the total.
    more = [ScreenBlock(known[0].features, known[0].energy_j + 10, True), known[1]]
    moved = estimate([*more, *blocks_of([(x, energy(*x)) for x in drawn])], population)
    assert moved.mean - found.mean != pytest.approx(10, abs=1)
    # Five others need no help, and the largest may follow another law.
    others = [*drawn, (4.0, 12.0, 70.0), (4.0, 9.0, 22.0)]
    enough = blocks_of([(x, energy(*x)) for x in others])
    found, moved = (estimate([*sure, *enough], population) for sure in (known, more))
    assert moved.mean - found.mean == pytest.approx(10)
