"""Summarization: by models that read a text and write another, or that continue one."""

from typing import Any

from energyscore.measurement.backends.base import ByModel, TransformersBackend
from energyscore.measurement.backends.text_generation import Continuation
from energyscore.measurement.backends.text_to_text import TextToText
from energyscore.protocol.model import By


class BySummary(TextToText):
    """The summary is generated from the encoded text."""

    prompt = "summarize: {text}"


class Summarization(ByModel):
    """Encoder-decoder models write the summary.

    Decoder-only models continue the text as it stands: each was taught to summarize by other
    words, or by none, and a few words more or less do not change the energy.
    """

    @staticmethod
    def choose(config: Any, by: By | None = None) -> type[TransformersBackend]:
        """By the configuration."""
        return BySummary if getattr(config, "is_encoder_decoder", False) else Continuation
