"""Tokens of answers where a server does not tell them: counted by a tokenizer, an estimate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from energyscore.base.errors import UsageError
from energyscore.base.files import local_path, real_path
from energyscore.measurement.imports import uncollected
from energyscore.measurement.server.answer import Answer
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.parentage import HUB_ID


class Counts(Protocol):
    """Counts tokens of texts."""

    def read_of(self, bodies: Sequence[Mapping[str, Any]]) -> list[int | None]:
        """Tokens of the prompts in requests; None where there is no text."""

    def written_of(self, texts: Sequence[str]) -> list[int]:
        """Tokens of texts that were written."""


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer that was named; `name` is what results say of it."""

    name: str
    counts: Counts

    def counted(self, answers: Iterable[Answer]) -> list[Answer]:
        """The same answers, with the tokens that the server did not tell; those are kept."""
        found = list(answers)
        bodies = [one.asked or {} for one in found]
        read = self.counts.read_of(bodies)
        written = self.counts.written_of([one.thoughts + one.text for one in found])
        thought = self.counts.written_of([one.thoughts for one in found])
        tokens = zip(found, zip(read, written, thought, strict=True), strict=True)
        return [one if one.error else _filled(one, *counts) for one, counts in tokens]


def _filled(one: Answer, read: int | None, written: int, thought: int) -> Answer:
    """An answer with these counts where it has none; what was thought is known if it was told."""
    if one.thinking_tokens is None and one.thoughts:
        one = replace(one, thinking_tokens=thought)
    return replace(
        one,
        input_tokens=read if one.input_tokens is None else one.input_tokens,
        output_tokens=written if one.output_tokens is None else one.output_tokens,
    )


def named_spec(text: str) -> ModelSpec:
    """Where a tokenizer is: a folder, or an id on the hub."""
    path = local_path(text)
    if path is not None and path.is_dir():
        folder = real_path(path)
        return ModelSpec(source="local", id=folder.name, path=folder)
    if not HUB_ID.fullmatch(text) or ".." in text:
        raise UsageError(f"--tokenizer {text}: it is neither a folder nor an id on the hub.")
    return ModelSpec(source="hub", id=text)


def load_tokenizer(text: str) -> Tokenizer:
    """A tokenizer by its name."""
    spec = named_spec(text)
    with uncollected():
        from energyscore.measurement.backends.counting import NamedTokenizer
    return Tokenizer(spec.label, NamedTokenizer(spec))
