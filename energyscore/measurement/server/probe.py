"""What a server can do, found out by trying it: never by its name, and never by what it echoes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from energyscore.base.errors import ModelError, ServerError
from energyscore.base.text import first_of
from energyscore.measurement.server.client import Answer, Client, Endpoint, refused
from energyscore.results.load import Lengths, Prompts

_TOKENS = 4  # asked for by each request that tries something
_LONG_PROMPT = " ".join(f"{number} and" for number in range(1, 60))
"""Servers keep what they have read in blocks of some tokens: short prompts are not found again."""

_WISHES: Mapping[str, Any] = {
    "stream_options": {"include_usage": True},
    "temperature": 0,
    "ignore_eos": True,
    "min_tokens": _TOKENS,
}
"""What is asked of a server that need not know it."""


@dataclass(frozen=True)
class Abilities:
    """What a server does when it is asked.

    Attributes:
        wishes: the optional fields of a request that it takes.
        lengths: `forced` where answers are as long as is asked for, whatever the model says.
        caches: whether it takes a prompt that it has read before from a cache; None: not told.
        prompts: how prompts are kept from being found there.
        version: as the server says it, where it does.
    """

    endpoint: Endpoint
    wishes: frozenset[str] = field(default_factory=frozenset)
    lengths: Lengths = "actual"
    caches: bool | None = None
    prompts: Prompts = "numbered"
    version: str | None = None

    def body(self, model: str, prompt: str, tokens: int, *, salt: str = "") -> dict[str, Any]:
        """A request for an answer of at most so many tokens, of exactly so many if that can be."""
        body = _body(self.endpoint, model, prompt, tokens)
        body |= {name: _WISHES[name] for name in _WISHES if name in self.wishes}
        if "min_tokens" in self.wishes:
            body["min_tokens"] = tokens
        if salt:
            body["cache_salt"] = salt
        return body


async def probe(client: Client, address: str, model: str) -> Abilities:
    """Try what the server can.

    Raises:
        ServerError: when nothing answers there, or not as it should.
        ModelError: when it does not have the model.
    """
    try:
        await _check_models(client, address, model)
        endpoint = await _find_endpoint(client, address, model)
        wishes: dict[str, Any] = {}
        answer: Answer | None = None
        for name, value in _WISHES.items():
            wished = {**wishes, name: value}
            tried = await client.ask(endpoint, _body(endpoint, model, "A day is", _TOKENS) | wished)
            if _is_taken(tried):
                wishes, answer = wished, tried
        if answer is None:
            answer = await client.ask(endpoint, _body(endpoint, model, "A day is", _TOKENS))
        if answer.error:
            raise refused(f"{address}/{endpoint}", answer)
        exact = (answer.finish, answer.output_tokens) == ("length", _TOKENS)
        forced = exact and bool({"ignore_eos", "min_tokens"} & wishes.keys())
        known = Abilities(endpoint, frozenset(wishes), "forced" if forced else "actual")
        caches, prompts = await _cache(client, known, model)
        status, told = await client.get("/version")
        version = told.get("version") if status == 200 and isinstance(told, dict) else None
    except httpx2.ConnectError:
        raise ServerError(
            f"No server answers at {address}.",
            "Start it first, and wait until it is ready; --server takes its address.",
        ) from None
    except httpx2.HTTPError as error:
        raise ServerError(f"{address} does not answer ({type(error).__name__}).") from None
    return Abilities(
        endpoint,
        known.wishes,
        known.lengths,
        caches,
        prompts,
        version if isinstance(version, str) else None,
    )


def _body(endpoint: Endpoint, model: str, prompt: str, tokens: int) -> dict[str, Any]:
    asked: dict[str, Any] = {"prompt": prompt}
    if endpoint == "chat/completions":
        asked = {"messages": [{"role": "user", "content": prompt}]}
    return {"model": model, **asked, "max_tokens": tokens}


async def _check_models(client: Client, address: str, model: str) -> None:
    """Refuse a model that is not among those that the server lists; not all can list them."""
    status, told = await client.get("models")
    if status in (401, 403):
        raise refused(address, Answer(0, 0, error="", status=status))
    names = list(_names(told)) if status == 200 else []
    if names and model not in names:
        raise ModelError(f"{address} has no model {model!r}.", f"It has {first_of(names, 10)}.")


def _names(told: Any) -> Iterator[str]:
    listed = told.get("data") if isinstance(told, dict) else None
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("id"), str):
            yield one["id"]


async def _find_endpoint(client: Client, address: str, model: str) -> Endpoint:
    """Where it continues texts; else where it chats."""
    first: Answer | None = None
    endpoints: tuple[Endpoint, ...] = ("completions", "chat/completions")
    for endpoint in endpoints:
        answer = await client.ask(endpoint, _body(endpoint, model, "A day is", _TOKENS))
        if answer.status == 200:
            return endpoint
        if answer.status in (401, 403):
            raise refused(address, answer)
        first = first or answer
    assert first is not None
    remedy = ""
    if first.status == 404:
        remedy = "Is it the address that the API is below, such as http://127.0.0.1:8000/v1?"
    raise ServerError(f"{address}/completions: {first.error}.", remedy)


def _is_taken(answer: Answer) -> bool:
    """Whether a request went well; without usage yet it may be asked for by another field."""
    return answer.status == 200 and not answer.error


async def _cache(client: Client, known: Abilities, model: str) -> tuple[bool | None, Prompts]:
    """Whether a prompt is found again, and how that is avoided."""
    body = known.body(model, _LONG_PROMPT, _TOKENS)
    await client.ask(known.endpoint, body)
    again = (await client.ask(known.endpoint, body)).cached_tokens
    if not again:
        return (None, "numbered") if again is None else (False, "as they are")
    for salt in ("energyscore 1", "energyscore 2"):
        salted = await client.ask(
            known.endpoint, known.body(model, _LONG_PROMPT, _TOKENS, salt=salt)
        )
        if salted.error or salted.cached_tokens != 0:
            return True, "numbered"
    return True, "cache_salt"
