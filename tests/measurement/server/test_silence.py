"""A server from which nothing comes any more: it is given up in bounded time, in one line."""

import signal
import time

import pytest
from support.api_server import api_server
from support.asking import asking

from energyscore.base.errors import ServerError
from energyscore.measurement.server import load
from energyscore.measurement.server.load import ClosedLoop


def test_a_server_that_is_stopped_is_given_up(monkeypatch):
    monkeypatch.setattr(load, "SILENT_S", 0.6)
    with api_server(token_s=0.002) as (address, process):
        loop = ClosedLoop(asking(address), 4)
        loop.start()
        loop.go_on_until(20)
        process.send_signal(signal.SIGSTOP)
        begin_s = time.monotonic()
        with pytest.raises(ServerError, match=r"nothing has come from it for . s, and no answer"):
            loop.go_on(60)
        assert time.monotonic() - begin_s < 30
        loop.stop()


def test_one_that_is_only_slow_is_waited_for(monkeypatch):
    """A token every 0.2 s, an answer in 1.4 s: ten times as long is waited."""
    monkeypatch.setattr(load, "SILENT_S", 0.1)
    with api_server(token_s=0.2) as (address, _):
        loop = ClosedLoop(asking(address), 1)
        loop.start()
        loop.go_on_until(1)
        loop.go_on(0.6)
        loop.stop()
