"""How requests reach a server: HTTP/1.1 over connections that are kept, and nothing more.

Each line of an answer is taken where its bytes arrive, and whoever asked is woken once, at its end.
A general library wakes all its layers for each of them, and takes several ms of a processor for
each request: at a hundred requests a second the client would be what is measured.
"""

import asyncio
import ssl
import time
from collections.abc import Callable

import httpx2

_RESTS_S = 2.0
"""A connection that has rested for longer may be closed by the server just as it is used again."""

_CLOSED_S = 1.0
"""A resting connection that a server closes is closed by then; later it has seen the request."""

_MOST_HEAD = 1 << 20
_MOST_BODY = 1 << 28
"""Bytes of one answer: the longest texts and embeddings are far below, and some have no end."""

_NO_BODY = (204, 304)
_PORTS = {"http": 80, "https": 443}


class Wire:
    """Connections to one server. To be used in one event loop."""

    def __init__(self, address: str, key: str | None, *, connect_s: float, silent_s: float) -> None:
        """Wait so long for a connection at most, and for something of an answer to come."""
        self._url = httpx2.URL(address.rstrip("/") + "/")
        self._connect_s, self._silent_s = connect_s, silent_s
        lines = [b"Host: " + self._url.netloc, b"Accept-Encoding: identity"]
        lines += [f"Authorization: Bearer {key}".encode()] if key else []
        self._head = b"\r\n".join(lines)
        self._secured = ssl.create_default_context() if self._url.scheme == "https" else None
        self._resting: list[_Connection] = []
        self.heard_ns = 0  # when something of an answer came last

    async def post(
        self, path: str, content: bytes, kind: str, take: Callable[[str], None]
    ) -> tuple[int, bytes]:
        """Send what is of that kind; gives the status of the answer.

        Of an answer with the status 200 `take` gets each line as it comes; others are given whole.

        Raises:
            httpx2.ConnectError: when no connection could be made.
            httpx2.HTTPError: when the answer breaks off, or nothing comes.
        """
        target = self._url.join(path).raw_path
        length = f"Content-Type: {kind}\r\nContent-Length: {len(content)}".encode()
        head = b"POST " + target + b" HTTP/1.1\r\n" + self._head + b"\r\n" + length + b"\r\n\r\n"
        while True:
            connection = self._rested() or await self._connect()
            try:
                await connection.ask(head + content, take, self._silent_s)
            except BaseException:
                connection.close()
                raise
            if connection.status:
                break
            # It was closed while it rested: the server has never seen the request.
        if connection.can_rest:
            connection.since_s = time.monotonic()
            self._resting.append(connection)
        else:
            connection.close()
        return connection.status, connection.body

    def close(self) -> None:
        """Close the connections that rest."""
        while self._resting:
            self._resting.pop().close()

    def _rested(self) -> "_Connection | None":
        """A connection that can be used again: the one that has rested the least."""
        while self._resting:
            connection = self._resting.pop()
            if connection.can_rest and time.monotonic() - connection.since_s < _RESTS_S:
                return connection
            connection.close()
        return None

    async def _connect(self) -> "_Connection":
        url = self._url
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self),
                    url.host,
                    url.port or _PORTS[url.scheme],
                    ssl=self._secured,
                )
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(f"no connection in {self._connect_s:.0f} s") from error
        except OSError as error:
            raise httpx2.ConnectError(str(error)) from error
        return connection


class _ClosedError(httpx2.RemoteProtocolError):
    """The server has closed a connection before the end of its answer."""


