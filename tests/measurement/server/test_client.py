"""What a server is found to do, by a server that does as it is told."""

import asyncio

import httpx2
import pytest
from support.api_server import KEY, api_server
from support.results import make_server_result

from energyscore.base.errors import (
    DatasetError,
    ModelError,
    ServerError,
    UnsupportedError,
    UsageError,
)
from energyscore.measurement.family import Member
from energyscore.measurement.server.cautions import load_cautions
from energyscore.measurement.server.client import Client, Request, key_from, read_address
from energyscore.measurement.server.host import check_here, find_listener
from energyscore.measurement.server.judged import ServedAnswers
from energyscore.measurement.server.metrics import cache_hits
from energyscore.measurement.server.probe import Sought, no_connection, probe
from energyscore.protocol.task import Generation, load_tasks

FOUR = Generation(max_new_tokens=4, min_new_tokens=4)


def found(address, model="org/model", key=None, modality="text_generation", queries=()):
    async def ask():
        client, sought = Client(address, key), Sought(modality, queries, FOUR)
        try:
            return await probe(client, address, model, sought, lambda: cache_hits(address, key))
        finally:
            await client.close()

    return asyncio.run(ask())


def test_what_a_server_does_is_found_by_trying():
    with api_server(caches=True, salts=True) as (address, process):
        for _ in range(2):  # the second time the server has kept what was tried
            can = found(address)
            assert (can.endpoint, can.lengths, can.version) == ("completions", "forced", "1.2")
            assert (can.caches, can.prompts) == (True, "cache_salt")
        family = find_listener(address, int(address.split(":")[2].split("/")[0])).family
        assert family.eldest == (Member.of(process.pid),)


@pytest.mark.parametrize(
    ("ways", "caches", "prompts"),
    [
        ({"counts_hits": True, "salts": True}, True, "cache_salt"),
        ({"counts_hits": True, "salts": True, "engines": 4}, True, "cache_salt"),
        ({"counts_hits": True}, True, "numbered"),
        ({}, False, "as they are"),
    ],
)
def test_a_cache_is_seen_in_the_metrics_where_answers_do_not_tell(ways, caches, prompts):
    with api_server(metrics=True, **ways) as (address, _):
        can = found(address)
    assert (can.caches, can.prompts) == (caches, prompts)


def test_a_connection_that_is_closed_after_an_error_is_made_anew():
    with api_server(models_break=True) as (address, _):
        assert found(address).version == "1.2"


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
        process.kill()
        process.wait()
        with pytest.raises(ServerError, match="No server answers at"):
            found(address)


def test_a_server_is_asked_for_a_task_where_it_does_it_best():
    pair, sound = {"sentence1": "a", "sentence2": "b"}, {"audio": b"OggS"}
    with api_server(usage=False) as (address, _):
        assert found(address, modality="reasoning").endpoint == "chat/completions"
        assert found(address, modality="question_answering").endpoint == "completions"
        can = found(address, modality="sentence_similarity", queries=[pair])
        assert (can.endpoint, can.prompts, can.limits) == ("embeddings", "numbered", False)
        can = found(address, modality="asr", queries=[sound])
        assert (can.endpoint, can.prompts) == ("audio/transcriptions", "as they are")
        assert (can.tokens_by, can.lengths) == (None, "actual")
    with (
        api_server(chat_only=True) as (address, _),
        pytest.raises(ServerError, match=r"embeddings: status 404.*a model that embeds texts"),
    ):
        found(address, modality="sentence_similarity", queries=[pair])


TEXTS = [{"text": "one two"}, {"text": "sixty " * 59 + "words"}]


@pytest.mark.parametrize(("cuts", "caught"), [(30, True), (53, True), (60, False)])
def test_a_server_that_cuts_queries_and_does_not_tell_is_caught(cuts, caught):
    """Without a tenth the longest has 54 words: as many as with it, where fewer are read."""
    pair = {"sentence1": TEXTS[1]["text"], "sentence2": "one"}
    with api_server(cuts=cuts) as (address, _):
        can = found(address, queries=TEXTS)
        assert can.may_cut == caught
        assert not found(address, queries=TEXTS[:1]).may_cut
        assert found(address, modality="sentence_similarity", queries=[pair]).may_cut == caught
    codes = [caution.code for caution in load_cautions(make_server_result().runs, can)]
    assert ("inputs_maybe_cut" in codes) == caught


def test_a_query_that_a_server_does_not_take_is_refused_before_anything_is_measured():
    with api_server(most=59) as (address, _):
        why = r"the longest query, of 359 characters: status 400: maximum context.*Take shorter"
        with pytest.raises(DatasetError, match=why):
            found(address, queries=TEXTS)
        assert not found(address, queries=TEXTS[:1]).may_cut
    with api_server(context=71) as (address, _):
        with pytest.raises(DatasetError, match="its 60 tokens and the 4 of an answer do not fit"):
            found(address, queries=TEXTS)
        assert found(address, queries=TEXTS[:1]).context_length == 71


def test_a_server_answers_to_be_judged():
    texts = {"text": "Is it good?"}
    pair = {"sentence1": "aab", "sentence2": "ab"}
    tasks = {name: task.spec for name, task in load_tasks().items()}

    def said(address, name, query):
        can = found(address, modality=name, queries=[query])
        asks = ServedAnswers(address, None, "org/model", can, tasks[name])
        asks.answer_as(tasks[name])
        return asks.writes, asks.answer([query, query])

    with api_server(says="well positive", thinks=1) as (address, process):
        assert said(address, "reasoning", texts) == (True, ["positive", "positive"])
        # (2, 1) and (1, 1): 3 / (5 ** 0.5 * 2 ** 0.5)
        writes, alike = said(address, "sentence_similarity", pair)
        assert (writes, alike) == (False, pytest.approx([0.9486833, 0.9486833]))
        can = found(address)
        asks = ServedAnswers(address, None, "org/model", can, tasks["reasoning"])
        with pytest.raises(ModelError, match="how likely"):
            asks.likelihoods([texts])
        process.kill()
        process.wait()
        with pytest.raises(ServerError, match=r"does not answer \(ConnectError\)"):
            asks.answer([texts])


def test_an_error_in_mid_stream_is_no_answer():
    async def ask(address):
        client = Client(address)
        body = {"model": "org/model", "prompt": "a", "max_tokens": 5}
        try:
            return [await client.ask(Request("completions", body)) for _ in range(2)]
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


@pytest.mark.parametrize(
    "text",
    [
        *("ftp://a/v1", "127.0.0.1:8000", "http://u:p@a/v1", "http:///", "http://a:65536/v1"),
        *("http://a/v1#b", "http://a:0/v1"),
    ],
)
def test_an_address_is_checked(text):
    with pytest.raises(UsageError, match="--server"):
        read_address(text)


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "is not trusted"),
        ("All connection attempts failed", "No server answers"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_told(why, said):
    assert said in str(no_connection("https://127.0.0.1/v1", httpx2.ConnectError(why)))


def test_a_key_comes_from_the_environment_only(monkeypatch):
    monkeypatch.setenv("THE_KEY", KEY)
    assert key_from("THE_KEY") == KEY
    assert key_from(None) is None
    monkeypatch.setenv("THE_KEY", "with\nbreak")
    for name in ("THE_KEY", "NO_KEY"):
        with pytest.raises(UsageError, match=name) as wrong:
            key_from(name)
        assert "break" not in str(wrong.value)
