"""What makes queries ready for a model: tokenizers, image processors, feature extractors.

Those of published models come with them; bundled architectures get the bundled tokenizer, and
processors made from the settings in `architectures.json`.
"""

import contextlib
import functools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import transformers
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from energyscore.base.errors import ModelError
from energyscore.base.libraries import library_errors, said_by
from energyscore.measurement.backends.loading import Blueprint, read_published
from energyscore.measurement.backends.published import published_file
from energyscore.protocol.bundled import tokenizer_path
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.weight_files import SAVE_AGAIN, fault_of

_VOCABULARIES = ("tokenizer.json", "vocab.*", "*.model", "*.tiktoken", "tekken.json")
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")

NO_LIMIT = 10**8
"""Tokenizers that know no limit name a number beyond all that are meant."""

_POSITIONS = (
    "max_position_embeddings",
    "max_encoder_position_embeddings",
    "n_positions",
    "max_sequence_length",
    "max_seq_len",
    "seq_length",
)
_DECODER_POSITIONS = ("max_target_positions", "max_decoder_position_embeddings", *_POSITIONS)
SENTENCE_SETTINGS = "sentence_bert_config.json"
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
    with _files_named(spec, "tokenizer", _VOCABULARIES):
        tokenizer = read_published(spec, AutoTokenizer, padding_side=padding_side)
        _check_length(tokenizer.model_max_length, spec.label)
        if not _knows_words(tokenizer):
            raise ValueError(f"the tokenizer of {spec.label} knows no words")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    _check_padding(blueprint.config, tokenizer.pad_token_id, spec.label)
    return tokenizer


def tokenizer_of(blueprint: Blueprint) -> Callable[[], Any]:
    """The tokenizer of a model that reads no texts, loaded when its answers are to be read."""
    load = functools.partial(load_tokenizer, blueprint, padding_side="right", framed=False)
    return functools.cache(load)


def _check_length(longest: Any, label: str) -> None:
    """Refuse a longest input that is no number of tokens."""
    number = isinstance(longest, int | float)
    if not number or not longest > 0 or (longest < NO_LIMIT and int(longest) != longest):
        raise ModelError(
            f"model_max_length in tokenizer_config.json of the model {label} is {longest!r}: "
            "no number of tokens.",
            "Write the longest input there that the model takes, or take the key out.",
        )


def _check_padding(config: Any, own: int | None, label: str) -> None:
    """Refuse a token for padding that the model has no row for: batches would fail, or loading."""
    size = getattr(_text_part(config, decoder=True), "vocab_size", None)
    named = {"tokenizer_config.json": own, "config.json": getattr(config, "pad_token_id", None)}
    for file, token in named.items():
        if isinstance(size, int) and isinstance(token, int) and token >= size:
            raise ModelError(
                f"The padding token of the model {label} by its {file} is number {token}, outside "
                f"the vocabulary of {size} tokens that the model has weights for.",
                "Name another one there, such as the end token.",
            )


@contextlib.contextmanager
def _files_named(spec: ModelSpec, what: str, files: Sequence[str]) -> Iterator[None]:
    """Say that a folder lacks these files, or which one is broken, where loading fails for it.

    The library says it in many ways, some of them of other things.
    """

    def explain(error: BaseException) -> ModelError | None:
        if type(error) is Exception:  # the library in Rust has no classes for what it finds
            return ModelError(
                f"The {what} files of the model {spec.label} cannot be read: {said_by(error)}.",
                "They are broken, or made by a newer version of the library tokenizers.",
            )
        if spec.path is None:
            return None
        found = sorted(file for name in files for file in spec.path.glob(name))
        if not found:
            return ModelError(
                f"The folder of the model {spec.label} has no {what} files: none of "
                f"{', '.join(files)} is in it.",
                f"Save them beside the model: {what}.save_pretrained({str(spec.path)!r}).",
            )
        for file in found:
            if fault := _fault_of(file, error):
                return ModelError(f"{file.name} of the model {spec.label} {fault[0]}.", fault[1])
        return None

    with library_errors(explain):
        yield


def _fault_of(file: Path, error: BaseException) -> tuple[str, str] | None:
    """What is wrong with a file that loading may have failed for, and what to do."""
    with file.open("rb") as content:
        start = content.read(1000)
    # What is no sentencepiece model is taken for one of tiktoken, which is text.
    taken_so = file.suffix == ".model" and "tiktoken" in str(error)
    if taken_so and not _TIKTOKEN.match(start):
        return fault_of(start) or ("is no whole sentencepiece model", SAVE_AGAIN)
    return fault_of(start)


_TIKTOKEN = re.compile(rb"[A-Za-z0-9+/]+=* \d+\s")


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
    with _files_named(spec, "processor", _PROCESSORS):
        return read_published(spec, auto_class, **options)


def context_length(blueprint: Blueprint, tokenizer: Any = None) -> int | None:
    """Longest input in tokens, by configuration and tokenizer; None when neither names one."""
    if blueprint.architecture is not None and blueprint.architecture.context_length:
        return blueprint.architecture.context_length
    limits = [_positions(blueprint.config, decoder=False), _sentence_length(blueprint)]
    if tokenizer is not None:
        limits.append(tokenizer.model_max_length)
    return min((int(limit) for limit in limits if limit and limit < NO_LIMIT), default=None)


def check_room(config: Any, label: str, new_tokens: int) -> None:
    """Refuse a model whose decoder has no positions for the tokens that are to be generated."""
    positions = _positions(config, decoder=True)
    if positions is not None and positions <= new_tokens:
        refuse_context(label, positions, new_tokens)


def refuse_context(label: str, context: int, new_tokens: int) -> NoReturn:
    """Refuse a context that the new tokens of an answer fill."""
    raise ModelError(
        f"The context of the model {label} ({context} tokens) has no room for a prompt and the "
        f"{new_tokens} new tokens of an answer.",
        CONTEXT_REMEDY,
    )


CONTEXT_REMEDY = (
    "Name a model with a longer context; where the limit is its tokenizer's, correct "
    "model_max_length in tokenizer_config.json."
)


def _positions(config: Any, *, decoder: bool) -> int | None:
    """Positions that a model, or the text part of a composite one, has for tokens."""
    names = _DECODER_POSITIONS if decoder and config.is_encoder_decoder else _POSITIONS
    for part in (_text_part(config, decoder=decoder), config):
        named = (getattr(part, name, None) for name in names)
        found = next((limit for limit in named if isinstance(limit, int) and limit > 0), None)
        if found is not None:
            counted = part.model_type in _COUNTING_FROM_PADDING
            return found - ((part.pad_token_id or 0) + 1) if counted else found
    return None


def _text_part(config: Any, *, decoder: bool) -> Any:
    """The configuration of what reads or writes text in a model: often the model's own."""
    if config.is_encoder_decoder and not decoder:
        return getattr(config, "encoder", config)
    return config.get_text_config(decoder=True)


def _sentence_length(blueprint: Blueprint) -> int | None:
    """Where sentence-transformers cuts a model's sentences, if its files say so."""
    if blueprint.task.modality != "sentence_similarity" or blueprint.architecture is not None:
        return None
    file = published_file(blueprint.spec, SENTENCE_SETTINGS)
    if file is None:
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8")).get("max_seq_length")
    except (OSError, ValueError, AttributeError) as error:
        message = f"{SENTENCE_SETTINGS} of the model {blueprint.spec.label} cannot be read."
        raise ModelError(message, "Mend it, or take it out.") from error
    return found if type(found) is int and found > 0 else None
