"""What a server is found to do, by a server that does as it is told."""

import asyncio

import pytest
from support.api_server import KEY, api_server

from energyscore.base.errors import ModelError, ServerError, UnsupportedError, UsageError
from energyscore.measurement.server.client import Client, key_from, read_address
from energyscore.measurement.server.host import check_here, find_process
from energyscore.measurement.server.probe import probe


def found(address, model="org/model", key=None):
    async def ask():
        client = Client(address, key)
        try:
            return await probe(client, address, model)
        finally:
            await client.close()

    return asyncio.run(ask())


def test_what_a_server_does_is_found_by_trying():
    with api_server(caches=True, salts=True) as (address, process):
        can = found(address)
        assert (can.endpoint, can.lengths, can.version) == ("completions", "forced", "1.2")
        assert (can.caches, can.prompts) == (True, "cache_salt")
        assert find_process(int(address.split(":")[2].split("/")[0])).pid == process.pid


def test_fields_that_are_refused_are_left_out():
    with api_server(chat_only=True, others=["ignore_eos", "min_tokens"]) as (address, _):
        can = found(address)
    assert can.wishes == {"stream_options", "temperature"}
    assert (can.endpoint, can.lengths) == ("chat/completions", "actual")
    assert (can.caches, can.prompts) == (None, "numbered")  # not told is not none


def test_lengths_that_are_accepted_and_not_kept_are_not_forced():
    with api_server(forces=False) as (address, _):
        assert found(address).lengths == "actual"


def test_what_is_wrong_is_said_in_one_line():
    with api_server(key=KEY, usage=False) as (address, process):
        for key in (None, "sk-other"):
            with pytest.raises(ServerError, match=r"does not let us in .*--api-key-env") as wrong:
                found(address, key=key)
            assert KEY not in str(wrong.value)
        with pytest.raises(ModelError, match=r"no model 'org/other'\. It has org/model"):
            found(address, "org/other", KEY)
        with pytest.raises(ServerError, match=r"status 404: Not Found\. Is it the address"):
            found(address.removesuffix("/v1"), key=KEY)
        with pytest.raises(ServerError, match="how many tokens"):
            found(address, key=KEY)
        process.kill()
        process.wait()
        with pytest.raises(ServerError, match="No server answers at"):
            found(address)


def test_an_error_in_mid_stream_is_no_answer():
    async def ask(address):
        client = Client(address)
        body = {"model": "org/model", "prompt": "a", "max_tokens": 5}
        try:
            return [await client.ask("completions", body) for _ in range(2)]
        finally:
            await client.close()

    with api_server(fails_after=1) as (address, _):
        whole, broken = asyncio.run(ask(address))
    assert (whole.error, whole.output_tokens, len(whole.pieces_ns)) == ("", 5, 5)
    assert whole.sent_ns < whole.first_ns < whole.done_ns
    assert broken.error == "an error came in mid-stream: out of memory"


def test_a_server_elsewhere_is_refused():
    with pytest.raises(UnsupportedError, match=r"another machine.*Run energyscore on"):
        check_here(read_address("http://198.51.100.7:8000/v1"))
    for here in ("http://127.0.0.1/v1", "http://localhost:1/v1"):
        check_here(read_address(here))


@pytest.mark.parametrize("text", ["ftp://a/v1", "127.0.0.1:8000", "http://u:p@a/v1", "http:///"])
def test_an_address_is_checked(text):
    with pytest.raises(UsageError, match="--server"):
        read_address(text)


def test_a_key_comes_from_the_environment_only(monkeypatch):
    monkeypatch.setenv("THE_KEY", KEY)
    assert key_from("THE_KEY") == KEY
    assert key_from(None) is None
    monkeypatch.setenv("THE_KEY", "with\nbreak")
    for name in ("THE_KEY", "NO_KEY"):
        with pytest.raises(UsageError, match=name) as wrong:
            key_from(name)
        assert "break" not in str(wrong.value)
