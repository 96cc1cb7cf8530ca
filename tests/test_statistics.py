import math

import pytest

from energyscore.statistics import is_steady, summarize, t_quantile


@pytest.mark.parametrize(("count", "factor"), [(3, 2.48), (5, 1.24), (10, 0.72)])
def test_half_widths_in_units_of_the_standard_deviation(count, factor):
    assert t_quantile(0.975, count - 1) / math.sqrt(count) == pytest.approx(factor, abs=0.006)


def test_the_interval_covers_the_mean_in_95_of_100_cases():
    import numpy as np

    rng = np.random.default_rng(0)
    samples = rng.normal(10.0, 1.0, size=(4000, 5))
    covered = 0
    for sample in samples:
        low, high = summarize(list(sample)).ci95
        covered += low <= 10.0 <= high
    assert 0.94 < covered / 4000 < 0.96


def test_one_run_has_no_interval():
    summary = summarize([3.0])
    assert (summary.mean, summary.std, summary.ci95, summary.half_width) == (3.0, None, None, None)


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
