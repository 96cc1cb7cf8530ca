"""A load as a whole: what its answers say and what the server counts is the same, to the token."""

import urllib.request
from dataclasses import replace

import pytest
from support.api_server import api_server
from support.asking import asking
from support.results import make_server_result

from energyscore.measurement.server.abilities import Abilities
from energyscore.measurement.server.cautions import load_cautions
from energyscore.measurement.server.load import ClosedLoop
from energyscore.measurement.server.metrics import read_metrics
from energyscore.measurement.server.open_loop import OpenLoop
from energyscore.measurement.server.whole import end_load
from energyscore.results.load import WholeLoad


def ask(address):
    body = b'{"model": "org/model", "prompt": "a b c", "max_tokens": 5}'
    urllib.request.urlopen(f"{address}/completions", body, timeout=60).read()


@pytest.mark.parametrize("others", [0, 2])
@pytest.mark.parametrize(
    "make", [lambda a: ClosedLoop(a, 4), lambda a: OpenLoop(a, 80.0, 2)], ids=["closed", "open"]
)
def test_the_whole_of_a_load_is_counted_as_the_server_counts_it(make, others):
    with api_server(metrics=True, token_s=0.005) as (address, _):
        ask(address)  # a server tells of nothing before it has done something
        before = read_metrics(address, None)
        load = make(asking(address))
        load.start()
        load.go_on_until(20)
        for _ in range(others):
            ask(address)
        whole = end_load(load, address, None, before)
        load.stop()
    assert whole.failed == 0
    assert whole.requests >= 20
    assert whole.output_tokens == 7 * whole.requests
    assert whole.server_requests == whole.requests + others
    assert whole.server_output_tokens == whole.output_tokens + 5 * others
    assert whole.server_input_tokens == whole.input_tokens + 3 * others
    assert len(whole.disagreements) == (3 if others else 0)


def test_a_server_that_counts_otherwise_is_told_of():
    whole = WholeLoad(
        requests=20,
        failed=0,
        input_tokens=None,
        output_tokens=200,
        server_requests=20,
        server_input_tokens=90,
        server_output_tokens=1240,
    )
    assert whole.disagreements == ["1,240 output tokens instead of 200"]
    made = make_server_result()
    can = Abilities("completions")
    (caution,) = load_cautions(made.runs, can, whole)
    assert caution.code == "counts_disagree"
    assert "the server counted 1,240 output tokens instead of 200" in caution.message
    assert load_cautions(made.runs, can) == []
    estimated = load_cautions(made.runs, replace(can, tokens_by="tokenizer"), whole)
    assert [one.code for one in estimated] == ["tokens_estimated"]
    failed = whole.model_copy(update={"failed": 1, "output_tokens": None})
    assert failed.disagreements == []
