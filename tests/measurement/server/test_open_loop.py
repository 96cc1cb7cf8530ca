"""An open loop against a server that does as it is told."""

import time

import pytest
from support.api_server import api_server

from energyscore.measurement.meter import Window
from energyscore.measurement.server.abilities import Abilities
from energyscore.measurement.server.asking import Asking
from energyscore.measurement.server.open_loop import OpenLoop
from energyscore.measurement.server.pace import BEAT_NS, outstanding_in
from energyscore.protocol.task import Generation
from energyscore.protocol.workload import Workload


def load_of(address, rate, most, tokens=10):
    abilities = Abilities("completions", frozenset({"stream_options"}))
    queries = ({"text": "a b"}, {"text": "c d"})
    workload = Workload(queries, "bundled", None, False, 2)
    generation = Generation(max_new_tokens=tokens, min_new_tokens=tokens)
    asking = Asking(
        address, None, "org/model", "text_generation", abilities, workload, generation, 7
    )
    return OpenLoop(asking, rate, most)


def test_times_are_counted_from_when_a_request_was_due():
    """The server takes 0.2 s and one at a time is let through: five a second, of 20 that come."""
    with api_server(token_s=0.02) as (address, _):
        load = load_of(address, 20.0, 1)
        load.start()
        load.fill()
        start_ns = time.monotonic_ns()
        load.go_on(1.5)
        window = Window(start_ns, time.monotonic_ns())
        arrivals, beats = load.arrivals_in(window), load.beats_in(window)
        found = load.answers_before(window.end_ns)
        load.stop()
    due = 20 * window.duration_s
    assert due - 4 * due**0.5 < arrivals.arrived < due + 4 * due**0.5
    assert arrivals.held == arrivals.arrived
    late = beats[-1].late_ns / BEAT_NS  # those that are due still
    assert len(beats) == pytest.approx(window.duration_s * 1e9 / BEAT_NS, abs=3 + late)
    told = outstanding_in(beats, arrivals, window)
    assert told.last - told.first > 10
    waited_s = [(one.sent_ns - one.due_ns) / 1e9 for one in found]
    assert waited_s == sorted(waited_s)  # in their order, each longer than the one before
    assert waited_s[-1] > 1.0
    assert all(one.asked_ns == one.due_ns for one in found)
