"""What a server can do, found out by trying it: never by its name, and never by what it echoes."""

import asyncio
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import httpx2

from energyscore.base.errors import ModelError, ServerError
from energyscore.base.text import first_of
from energyscore.measurement.server.abilities import (
    ENDPOINTS,
    FORCING,
    WISHES,
    Abilities,
    asked_for,
    content_of,
)
from energyscore.measurement.server.answer import Answer
from energyscore.measurement.server.client import Client, Request, refused
from energyscore.measurement.server.longest import may_cut
from energyscore.measurement.server.metrics import LATE_NS
from energyscore.protocol.task import Generation
from energyscore.protocol.workload import Query
from energyscore.results.load import Endpoint, Prompts

_TOKENS = 4  # asked for by each request that tries something
_SHORT = Generation(max_new_tokens=_TOKENS, min_new_tokens=_TOKENS)
_LONG_PROMPT = " ".join(f"{number} and" for number in range(1, 100))
"""Servers keep what they have read in blocks of up to 128 tokens: only whole ones are found again.
"""

_ENGINES = 16
"""So many requests at once reach all engines of a server, which have a cache each."""

Hits: TypeAlias = Callable[[], int | None]
"""How many tokens a server has taken from its cache by now; None: it does not tell."""


@dataclass(frozen=True)
class Sought:
    """What a server is to be asked for: the queries of a task, and how long answers are."""

    modality: str
    queries: Sequence[Query]
    generation: Generation | None


async def probe(client: Client, address: str, model: str, sought: Sought, hits: Hits) -> Abilities:
    """Try what the server can.

    Raises:
        ServerError: when nothing answers there, or not as it should.
        ModelError: when it does not have the model.
    """
    try:
        context_length = await _check_models(client, address, model)
        status, told = await client.get("/version")
        version = told.get("version") if status == 200 and isinstance(told, dict) else None
        if "completions" in ENDPOINTS[sought.modality]:
            known = await _probe_writing(client, address, model, sought.modality, hits)
        else:
            known = await _probe_whole(client, address, model, sought)
        known = replace(known, context_length=context_length)
        cuts = await may_cut(
            client, address, model, known, sought.modality, sought.queries, sought.generation
        )
    except httpx2.ConnectError as error:
        raise no_connection(address, error) from None
    except httpx2.HTTPError as error:
        raise ServerError(f"{address} does not answer ({type(error).__name__}).") from None
    version = version if isinstance(version, str) else None
    return replace(known, version=version, may_cut=cuts)


def no_connection(address: str, error: httpx2.ConnectError) -> ServerError:
    """What to say where no connection can be made."""
    if "certificate" in str(error).lower():
        return ServerError(
            f"{address}: the certificate of the server is not trusted.",
            "It is on this machine: let it listen for http.",
        )
    return ServerError(
        f"No server answers at {address}.",
        "Start it first, and wait until it is ready; --server takes its address.",
    )


async def _probe_writing(
    client: Client, address: str, model: str, modality: str, hits: Hits
) -> Abilities:
    """What it does where it is to write."""
    endpoint = await _find_endpoint(client, address, model, ENDPOINTS[modality])
    body = asked_for(endpoint, model, "A day is", _TOKENS)
    wishes: dict[str, Any] = {}
    answer: Answer | None = None
    for name, value in WISHES.items():
        wished = {**wishes, name: value}
        tried = await client.ask(Request(endpoint, body | wished))
        if tried.status == 200 and not tried.error:
            wishes, answer = wished, tried
    if answer is None:
        answer = await client.ask(Request(endpoint, body))
    if answer.error:
        raise refused(f"{address}/{endpoint}", answer)
    exact = (answer.finish, answer.output_tokens) == ("length", _TOKENS)
    known = Abilities(
        endpoint,
        frozenset(wishes),
        "forced" if exact and not wishes.keys().isdisjoint(FORCING) else "actual",
        tokens_by=None if None in (answer.input_tokens, answer.output_tokens) else "usage",
    )
    caches, prompts = await _cache(client, known, model, hits)
    return replace(known, caches=caches, prompts=prompts)


