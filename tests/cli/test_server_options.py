"""What `run` is told of a server's load."""

import pytest
import typer

from energyscore.cli.server_options import server_of
from energyscore.measurement.server_asked import LoadAsked

GIVEN = dict.fromkeys(
    (
        *("server", "launch", "concurrency", "request_rate", "max_outstanding"),
        *("api_key_env", "tokenizer"),
    )
)


def loads(**given):
    return server_of(GIVEN | {"server": "http://127.0.0.1:1/v1"} | given).loads


def test_each_value_is_a_load_of_its_own():
    assert loads() == loads(server=None, launch="serve") == (LoadAsked(concurrency=1),)
    assert loads(concurrency=(1, 8)) == (LoadAsked(concurrency=1), LoadAsked(concurrency=8))
    found = loads(request_rate=(0.5, 2.0), max_outstanding=9)
    assert found == tuple(LoadAsked(request_rate=r, max_outstanding=9) for r in (0.5, 2.0))
    assert [load.words for load in found] == ["0.5 a second", "2 a second"]
    keys = [load.told_apart_by for load in (*found, *loads(request_rate=(2.0,)), *loads())]
    assert len({str(key) for key in keys}) == 4


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"server": "a", "concurrency": (1,), "request_rate": (2.0,)}, "either so many requests"),
        ({"server": "a", "max_outstanding": 3}, "goes with --request-rate"),
        *(({name: 1}, "goes with --server") for name in [*GIVEN][2:]),
    ],
)
def test_what_does_not_go_together_is_refused(given, problem):
    with pytest.raises(typer.BadParameter, match=problem):
        server_of(GIVEN | given)
