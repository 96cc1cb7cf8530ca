"""The star rule and the chance of each star, without results."""

import math
import random
from statistics import NormalDist

import pytest

from energyscore.protocol.stars import star_probabilities, stars_for

SCALES = [(0.0, 10.0), (1.313333, 28.741175), (0.1, 0.7), (1e-9, 1e9)]


def edges(low, high):
    return [low + band * ((high - low) / 5) for band in (1, 2, 3, 4)]


def test_bands_are_closed_on_the_right_and_open_at_the_ends():
    assert [stars_for(e, 0.0, 10.0) for e in (2.0, 2.0001, 4.0, 6.0, 8.0, 8.0001)] == [
        5,
        4,
        4,
        3,
        2,
        1,
    ]
    assert stars_for(-5.0, 0.0, 10.0) == 5
    assert stars_for(50.0, 0.0, 10.0) == 1


@pytest.mark.parametrize(
    ("energy", "u", "chances"),
    [  # from a table of the normal distribution: Phi(1) = 0.84134, Phi(3) = 0.99865, ...
        (5.0, 1.0, (0.00135, 0.15731, 0.68269, 0.15731, 0.00135)),
        (2.0, 1.0, (0.0, 0.00003, 0.02272, 0.47725, 0.5)),
        (9.0, 0.5, (0.97725, 0.02275, 0.0, 0.0, 0.0)),
        (0.0, 4.0, (0.02275, 0.04406, 0.09184, 0.14988, 0.69146)),
    ],
)
def test_chances_checked_by_hand(energy, u, chances):
    assert star_probabilities(energy, 0.0, 10.0, u) == pytest.approx(chances, abs=1.1e-5)


@pytest.mark.parametrize(("low", "high"), SCALES)
@pytest.mark.parametrize("share", [-0.3, 0.0, 0.11, 0.2, 0.5, 0.79, 1.0, 1.4])
@pytest.mark.parametrize("spread", [1e-6, 0.01, 0.1, 1.0, 100.0])
def test_chances_are_the_areas_of_a_normal_distribution_and_sum_to_one(low, high, share, spread):
    energy, u = low + share * (high - low), spread * (high - low)
    below = [0.0, *(NormalDist(energy, u).cdf(edge) for edge in edges(low, high)), 1.0]
    areas = [below[6 - stars] - below[5 - stars] for stars in (1, 2, 3, 4, 5)]
    chances = star_probabilities(energy, low, high, u)
    assert chances == pytest.approx(areas, abs=1e-9)
    assert math.fsum(chances) == pytest.approx(1.0, abs=1e-12)
    assert all(0.0 <= chance <= 1.0 for chance in chances)


def test_more_energy_never_makes_more_stars_likelier():
    rows = [star_probabilities(step / 10, 0.0, 10.0, 0.7) for step in range(-20, 121)]
    for at_least in (2, 3, 4, 5):
        chance = [math.fsum(row[at_least - 1 :]) for row in rows]
        assert chance == sorted(chance, reverse=True)
        assert chance[0] > 0.9 > 0.1 > chance[-1]


def test_more_uncertainty_makes_the_middle_of_a_band_less_sure():
    chance = [star_probabilities(5.0, 0.0, 10.0, u)[2] for u in (0, 0.2, 0.5, 1, 2, 5, 50)]
    assert chance == sorted(chance, reverse=True)
    assert chance[0] == 1.0
    assert chance[-1] < 0.02


@pytest.mark.parametrize(("low", "high"), SCALES)
def test_without_uncertainty_the_given_star_is_certain_at_the_edges_too(low, high):
    for place, edge in enumerate([low, *edges(low, high), high]):
        for energy in (math.nextafter(edge, -math.inf), edge, math.nextafter(edge, math.inf)):
            chances = star_probabilities(energy, low, high, 0.0)
            assert sorted(chances) == [0, 0, 0, 0, 1]
            assert chances.index(1.0) + 1 == stars_for(energy, low, high)
        if 0 < place < 5:  # closed on the right
            assert star_probabilities(edge, low, high, 0.0)[5 - place] == 1.0


def test_at_an_edge_both_neighbours_are_as_likely():
    chances = star_probabilities(4.0, 0.0, 10.0, 0.1)
    assert chances == pytest.approx((0, 0, 0.5, 0.5, 0), abs=1e-12)


def test_an_uncertainty_too_small_to_divide_by_is_as_good_as_none():
    assert star_probabilities(5.0, 0.0, 10.0, 5e-324) == (0.0, 0.0, 1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("energy", "u"), [(5.0, 1.0), (2.1, 0.3), (0.0, 3.0), (9.0, 2.0), (6.0, 20.0)]
)
def test_chances_are_the_frequencies_of_stars_when_the_energy_is_drawn(energy, u):
    draws = 20_000
    source = random.Random(1)
    given = [stars_for(source.gauss(energy, u), 0.0, 10.0) for _ in range(draws)]
    for stars, chance in enumerate(star_probabilities(energy, 0.0, 10.0, u), start=1):
        sigma = math.sqrt(chance * (1 - chance) / draws)
        assert given.count(stars) / draws == pytest.approx(chance, abs=3 * sigma + 1e-9)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 10, 29, 30, 200])
def test_with_few_runs_the_chances_are_students(degrees):
    from scipy.stats import t

    edge = [(edge - 4.7) / 0.9 for edge in edges(0.0, 10.0)]
    below = [0.0, *(t.cdf(value, degrees) for value in edge), 1.0]
    areas = [below[6 - stars] - below[5 - stars] for stars in (1, 2, 3, 4, 5)]
    assert star_probabilities(4.7, 0.0, 10.0, 0.9, degrees) == pytest.approx(areas, abs=1e-12)
    assert star_probabilities(4.7, 0.0, 10.0, 0.9, degrees + 0.9) == pytest.approx(areas, abs=1e-12)


def test_two_runs_leave_more_doubt_than_many():
    certain = [star_probabilities(5.0, 0.0, 10.0, 0.3, n)[2] for n in (1, 2, 4, 9, 1e6)]
    assert certain == sorted(certain)
    assert certain[0] < 0.82 < 0.99 < certain[-1]
