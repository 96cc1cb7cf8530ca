"""Whether a server reads the longest query whole: some refuse it, others cut it and do not tell."""

from collections.abc import Sequence

from energyscore.base.errors import DatasetError
from energyscore.base.units import counted
from energyscore.measurement.server.abilities import Abilities, Content, content_of, is_forced
from energyscore.measurement.server.answer import Answer
from energyscore.measurement.server.client import Client, refused
from energyscore.protocol.task import Generation
from energyscore.protocol.workload import Query

_ONE = Generation(max_new_tokens=1, min_new_tokens=1)
_NUMBER_TOKENS = 8  # that the number of a pass takes at most
_SHORT = 200
"""Texts of fewer characters are cut by no server, and a tenth of them may be no token."""

_REFUSED = (400, 413, 422)
_REMEDY = "Take shorter queries, or start the server with room for longer ones."


async def may_cut(
    client: Client,
    address: str,
    model: str,
    known: Abilities,
    modality: str,
    queries: Sequence[Query],
    generation: Generation | None,
) -> bool:
    """Whether it counts as many tokens of the longest query as of that without its first tenth.

    Nothing longer is asked than the run will ask: some servers break by what is too long for them.
    Nothing can be said of recordings and short texts, nor where it does not count.

    Raises:
        DatasetError: when it does not take the longest query.
    """
    longest = max((content_of(modality, query) for query in queries), key=_length, default=b"")
    if isinstance(longest, bytes):
        return False
    if isinstance(longest, tuple):  # what is cut of one is not to be made up for by the other
        longest = (max(longest, key=len),) * 2
    asked = generation if generation and is_forced(generation) else _ONE
    once = await client.ask(known.request(model, longest, asked))
    if once.error:
        if once.status in _REFUSED:
            raise _too_long(address, longest, once.error)
        raise refused(f"{address}/{known.endpoint}", once)
    _check_room(address, longest, known, once, generation)
    if once.input_tokens is None or _length(longest) < _SHORT:
        return False
    part = await client.ask(known.request(model, _without_a_tenth(longest), _ONE))
    return not part.error and (part.input_tokens or 0) >= once.input_tokens


def _check_room(
    address: str, longest: Content, known: Abilities, once: Answer, generation: Generation | None
) -> None:
    """Refuse a query that leaves no room for its answer in the context that the server tells."""
    room, read = known.context_length, once.input_tokens
    if room is None or read is None or generation is None:
        return
    written = generation.within(room).max_new_tokens
    if read + written + _NUMBER_TOKENS > room:
        why = (
            f"its {counted(read, 'token')} and the {written:,} of an answer do not fit into the "
            f"{room:,} of the context"
        )
        raise _too_long(address, longest, why)


def _too_long(address: str, longest: Content, why: str) -> DatasetError:
    return DatasetError(
        f"{address} does not take the longest query, of {_length(longest):,} characters: {why}.",
        _REMEDY,
    )


def _length(content: Content) -> int:
    return len(content) if isinstance(content, str | bytes) else max(map(len, content))


def _without_a_tenth(content: Content) -> Content:
    """Not begun alike: what was read before may not be counted again."""
    if isinstance(content, tuple):
        first, second = content
        return first[len(first) // 10 :], second[len(second) // 10 :]
    return content[len(content) // 10 :]
