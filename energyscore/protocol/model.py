"""Which model is measured: from the hub, a local folder, or a bundled architecture."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from energyscore.base.errors import ModelError
from energyscore.base.files import local_path, real_path
from energyscore.protocol.census import Census
from energyscore.protocol.model_folder import (
    PIPELINE_INDEX as PIPELINE_INDEX,
)
from energyscore.protocol.model_folder import check_model, holds_adapter, is_weights_file
from energyscore.protocol.parentage import HUB_ID, Parent, Relation

Source = Literal["hub", "local", "builtin", "server"]
Dtype = Literal["auto", "float32", "float16", "bfloat16"]
By = Literal["head", "generate"]
"""The two ways to classify and to answer: a head in one pass, or writing."""

Quantization = Literal[
    "int8", "int8-dynamic", "int4", "fp8", "fp8-weight-only", "nf4", "fp4", "llm-int8"
]  # fmt: skip
"""How weights can be quantized while they are loaded; `backends/quantizing.py` has the methods."""

Attention = Literal["eager", "sdpa", "flash_attention_2"]
"""Implementations of attention, by transformers' names."""

BUILTIN_PREFIX = "builtin:"


@dataclass(frozen=True)
class ModelSpec:
    """A model as it was asked for, before anything is loaded.

    Attributes:
        id: hub id, name of the folder, or name of the bundled architecture.
        revision: branch, tag or commit on the hub.
        random_weights: take only the architecture; weights are random, from `seed`.
        dtype: `auto` follows the task's protocol.
        allow_pickle: where there are no safetensors, load pickle files, which can run code.
        by: the way to do tasks that can be done in two; None: the model's own.
        base: what `id` is an adapter for, if it is one; None for a whole model. What lies on the
            hub may turn out to be either.
        parent: what it was made from, as the user says.
        quantization: how its weights are quantized while they are loaded; None: as they are.
        attention: the implementation of attention; None: the model's own.
        compile: whether torch.compile makes what runs.
    """

    source: Source
    id: str
    path: Path | None = None
    revision: str | None = None
    random_weights: bool = False
    dtype: Dtype = "auto"
    trust_remote_code: bool = False
    allow_pickle: bool = False
    seed: int = 0
    by: By | None = None
    base: "ModelSpec | None" = None
    parent: Parent | None = None
    quantization: Quantization | None = None
    attention: Attention | None = None
    compile: bool = False

    @property
    def label(self) -> str:
        """The name that results carry."""
        return f"{BUILTIN_PREFIX}{self.id}" if self.source == "builtin" else self.id

    @property
    def sources(self) -> set[Source]:
        """Where its files come from, and those of what it is an adapter for."""
        return {self.source, *(self.base.sources if self.base else ())}

    @property
    def location(self) -> str:
        """What the loading library is given: a hub id or a folder."""
        return str(self.path) if self.path is not None else self.id

    @property
    def folder(self) -> tuple[str, str]:
        """`(org, model)`: the two folder names under which results of this model are kept."""
        if self.source != "hub":
            return self.source, self.id
        org, _, name = self.id.rpartition("/")
        return org or "hub", name


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model once it is loaded; of a server's, hardly anything.

    Attributes:
        revision: commit on the hub, digest of a local folder, or None (bundled).
        architecture: name of the model's class.
        quantization: such as `gptq-4bit`, the model's own or made while it was loaded; or None.
        context_length: longest input in tokens, or None when the model names none.
        experts: experts of a mixture, of which each token uses a few; None for other models.
        base_model: name and revision of what an adapter was applied to; None for a whole model.
        dequantized: the quantization that the library undid while it loaded the weights, or None.
        left_over: weights of its files that belong into its layers and were not taken.
        parent: what it was made from; None where nobody says.
        quantized_on_load: the name of the quantization that was made while it was loaded.
        census: what that quantization did to the layers.
        attention: the implementation of attention that is used; None: not known, or it has none.
        attention_default: the one that the model takes by itself.
        compiled: whether torch.compile makes what runs.
    """

    revision: str | None
    architecture: str
    parameters: int | None
    dtype: str | None
    quantization: str | None
    quantization_bits: int | None
    weights: Literal["pretrained", "random"] | None
    context_length: int | None
    experts: int | None = None
    base_model: str | None = None
    dequantized: str | None = None
    left_over: tuple[str, ...] = ()
    parent: Parent | None = None
    quantized_on_load: Quantization | None = None
    census: Census | None = None
    attention: str | None = None
    attention_default: str | None = None
    compiled: bool = False


def parse_model(
    text: str,
    *,
    revision: str | None = None,
    random_weights: bool = False,
    dtype: Dtype = "auto",
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    base_model: str | None = None,
    base_relation: Relation | None = None,
) -> ModelSpec:
    """Read a model's name as the command line gives it.

    `builtin:NAME` is a bundled architecture; a path that exists, or that starts with `.`, `/`
    or `~`, is a local folder; anything else is an id on the hub. With a `base_model` it is an
    adapter for that, or a whole model that was made from it. A ModelError where it is neither, or
    the folder holds no model.
    """
    if not text:
        raise ModelError("--model is empty.", "Give a hub id, a folder or builtin:NAME.")
    asked = ModelSpec(
        source="hub",
        id=text,
        revision=revision,
        random_weights=random_weights,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
    )
    base = None
    if base_model is not None:
        base = parse_model(
            base_model, dtype=dtype, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle
        )
        parent = Parent(base.label, "user", base_relation, "user" if base_relation else None)
        asked = replace(asked, parent=parent)
    if text.startswith(BUILTIN_PREFIX):
        if revision is not None:
            raise ModelError(
                f"--revision {revision} does not go with {text}.",
                "Bundled architectures have no revisions; leave it out.",
            )
        name = text.removeprefix(BUILTIN_PREFIX)
        return ModelSpec("builtin", name, random_weights=True, dtype=dtype, parent=asked.parent)
    path = local_path(text)
    if text[0] in "./~" or (path is not None and (path.is_dir() or is_weights_file(path))):
        is_adapter = base is not None and path is not None and holds_adapter(path)
        folder = path if path is not None and is_adapter else check_model(path, text)
        if revision is not None:
            raise ModelError(f"--revision {revision} does not go with the folder {text}.")
        resolved = real_path(folder)
        name = re.sub(r"[^\w.-]", "_", resolved.name) or "model"
        base = _check_base(asked, base) if base and is_adapter else None
        return replace(asked, source="local", id=name, path=resolved, base=base)
    if not HUB_ID.fullmatch(text) or ".." in text:
        raise ModelError(
            f"{text!r} is neither a hub id (org/name), nor a folder, nor builtin:NAME.",
            "`energyscore models` lists the bundled architectures.",
        )
    # Whether it is an adapter is not known yet; with random weights it can be none.
    may_be_adapter = base is not None and not random_weights and base.source != "builtin"
    return replace(asked, base=base if may_be_adapter else None)


def _check_base(adapter: ModelSpec, base: ModelSpec) -> ModelSpec:
    """What an adapter is for: a whole model with pretrained weights."""
    if adapter.random_weights or base.source == "builtin":
        raise ModelError(
            f"--base-model {base.label}: an adapter needs the pretrained weights that it was made "
            "for.",
            "Name the pretrained model, by its hub id or folder."
            + (" Leave out --random-weights." if adapter.random_weights else ""),
        )
    return base
