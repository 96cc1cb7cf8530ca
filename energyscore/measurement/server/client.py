"""A client of an OpenAI-compatible server.

Answers are streamed, so that the time of the first token is known.
"""

import asyncio
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from energyscore.base.errors import ServerError, UsageError
from energyscore.base.masking import without
from energyscore.measurement.server.answer import Answer, AnswerStream, WholeAnswer, problem_of
from energyscore.measurement.server.wire import Wire
from energyscore.results.load import Endpoint

_CONNECT_S = 10.0
_GET_S = 60.0
_MOST_GOT = 1 << 24
"""Seconds and bytes of what is told without any work of the model, such as its name."""

_SILENT_S = 600.0
"""A request may wait so long in the server's queue before anything of its answer comes."""


@dataclass(frozen=True)
class Request:
    """What is sent: to which endpoint below the server's address, and what."""

    endpoint: Endpoint
    body: Mapping[str, Any]
    recording: bytes | None = None  # a file of sound, beside the fields of a form

    @property
    def streams(self) -> bool:
        """Whether its answer can come piece by piece."""
        return self.endpoint in ("completions", "chat/completions")

    def content(self) -> tuple[bytes, str]:
        """What is sent, and of what kind it is."""
        if self.recording is None:
            body = {**self.body, "stream": True} if self.streams else dict(self.body)
            return json.dumps(body).encode(), "application/json"
        name = f"recording.{_kind_of(self.recording)}"
        files = {"file": (name, self.recording)}
        made = httpx2.Request("POST", "http://form", data=dict(self.body), files=files)
        return made.read(), made.headers["Content-Type"]


class Client:
    """Talks to one server. To be used in one event loop."""

    def __init__(self, address: str, key: str | None = None, *, keeps: bool = False) -> None:
        """Name the server by the address that its API is below, such as `http://host:8000/v1`.

        `keeps`: what answers say is wanted, too.
        """
        self._keeps, self._key = keeps, key
        self._wire = Wire(address, key, connect_s=_CONNECT_S, silent_s=_SILENT_S)
        self._http = httpx2.AsyncClient(
            base_url=address.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {key}"} if key else None,
            timeout=httpx2.Timeout(_SILENT_S, connect=_CONNECT_S),
            trust_env=False,  # no proxy stands before a server on this machine
        )

    @property
    def heard_ns(self) -> int:
        """When something of an answer came last."""
        return self._wire.heard_ns

    async def get(self, path: str) -> tuple[int, Any]:
        """The status and the JSON of a path; None where it is none. A path from `/` is absolute."""
        base = self._http.base_url
        url = base.copy_with(path=path) if path[0] == "/" else path
        try:
            status, body = await self._get(url)
        except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
            # It closed a connection that was kept, as servers do after an error of their own.
            status, body = await self._get(url)
        try:
            return status, json.loads(body)
        except (ValueError, RecursionError):
            return status, None

    async def _get(self, url: httpx2.URL | str) -> tuple[int, bytes]:
        body = b""
        try:
            async with (
                asyncio.timeout(_GET_S),
                self._http.stream("GET", url, timeout=_GET_S) as response,
            ):
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > _MOST_GOT:
                        raise httpx2.ReadTimeout("what it tells has no end")
        except TimeoutError as error:
            raise httpx2.ReadTimeout(f"it did not end in {_GET_S:.0f} s") from error
        return response.status_code, body

    async def ask(self, request: Request) -> Answer:
        """Send a request, and read its answer to the end.

        Raises:
            httpx2.ConnectError: when no connection could be made.
        """
        sent_ns = time.monotonic_ns()
        coming: AnswerStream | WholeAnswer = WholeAnswer(keeps=self._keeps)
        if request.streams:
            coming = AnswerStream(keeps=self._keeps, asked=request.body.get("max_tokens"))
        error, status = "", 200
        try:
            content, form = request.content()
            status, body = await self._wire.post(request.endpoint, content, form, coming.take)
            if status != 200:
                error = problem_of(status, body)
        except httpx2.ConnectError:
            raise
        except httpx2.HTTPError as failure:
            error = f"the answer broke off ({type(failure).__name__})"
        done_ns = time.monotonic_ns()
        answer = coming.answer(sent_ns, done_ns, status, error)
        if answer.error and self._key:  # some servers say which key is wrong
            answer = replace(answer, error=without({self._key}, answer.error))
        return replace(answer, asked=request.body) if self._keeps else answer

    async def close(self) -> None:
        """Close all connections."""
        self._wire.close()
        await self._http.aclose()


def _kind_of(recording: bytes) -> str:
    """The usual ending of such a file: some servers go by it."""
    kinds = {b"RIFF": "wav", b"RIFX": "wav", b"fLaC": "flac", b"OggS": "ogg"}
    return kinds.get(recording[:4], "mp3")


def key_from(variable: str | None) -> str | None:
    """The API key in an environment variable; a UsageError where it is not set."""
    if variable is None:
        return None
    if not (key := os.environ.get(variable)):
        raise UsageError(
            f"--api-key-env {variable}: there is no such environment variable, or it is empty.",
            "Export the key in it; it is kept nowhere else.",
        )
    if not key.isascii() or not key.isprintable():
        raise UsageError(f"--api-key-env {variable}: its value can be no key.")
    return key


def read_address(text: str) -> httpx2.URL:
    """The address of a server's API, as it was given."""
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, TypeError, ValueError) as error:
        raise UsageError(f"--server {text}: {error}.") from error
    known = (
        url.scheme in ("http", "https") and url.host and (url.port is None or 0 < url.port < 2**16)
    )
    if not known or url.userinfo or url.query or url.fragment:
        raise UsageError(
            f"--server {text}: it is no address such as http://127.0.0.1:8000/v1.",
            "A key is named by --api-key-env.",
        )
    return url


def refused(address: str, answer: Answer, hint: str = "") -> ServerError:
    """What to say of a request that a server does not take."""
    remedy = "Name the environment variable that holds its key with --api-key-env."
    if answer.status in (401, 403):
        return ServerError(f"{address} does not let us in (status {answer.status}).", remedy)
    return ServerError(f"{address}: {answer.error}.", hint)
