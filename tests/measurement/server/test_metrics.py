"""What a server's metrics tell: by the names that are there, and what of it is not ours."""

import pytest
from support.commands import ROOT

from energyscore.measurement.meter import Window
from energyscore.measurement.server.answer import Answer
from energyscore.measurement.server.metrics import (
    MetricsReading,
    counts_of,
    figures_in,
    others_notices,
    reset_notices,
)

S = 1_000_000_000

VLLM = """
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a } b \\" 5"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 4.0
vllm:num_requests_waiting{engine="0",model_name="m"} 0.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 1.2e+01
vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 5.0 1395066363000
vllm:request_success_created{engine="0",finished_reason="stop",model_name="m"} 1.7e+09
vllm:prefix_cache_queries_total{engine="0"} 512.0
vllm:prefix_cache_hits_total{engine="0"} 16.0
vllm:e2e_request_latency_seconds_bucket{le="+Inf"} 17.0
"""


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        (
            VLLM,
            {
                "requests_finished": 17,
                "prefix_cache_queries": 512,
                "prefix_cache_hits": 16,
                "running": 7,
                "waiting": 0,
            },
        ),
        (
            "llamacpp:tokens_predicted_total 40\nllamacpp:requests_processing 2\n"
            "llamacpp:requests_deferred 1\n",
            {"output_tokens": 40, "running": 2, "waiting": 1},
        ),
        (
            'tgi_request_success{kind="a"} 3\ntgi_request_generated_tokens_sum 30\n'
            "tgi_queue_size 0\ntgi_batch_current_size 8\n",
            {"requests_finished": 3, "output_tokens": 30, "running": 8, "waiting": 0},
        ),
        (
            'sglang:num_requests_total{is_streaming="true"} 2\nsglang:num_queue_reqs 0.0\n'
            'sglang:num_requests_total{is_streaming="false"} 3\n'
            "sglang:num_retracted_requests_total 1\n",
            {"requests_finished": 5, "waiting": 0, "preemptions": 1},
        ),
        ("python_gc_objects_collected_total 5\n<html>\nvllm:num_requests_running NaN", {}),
        ("", {}),
    ],
)
def test_figures_are_found_by_their_names_and_summed(text, figures):
    assert figures_in(text) == figures


def test_a_real_exposition_of_two_engines_is_read():
    """Recorded: figures are what its lines say, added up by hand."""
    text = (ROOT / "tests/data/servers/vllm-0.32.0-two-engines.txt").read_text()
    assert figures_in(text) == {
        "requests_finished": 68 + 67,
        "output_tokens": 663 + 670,
        "input_tokens": 30560 + 32566,
        "prefix_cache_queries": 30560 + 32566,
        "prefix_cache_hits": 18304 + 20352,
        "preemptions": 0,
        "drafted_tokens": 321 + 324,
        "accepted_tokens": 321 + 324,
        "running": 0,
        "waiting": 0,
    }


def reading(at_s, **figures):
    return MetricsReading(figures, Window(round(at_s * S), round(at_s * S) + 1))


def answers(count, tokens=10, error=""):
    """One after the other, a second each, from 0."""
    return [
        Answer(
            place * S,
            (place + 1) * S,
            tuple(place * S + S * (piece + 1) // tokens for piece in range(tokens)),
            output_tokens=tokens,
            error=error,
        )
        for place in range(count)
    ]


def others(finished, tokens, asked=None):
    before = reading(2, requests_finished=100, output_tokens=1000, waiting=3)
    after = reading(
        12, requests_finished=100 + finished, output_tokens=1000 + tokens, waiting=5, running=1
    )
    within = reading(7, waiting=4, running=2)
    return counts_of([before, within, after], answers(20) if asked is None else asked)


def test_what_edges_explain_is_ours():
    """Ten requests end in ten seconds; one that ended just before may be counted late."""
    for finished, tokens in ((10, 100), (11, 110), (9, 95)):
        counts = others(finished, tokens)
        assert (counts.other_requests, counts.other_output_tokens) == (0, 0)
        assert others_notices(counts) == []
    assert (counts.waiting, counts.waiting_mean, counts.waiting_most) == (3, 4, 5)
    assert (counts.running, counts.running_mean, counts.looks) == (1, 1.5, 3)
    assert (counts.preemptions, counts.input_tokens) == (None, None)


def test_what_they_do_not_explain_is_of_others():
    counts = others(14, 150)
    assert counts.other_requests == 3  # eleven can be ours
    assert 36 <= counts.other_output_tokens <= 40  # tokens of 11 s, and those at the edges
    (notice,) = others_notices(counts)
    assert (notice.code, notice.invalidates) == ("other_requests", True)
    assert "3 requests and" in notice.message
    # Tokens alone tell of one long request that ends later.
    assert "output tokens" in others_notices(others(10, 150))[0].message


def test_a_server_that_counts_anew_within_a_run_is_caught_though_it_ends_higher():
    readings = [reading(2 + 5 * n, output_tokens=told) for n, told in enumerate((100, 20, 150))]
    assert counts_of(readings, answers(20)).output_tokens is None
    assert "output tokens from 100 to 20" in reset_notices(readings)[0].message
    assert reset_notices([readings[0], readings[2]]) == []
    assert reset_notices([]) == []


def test_what_cannot_be_told_is_null():
    failed = others(14, 150, answers(20, error="out of memory"))
    assert (failed.other_requests, failed.other_output_tokens) == (3, None)
    anew = others(-50, -900)
    assert (anew.requests_finished, anew.other_requests, anew.waiting) == (None, None, 3)
    fallen = [reading(2, requests_finished=100), reading(12, requests_finished=50)]
    (told,) = reset_notices(fallen)
    assert (told.code, told.invalidates) == ("counters_reset", False)
    assert "went down in the window (requests finished from 100 to 50)" in told.message
    assert counts_of([], answers(20)) is None
    assert others_notices(None) == []
