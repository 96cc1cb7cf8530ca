"""The record of a run's requests: others count the same from it, and it is small."""

import gzip
import json
import random

import pytest

from energyscore.measurement.meter import Window
from energyscore.measurement.phases.split import PhaseTimes
from energyscore.measurement.record import record_run
from energyscore.measurement.server.answer import Answer
from energyscore.measurement.server.record import record_requests
from energyscore.measurement.server.window import count
from energyscore.results.raw import raw_to_bytes
from energyscore.verify.raw_record import read_raw
from energyscore.verify.requests import recount, wrong_edges

BEGIN_NS = 10**15 + 777
WINDOW = Window(BEGIN_NS + 2_000_000_111, BEGIN_NS + 12_000_000_999)


def answers(places, seed=3, until_ns=WINDOW.end_ns + 10**9):
    """So many in flight all the time; the pieces are unlike, and one in fifty fails."""
    rng = random.Random(seed)
    for _ in range(places):
        at_ns = BEGIN_NS + rng.randrange(10**9)
        while at_ns < until_ns:
            pieces, t_ns = [], at_ns
            for _ in range(rng.randrange(1, 12)):
                t_ns += rng.randrange(1000, 90_000_000)
                pieces.append(t_ns)
            done_ns = t_ns + rng.randrange(2_000_000)
            tokens = len(pieces) + rng.randrange(3)
            error = "" if rng.random() > 0.02 else "it broke off"
            yield Answer(
                at_ns, done_ns, tuple(pieces), rng.randrange(9, 400), tokens, 0, error=error
            )
            at_ns = done_ns + 20_000


def test_tokens_that_are_not_told_are_none_in_the_record_too():
    untold = Answer(WINDOW.start_ns, WINDOW.start_ns + 10**9)
    failed = Answer(WINDOW.start_ns, WINDOW.start_ns + 10**9, error="it broke off")
    (raw,) = read_raw(raw_to_bytes("x", "s", [recorded([untold, failed])])).runs
    again = recount(raw, raw.requests)
    assert (again.requests, again.input_tokens, again.output_tokens) == (1.0, None, None)
    assert record_requests([failed], WINDOW, 0)["output_tokens"] == [0]


def recorded(found):
    times = PhaseTimes(("serve",), [0], [WINDOW.start_ns], WINDOW.end_ns)
    whole = Window(BEGIN_NS, WINDOW.end_ns + 1000)
    run = record_run(0, whole, times, {}, {})
    return run | {"requests": record_requests(found, WINDOW, run["begin_us"])}


@pytest.mark.parametrize("places", [1, 8, 64])
def test_others_count_the_same_from_the_record(places):
    found = list(answers(places))
    counted = count(found, WINDOW)
    (raw,) = read_raw(raw_to_bytes("x", "s", [recorded(found)])).runs
    again = recount(raw, raw.requests)
    assert again.requests == pytest.approx(counted.requests, abs=again.within)
    assert again.output_tokens == pytest.approx(counted.output_tokens, abs=0.01)
    assert again.input_tokens == pytest.approx(counted.input_tokens, rel=1e-5)
    assert (len(again.straddling), len(again.ended)) == (counted.straddling, len(counted.answers))
    assert len(raw.requests.failed) == counted.failed
    assert list(wrong_edges(raw, raw.requests)) == []
    assert 0 < again.within < 0.1 * places


def test_the_record_is_small():
    """A hundred requests of a minute at full load take a few kilobytes, whatever they write."""
    found = [
        Answer(one.sent_ns, one.done_ns, tuple(sorted(one.pieces_ns * 500)), 100, 5000, 0)
        for one in answers(8)
    ]
    run = recorded(found)
    size = len(gzip.compress(json.dumps(run, separators=(",", ":")).encode(), 9))
    assert size / len(run["requests"]["done_us"]) < 30
