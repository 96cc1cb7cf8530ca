"""Ratios and their intervals, against truth computed otherwise; and how often they are wrong."""

import math
import random
import statistics
from dataclasses import replace

import pytest
from scipy import stats

from bench import gate_power
from energyscore.base.stats import Summary
from energyscore.judge.effect import (
    compare_samples,
    decide,
    decide_limit,
    repeats_for_limit,
    repeats_for_ratio,
)


def sample_of(values):
    return Summary(statistics.fmean(values), statistics.stdev(values), len(values))


def test_the_ratio_is_welchs_test_of_the_logarithms():
    """Runs that vary little: the logs of the runs have the spread of the runs, relatively."""
    generator = random.Random(5)
    before = [generator.gauss(2.0, 2e-3) for _ in range(5)]
    after = [generator.gauss(2.004, 6e-3) for _ in range(9)]
    effect = compare_samples(sample_of(before), sample_of(after))
    truth = stats.ttest_ind(
        [math.log(v) for v in after], [math.log(v) for v in before], equal_var=False
    )
    low, high = truth.confidence_interval(0.95)
    assert effect.p_value == pytest.approx(truth.pvalue, rel=2e-2)
    assert effect.ci95 == pytest.approx((math.exp(low), math.exp(high)), abs=2e-5)
    assert effect.ratio == pytest.approx(statistics.fmean(after) / statistics.fmean(before))
    assert effect.significant is bool(truth.pvalue < 0.05)
    assert effect.difference == pytest.approx(statistics.fmean(after) - statistics.fmean(before))


def test_swapping_the_two_inverts_the_interval():
    one, other = Summary(2.0, 0.05, 5), Summary(3.0, 0.3, 10)
    there, back = compare_samples(one, other), compare_samples(other, one)
    assert there.ci95 == pytest.approx(tuple(1 / bound for bound in reversed(back.ci95)))
    assert there.p_value == pytest.approx(back.p_value)


def test_one_run_has_no_interval_and_decides_no_regression():
    for one, other in (
        (Summary(2, None, 1), Summary(9, 0.1, 9)),
        (Summary(2, 0.1, 9), Summary(9, None, 1)),
    ):
        effect = compare_samples(one, other)
        assert (effect.ci95, effect.p_value, effect.significant) == (None, None, None)
        assert decide(effect.ci95, 1.05) == "open"
        assert repeats_for_ratio(one, other, 1.05) is None


def test_a_common_uncertainty_widens_the_interval_and_no_repeat_narrows_it():
    before, after = Summary(2.0, 1e-6, 1000), Summary(2.2, 1e-6, 1000)
    low, high = compare_samples(before, after, common=0.03).ci95
    assert math.log(high / low) / 2 == pytest.approx(1.95996 * 0.03, rel=1e-4)
    assert repeats_for_ratio(before, after, 1.05, common=0.03).runs is None


def test_runs_without_any_spread_are_decided_exactly():
    same = compare_samples(Summary(2.0, 0.0, 5), Summary(2.0, 0.0, 5))
    assert (same.ci95, same.p_value, same.significant) == ((1.0, 1.0), 1.0, False)
    assert decide(same.ci95, 1.0) == "within"
    more = compare_samples(Summary(2.0, 0.0, 5), Summary(2.5, 0.0, 5))
    assert (more.p_value, decide(more.ci95, 1.2)) == (0.0, "beyond")


@pytest.mark.parametrize(
    ("sample", "limit", "decision"),
    [
        (Summary(2.0, 0.1, 10), 2.2, "within"),
        (Summary(2.0, 0.1, 10), 2.05, "open"),
        (Summary(2.0, 0.1, 10), 1.95, "open"),
        (Summary(2.0, 0.1, 10), 1.9, "beyond"),
        (Summary(2.0, None, 1), 1.9, "beyond"),
        (Summary(2.0, None, 1), 99.0, "open"),
    ],
)
def test_a_limit_is_decided_by_the_interval(sample, limit, decision):
    """Half the interval of the ten runs is 2.262 x 0.1 / sqrt 10 = 0.0715."""
    assert decide_limit(sample, limit) == decision


def test_the_interval_of_a_mean_is_students_on_the_log_scale():
    values = [2.0, 2.1, 1.95, 2.02]
    low, high = stats.t.interval(0.95, 3, 0.0, stats.sem(values) / statistics.fmean(values))
    truth = tuple(statistics.fmean(values) * math.exp(end) for end in (low, high))
    assert sample_of(values).ci95 == pytest.approx(truth)


def alike(mean, runs=2, run_se=0.02):
    """Runs that read alike, of windows of 20 periods."""
    return Summary(mean, 0.0, runs, run_se * mean)


def test_two_runs_that_read_alike_decide_nothing_near_a_limit():
    """Without the steps of the counter their interval would have no width."""
    for limit, decision in ((1.9, "beyond"), (1.95, "open"), (2.05, "open"), (2.1, "within")):
        assert decide_limit(alike(2.0), limit) == decision
        assert decide_limit(Summary(2.0, 0.0, 2), limit) != "open"
    change = compare_samples(alike(2.0), alike(2.06))
    assert change.significant is False
    assert decide(change.ci95, 1.05) == "open"
    half = 1.95996 * math.hypot(0.02, 0.02)
    assert math.log(change.ci95[1] / change.ci95[0]) / 2 == pytest.approx(half, rel=1e-4)
    assert compare_samples(alike(2.0), alike(2.2)).p_value < 0.05


