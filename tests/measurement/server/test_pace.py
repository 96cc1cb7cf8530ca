"""Whether a load was the same all the time: pure functions of what was seen of it."""

import itertools
import random

import pytest

from energyscore.measurement.meter import Window
from energyscore.measurement.server.answer import Answer
from energyscore.measurement.server.open_loop import arrivals_s
from energyscore.measurement.server.pace import (
    BEAT_NS,
    Beat,
    DueRequests,
    lateness_s,
    outstanding_in,
    pace_notices,
    token_rates,
)
from energyscore.results.load import Outstanding

S = 1_000_000_000
WINDOW = Window(5 * S, 65 * S)


def beats(outstanding):
    times_ns = range(WINDOW.start_ns, WINDOW.end_ns, BEAT_NS)
    return [Beat(at_ns, 0, round(outstanding(at_ns / S - 5))) for at_ns in times_ns]


def codes(answers, outstanding=None):
    return [(one.code, one.invalidates) for one in pace_notices(answers, WINDOW, outstanding)]


def test_arrivals_are_by_chance_on_one_schedule_and_the_same_again():
    times_s = list(itertools.islice(arrivals_s(4.0, seed=1), 4000))
    assert times_s == list(itertools.islice(arrivals_s(4.0, seed=1), 4000))
    assert times_s != list(itertools.islice(arrivals_s(4.0, seed=2), 4000))
    assert times_s == sorted(times_s)
    assert times_s[-1] == pytest.approx(1000, rel=0.06)
    gaps_s = [b - a for a, b in itertools.pairwise(times_s)]
    # Of an exponential distribution as many are beyond the mean as 1/e.
    assert sum(gap > 0.25 for gap in gaps_s) / len(gaps_s) == pytest.approx(0.368, abs=0.03)


def test_lateness_is_what_99_of_100_beats_do_not_exceed():
    seen = [Beat(place * BEAT_NS, place * 1_000_000, 0) for place in range(1, 201)]
    assert lateness_s(seen) == pytest.approx(0.198)
    assert lateness_s(seen[:1]) == pytest.approx(0.001)
    assert lateness_s([]) is None


def test_what_is_outstanding_is_looked_at_at_both_ends():
    found = outstanding_in(beats(lambda at_s: 10 + at_s), DueRequests(600, 0), WINDOW)
    assert (found.first, found.last) == (pytest.approx(16, abs=0.1), pytest.approx(64, abs=0.1))
    assert (found.arrived, found.held) == (600, 0)
    assert outstanding_in(beats(lambda at_s: 8), None, WINDOW) is None


@pytest.mark.parametrize(
    ("arrived", "first", "last", "grows"),
    [
        (600, 20, 20, False),
        (600, 20, 60, False),  # chance and 5% of what arrives
        (600, 20, 75, True),
        (600, 20, 2, False),
        (6, 0, 5, False),
        (60000, 100, 2400, False),
        (60000, 100, 2700, True),
    ],
)
def test_a_rate_is_not_sustained_where_far_more_is_outstanding_in_the_end(
    arrived, first, last, grows
):
    found = Outstanding(arrived=arrived, held=0, first=first, last=last)
    assert found.grows is grows
    assert codes([], found) == ([("rate_not_sustained", True)] if grows else [])


@pytest.mark.parametrize(
    ("held", "remedy"),
    [(0, "a lower rate"), (90, "a lower rate or for a higher --max-outstanding")],
)
def test_a_rate_that_is_not_sustained_says_what_to_ask_for(held, remedy):
    (found, *_) = pace_notices([], WINDOW, Outstanding(arrived=600, held=held, first=20, last=75))
    assert found.message.endswith(
        f"20 requests were outstanding at the beginning of a window, and "
        f"75 at its end; ask for {remedy}"
    )


def test_what_is_outstanding_by_chance_is_no_growth():
    """Each request takes half a second, however many there are: the server keeps up for ever."""
    wrong = 0
    for seed in range(40):
        times_s = list(itertools.takewhile(lambda at_s: at_s < 65, arrivals_s(20.0, seed)))
        ends = [sum(a - 0.5 < t <= a for t in times_s) for a in range(5, 66)]
        first, last = (sum(part) / 12 for part in (ends[:12], ends[-12:]))
        wrong += Outstanding(arrived=1200, held=0, first=first, last=last).grows
    assert wrong == 0


def test_arrivals_that_had_to_wait_are_told():
    found = Outstanding(arrived=100, held=3, first=8, last=8)
    (notice,) = pace_notices([], WINDOW, found)
    assert (notice.code, notice.invalidates) == ("arrivals_held", False)
    assert "3 of 100 requests had to wait" in notice.message


def answers(tokens_per_s):
    """One that lasts from before to after the window, with a token at a time."""
    at_s, pieces = 1.0, []
    while at_s < 70:
        pieces.append(round(at_s * S))
        at_s += 1 / tokens_per_s(at_s - 5)
    return [Answer(0, 70 * S, tuple(pieces), 5, len(pieces), due_ns=None)]


def test_tokens_a_second_are_told_of_each_tenth():
    rates = token_rates(answers(lambda at_s: 10 if at_s < 30 else 20), WINDOW)
    assert rates == pytest.approx([10] * 5 + [20] * 5, rel=0.02)


def test_a_trend_within_a_window_is_told_and_chance_is_not():
    rng = random.Random(3)
    assert codes(answers(lambda at_s: 100 * (1 + 0.2 * at_s / 60))) == [("unsteady_window", False)]
    assert codes(answers(lambda at_s: 100 * (1 + 0.02 * at_s / 60))) == []
    assert codes(answers(lambda at_s: rng.uniform(50, 150))) == []
