"""Phases from counter ticks, against simulated truth."""

import numpy as np
import pytest
from support.counter_sim import CASES, NAMES, Scenario, simulate

from energyscore.measurement.phases import regression
from energyscore.measurement.phases.regression import PhaseFit, regress_phases
from energyscore.measurement.phases.ticks import Shape, Signals, TickData, regular_times


def fit(case):
    edges_ns = [*case.times.starts_ns, case.times.end_ns]
    return regress_phases(case.times.names, case.times.entered, edges_ns, case.total_j, case.ticks)


@pytest.mark.parametrize("scenario", CASES.values(), ids=CASES)
def test_prefill_within_2_percent_and_decode_within_1(scenario):
    case = simulate(scenario, seed=1)
    found = fit(case)
    assert isinstance(found, PhaseFit), found
    assert found.energy_j["prefill"] == pytest.approx(case.truth_j["prefill"], rel=0.02)
    assert found.energy_j["decode"] == pytest.approx(case.truth_j["decode"], rel=0.01)
    assert sum(found.energy_j.values()) == pytest.approx(case.total_j)


def test_lag_window_and_response_are_found():
    found = fit(simulate(Scenario(duty=0.25, lag_s=0.03, tau_s=0.05), seed=2))
    # A poll notes an update 1 ms late on average.
    assert found.lag_s == pytest.approx(0.031, abs=0.002)
    assert found.window == pytest.approx(0.25, abs=0.03)
    assert found.tau_s == pytest.approx(0.05, abs=0.004)


def test_nothing_is_assumed_that_the_ticks_do_not_demand():
    found = fit(simulate(Scenario(period_s=0.02, queries=300), seed=3))
    assert (found.window, found.tau_s) == (1.0, 0.0)


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(queries=300, period_s=0.02, prefill_s=0.005, decode_s=0.02),
        Scenario(queries=150, power_spread=0.03),
    ],
    ids=["many-in-a-tick", "ticks-within-phases"],
)
def test_the_standard_error_covers_the_truth(scenario):
    """Of 60 seeds, 87% or more within 1.96 standard errors; the truth is scaled to the total."""
    inside = {"prefill": 0, "decode": 0}
    for seed in range(60):
        case = simulate(scenario, seed)
        found = fit(case)
        scale = case.total_j / sum(case.truth_j.values())
        for name in inside:
            error = found.energy_j[name] - case.truth_j[name] * scale
            inside[name] += abs(error) <= 1.96 * found.se_j[name]
    assert all(52 <= count <= 60 for count in inside.values()), inside


@pytest.mark.parametrize("spread", [0.0, 0.02])
def test_identical_durations_in_every_tick_cannot_be_told_apart(spread):
    scenario = Scenario(
        prefill_s=0.02, decode_s=0.08, length_spread=0, decode_spread=0, power_spread=spread
    )
    assert "another mix of phases" in fit(simulate(scenario))


def test_too_few_ticks_tell_nothing():
    said = fit(simulate(Scenario(queries=5)))
    assert said.startswith("10 updates of the counter came in the ")
    assert said.endswith(
        " of work, and phases are told apart by 30 or more: work longer, such as by more queries"
    )
    nothing = regression._too_few(0, 0.4)
    assert nothing.startswith("no update of the counter came in the 0.4 s of work")


def test_a_fit_that_is_too_uncertain_is_none():
    scenario = Scenario(queries=400, prefill_s=0.01, decode_s=0.015, power_spread=0.5)
    assert "cannot tell prefill from the rest" in fit(simulate(scenario))


def test_a_phase_too_short_for_any_tick_does_not_hinder_the_others():
    case = simulate(Scenario(preprocess_s=0.05))
    found = fit(case)
    assert found.energy_j["decode"] == pytest.approx(case.truth_j["decode"], rel=0.01)
    assert found.se_j["preprocess"] > 0.5 * found.energy_j["preprocess"]


def test_the_design_is_the_response_integrated_over_the_window():
    """Against a brute-force integration in steps of 20 us."""
    random = np.random.default_rng(5)
    lengths = random.uniform(0.002, 0.05, 200)
    entered = np.arange(200) % 3
    edges = np.concatenate([[0.0], np.cumsum(lengths)])
    work = Signals(len(NAMES), entered, edges)
    times = np.arange(0.5, 4.0, 0.03)
    data = TickData(times, np.full(len(times), 0.03), np.ones(len(times)))
    shape = Shape(lag_s=0.013, window=0.4, tau_s=0.02)
    step = 2e-5
    grid = np.arange(0.0, 4.0, step) + step / 2
    phase = entered[np.searchsorted(edges, grid, "right") - 1]
    response = np.zeros((len(grid), 3))
    state = np.array([1.0, 0.0, 0.0])  # before the first interval: as in it
    for place, current in enumerate(phase):
        state = state + ((np.arange(3) == current) - state) * (step / shape.tau_s)
        response[place] = state
    for row, t in zip(work.design(data, shape)[:, :3], times, strict=True):
        inside = (grid > t - 0.013 - 0.4 * 0.03) & (grid <= t - 0.013)
        assert row == pytest.approx(response[inside].mean(axis=0), abs=0.004)
    assert work.design(data, shape)[:, :3].sum(axis=1) == pytest.approx(np.ones(len(times)))


def test_late_polls_are_taken_out_of_regular_updates():
    random = np.random.default_rng(6)
    true = np.cumsum(np.full(500, 0.02 * (1 + 1e-5)))
    seen = true + random.uniform(0, 0.002, 500)
    seen = np.delete(seen, [100, 250, 251])  # missed
    error = regular_times(seen) - np.delete(true, [100, 250, 251])
    assert np.std(error) < 0.2 * np.std(seen - np.delete(true, [100, 250, 251]))


def test_irregular_updates_keep_their_times():
    seen = np.cumsum(np.random.default_rng(7).uniform(0.01, 0.03, 500))
    assert regular_times(seen) is seen
