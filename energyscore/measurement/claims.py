"""What a configuration claims, looked at before anything is built or loaded by it.

A size that no model has, or that the memory here could never hold, would end in an error of the
library, in hours of nothing, or in a machine without memory. Parameters are counted from below:
what any network of these sizes has at least.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import psutil

from energyscore.base.errors import ModelError

MOST_LAYERS, MOST_EXPERTS, MOST_SIZE = 10_000, 100_000, 1_000_000_000
"""Beyond all that there is."""

_LAYERS = re.compile(r"n_layers?|(\w+_)?(layers|blocks)|depth")
_EXPERTS = re.compile(r"\w*experts")
_SIZES = re.compile(
    r"\w*(_size|_dim|_embd|_model|_ff|_inner|_positions?|_embeddings|_channels|_heads?|_width)|dim"
)
_WIDTHS = ("hidden_size", "d_model", "n_embd", "dim")
_INNER = ("intermediate_size", "d_ff", "n_inner", "ffn_dim", "encoder_ffn_dim", "hidden_dim")
_DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers")
_EMBEDDED = ("embedding_size", "word_embed_proj_dim")
_SHARED = "num_hidden_groups"  # layers are repeated, and then they are no more parameters


def check_claims(
    settings: Mapping[str, Any], label: str, bytes_each: float, room_bytes: float | None
) -> None:
    """Refuse a configuration with a size beyond all bounds; a ModelError names the key.

    Args:
        settings: the configuration, with those of its parts.
        label: the model, for people.
        bytes_each: what a parameter takes at least.
        room_bytes: the memory that there is for all of them; None where that is not known.
    """
    for key, value in _numbers(settings, ""):
        name = key.rpartition(".")[2]
        if value > _most_of(name):
            raise _refused(label, key, value, "no model has so many")
    if room_bytes is None:
        return
    for key, value, parameters in _least_parameters(settings, ""):
        if parameters * bytes_each > room_bytes:
            size, room = (f"{one / 1e9:,.1f} GB" for one in (parameters * bytes_each, room_bytes))
            why = f"its weights would take {size} of memory at least, and there are {room}"
            raise _refused(label, key, value, why)


def room_on(device: str) -> float | None:
    """Bytes of memory on a processor; None for GPUs, whose own is looked at when one is chosen."""
    return float(psutil.virtual_memory().total) if device == "cpu" else None


def _most_of(name: str) -> float:
    if _LAYERS.fullmatch(name):
        return MOST_LAYERS
    if _EXPERTS.fullmatch(name):
        return MOST_EXPERTS
    return MOST_SIZE if _SIZES.fullmatch(name) else float("inf")


def _numbers(settings: Mapping[str, Any], place: str) -> Iterator[tuple[str, int]]:
    """All whole numbers with their keys, those of parts too."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{place}{name}.")
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, int) and not isinstance(one, bool):
                yield f"{place}{name}", one


def _least_parameters(settings: Mapping[str, Any], place: str) -> Iterator[tuple[str, int, int]]:
    """Parameters that the embedding and all layers have at least, each with the key to blame."""
    width, vocabulary = _first(settings, _WIDTHS), _first(settings, ("vocab_size",))
    embedded = _first(settings, _EMBEDDED)
    embedded = embedded if embedded[1] else width
    key, value = _unusual((vocabulary, 256_000), (embedded, 16_000))
    yield f"{place}{key}", value, vocabulary[1] * embedded[1]
    depth, inner = _first(settings, _DEPTHS), _first(settings, _INNER)
    layers = 1 if _SHARED in settings else depth[1]
    key, value = _unusual((depth, 100), (width, 16_000), (inner, 50_000))
    yield f"{place}{key}", value, layers * width[1] * (width[1] + inner[1])
    for name, part in settings.items():
        if isinstance(part, Mapping):
            yield from _least_parameters(part, f"{place}{name}.")


def _unusual(*known: tuple[tuple[str, int], int]) -> tuple[str, int]:
    """The key, with its number, that is the most times what the largest models have."""
    return max(known, key=lambda one: one[0][1] / one[1])[0]


def _first(settings: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, int]:
    """The first of these that is a number, with its key; 0 where none is."""
    found = ((name, settings.get(name)) for name in names)
    known = ((name, one) for name, one in found if type(one) is int and one > 0)
    return next(known, (names[0], 0))


def _refused(label: str, key: str, value: int, why: str) -> ModelError:
    shown = f"{value:,}" if value < 10**18 else f"{value:.1e}"
    return ModelError(
        f"The configuration of {label} says {key}: {shown}; {why}.",
        "Name another model, or mend its config.json.",
    )
