import pytest

from energyscore.attribution import (
    INTERPOLATED,
    SINGLE_PHASE,
    TIME_SHARE,
    PhaseTimes,
    split_energy,
)
from energyscore.measure import Ticks

S = 1_000_000_000
TIMES = PhaseTimes(("prefill", "decode"), [0, 1, 0, 1], [0, 2 * S, 10 * S, 12 * S], 20 * S)


def energy_at(t_ns):
    """400 W in prefill, 200 W in decode."""
    power_w = (400, 200, 400, 200)
    total = 0.0
    edges = [*TIMES.starts_ns, TIMES.end_ns]
    for power, start, end in zip(power_w, edges, edges[1:], strict=False):
        total += power * max(0, min(end, t_ns) - start) / S
    return total


def test_durations_by_phase():
    assert TIMES.durations_s() == {"prefill": 4.0, "decode": 16.0}


def test_ticks_tell_phases_of_different_power_apart():
    t_ns = tuple(range(0, 20 * S + 1, S // 10))
    ticks = Ticks(t_ns, tuple(energy_at(t) for t in t_ns))
    split, method = split_energy(TIMES, 4800.0, ticks)
    assert method == INTERPOLATED
    assert split == pytest.approx({"prefill": 1600.0, "decode": 3200.0}, rel=1e-6)


@pytest.mark.parametrize("ticks", [None, Ticks((0, S), (0.0, 10.0))])
def test_without_enough_ticks_the_split_is_by_time_and_says_so(ticks):
    split, method = split_energy(TIMES, 4800.0, ticks)
    assert method == TIME_SHARE
    assert split == pytest.approx({"prefill": 960.0, "decode": 3840.0})


def test_phases_always_sum_to_the_total():
    ticks = Ticks((S, 5 * S, 9 * S, 19 * S), (100.0, 900.0, 2000.0, 4000.0))
    split, _ = split_energy(TIMES, 5000.0, ticks)
    assert sum(split.values()) == pytest.approx(5000.0)


def test_a_single_phase_has_it_all():
    times = PhaseTimes(("forward",), [0], [0], S)
    assert split_energy(times, 7.0, None) == ({"forward": 7.0}, SINGLE_PHASE)
