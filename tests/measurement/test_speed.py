"""Throughput and latency from the times of phases."""

import pytest

from energyscore.measurement.phases.speed import performance_of
from energyscore.measurement.phases.split import PhaseTimes
from energyscore.results.performance import Latency, summarize_performance

GENERATION = ("preprocess", "prefill", "decode")


def times_of(names, *stretches):
    """Stretches of (phase, ms), one after another."""
    starts, now = [], 5_000
    for _, ms in stretches:
        starts.append(now)
        now += round(ms * 1e6)
    return PhaseTimes(names, [names.index(name) for name, _ in stretches], starts, now)


def test_a_query_waits_for_its_batch_and_for_its_share_of_the_preparation():
    """Two passes of three queries in batches of two; both batches are prepared together."""
    one = [("preprocess", 20), ("prefill", 30), ("decode", 100), ("prefill", 10), ("decode", 50)]
    times = times_of(GENERATION, *one, *one)
    found = performance_of(times, queries=3, batch_size=2, passes=2, output_tokens=60)
    assert found.queries_per_s == pytest.approx(6 / 0.420)
    assert found.output_tokens_per_s == pytest.approx(60 / 0.420)
    latencies_s = [0.140, 0.140, 0.070]
    assert found.latency_s.mean == pytest.approx(sum(latencies_s) / 3)
    assert (found.latency_s.p50, found.latency_s.p90) == (pytest.approx(0.14), pytest.approx(0.14))
    assert found.time_to_first_token_s.p50 == pytest.approx(0.040)
    assert found.time_to_first_token_s.p90 == pytest.approx(0.040)


def test_one_pass_has_no_first_token_and_no_tokens():
    stretches = [("preprocess", 5), ("forward", 15)] * 4
    found = performance_of(times_of(("preprocess", "forward"), *stretches), 4, 1, 1, 0)
    assert (found.output_tokens_per_s, found.time_to_first_token_s) == (None, None)
    assert found.latency_s == Latency(mean=0.02, p50=0.02, p90=0.02, p99=0.02)
    assert found.queries_per_s == pytest.approx(50)


def test_quantiles_are_those_of_the_queries():
    stretches = [s for ms in range(1, 102) for s in (("preprocess", 0), ("forward", ms))]
    found = performance_of(times_of(("preprocess", "forward"), *stretches), 101, 1, 1, 0)
    assert found.latency_s.p50 == pytest.approx(0.051)
    assert found.latency_s.p90 == pytest.approx(0.091)
    assert found.latency_s.p99 == pytest.approx(0.100)


def test_work_that_is_no_batches_has_throughput_alone():
    found = performance_of(times_of(("call",), ("call", 500)), 10, 1, 1, 0)
    assert found.queries_per_s == pytest.approx(20)
    assert (found.latency_s, found.time_to_first_token_s) == (None, None)


def test_a_summary_has_the_mean_of_each_figure():
    runs = [
        performance_of(times_of(GENERATION, *[("preprocess", 10), ("prefill", a), ("decode", b)]),
                       1, 1, 1, 10)
        for a, b in ((20, 70), (40, 250))
    ]  # fmt: skip
    found = summarize_performance(runs)
    assert found.queries_per_s == pytest.approx(2 / 0.4)
    assert found.output_tokens_per_s == pytest.approx(20 / 0.4)
    assert found.latency_s.mean == pytest.approx(0.2)
    assert found.time_to_first_token_s.p90 == pytest.approx(0.04)


def test_a_run_without_it_leaves_the_summary_open():
    run = performance_of(times_of(("call",), ("call", 500)), 10, 1, 1, 0)
    assert summarize_performance([run, None]) is None
    assert summarize_performance([]) is None