def test_where_the_steps_of_the_counter_hinder_it_no_repeats_decide():
    needed = repeats_for_limit(alike(2.0), 2.01)
    assert (needed.runs, needed.steps) == (None, True)
    needed = repeats_for_ratio(alike(2.0), alike(2.0), 1.01)
    assert (needed.runs, needed.steps) == (None, True)
    spread = Summary(2.0, 0.04, 10, 0.04)  # as the steps spread runs of independent phases
    assert repeats_for_limit(spread, 2.01).runs > 10
    assert repeats_for_limit(Summary(2.0, 0.5, 10), 2.0).steps is False


def test_p_is_5_percent_where_the_interval_ends():
    before, after = Summary(2.0, 0.03, 6, 0.01), Summary(2.1, 0.001, 6, 0.05)
    half = math.log(compare_samples(before, after, 0.01).ci95[1] / 1.05)
    on_the_edge = replace(after, mean=2.0 * math.exp(half))
    scale = on_the_edge.mean / after.mean
    on_the_edge = replace(on_the_edge, std=0.001 * scale, run_se=0.05 * scale)
    assert compare_samples(before, on_the_edge, 0.01).p_value == pytest.approx(0.05, rel=1e-6)


def test_as_many_repeats_as_are_named_decide_in_four_of_five_cases():
    cv, allowed, ratio = 0.02, 1.05, 1.03
    needed = repeats_for_ratio(Summary(1.0, cv, 40), Summary(ratio, cv * ratio, 5), allowed)
    assert needed.of == "result"
    generator = random.Random(3)

    def share(runs):
        decided = 0
        for _ in range(600):
            before = sample_of([generator.gauss(1.0, cv) for _ in range(40)])
            after = sample_of([generator.gauss(ratio, cv * ratio) for _ in range(runs)])
            decided += decide(compare_samples(before, after).ci95, allowed) != "open"
        return decided / 600

    assert 0.74 < share(needed.runs) < 0.90
    assert share(needed.runs // 2) < 0.70


def test_a_baseline_that_is_too_uncertain_needs_repeats_too():
    needed = repeats_for_ratio(Summary(1.0, 0.05, 3), Summary(1.0, 0.05, 3), 1.03)
    assert needed.of == "both"
    assert 30 < needed.runs < 60  # 2 (1.96 + 0.84)^2 0.05^2 / ln(1.03)^2 = 45


def test_repeats_for_a_limit():
    """(1.96 + 0.84)^2 s^2 / d^2 = 31, and a little more for Student's t."""
    assert repeats_for_limit(Summary(2.0, 0.1, 5), 2.05).runs in range(31, 36)
    assert repeats_for_limit(Summary(2.0, 0.1, 5), 2.0).runs is None
    assert repeats_for_limit(Summary(2.0, None, 1), 2.0) is None


@pytest.mark.parametrize(("runs", "cvs"), [((2, 10), (0.02, 0.01)), ((2, 30), (0.02, 0.02))])
def test_false_alarms_of_unequal_few_runs_are_rare(runs, cvs):
    """Welch's degrees of freedom give 6 in 100 here, on each side."""
    generator, times = random.Random(2), 2000
    beyond = within = 0
    for _ in range(times):
        before = sample_of([generator.gauss(1.0, cvs[0]) for _ in range(runs[0])])
        after = sample_of([generator.gauss(1.05, 1.05 * cvs[1]) for _ in range(runs[1])])
        decision = decide(compare_samples(before, after).ci95, 1.05)
        beyond, within = beyond + (decision == "beyond"), within + (decision == "within")
    most = stats.binom.ppf(0.999, times, 0.025)
    assert beyond <= most
    assert within <= most


def test_a_limit_is_not_decided_by_runs_that_spread_beyond_all_bounds():
    wild = Summary(3.0, 1e308, 2)
    assert wild.ci95 is None
    assert decide_limit(wild, 2.0) == "open"
    assert repeats_for_limit(wild, 2.0).runs is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Summary(1.0, 1e200, 4), Summary(1.0, 0.01, 4)),
        (Summary(1e-200, 1e10, 4), Summary(1.0, 0.01, 4)),
        (Summary(1.0, 1e5, 4), Summary(1.0, 1e5, 4)),
    ],
)
def test_what_spreads_beyond_all_bounds_is_not_decided(before, after):
    effect = compare_samples(before, after)
    assert effect.ci95 is None
    assert decide(effect.ci95, 1.05) == "open"
    assert repeats_for_ratio(before, after, 1.05) is not None


def test_false_alarms_are_rare_and_true_regressions_found():
    rows = list(gate_power.rows_of(400, cvs=(0.005, 0.05), repeats=(5, 10)))
    assert gate_power.problems_of(rows, 400) == []
    assert all(row[1] > 0 for row in rows), "the bound is not wider than it says"
