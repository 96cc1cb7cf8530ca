"""Text generation: by decoders that continue a text, or by encoder-decoders that read it first."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from transformers import AutoModelForCausalLM

from energyscore.measurement.backend import Likelihood
from energyscore.measurement.backends.base import ByModel, TransformersBackend
from energyscore.measurement.backends.failures import translated_errors
from energyscore.measurement.backends.likelihood import text_likelihoods
from energyscore.measurement.backends.text_to_text import TextToText
from energyscore.measurement.backends.ways import refuse_reader
from energyscore.measurement.backends.written_text import WrittenText, shortened
from energyscore.protocol.model import By
from energyscore.protocol.workload import Query


class Continuation(WrittenText):
    """Decoder-only generation: `prefill` reads the prompt, `decode` makes token after token."""

    auto_class = AutoModelForCausalLM
    padding_side = "left"

    def _special_tokens(self) -> tuple[int | None, Any]:
        end = self.model.generation_config.eos_token_id or self._tokenizer.eos_token_id
        return self._tokenizer.pad_token_id, end

    def likelihoods(self, queries: Sequence[Query]) -> list[Likelihood]:
        """How likely the texts of one batch are, whole, in windows."""
        texts = [query["text"] for query in queries]
        with translated_errors("Asking how likely texts are"), torch.inference_mode():
            return text_likelihoods(self.model, self._tokenizer, texts, self._model_tokens)


class PromptedContinuation(Continuation):
    """A decoder is asked for an answer, which it writes after the prompt.

    Where a query is too long, its field `cut` is cut, and not what asks for the answer. Chat
    templates are not used: a few words more or less do not change the energy.
    """

    prompt: ClassVar[str]
    cut: ClassVar[str] = "text"

    def _texts(self, queries: Sequence[Query]) -> list[str]:
        return [self.prompt.format(**query) for query in queries]

    def _encode(self, queries: Sequence[Query]) -> Any:
        return super()._encode([self._within(query) for query in queries])

    def _within(self, query: Query) -> Query:
        """A query whose prompt has as many tokens as the model has room for, at most."""
        if self._max_tokens is None:
            return query

        def render(text: str) -> str:
            return self.prompt.format(**{**query, self.cut: text})

        room = self._max_tokens - self._tokenizer.num_special_tokens_to_add(pair=False)
        return {**query, self.cut: shortened(self._tokenizer, query[self.cut], render, room)}


class EncodedContinuation(TextToText):
    """Encoder-decoder models get the text as it stands, less the new tokens as decoders do.

    `prefill` encodes it and makes the decoder's first step.
    """

    leaves_room = True
    prompt = "{text}"


class TextGeneration(ByModel):
    """By the model's kind; the official method measures both."""

    @staticmethod
    def choose(config: Any, by: By | None = None) -> type[TransformersBackend]:
        """By the configuration; a ModelError where the model does not write."""
        refuse_reader(config)
        encodes = getattr(config, "is_encoder_decoder", False)
        return EncodedContinuation if encodes else Continuation