class _Connection(asyncio.Protocol):
    """One connection: a request, its answer, and so on. `status` is 0 until an answer comes."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.status, self.body, self.since_s, self.can_rest = 0, b"", 0.0, False
        self._transport: asyncio.Transport | None = None
        self._over: asyncio.Future[None] | None = None  # done when the answer has ended
        self._take: Callable[[str], None] = _ignore
        self._buffer = b""  # what has come and is not read: of the head, or of a chunk's length
        self._line = b""  # the beginning of a line whose end has not come
        self._left: int | None = 0  # bytes of the body to come; None: until it is closed
        self._read_bytes = 0  # of the body
        self._in_chunks, self._kept = False, True
        self._heard_s = 0.0
        self._watch: asyncio.TimerHandle | None = None

    async def ask(self, data: bytes, take: Callable[[str], None], silent_s: float) -> None:
        """Send a request, and take the answer to it."""
        loop = asyncio.get_running_loop()
        used = self.since_s > 0
        self.status, self.body, self.can_rest = 0, b"", False
        self._take, self._buffer, self._line, self._read_bytes = take, b"", b"", 0
        self._over, begin_s = loop.create_future(), loop.time()
        self._heard_s = begin_s
        assert self._transport is not None
        self._transport.write(data)
        self._watch = loop.call_later(silent_s, self._look, silent_s)
        try:
            await self._over
        except _ClosedError:
            late = loop.time() - begin_s > _CLOSED_S
            if not used or late or self.status or self._buffer:
                raise
        finally:
            self._watch.cancel()
            self._over = None

    def close(self) -> None:
        """It is not used any more."""
        self.can_rest = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has closed it, or it broke."""
        self.can_rest = False
        if self.status and self._left is None and exc is None:
            self._end()
        else:
            self._fail(_ClosedError("the connection was closed before its end"))

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        if self._over is None or self._over.done():  # nobody asked for that
            self.close()
            return
        self._heard_s = self._over.get_loop().time()
        self._wire.heard_ns = time.monotonic_ns()
        self._buffer += data
        try:
            if self.status or self._read_head():
                self._read_body()
            if self._buffer and self._over.done():  # more than the answer: not of the next one
                self.close()
        except (ValueError, IndexError) as error:
            self._fail(httpx2.RemoteProtocolError(f"it is no HTTP: {error}"))

    def _look(self, silent_s: float) -> None:
        """Whether something came in that time; if so, look again."""
        if self._over is None or self._over.done():
            return
        loop = self._over.get_loop()
        if loop.time() - self._heard_s >= silent_s:
            self._fail(httpx2.ReadTimeout(f"nothing came for {silent_s:.0f} s"))
        else:
            left_s = silent_s - (loop.time() - self._heard_s)
            self._watch = loop.call_later(left_s, self._look, silent_s)

    def _read_head(self) -> bool:
        code, head = 100, b""
        while code < 200:  # a step on the way, such as 100 Continue
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if len(head) > _MOST_HEAD:
                raise ValueError("its head has no end")
            if not end:
                return False
            self._buffer = rest
            version, status = head.split(b"\r\n")[0].split(b" ", 2)[:2]
            if not version.startswith(b"HTTP/1."):
                raise ValueError(repr(head[:40]))
            code = _number(status)
        known = _fields(head)
        alone = known.get(b"connection", b"").replace(b" ", b"").split(b",")
        self._kept = version == b"HTTP/1.1" and b"close" not in alone
        coding, form = known.get(b"transfer-encoding"), known.get(b"content-encoding", b"identity")
        if coding not in (None, b"chunked") or form != b"identity":
            raise ValueError("it is packed, although it was asked for as it is")
        self._in_chunks = coding is not None
        length = known.get(b"content-length")
        self._left = 0 if self._in_chunks or code in _NO_BODY else None
        if self._left is None and length is not None:
            self._left = _number(length)
        self.status = code
        return True

    def _read_body(self) -> None:
        if not self._in_chunks:
            piece = self._buffer if self._left is None else self._buffer[: self._left]
            self._buffer = self._buffer[len(piece) :]
            self._read(piece)
            if self._left is not None:
                self._left -= len(piece)
                if not self._left:
                    self._end()
            return
        while True:
            # Of a chunk: its length in a line, its bytes, an empty line.
            line, end, rest = self._buffer.partition(b"\r\n")
            if not end and len(line) > _MOST_HEAD:
                raise ValueError("a chunk has no length")
            if not end:
                return
            size = _number(line.split(b";")[0].strip(), 16)
            if size + self._read_bytes > _MOST_BODY:
                raise ValueError("it has no end")
            if not size:
                self._read_trailer(rest)
                return
            if len(rest) < size + 2:
                return
            if rest[size : size + 2] != b"\r\n":
                raise ValueError("a chunk is longer than it says")
            self._read(rest[:size])
            self._buffer = rest[size + 2 :]

    def _read_trailer(self, rest: bytes) -> None:
        """What follows the last chunk: perhaps some fields, and an empty line."""
        fields, end, more = (b"\r\n" + rest).partition(b"\r\n\r\n")
        if len(fields) > _MOST_HEAD:
            raise ValueError("its trailer has no end")
        if end:
            self._buffer = more
            self._end()

    def _read(self, piece: bytes) -> None:
        self._read_bytes += len(piece)
        if self._read_bytes > _MOST_BODY:
            raise ValueError("it has no end")
        if self.status != 200:
            self.body += piece
            return
        *lines, self._line = (self._line + piece).split(b"\n")
        for line in lines:
            if line:
                self._take(line.decode("utf-8", "replace"))

    def _end(self) -> None:
        if self._line:
            self._take(self._line.decode("utf-8", "replace"))
            self._line = b""
        self.can_rest = self._kept and self._left is not None
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _fail(self, error: httpx2.HTTPError) -> None:
        self.close()
        if self._over is not None and not self._over.done():
            self._over.set_exception(error)


def _ignore(line: str) -> None:
    """Nobody has asked."""


def _number(text: bytes, base: int = 10) -> int:
    """A number as HTTP has them: digits, and nothing else."""
    digits = b"0123456789abcdef"[:base]
    if not text or len(text) > 18 or text.lower().strip(digits):
        raise ValueError(f"{text[:40]!r} is no number")
    return int(text, base)


def _fields(head: bytes) -> dict[bytes, bytes]:
    """The fields of a head; of what stands there twice, the last one, but for lengths."""
    known: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        name, value = name.strip().lower(), value.strip().lower()
        if name == b"content-length" and known.get(name, value) != value:
            raise ValueError("it has two lengths")
        known[name] = value
    return known
