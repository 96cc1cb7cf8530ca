"""When a screen ends: what is asked, what a look decides, and what it may claim."""

import math
import random
from itertools import islice

import pytest

from energyscore.measurement.screen.design import plan_blocks, population_of
from energyscore.measurement.screen.stopping import (
    Until,
    is_beaten,
    likeliest_star,
    next_look,
    spent_at,
)
from energyscore.protocol.scales import Uncertainty
from energyscore.protocol.stars import StarRange
from energyscore.results.screening import Prediction, ScreenBlock, estimate

ALIKE = Uncertainty(systematic=0, device_spread=0, source="measured alike")


def figure(mean, se, degrees=1e9):
    return Prediction(mean, se, degrees, 10, 1)


def test_what_may_be_asked():
    assert Until.parse("half-width=2%") == Until("half-width=2%", "half-width", 0.02)
    assert Until.parse(" star = 99% ").value == pytest.approx(0.99)
    limit = Until.parse("gpu_wh_per_1k_queries<=2.5")
    assert (limit.kind, limit.value, limit.figure) == ("limit", 2.5, "gpu_wh_per_1k_queries")
    assert Until.parse("system_wh_per_1k_queries < 1e-3").value == 0.001


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it must be half-width=2%"),
        ("half-width=2", "it must be half-width=2%"),
        ("half-width=0%", "0.1% to 50%"),
        ("star=100%", "below 100%"),
        ("star=40%", "50% or more"),
        ("gpu_wh_per_1k_queries>=2", "it must be half-width=2%"),
        ("gpu_wh_per_1k_queries<=+5%", "it must be half-width=2%"),
        ("gpu_wh_per_1k_queries<=0", "above 0"),
        ("quality<=2", "decided by gpu_wh_per_1k_queries or system"),
    ],
)
def test_what_may_not_be_asked(text, says):
    with pytest.raises(ValueError, match=says):
        Until.parse(text)


def test_a_later_look_claims_the_target_and_never_less():
    until = Until.parse("half-width=2%")
    narrow, wide = figure(100, 0.5), figure(100, 2)
    first, later = until.look(narrow, 0), until.look(narrow, 1)
    assert (first.stop, later.stop) == (True, True)
    assert first.half_width == pytest.approx(0.0098, abs=1e-5)
    assert later.half_width == 0.02
    assert not until.look(wide, 0).stop
    assert until.look(wide, 3).half_width == pytest.approx(0.0392, abs=1e-4)


def test_the_error_is_spent_by_halves():
    assert [spent_at(0.05, looks) for looks in range(3)] == [0.025, 0.0125, 0.00625]
    assert sum(spent_at(0.05, looks) for looks in range(40)) < 0.05


def test_a_limit_is_decided_where_the_chance_of_an_error_is_spent():
    until = Until.parse("gpu_wh_per_1k_queries<=100")
    # One side has 1.25% at the first look: 2.2414 standard errors. At the second 2.4977.
    below, nearer = figure(97.7, 1), figure(97.8, 1)
    assert until.look(below, 0).stop
    assert until.look(below, 0).within is True
    assert not until.look(nearer, 0).stop
    assert not until.look(below, 1).stop
    above = until.look(figure(103, 1), 1)
    assert (above.stop, above.within) == (True, False)
    assert above.probability == pytest.approx(0.998835, abs=1e-6)
    assert above.half_width == pytest.approx(2.4977 / 103, abs=1e-5)
    # Decided is what the interval says, too.
    assert until.look(nearer, 0).half_width > 0.0222


def test_it_is_beaten_by_what_lies_below_its_whole_interval():
    # 2.5% at the first look: 2.2414 standard errors; at the second 2.4977.
    it = figure(100, 1)
    limit = 100 * math.exp(-2.2414 / 100)
    assert is_beaten(it, 0, 0.9999 * limit)
    assert not is_beaten(it, 0, 1.0001 * limit)
    assert not is_beaten(it, 1, 0.9999 * limit)
    assert is_beaten(it, 1, 100 * math.exp(-2.4978 / 100))
    assert not is_beaten(it, 0, 120), "less is never beaten"
    assert not is_beaten(it, 0, None)


def test_a_star_is_decided_by_its_probability():
    until, stars = Until.parse("star=99%"), StarRange((0.0, 50.0), ALIKE)
    sure = until.look(figure(25, 1), 0, stars)
    assert (sure.stop, sure.star) == (True, 3)
    assert sure.probability == pytest.approx(1, abs=1e-3)
    # 97.5% are claimed of ten blocks: Student's t of 9 has 2.2622 at 95%, the normal one 2.2414.
    # 30 is then 3.028 of its standard errors from 27, which leaves 0.7%: more than half a percent.
    near = until.look(figure(27, 1), 0, stars)
    assert (near.stop, near.star, near.in_vain) == (False, 3, False)
    assert near.probability == pytest.approx(1 - 0.007149 - 0.000029, abs=1e-6)
    assert likeliest_star(figure(5, 1), 0.1, stars)[0] == 5
    assert likeliest_star(figure(50, 1), 0.1, stars)[0] == 1
    assert until.look(figure(26.6, 1), 0, stars).stop
    assert not until.look(figure(26.6, 1), 1, stars).stop


def test_what_stands_between_a_figure_and_its_reference_bears_on_its_star():
    until = Until.parse("star=99%")
    stars = StarRange((0.0, 50.0), Uncertainty(systematic=0.05, device_spread=0, source="x"))
    # 5% either way, all as likely, is 2.887% as a standard error: at 28 it is 2.47 from 30.
    near = until.look(figure(28, 1e-9), 0, stars)
    assert near.probability == pytest.approx(0.99332, abs=1e-5)
    assert (near.stop, near.in_vain) == (False, True), "0.67% is more than half a percent"
    assert not until.look(figure(28, 1), 0, stars).in_vain, "26 is within what it may be"
    assert until.look(figure(25, 1e-9), 0, stars).stop


def test_looks_come_at_growing_numbers():
    looks = [4]
    while looks[-1] < 15:
        looks.append(next_look(looks[-1]))
    assert looks == [4, 5, 7, 9, 12, 15]
    assert next_look(1) == 2


def test_claimed_intervals_cover_heavy_tailed_sizes_and_a_curved_law():
    until, covered, screens = Until.parse("half-width=2%"), 0, 100
    for seed in range(screens):
        chance = random.Random(seed)
        sizes = [chance.lognormvariate(0, 1) for _ in range(200)]
        energies = [0.5 + size + 0.2 * size**2 for size in sizes]
        population, blocks, looks, look_at = population_of(sizes, 1, seed), [], 0, 0
        for planned in islice(plan_blocks(sizes, 1, seed, 20), 60):
            energy = sum(energies[number] for number in planned.queries)
            energy *= chance.gauss(1, 0.01)
            blocks.append(ScreenBlock(planned.features, energy, planned.certain))
            drawn = sum(not block.certain for block in blocks)
            if drawn < look_at or (found := estimate(blocks, population)) is None:
                continue
            decision = until.look(found, looks)
            looks, look_at = looks + 1, next_look(drawn)
            if decision.stop:
                break
        covered += abs(math.log(found.mean / sum(energies))) <= decision.half_width
    # 95% and a little more, since nothing drifts here.
    assert 0.93 * screens <= covered < screens
