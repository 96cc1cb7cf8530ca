"""Requests over a connection, and answers however their bytes arrive."""

import asyncio

import httpx2
import pytest

from energyscore.measurement.server import wire
from energyscore.measurement.server.wire import Wire

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED = HEAD + b"8;a=b\r\ndata: a\n\r\n9\r\n\ndata: b\xc3\r\n3\r\n\xa4\nc\r\n0\r\n\r\n"
LINES = ["data: a", "data: bä", "c"]


def asked(*connections, silent_s=5.0, times=1, pause_s=0.0):
    """Ask a server that sends such pieces on each connection that it gets: answers, and lines."""
    waiting, seen = list(connections), []

    async def serve(reader, writer):
        for answer in waiting.pop(0):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
            seen.append((head, await reader.readexactly(length)))
            for piece in answer:
                if piece is None:
                    await asyncio.sleep(1.0)
                    continue
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.001)
        writer.close()

    async def ask():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        line = Wire(f"http://127.0.0.1:{port}/v1", "key", connect_s=5.0, silent_s=silent_s)
        lines, found = [], []
        for _ in range(times):
            found.append(await line.post("completions", b'{"a": 1}', "text/x", lines.append))
            await asyncio.sleep(pause_s)
        line.close()
        server.close()
        return found, lines

    found, lines = asyncio.run(ask())
    return found, lines, seen


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_are_told_as_they_come_however_the_bytes_are_cut(size):
    pieces = [CHUNKED[at : at + size] for at in range(0, len(CHUNKED), size)]
    found, lines, ((head, content),) = asked([pieces])
    assert (found, lines) == ([(200, b"")], LINES)
    assert head.startswith(b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Authorization: Bearer key\r\n" in head
    assert content == b'{"a": 1}'


@pytest.mark.parametrize(
    ("answer", "status", "body", "lines"),
    [
        (b"HTTP/1.1 422 No\r\nContent-Length: 3\r\n\r\nwhy", 422, b"why", []),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\na\nbc", 200, b"", ["a", "bc"]),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED, 200, b"", LINES),
        (b"HTTP/1.0 200 OK\r\n\r\na\n\nb", 200, b"", ["a", "b"]),  # its end is that of all
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 503, b"", []),
        (CHUNKED[:-2] + b"X-Trailer: a\r\n\r\n", 200, b"", LINES),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 2000 + CHUNKED, 200, b"", LINES),
        (b"HTTP/1.1 204 No\r\n\r\n", 204, b"", []),
        # What is more than the answer is no part of it.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na\ndata: b\n", 200, b"", ["a"]),
    ],
)
def test_answers_of_every_form_are_read(answer, status, body, lines):
    assert asked([[answer]])[:2] == ([(status, body)], lines)


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ([CHUNKED[:-9]], httpx2.RemoteProtocolError),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na"], httpx2.RemoteProtocolError),
        ([], httpx2.RemoteProtocolError),
        ([b"SSH-2.0-x\r\n\r\n"], httpx2.RemoteProtocolError),
        ([HEAD + b"zz\r\n"], httpx2.RemoteProtocolError),
        ([HEAD + b"-3\r\nabcdef\r\n0\r\n\r\n"], httpx2.RemoteProtocolError),
        ([HEAD + b"1\r\nabc\r\n0\r\n\r\n"], httpx2.RemoteProtocolError),
        ([HEAD + b"fffffffff\r\n"], httpx2.RemoteProtocolError),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na"], httpx2.RemoteProtocolError),
        (
            [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
            httpx2.RemoteProtocolError,
        ),
        ([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nab"], httpx2.RemoteProtocolError),
        ([HEAD, None], httpx2.ReadTimeout),
    ],
)
def test_what_breaks_off_or_is_no_answer_is_an_error(pieces, error):
    with pytest.raises(error):
        asked([pieces], silent_s=0.3)


def test_a_connection_is_used_again_and_one_that_was_closed_meanwhile_is_not():
    found, _, seen = asked([[CHUNKED], [CHUNKED]], times=2)
    assert (len(found), len(seen)) == (2, 2)
    # The first connection ends after its answer, and says nothing of it.
    found, lines, seen = asked([[CHUNKED]], [[CHUNKED]], times=2)
    assert (len(found), len(seen), lines) == (2, 2, LINES * 2)


def test_a_request_that_a_server_may_have_seen_is_not_sent_again():
    with pytest.raises(httpx2.ReadTimeout):
        asked([[CHUNKED], [None]], times=2, silent_s=0.3)
    with pytest.raises(httpx2.RemoteProtocolError):  # closed, but only after some time
        asked([[CHUNKED], [None, None]], [[CHUNKED]], times=2)


def test_what_comes_after_an_answer_is_not_of_the_next_one():
    more = CHUNKED + b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    found, lines, _ = asked([[more], [CHUNKED]], [[CHUNKED]], times=2)
    assert (found, lines) == ([(200, b"")] * 2, LINES * 2)


def test_an_answer_without_an_end_is_one(monkeypatch):
    monkeypatch.setattr(wire, "_MOST_BODY", 100)
    for head in (HEAD + b"1\r\n\n\r\n" * 101, b"HTTP/1.1 200 OK\r\n\r\n" + b"a\n" * 51):
        with pytest.raises(httpx2.RemoteProtocolError, match="it has no end"):
            asked([[head, None]])


def test_nobody_there_is_no_connection():
    async def ask():
        await Wire("http://127.0.0.1:9/v1", None, connect_s=5, silent_s=5).post(
            "a", b"", "b", print
        )

    with pytest.raises(httpx2.ConnectError):
        asyncio.run(ask())
