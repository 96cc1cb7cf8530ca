import numpy as np
import pytest
from support.counter_sim import NAMES, Scenario, simulate

from energyscore.measurement.meter import Reading, Ticks
from energyscore.measurement.phases.split import (
    BLOCK,
    REGRESSION,
    SINGLE_PHASE,
    TIME_SHARE,
    BlockPower,
    PhaseTimes,
    split_energy,
)

S = 1_000_000_000
TIMES = PhaseTimes(("prefill", "decode"), [0, 1, 0, 1], [0, 2 * S, 10 * S, 12 * S], 20 * S)


@pytest.fixture(scope="module")
def case():
    return simulate(Scenario(queries=200, period_s=0.05))


def counted(case):
    return Reading(case.total_j, "counter", ticks=case.ticks)


def test_durations_by_phase():
    assert TIMES.durations_s() == {"prefill": 4.0, "decode": 16.0}


def test_ticks_tell_phases_of_different_power_apart(case):
    split = split_energy(case.times, counted(case))
    assert split.method == REGRESSION
    assert sum(split.energy_j.values()) == pytest.approx(case.total_j)
    assert split.energy_j["prefill"] == pytest.approx(case.truth_j["prefill"], rel=0.02)
    assert 0 < split.se_j["prefill"] < 0.02 * split.energy_j["prefill"]
    assert split.facts["ticks"] > 800
    assert 0 <= split.facts["lag_ms"] < 10


@pytest.mark.parametrize("method", ["estimated", "rapl"])
def test_sources_without_ticks_are_split_by_time_and_say_so(method):
    split = split_energy(TIMES, Reading(4800.0, method))
    assert split.method == TIME_SHARE
    assert split.energy_j == pytest.approx({"prefill": 960.0, "decode": 3840.0})
    assert split.se_j == {"prefill": None, "decode": None}


def test_integrated_power_says_nothing_of_phases():
    split = split_energy(TIMES, Reading(4800.0, "power_integral"))
    assert (split.method, set(split.energy_j.values())) == (None, {None})
    assert "too coarse" in split.reason


def test_energy_that_was_not_measured_has_no_phases_either():
    split = split_energy(TIMES, Reading(None, None, "the GPU was lost"))
    assert (split.method, split.reason) == (None, "the GPU was lost")
    assert split.energy_j == {"prefill": None, "decode": None}


def test_a_single_phase_has_it_all():
    times = PhaseTimes(("forward",), [0], [0], S)
    split = split_energy(times, Reading(7.0, "power_integral"))
    assert (split.energy_j, split.se_j, split.method) == (
        {"forward": 7.0},
        {"forward": 0.0},
        SINGLE_PHASE,
    )


def test_a_phase_alone_that_agrees_changes_nothing(case):
    block = BlockPower("prefill", 450.0 * 1.03, 1.0)
    plain, checked = (split_energy(case.times, counted(case), one) for one in (None, block))
    assert checked.method == REGRESSION
    assert checked.energy_j == plain.energy_j
    assert checked.block_ratio == pytest.approx(1 / 1.03, abs=0.02)
    assert checked.facts["power_ratio_to_lone"] == pytest.approx(checked.block_ratio, abs=1e-4)


@pytest.mark.parametrize("power_w", [450.0 * 1.12, 450.0 * 0.88])
def test_a_phase_alone_that_disagrees_is_believed(case, power_w):
    block = BlockPower("prefill", power_w, 2.0)
    split = split_energy(case.times, counted(case), block)
    prefill_s = case.times.durations_s()["prefill"]
    assert split.method == BLOCK
    assert split.energy_j["prefill"] == pytest.approx(power_w * prefill_s)
    found_j = split_energy(case.times, counted(case)).energy_j["prefill"]
    doubt_j = abs(found_j - power_w * prefill_s) / 2  # which of the two is right is not known
    assert split.se_j["prefill"] == pytest.approx(np.hypot(2.0 * prefill_s, doubt_j))
    assert sum(split.energy_j.values()) == pytest.approx(case.total_j)
    plain = split_energy(case.times, counted(case))
    assert split.energy_j["decode"] / split.energy_j["preprocess"] == pytest.approx(
        plain.energy_j["decode"] / plain.energy_j["preprocess"]
    )


def test_power_that_is_uneven_within_a_phase_is_noticed_and_the_phase_alone_decides():
    """Every decode begins with a burst; taken as even, prefill would be a quarter too high."""
    uneven = simulate(Scenario(queries=500, period_s=0.02, decode_onset=1.5))
    alone = split_energy(uneven.times, counted(uneven))
    assert alone.energy_j == dict.fromkeys(NAMES)
    assert "the power of a phase seems to be" in alone.reason
    block = BlockPower("prefill", 450.0, 1.0)
    checked = split_energy(uneven.times, counted(uneven), block)
    assert checked.method == BLOCK
    assert checked.energy_j["prefill"] == pytest.approx(uneven.truth_j["prefill"], rel=0.02)
    assert checked.energy_j["decode"] == pytest.approx(uneven.truth_j["decode"], rel=0.01)


def test_a_phase_alone_that_took_more_than_there_was_is_not_believed(case):
    split = split_energy(case.times, counted(case), BlockPower("prefill", 9000.0, 1.0))
    assert split.method == REGRESSION


def test_phases_that_cannot_be_told_apart_are_null_with_the_reason():
    few = simulate(Scenario(queries=5))
    split = split_energy(few.times, counted(few))
    assert split.energy_j == dict.fromkeys(NAMES)
    assert "updates of the counter" in split.reason


@pytest.mark.filterwarnings("error")
def test_whatever_the_ticks_are_phases_sum_to_the_total_or_are_null_with_the_reason():
    for seed in range(63):
        random = np.random.default_rng(seed)
        intervals = int(random.choice([1, 2, 5, 50, 400]))
        lengths = random.exponential(random.choice([0.001, 0.02, 0.2]), intervals)
        edges_ns = (np.concatenate([[0.0], np.cumsum(lengths)]) * 1e9).astype(int)
        span, count = edges_ns[-1], int(random.choice([0, 1, 2, 40, 300, 3000]))
        placed = [
            np.linspace(0, span, count),
            np.sort(random.uniform(0, span, count)),
            np.full(count, span / 2),
        ]
        t_ns = placed[seed % 3].astype(int)
        energy_j = np.cumsum(random.exponential(1.0, count)) * (seed % 7 > 0)
        times = PhaseTimes(
            NAMES, random.integers(0, 3, intervals).tolist(), edges_ns[:-1].tolist(), int(span)
        )
        ticks = Ticks(tuple(t_ns.tolist()), tuple(energy_j.tolist()))
        split = split_energy(times, Reading(7.0, "counter", ticks=ticks))
        if None in split.energy_j.values():
            assert split.energy_j == dict.fromkeys(NAMES)
            assert split.reason
        else:
            assert sum(split.energy_j.values()) == pytest.approx(7.0)
            assert all(se >= 0 for se in split.se_j.values())
