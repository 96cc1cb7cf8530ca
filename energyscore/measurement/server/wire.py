"""How requests reach a server: HTTP/1.1, which h11 reads, over connections that are kept.

Each line of an answer is taken where its bytes arrive, and whoever asked is woken once, at its end.
A whole client of a library wakes all its layers for each of them, and takes several ms of a
processor for each request: at a hundred requests a second the client would be what is measured.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable

import h11
import httpx2

_RESTS_S = 2.0
"""A connection that has rested for longer may be closed by the server just as it is used again."""

_CLOSED_S = 1.0
"""A resting connection that a server closes is closed by then; later it has seen the request."""

_MOST_HEAD = 1 << 20
_MOST_BODY = 1 << 28
"""Bytes of one answer: the longest texts and embeddings are far below, and some have no end."""

_PORTS = {"http": 80, "https": 443}


class Wire:
    """Connections to one server. To be used in one event loop."""

    def __init__(self, address: str, key: str | None, *, connect_s: float, silent_s: float) -> None:
        """Wait so long for a connection at most, and for something of an answer to come."""
        self._url = httpx2.URL(address.rstrip("/") + "/")
        self._connect_s, self._silent_s = connect_s, silent_s
        self._head = [(b"Host", self._url.netloc), (b"Accept-Encoding", b"identity")]
        self._head += [(b"Authorization", f"Bearer {key}".encode())] if key else []
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
        form = (b"Content-Type", kind.encode()), (b"Content-Length", b"%d" % len(content))
        target = self._url.join(path).raw_path
        request = h11.Request(method=b"POST", target=target, headers=[*self._head, *form])
        while True:
            connection = self._rested() or await self._connect()
            try:
                await connection.ask(request, content, take, self._silent_s)
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
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD)
        self.status, self.body, self.since_s, self.can_rest = 0, b"", 0.0, False
        self._transport: asyncio.Transport | None = None
        self._over: asyncio.Future[None] | None = None  # done when the answer has ended
        self._take: Callable[[str], None] = _ignore
        self._line = b""  # the beginning of a line whose end has not come
        self._read_bytes = 0  # of the body
        self._heard_s: float | None = None  # when something of the answer came last
        self._watch: asyncio.TimerHandle | None = None

    async def ask(
        self, request: h11.Request, content: bytes, take: Callable[[str], None], silent_s: float
    ) -> None:
        """Send a request, and take the answer to it."""
        loop = asyncio.get_running_loop()
        if used := self.since_s > 0:
            self._http.start_next_cycle()
        self.status, self.body, self.can_rest = 0, b"", False
        self._take, self._line, self._read_bytes, self._heard_s = take, b"", 0, None
        self._over, begin_s = loop.create_future(), loop.time()
        assert self._transport is not None
        parts = request, h11.Data(data=content), h11.EndOfMessage()
        self._transport.write(b"".join(self._http.send(part) or b"" for part in parts))
        self._watch = loop.call_later(silent_s, self._look, begin_s, silent_s)
        try:
            await self._over
        except _ClosedError:
            late = loop.time() - begin_s > _CLOSED_S
            if not used or late or self._heard_s is not None:
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
        """The server has closed it, which may be the end of an answer, or it broke."""
        if exc is None:
            with contextlib.suppress(h11.RemoteProtocolError, ValueError):
                self._http.receive_data(b"")
                self._read_on()
        self._fail(_ClosedError("the connection was closed before its end"))

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        if self._over is None or self._over.done():  # nobody asked for that
            self.close()
            return
        self._heard_s = self._over.get_loop().time()
        self._wire.heard_ns = time.monotonic_ns()
        try:
            self._http.receive_data(data)
            self._read_on()
        except (h11.RemoteProtocolError, ValueError) as error:
            self._fail(httpx2.RemoteProtocolError(f"it is no HTTP: {error}"))

    def _look(self, begin_s: float, silent_s: float) -> None:
        """Whether something came in that time; if so, look again."""
        if self._over is None or self._over.done():
            return
        loop = self._over.get_loop()
        left_s = silent_s - (loop.time() - (self._heard_s or begin_s))
        if left_s <= 0:
            self._fail(httpx2.ReadTimeout(f"nothing came for {silent_s:.0f} s"))
        else:
            self._watch = loop.call_later(left_s, self._look, begin_s, silent_s)

    def _read_on(self) -> None:
        """Read what has come, up to the end of the answer."""
        while self._over is not None and not self._over.done():
            event = self._http.next_event()
            if isinstance(event, h11.Data):
                self._read(event.data)
            elif isinstance(event, h11.Response):
                self.status = event.status_code
                packed = dict(event.headers).get(b"content-encoding", b"identity")
                if packed.lower() != b"identity":
                    raise ValueError("it is packed, although it was asked for as it is")
            elif isinstance(event, h11.EndOfMessage):
                self._end()
            elif not isinstance(event, h11.InformationalResponse):  # such as 100 Continue
                return  # more is to come

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
        # What is more than the answer is not of the next one.
        more, _ = self._http.trailing_data
        self.can_rest = not more and self._http.their_state is h11.DONE
        assert self._over is not None
        self._over.set_result(None)

    def _fail(self, error: httpx2.HTTPError) -> None:
        self.close()
        if self._over is not None and not self._over.done():
            self._over.set_exception(error)


def _ignore(line: str) -> None:
    """Nobody has asked."""
