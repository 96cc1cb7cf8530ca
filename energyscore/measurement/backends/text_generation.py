"""Text generation: by decoders that continue a text, or by encoder-decoders that read it first."""

from typing import Any

from transformers import AutoModelForCausalLM

from energyscore.measurement.backends.base import ByModel, TransformersBackend
from energyscore.measurement.backends.text_to_text import TextToText
from energyscore.measurement.backends.written_text import WrittenText


class Continuation(WrittenText):
    """Decoder-only generation: `prefill` reads the prompt, `decode` makes token after token."""

    auto_class = AutoModelForCausalLM
    padding_side = "left"

    def _special_tokens(self) -> tuple[int | None, Any]:
        end = self.model.generation_config.eos_token_id or self._tokenizer.eos_token_id
        return self._tokenizer.pad_token_id, end


class EncodedContinuation(TextToText):
    """Encoder-decoder models get the text as it stands, less the new tokens as decoders do.

    `prefill` encodes it and makes the decoder's first step.
    """

    leaves_room = True
    prompt = "{text}"


class TextGeneration(ByModel):
    """By the model's kind; the official method measures both."""

    @staticmethod
    def choose(config: Any) -> type[TransformersBackend]:
        """By the configuration."""
        encodes = getattr(config, "is_encoder_decoder", False)
        return EncodedContinuation if encodes else Continuation
