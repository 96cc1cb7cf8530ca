"""How a model does a task that can be done in two ways: by a head, or by writing the answer."""

from typing import Any

from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from energyscore.base.errors import ModelError
from energyscore.protocol.model import By

_LANGUAGE_MODELS = frozenset(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())


def way_of(config: Any, head: str, by: By | None) -> By:
    """The way that was asked for; by default the head that a model was saved with, else writing.

    Only a model that is not made to write gets a head that it was not saved with: its weights are
    missing, or random because that was asked for.

    Raises:
        ModelError: when it shall write and cannot.
    """
    if by is not None:
        if by == "generate" and not can_write(config):
            raise ModelError(
                f"A model of the family {config.model_type} that is no language model cannot "
                "write its answers (--by generate).",
                "Leave out --by: it answers by a head.",
            )
        return by
    saved_with_head = any(head in name for name in config.architectures or ())
    return "generate" if can_write(config) and not saved_with_head else "head"


def refuse_reader(config: Any) -> None:
    """Refuse a model that fills gaps in whole texts, where a text is to be continued.

    Many of their families have a class that writes as well, for decoders among them.

    Raises:
        ModelError: when it was not made to write.
    """
    family = config.model_type
    own_code = "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    writes = own_code or can_write(config) or getattr(config, "is_decoder", False)
    if family in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not writes:
        saved_as = f", saved as {config.architectures[0]}," if config.architectures else ""
        raise ModelError(
            f"A model of the family {family}{saved_as} reads whole texts, to fill gaps or judge "
            "them: it does not continue one.",
            "Name a decoder, such as a GPT or Llama, or an encoder-decoder, such as a T5.",
        )


def can_write(config: Any) -> bool:
    """Whether a model of that configuration writes text: by a decoder, or as a language model."""
    return bool(getattr(config, "is_encoder_decoder", False)) or is_language_model(config)


def is_language_model(config: Any) -> bool:
    """Whether it is a decoder that continues texts, by its architecture or by its family."""
    named = (name in _LANGUAGE_MODELS for name in config.architectures or ())
    return any(named) or config.model_type in _DECODERS


_DECODERS = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.keys() - MODEL_FOR_MASKED_LM_MAPPING_NAMES.keys()
"""Families that are decoders; models of the others read texts, and some of them also write."""
