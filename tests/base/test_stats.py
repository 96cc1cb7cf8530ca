import math

import pytest

from energyscore.base.stats import (
    are_apart,
    find_drift,
    find_outliers,
    half_width_of,
    is_steady,
    summarize,
    t_quantile,
)


@pytest.mark.parametrize(("count", "factor"), [(3, 2.48), (5, 1.24), (10, 0.72)])
def test_half_widths_in_units_of_the_standard_deviation(count, factor):
    assert t_quantile(0.975, count - 1) / math.sqrt(count) == pytest.approx(factor, abs=0.006)


@pytest.mark.parametrize("spread", [0.005, 0.05])
@pytest.mark.parametrize("runs", [3, 5, 10])
def test_the_interval_covers_the_mean_in_95_of_100_cases(runs, spread):
    import numpy as np

    rng = np.random.default_rng(runs)
    covered = 0
    for sample in rng.normal(10.0, 10 * spread, size=(3000, runs)):
        low, high = summarize(list(sample)).ci95
        covered += low <= 10.0 <= high
    assert 0.935 < covered / 3000 < 0.965


@pytest.mark.parametrize("values", [(1.0, 3.0), (1.0, 2.0, 9.0), (0.1, 0.1, 0.1, 5.0)])
def test_no_energy_is_negative_however_the_runs_spread(values):
    """Symmetric bounds would lie at -10.7, -6.8 and -2.6."""
    low, high = summarize(values).ci95
    assert 0 < low < sum(values) / len(values) < high
    assert low * high == pytest.approx((sum(values) / len(values)) ** 2), "alike on the log scale"


def test_the_half_width_is_a_share_of_the_mean_on_the_log_scale():
    summary = summarize([0.9, 1.0, 1.1])
    share = 4.302653 * 0.1 / 3**0.5  # t(2, 0.975) s / sqrt(n)
    assert summary.half_width == pytest.approx(share)
    assert summary.ci95 == pytest.approx((math.exp(-share), math.exp(share)))
    assert half_width_of(summary.ci95) == pytest.approx(share)
    assert half_width_of((-0.1, 2.0)) is half_width_of((0.0, 2.0)) is None


def test_one_run_has_no_interval():
    summary = summarize([3.0], run_se=0.1)
    assert (summary.mean, summary.std, summary.ci95, summary.half_width) == (3.0, None, None, None)


# Errors that a run has by itself: the steps of its counter.

STEP = 0.05  # of a window of 20 periods
Q = STEP / math.sqrt(6)


def test_runs_that_read_alike_are_as_uncertain_as_each_of_them():
    for runs in (2, 3, 10):
        assert summarize([1.0] * runs, Q).half_width == pytest.approx(1.96 * Q, rel=1e-4)
        assert summarize([1.0] * runs).half_width == 0.0


def test_runs_that_spread_by_more_than_the_steps_are_not_made_less_certain():
    for values in ((1.0, 1.05), (0.97, 1.0, 1.03), (0.95, 1.0, 1.0, 1.02, 1.05)):
        assert summarize(values, Q).half_width == summarize(values).half_width


def test_no_interval_is_narrower_than_the_steps_of_independent_runs():
    values = [1.0 + 0.8 * Q * (-1) ** place for place in range(10)]
    alone, known = summarize(values), summarize(values, Q)
    assert alone.half_width < known.half_width
    assert known.half_width >= 1.96 * Q / math.sqrt(10)


def stepped(rng, runs, lasted, how):
    """A window of so many periods, each worth 1 / lasted, as the counter gives it."""
    import numpy as np

    first = rng.random() if how == "locked" else rng.random(runs)
    begin = np.broadcast_to(first, runs) % 1
    end = (begin + lasted) % 1 if how != "independent" else rng.random(runs)
    noise = rng.normal(0, 1e-6, runs)
    return list(1.0 + (begin - end) / lasted + noise)


