"""What makes queries ready for a model: tokenizers, image processors, feature extractors.

Those of published models come with them; bundled architectures get the bundled tokenizer, and
processors made from the settings in `architectures.json`.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import transformers
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from energyscore.base.errors import ModelError
from energyscore.measurement.backends.loading import Blueprint, read_published
from energyscore.protocol.bundled import tokenizer_path
from energyscore.protocol.model import ModelSpec

_VOCABULARIES = ("tokenizer.json", "vocab.*", "*.model", "*.tiktoken", "tekken.json")
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_LOADING_ERRORS = (OSError, ValueError, TypeError, AttributeError, KeyError, ImportError)

NO_LIMIT = 10**8
"""Tokenizers that know no limit name a number beyond all that are meant."""

_POSITIONS = (
    "max_position_embeddings",
    "max_encoder_position_embeddings",
    "n_positions",
    "max_sequence_length",
)
# The first token's position is the padding token's number plus one.
_COUNTING_FROM_PADDING = (
    *("camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta"),
    *("roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"),
)


def load_tokenizer(blueprint: Blueprint, *, padding_side: str, framed: bool) -> Any:
    """The model's tokenizer, able to pad.

    A bundled tokenizer that is `framed` puts `<s>` and `</s>` around a text, as encoders want it.
    A folder without one is a ModelError.
    """
    if blueprint.architecture is not None:
        return bundled_tokenizer(
            padding_side=padding_side, framed=framed, longest=context_length(blueprint) or 512
        )
    spec = blueprint.spec
    with _named_if_missing(spec, "tokenizer", _VOCABULARIES):
        tokenizer = read_published(spec, AutoTokenizer, padding_side=padding_side)
        if not _knows_words(tokenizer):
            raise ValueError(f"the tokenizer of {spec.label} knows no words")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


@contextlib.contextmanager
def _named_if_missing(spec: ModelSpec, what: str, files: Sequence[str]) -> Iterator[None]:
    """Say that a folder lacks these files, where they are what loading fails for.

    The library says it in many ways, some of them of other things.
    """
    try:
        yield
    except _LOADING_ERRORS as error:
        if spec.path is None or any(any(spec.path.glob(name)) for name in files):
            raise
        raise ModelError(
            f"The folder of the model {spec.label} has no {what} files: none of "
            f"{', '.join(files)} is in it.",
            f"Save them beside the model: {what}.save_pretrained({str(spec.path)!r}).",
        ) from error


def _knows_words(tokenizer: Any) -> bool:
    """Whether it tells one text from another: one without a vocabulary cannot."""
    first, second = (
        tokenizer(text, add_special_tokens=False)["input_ids"]
        for text in ("0 a c g t quick brown", "1 e n u z heavy snow")
    )
    return set(first) != set(second)


def bundled_tokenizer(*, padding_side: str, framed: bool, longest: int, **tokens: str) -> Any:
    """The bundled byte-level BPE tokenizer; `tokens` replace its special tokens by name."""
    base = Tokenizer.from_file(str(tokenizer_path()))
    if framed:
        base.post_processor = TemplateProcessing(
            single="<s> $A </s>",
            pair="<s> $A </s> $B </s>",
            special_tokens=[("<s>", 1), ("</s>", 2)],
        )
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=base,
        padding_side=padding_side,
        model_max_length=longest,
        **special | tokens,
    )


def load_processor(blueprint: Blueprint, auto_class: Any, kind: str, **options: Any) -> Any:
    """The model's own processor, or for a bundled architecture one from its settings.

    `auto_class` makes those of published models, with `options`; `kind` is `image_processor` or
    `feature_extractor`. A folder or an architecture without one is a ModelError.
    """
    spec = blueprint.spec
    if blueprint.architecture is not None:
        settings = dict(blueprint.architecture.processors.get(kind, {}))
        if not settings:
            raise ModelError(f"The bundled architecture {spec.label} has no {kind}.")
        return getattr(transformers, settings.pop("class"))(**settings)
    with _named_if_missing(spec, "processor", _PROCESSORS):
        return read_published(spec, auto_class, **options)


def context_length(blueprint: Blueprint, tokenizer: Any = None) -> int | None:
    """Longest input in tokens, by configuration and tokenizer; None when neither names one."""
    if blueprint.architecture is not None and blueprint.architecture.context_length:
        return blueprint.architecture.context_length
    config = blueprint.config
    named = (getattr(config, name, None) for name in _POSITIONS)
    limits = [limit for limit in named if isinstance(limit, int) and limit > 0][:1]
    if limits and config.model_type in _COUNTING_FROM_PADDING:
        limits[0] -= (config.pad_token_id or 0) + 1
    if tokenizer is not None:
        limits.append(tokenizer.model_max_length)
    return min((limit for limit in limits if limit and limit < NO_LIMIT), default=None)
