"""What is counted of a load in a window: right on average, whatever the lengths of answers."""

import random
import statistics

import pytest

from energyscore.measurement.meter import Window
from energyscore.measurement.server.answer import Answer
from energyscore.measurement.server.window import count

STEP_NS = 10_000_000  # from one token to the next


def answer(sent_ns, tokens, **more):
    """Waits one step for its first token."""
    pieces = tuple(sent_ns + STEP_NS * (place + 2) for place in range(tokens))
    return Answer(sent_ns, pieces[-1], pieces, input_tokens=20, output_tokens=tokens, **more)


def loop(places, draw, until_ns):
    """So many requests in flight all the time, each as long as is drawn."""
    for _ in range(places):
        at_ns = 0
        while at_ns < until_ns:
            one = answer(at_ns, draw())
            yield one
            at_ns = one.done_ns


def test_requests_inside_count_whole_and_straddling_ones_in_part():
    window = Window(100 * STEP_NS, 200 * STEP_NS)
    inside, before = answer(120 * STEP_NS, 9), answer(95 * STEP_NS, 9)
    after, outside = answer(195 * STEP_NS, 9), answer(10 * STEP_NS, 9)
    found = count([inside, before, after, outside], window)
    assert found.requests == pytest.approx(1 + 0.5 + 0.5)
    assert found.input_tokens == pytest.approx(20 + 0 + 20)  # read while it waits for the first
    assert found.output_tokens == pytest.approx(9 + (9 - 4) + 4, abs=0.6)
    assert list(found.answers) == [inside, before]
    assert (found.straddling, found.failed) == (2, 0)
    assert found.bound == pytest.approx(2 / 2)


def test_a_failed_request_counts_as_nothing_else():
    window = Window(0, 100 * STEP_NS)
    found = count([answer(0, 9), answer(10, 9, error="it broke off")], window)
    assert (found.requests, found.failed, found.why_failed) == (1, 1, "it broke off")


def test_an_open_loop_is_counted_right_on_average():
    """The truth: as many as arrive in the window; what is in flight goes up and down by chance."""
    rng = random.Random(5)
    requests, tokens = [], []
    for _ in range(100):
        at_ns, sent = 0.0, []
        while at_ns < 1500 * STEP_NS:
            at_ns += rng.expovariate(0.2 / STEP_NS)
            sent.append(answer(round(at_ns), rng.choice([4, 4, 4, 148])))
        found = count(sent, Window(600 * STEP_NS, 1000 * STEP_NS))
        requests.append(found.requests)
        tokens.append(found.output_tokens)
    for values, truth in ((requests, 0.2 * 400), (tokens, 0.2 * 400 * 40)):
        error = statistics.stdev(values) / len(values) ** 0.5
        assert abs(statistics.fmean(values) - truth) < 3.5 * error


def test_tokens_that_one_answer_does_not_tell_are_not_known():
    window = Window(0, 100 * STEP_NS)
    whole, untold = answer(0, 9, thinking_tokens=3), Answer(0, 50 * STEP_NS)
    found = count([whole], window)
    assert (found.input_tokens, found.output_tokens, found.thinking_tokens) == (20, 9, 3)
    found = count([whole, untold], window)
    assert (found.input_tokens, found.output_tokens, found.thinking_tokens) == (None, None, None)
    assert (found.requests, found.work) == (2, 2)


@pytest.mark.parametrize(
    "draw",
    [lambda r: 40, lambda r: r.randint(1, 79), lambda r: r.choice([4, 4, 4, 148])],
    ids=["alike", "any", "mostly short"],
)
def test_it_is_right_on_average_whatever_the_lengths(draw):
    """The truth: each place ends one request in the mean time that one takes, and its tokens."""
    rng = random.Random(7)
    requests, tokens = [], []
    for _ in range(60):
        load = loop(4, lambda: draw(rng), 1500 * STEP_NS)
        start_ns = rng.randrange(600 * STEP_NS, 700 * STEP_NS)
        found = count(load, Window(start_ns, start_ns + 600 * STEP_NS))
        requests.append(found.requests)
        tokens.append(found.output_tokens)
    mean_steps = 41
    for values, truth in ((requests, 4 * 600 / mean_steps), (tokens, 4 * 600 / mean_steps * 40)):
        error = statistics.stdev(values) / len(values) ** 0.5
        assert abs(statistics.fmean(values) - truth) < 3.5 * error + 1e-3 * truth
    if len({draw(rng) for _ in range(50)}) == 1:  # no batch jumps in or out of it
        assert statistics.stdev(requests) < 1e-9
