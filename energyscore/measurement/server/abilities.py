"""What a server does when it is asked, and the requests that it is asked by, task by task."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from energyscore.measurement.prompts import prompt_of
from energyscore.measurement.server.client import Request
from energyscore.protocol.task import Generation
from energyscore.protocol.workload import Query
from energyscore.results.load import Endpoint, Lengths, Prompts, TokensBy

_CONTINUES: tuple[Endpoint, ...] = ("completions", "chat/completions")

ENDPOINTS: Mapping[str, tuple[Endpoint, ...]] = {
    "text_generation": _CONTINUES,
    "summarization": _CONTINUES,
    "question_answering": _CONTINUES,
    "text_classification": _CONTINUES,
    "reasoning": ("chat/completions", "completions"),
    "sentence_similarity": ("embeddings",),
    "asr": ("audio/transcriptions",),
}
"""Where a server may be asked for the tasks of a modality, the best first: models that are loaded
here are asked to reason by chat, and for all else by a text that they go on with."""

Content: TypeAlias = str | tuple[str, str] | bytes
"""What is sent of a query: a prompt, two sentences, or a recording."""

WISHES: Mapping[str, Any] = {
    "stream_options": {"include_usage": True},
    "temperature": 0,
    "ignore_eos": True,
    "min_tokens": 4,
}
"""What is asked of a server that need not know it."""

FORCING = ("ignore_eos", "min_tokens")


@dataclass(frozen=True)
class Abilities:
    """What a server does when it is asked.

    Attributes:
        wishes: the optional fields of a request that it takes.
        lengths: `forced` where answers are as long as is asked for, whatever the model says.
        caches: whether it takes a prompt that it has read before from a cache; None: not told.
        prompts: how prompts are kept from being found there.
        version: as the server says it, where it does.
        context_length: tokens of the longest prompt and answer, where it says so.
        may_cut: whether it may read less than the longest query, and does not tell.
        tokens_by: who counts tokens; None: nobody.
    """

    endpoint: Endpoint
    wishes: frozenset[str] = field(default_factory=frozenset)
    lengths: Lengths = "actual"
    caches: bool | None = None
    prompts: Prompts = "numbered"
    version: str | None = None
    context_length: int | None = None
    tokens_by: TokensBy | None = "usage"
    may_cut: bool = False

    def request(
        self, model: str, content: Content, generation: Generation | None, *, salt: str = ""
    ) -> Request:
        """A request for an answer as the task has it: as long as it says, if that can be."""
        if isinstance(content, bytes):
            return Request(self.endpoint, {"model": model, "response_format": "json"}, content)
        if isinstance(content, tuple):
            return Request(self.endpoint, {"model": model, "input": list(content)})
        assert generation is not None  # who asks for a text says how long it is
        forces = is_forced(generation)
        body = asked_for(self.endpoint, model, content, generation.max_new_tokens)
        body |= {
            name: WISHES[name]
            for name in WISHES
            if name in self.wishes and (forces or name not in FORCING)
        }
        if "min_tokens" in body:
            body["min_tokens"] = generation.max_new_tokens
        if salt:
            body["cache_salt"] = salt
        return Request(self.endpoint, body)

    @property
    def limits(self) -> bool:
        """Whether it is told how long answers are: where they are written."""
        return self.endpoint in _CONTINUES

    def lengths_of(self, generation: Generation | None) -> Lengths:
        """Whether answers of a task are of a length that the server keeps to."""
        return self.lengths if generation and is_forced(generation) else "actual"


def asked_for(endpoint: Endpoint, model: str, prompt: str, tokens: int) -> dict[str, Any]:
    """A request for at most so many tokens, and nothing beside that."""
    asked: dict[str, Any] = {"prompt": prompt}
    if endpoint == "chat/completions":
        asked = {"messages": [{"role": "user", "content": prompt}]}
    return {"model": model, **asked, "max_tokens": tokens}


def is_forced(generation: Generation) -> bool:
    """Whether a task's answers are all of one length."""
    return generation.min_new_tokens == generation.max_new_tokens


def content_of(modality: str, query: Query) -> Content:
    """What is sent of a query."""
    if modality == "sentence_similarity":
        return str(query["sentence1"]), str(query["sentence2"])
    if modality == "asr":
        return bytes(query["audio"])
    return prompt_of(modality, query)


def numbered(content: Content, number: int) -> Content:
    """The same with the number of the pass before each text; a recording has no place for it."""
    if isinstance(content, bytes):
        return content
    if isinstance(content, tuple):
        first, second = content
        return f"{number}. {first}", f"{number}. {second}"
    return f"{number}. {content}"