async def _probe_whole(client: Client, address: str, model: str, sought: Sought) -> Abilities:
    """What it does where answers come whole: of embeddings and recordings."""
    known = Abilities(ENDPOINTS[sought.modality][0])
    content = content_of(sought.modality, sought.queries[0])
    answer = await client.ask(known.request(model, content, None))
    if answer.error:
        what = {"embeddings": "embeds texts", "audio/transcriptions": "transcribes recordings"}
        raise refused(
            f"{address}/{known.endpoint}",
            answer,
            f"Is it a model that {what[known.endpoint]}, and a server that has this endpoint?",
        )
    untold = None in (answer.input_tokens, answer.output_tokens)
    return replace(
        known,
        prompts="as they are" if isinstance(content, bytes) else "numbered",
        tokens_by=None if untold else "usage",
    )


async def _check_models(client: Client, address: str, model: str) -> int | None:
    """Refuse a model that is not among those that the server lists; not all can list them.

    Gives the length of its context, which some tell.
    """
    status, told = await client.get("models")
    if status in (401, 403):
        raise refused(address, Answer(0, 0, error="", status=status))
    listed = dict(_listed(told)) if status == 200 else {}
    if listed and model not in listed:
        raise ModelError(
            f"{address} has no model {model!r}.", f"It has {first_of(list(listed), 10)}."
        )
    longest = listed.get(model)
    return longest if type(longest) is int and longest > 0 else None


def _listed(told: Any) -> Iterator[tuple[str, Any]]:
    """The models that a server lists, and the length of each one's context, where it says it."""
    listed = told.get("data") if isinstance(told, dict) else None
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("id"), str):
            yield one["id"], one.get("max_model_len")


async def _find_endpoint(
    client: Client, address: str, model: str, endpoints: Sequence[Endpoint]
) -> Endpoint:
    """The first where it writes."""
    first: Answer | None = None
    for endpoint in endpoints:
        answer = await client.ask(
            Request(endpoint, asked_for(endpoint, model, "A day is", _TOKENS))
        )
        if answer.status == 200:
            return endpoint
        if answer.status in (401, 403):
            raise refused(address, answer)
        first = first or answer
    assert first is not None
    remedy = ""
    if first.status == 404:
        remedy = "Is it the address that the API is below, such as http://127.0.0.1:8000/v1?"
    raise ServerError(f"{address}/{endpoints[0]}: {first.error}.", remedy)


async def _cache(
    client: Client, known: Abilities, model: str, hits: Hits
) -> tuple[bool | None, Prompts]:
    """Whether a prompt is found again, and how that is avoided."""

    async def found(salt: str = "") -> int | None:
        return await _cached(client, known.request(model, _LONG_PROMPT, _SHORT, salt=salt), hits)

    await found()
    again = await found()
    if again == 0:
        request = known.request(model, _LONG_PROMPT, _SHORT)
        await asyncio.gather(*(client.ask(request) for _ in range(_ENGINES)))
        again = await found()
    if not again:
        return (None, "numbered") if again is None else (False, "as they are")
    for _ in range(2):
        # A server keeps what an earlier look at it asked.
        if await found(f"energyscore {uuid.uuid4()}") != 0:
            return True, "numbered"
    return True, "cache_salt"


async def _cached(client: Client, request: Request, hits: Hits) -> int | None:
    """Tokens of a prompt that come from a cache, by the answer or the server's own counter."""
    before = hits()
    answer = await client.ask(request)
    if answer.error or answer.cached_tokens is not None or before is None:
        return None if answer.error else answer.cached_tokens
    await asyncio.sleep(LATE_NS / 1e9)
    after = hits()
    return None if after is None else after - before
