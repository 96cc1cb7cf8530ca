"""A client of an OpenAI-compatible server: one request at a time, its times and its tokens.

Answers are streamed, so that the time of the first token is known. A piece of a stream is no token:
tokens are the server's own count (`usage`). An answer is whole only if the stream says how it ended
and no error came in its middle.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import httpx2

from energyscore.base.errors import ServerError, UsageError

Endpoint: TypeAlias = Literal["completions", "chat/completions"]

NO_USAGE = "it did not say how many tokens it read and wrote (usage)"
_CONNECT_S = 10.0
_SILENT_S = 600.0
"""A request may wait so long in the server's queue before anything of its answer comes."""
_LONGEST_BODY = 300  # characters of an answer that is an error


@dataclass(frozen=True)
class Answer:
    """One request as it went; times are on the monotonic clock, in ns. `error`: empty if whole."""

    sent_ns: int
    done_ns: int
    pieces_ns: tuple[int, ...] = ()  # when each piece of the answer came
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int | None = None  # of those read; None: the server does not tell
    finish: str | None = None
    error: str = ""
    status: int = 200

    @property
    def first_ns(self) -> int:
        """When the first token was there."""
        return self.pieces_ns[0] if self.pieces_ns else self.done_ns


class Client:
    """Talks to one server. To be used in one event loop."""

    def __init__(self, address: str, key: str | None = None) -> None:
        """Name the server by the address that its API is below, such as `http://host:8000/v1`."""
        self._http = httpx2.AsyncClient(
            base_url=address.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {key}"} if key else None,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            timeout=httpx2.Timeout(_SILENT_S, connect=_CONNECT_S),
            trust_env=False,  # no proxy stands before a server on this machine
        )

    async def get(self, path: str) -> tuple[int, Any]:
        """The status and the JSON of a path; None where it is none. A path from `/` is absolute."""
        url = self._http.base_url
        response = await self._http.get(url.copy_with(path=path) if path[0] == "/" else path)
        try:
            return response.status_code, response.json()
        except ValueError:
            return response.status_code, None

    async def ask(self, endpoint: Endpoint, body: Mapping[str, Any]) -> Answer:
        """Send a request, and read its answer to the end.

        Raises:
            httpx2.ConnectError: when no connection could be made.
        """
        sent_ns = time.monotonic_ns()
        stream = _Stream()
        error, status = "", 200
        try:
            async with self._http.stream("POST", endpoint, json={**body, "stream": True}) as reply:
                status = reply.status_code
                if status == 200:
                    async for line in reply.aiter_lines():
                        stream.take(line)
                else:
                    error = _problem(status, await reply.aread())
        except httpx2.ConnectError:
            raise
        except httpx2.HTTPError as failure:
            error = f"the answer broke off ({type(failure).__name__})"
        done_ns = time.monotonic_ns()
        return stream.answer(sent_ns, done_ns, status, error)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()


class _Stream:
    """What has come of one streamed answer."""

    def __init__(self) -> None:
        self._pieces_ns: list[int] = []
        self._usage: Mapping[str, Any] | None = None
        self._finish: str | None = None
        self._ended = False
        self._error = ""

    def take(self, line: str) -> None:
        """One line of the stream."""
        if not line.startswith("data:"):
            return
        text = line[5:].strip()
        if text == "[DONE]":
            self._ended = True
            return
        now_ns = time.monotonic_ns()
        try:
            content = json.loads(text)
            if content.get("error"):
                self._error = f"an error came in mid-stream: {_told(content['error'])}"
                return
            self._usage = content.get("usage") or self._usage
            for choice in content.get("choices") or ():
                if choice.get("text") or _has_text(choice.get("delta")):
                    self._pieces_ns.append(now_ns)
                if choice.get("finish_reason"):
                    self._finish, self._ended = str(choice["finish_reason"]), True
        except (ValueError, AttributeError, TypeError):
            self._error = f"a piece of its stream cannot be read: {text[:60]!r}"

    def answer(self, sent_ns: int, done_ns: int, status: int, error: str) -> Answer:
        """The whole of it."""
        error = error or self._error
        if not error and not self._ended:
            error = "its stream ended without saying how (no finish_reason, no [DONE])"
        read, written, cached = _tokens(self._usage)
        if not error and (read is None or written is None):
            error = NO_USAGE
        return Answer(
            sent_ns,
            done_ns,
            tuple(self._pieces_ns),
            read or 0,
            written or 0,
            cached,
            self._finish,
            error,
            status,
        )


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
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
        raise UsageError(
            f"--server {text}: it is no address such as http://127.0.0.1:8000/v1.",
            "A key is named by --api-key-env.",
        )
    return url


def refused(address: str, answer: Answer) -> ServerError:
    """What to say of a request that a server does not take."""
    remedy = "Name the environment variable that holds its key with --api-key-env."
    if answer.status in (401, 403):
        return ServerError(f"{address} does not let us in (status {answer.status}).", remedy)
    return ServerError(f"{address}: {answer.error}.")


def _has_text(delta: Any) -> bool:
    """A piece of a chat's answer; thinking stands in a field of its own."""
    return isinstance(delta, dict) and any(
        delta.get(name) for name in ("content", "reasoning_content", "reasoning")
    )


def _tokens(usage: Mapping[str, Any] | None) -> tuple[int | None, int | None, int | None]:
    """Tokens read, written and taken from a cache, each None where it is not told."""
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    found = (usage.get("prompt_tokens"), usage.get("completion_tokens"), cached)
    read, written, cached = (one if type(one) is int and one >= 0 else None for one in found)
    return read, written, cached


def _problem(status: int, body: bytes) -> str:
    try:
        content = json.loads(body)
        told = _told(content.get("error") or content.get("detail") or content)
    except (ValueError, AttributeError):
        told = body.decode("utf-8", "replace")
    told = " ".join(told.split())[:_LONGEST_BODY].rstrip(".")
    return f"status {status}{f': {told}' if told else ''}"


def _told(error: Any) -> str:
    if isinstance(error, dict) and error.get("message"):
        return str(error["message"])[:_LONGEST_BODY]
    return str(error)[:_LONGEST_BODY]