@pytest.mark.parametrize("how", ["independent", "of one length", "locked"])
@pytest.mark.parametrize("runs", [2, 3, 5, 10])
def test_the_interval_covers_the_truth_whatever_the_phases_of_the_counter(how, runs):
    """The spread alone covers it in 0 to 80 of 100 cases where the phases are not independent."""
    import numpy as np

    rng, covered, times = np.random.default_rng(5), 0, 800
    for _ in range(times):
        lasted = 20 + rng.random()
        step = 1 / lasted
        low, high = summarize(stepped(rng, runs, lasted, how), step / math.sqrt(6)).ci95
        covered += low <= 1.0 <= high
    assert covered / times > 0.93


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_nothing_is_made_of_no_figures(values):
    with pytest.raises(ValueError, match="at least one value"):
        summarize(values)


@pytest.mark.parametrize(
    ("rates", "steady"),
    [
        ([10.0, 10.0], False),
        ([5.0, 10.0, 10.05, 10.0], True),
        ([10.0, 10.0, 10.2], False),
        ([0.0, 0.0, 0.0], False),
    ],
)
def test_a_pace_is_steady_when_three_blocks_agree(rates, steady):
    assert is_steady(rates) is steady


def test_values_are_apart_by_a_share_of_the_least():
    assert are_apart([100.0, 105.1, 103.0], 0.05)
    assert not are_apart([100.0, 105.0], 0.05)
    assert not are_apart([7.0], 0.05)
    assert not are_apart([], 0.05)


def test_a_drift_has_the_slope_and_the_p_value_of_linear_regression():
    from scipy.stats import linregress

    values = [100.0, 100.9, 101.2, 102.4, 102.2, 103.9, 103.5]
    fit = linregress(range(7), values)
    drift = find_drift(values)
    assert drift.change == pytest.approx(fit.slope * 6 / (sum(values) / 7))
    assert drift.p_value == pytest.approx(fit.pvalue)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([100.0, 101.0, 102.0, 103.0, 104.0], True),  # a straight line
        ([104.0, 103.0, 102.0, 101.0, 100.0], True),
        ([100.0, 101.0, 102.0, 103.0], False),  # too few
        ([100.0, 100.2, 100.4, 100.6, 100.8], False),  # certain, and too little to matter
        ([100.0, 103.0, 99.0, 104.0, 101.0], False),  # large, and by chance
        ([100.0] * 5, False),
    ],
)
def test_a_drift_must_be_certain_and_matter(values, found):
    assert (find_drift(values) is not None) is found


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([100.0, 100.1, 99.9, 100.2, 120.0], [4]),
        ([80.0, 100.0, 100.1, 99.9, 100.2, 99.8, 130.0], [0, 6]),
        ([100.0, 100.1, 120.0, 99.9], []),  # too few
        ([100.0, 100.01, 99.99, 100.02, 100.9], []),  # far, and too little to matter
        ([100.0, 104.0, 97.0, 102.0, 106.0], []),  # wide, and none apart
        ([100.0] * 5 + [102.0], [5]),
        ([100.0] * 6, []),
    ],
)
def test_an_outlier_must_be_far_off_and_matter(values, places):
    assert find_outliers(values) == places


@pytest.mark.parametrize(("count", "drifts", "outliers"), [(10, 20, 100), (5, 20, 100)])
def test_sound_runs_are_seldom_told_to_drift_or_stand_out(count, drifts, outliers):
    """1,000 measurements of normal runs, spread so wide that only chance decides."""
    import numpy as np

    samples = [np.random.default_rng(seed).normal(100.0, 5.0, count) for seed in range(1000)]
    assert sum(find_drift(list(sample)) is not None for sample in samples) <= drifts
    assert sum(bool(find_outliers(list(sample))) for sample in samples) <= outliers


def test_real_trends_and_outliers_are_found():
    """Runs that spread by 0.5%: 3% over ten runs, or one run that is 5% off."""
    import numpy as np

    drifts = outliers = 0
    for seed in range(200):
        runs = np.random.default_rng(seed).normal(100.0, 0.5, 10)
        drifts += find_drift(list(runs + np.linspace(0.0, 3.0, 10))) is not None
        runs[4] += 5.0
        outliers += 4 in find_outliers(list(runs))
    assert drifts >= 190
    assert outliers >= 190
