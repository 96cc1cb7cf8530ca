"""What is known of a model once it is loaded: its size, precision, revision, and how it works."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from energyscore.base.errors import ModelError
from energyscore.base.files import model_files
from energyscore.measurement.backends.attention import attention_of
from energyscore.measurement.backends.loading import Blueprint, Loaded, as_dict
from energyscore.measurement.backends.origin import parent_of
from energyscore.measurement.backends.quantization import (
    quantization_of,
    without_quantized_weights,
)
from energyscore.measurement.backends.quantizing import kind_on_load
from energyscore.protocol.model import ModelFacts, ModelSpec


def facts_of_loaded(
    blueprint: Blueprint, loaded: Loaded, context_length: int | None = None
) -> ModelFacts:
    """What a model is that was loaded by a blueprint, with its adapter if it has one."""
    model, asked = loaded.module, blueprint.spec
    facts = facts_of(asked, type(model).__name__, [model], context_length)
    used, default = attention_of(model)
    facts = replace(
        facts,
        left_over=loaded.left_over,
        quantized_on_load=asked.quantization,
        census=loaded.census,
        attention=used,
        attention_default=default,
        compiled=asked.compile,
    )
    if facts.quantization is None and facts.weights == "pretrained":
        facts = replace(facts, dequantized=quantization_of(blueprint.config)[0])
    if blueprint.adapter is not None:
        base = f"{blueprint.spec.label}@{facts.revision}"
        spec = blueprint.adapter.spec
        facts = replace(
            facts,
            revision=revision_of(spec),
            base_model=base,
            parent=parent_of(spec, "adapter"),
        )
    return facts


def facts_of(
    spec: ModelSpec, architecture: str, parts: Sequence[Any], context_length: int | None = None
) -> ModelFacts:
    """What a loaded model is; `parts` are its modules: one, or several of a pipeline."""
    largest = max(parts, key=lambda part: sum(p.numel() for p in part.parameters()))
    found = [quantization_of(getattr(part, "config", None)) for part in parts]
    own, own_bits = next((one for one in found if one[0]), (None, None))
    quantization, bits = (own, own_bits) if spec.quantization is None else kind_on_load(spec, None)
    return ModelFacts(
        revision=revision_of(spec),
        architecture=architecture,
        parameters=count_parameters(parts),
        dtype=str(largest.dtype).removeprefix("torch."),
        quantization=quantization,
        quantization_bits=bits,
        weights="random" if spec.random_weights else "pretrained",
        context_length=context_length,
        experts=count_experts(as_dict(getattr(largest, "config", {}))),
        parent=parent_of(spec, "quantized" if own and spec.quantization is None else None),
    )


def count_parameters(parts: Sequence[Any]) -> int:
    """Parameters of modules, those that they share once.

    Quantized weights are packed several to a number, each method in its own way, some as buffers;
    so they are counted in the same architecture without quantization, built on `meta`.
    """
    plain = torch.nn.ModuleList(map(without_quantized_weights, parts))
    return sum(parameter.numel() for parameter in plain.parameters())


def count_experts(config: Mapping[str, Any]) -> int | None:
    """Experts of a layer by a configuration and its parts; None for dense models.

    Families name it `num_local_experts`, `num_experts`, `n_routed_experts`, `moe_num_experts`;
    dense members of such families say null, 0 or 1.
    """
    own = [n for key, n in config.items() if str(key).endswith("experts") and isinstance(n, int)]
    parts = [count_experts(part) for part in config.values() if isinstance(part, Mapping)]
    most = max([*own, *(n for n in parts if n)], default=0)
    return most if most > 1 else None


def revision_of(spec: ModelSpec) -> str | None:
    """The commit of what was loaded, None for a bundled one; of a folder a digest.

    That is the SHA-256 over all that can decide the work, so that a result names what it measured.
    """
    if spec.path is None:
        return spec.revision
    digest = hashlib.sha256()
    for file in model_files(spec.path, weights=not spec.random_weights):
        name = file.relative_to(spec.path).as_posix()
        digest.update(f"{name}\0".encode("utf-8", "surrogateescape"))
        try:
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
        except OSError as error:
            raise ModelError(
                f"{file} cannot be read: {error.strerror}.",
                "It is part of the model's folder: make it readable, or take it out.",
            ) from error
    return f"sha256:{digest.hexdigest()[:16]}"
