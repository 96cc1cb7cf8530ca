"""Tokens of texts that a server read and wrote, by a tokenizer that is named for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import AutoTokenizer

from energyscore.base.errors import UsageError
from energyscore.base.libraries import library_errors, said_by
from energyscore.measurement.backends.loading import quieten, read_published
from energyscore.measurement.backends.published import pickles_refused
from energyscore.protocol.model import ModelSpec


class NamedTokenizer:
    """Counts tokens; it is no model's, and runs no code that comes with its files."""

    def __init__(self, spec: ModelSpec) -> None:
        """Load it, from a folder or the hub; a UsageError where it cannot be loaded."""

        def explain(error: BaseException) -> UsageError:
            return UsageError(
                f"--tokenizer {spec.label} cannot be loaded: {said_by(error)}.",
                "Name the folder of its files, or an id on the hub; offline, one in the cache.",
            )

        quieten()
        with library_errors(explain), pickles_refused(spec):
            self._tokenizer: Any = read_published(spec, AutoTokenizer)

    def read_of(self, bodies: Sequence[Mapping[str, Any]]) -> list[int | None]:
        """Tokens of the prompts in requests; None where there is no text."""
        return [self._read(body) for body in bodies]

    def written_of(self, texts: Sequence[str]) -> list[int]:
        """Tokens of texts that were written."""
        return self._count(texts, special=False)

    def _read(self, body: Mapping[str, Any]) -> int | None:
        if messages := body.get("messages"):
            if self._tokenizer.chat_template:
                text = self._tokenizer.apply_chat_template(
                    messages, add_generation_prompt=True, tokenize=False
                )
                return sum(self._count([text], special=False))
            return sum(self._count([one["content"] for one in messages], special=True))
        texts = body.get("input") or ([body["prompt"]] if "prompt" in body else [])
        return sum(self._count(texts, special=True)) if texts else None

    def _count(self, texts: Sequence[str], *, special: bool) -> list[int]:
        if not texts:
            return []
        encoded = self._tokenizer(list(texts), add_special_tokens=special, verbose=False)
        return [len(one) for one in encoded["input_ids"]]
