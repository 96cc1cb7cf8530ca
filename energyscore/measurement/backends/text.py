"""What the text backends share: tokenizing, padding, truncating."""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from energyscore.base.errors import DatasetError, ModelError
from energyscore.base.units import counted
from energyscore.measurement.backend import Batch, CutInputs, InputSizes
from energyscore.measurement.backends.base import TransformersBackend
from energyscore.measurement.backends.loading import Blueprint
from energyscore.measurement.backends.processors import (
    CONTEXT_REMEDY,
    context_length,
    load_tokenizer,
)
from energyscore.protocol.model import ModelFacts
from energyscore.protocol.workload import Query

OFFICIAL_TOKENS = 512
"""What the official method takes of a query where the configuration names no positions."""


class TextBackend(TransformersBackend):
    """A backend for text; a modality adds its Auto class and `_work`."""

    prepare_ahead = 4096  # a prepared text is a few kilobytes
    padding_side: ClassVar[str] = "right"
    pairs: ClassVar[bool] = False  # whether two texts make one input
    own_inputs: ClassVar[tuple[str, ...]] = ()  # what `_work` needs of a batch beside the model
    _tokenizer: Any = None
    _label = ""
    _max_tokens: int | None = None
    _official_tokens: int = OFFICIAL_TOKENS  # that the official method takes of a query at least
    _taken: frozenset[str] | None = None  # inputs by name; None: all

    def load_from(self, blueprint: Blueprint) -> ModelFacts:
        """Load what the blueprint says, and see which inputs the model takes."""
        facts = super().load_from(blueprint)
        self._taken = _inputs_of(self.model)
        self._check_room()
        return facts

    def _check_room(self) -> None:
        """Refuse a model that reads no more than the special tokens around a text."""
        special = self._tokenizer.num_special_tokens_to_add(pair=self.pairs)
        if self._max_tokens is not None and self._max_tokens <= special:
            raise ModelError(
                f"The model {self._label} takes {counted(self._max_tokens, 'token')} of a query, "
                f"and its tokenizer adds {special} special ones: there is no room for a text.",
                CONTEXT_REMEDY,
            )

    def _load_processor(self, blueprint: Blueprint) -> None:
        self._label = blueprint.spec.label
        self._tokenizer = load_tokenizer(
            blueprint, padding_side=self.padding_side, framed=self.padding_side == "right"
        )
        self._max_tokens = context_length(blueprint, self._tokenizer)
        self._official_tokens = context_length(blueprint) or OFFICIAL_TOKENS
        if getattr(blueprint.config, "pad_token_id", None) is None:
            blueprint.config.pad_token_id = self._tokenizer.pad_token_id

    def _context_length(self) -> int | None:
        return self._max_tokens

    def _cut_inputs(self, queries: Sequence[Query]) -> CutInputs | None:
        limit = self._max_tokens
        if limit is None:
            return None
        lengths = [self._lengths(query) for query in queries]
        return CutInputs.of(lengths, limit, "tokens", self._official_tokens)

    def _input_sizes(self, queries: Sequence[Query]) -> InputSizes:
        most = self._max_tokens or math.inf
        lengths = [self._lengths(query) for query in queries]
        return InputSizes("tokens", [sum(min(n, most) for n in one) or 1 for one in lengths])

    def _lengths(self, query: Query) -> list[int]:
        """Tokens of each input that a query makes, whole."""
        encoded = self._tokenizer(self._texts([query]), truncation=False, verbose=False)
        return list(map(len, encoded["input_ids"]))

    def _prepare(self, queries: Sequence[Query]) -> Batch:
        encoded = self._encode(queries)
        tokens = int(encoded["attention_mask"].sum())
        if encoded["attention_mask"].sum(dim=-1).min() == 0:
            raise DatasetError("A query of the dataset has no tokens.", "Remove it.")
        inputs = self._for_model(encoded.to(self._device))
        own = {name: encoded[name] for name in self.own_inputs}
        return Batch(inputs | own, len(queries), tokens)

    def _for_model(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the inputs that the model takes: tokenizers can give more."""
        return {n: one for n, one in inputs.items() if self._taken is None or n in self._taken}

    def _encode(self, queries: Sequence[Query]) -> Any:
        """Tokenize a batch, padded where queries differ in length."""
        texts = self._texts(queries)
        return self._tokenizer(
            texts,
            padding=len(texts) > 1,
            truncation=self._max_tokens is not None,
            max_length=self._max_tokens,
            return_attention_mask=True,
            return_tensors="pt",
        )

    def _texts(self, queries: Sequence[Query]) -> list[str]:
        return [query["text"] for query in queries]


def _inputs_of(model: Any) -> frozenset[str] | None:
    """The inputs by name that a model's forward pass takes; None where it names none."""
    parameters = inspect.signature(model.forward).parameters
    return frozenset(parameters) if "input_ids" in parameters else None
