"""Which model is measured: from the hub, a local folder, or a bundled architecture."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from energyscore.base.errors import ModelError
from energyscore.base.files import local_path, real_path

Source = Literal["hub", "local", "builtin"]
Dtype = Literal["auto", "float32", "float16", "bfloat16"]

BUILTIN_PREFIX = "builtin:"
PIPELINE_INDEX = "model_index.json"
"""What a pipeline of several models has in place of a `config.json`."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)


@dataclass(frozen=True)
class ModelSpec:
    """A model as it was asked for, before anything is loaded.

    Attributes:
        id: hub id, name of the folder, or name of the bundled architecture.
        revision: branch, tag or commit on the hub.
        random_weights: take only the architecture; weights are random, from `seed`.
        dtype: `auto` follows the task's protocol.
        allow_pickle: where there are no safetensors, load pickle files, which can run code.
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

    @property
    def label(self) -> str:
        """The name that results carry."""
        return f"{BUILTIN_PREFIX}{self.id}" if self.source == "builtin" else self.id

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
    """What is known of a model once it is loaded.

    Attributes:
        revision: commit on the hub, digest of a local folder, or None (bundled).
        architecture: name of the model's class.
        quantization: the model's own quantization, such as `gptq-4bit`, or None.
        context_length: longest input in tokens, or None when the model names none.
        experts: experts of a mixture, of which each token uses a few; None for other models.
    """

    revision: str | None
    architecture: str
    parameters: int
    dtype: str
    quantization: str | None
    quantization_bits: int | None
    weights: Literal["pretrained", "random"]
    context_length: int | None
    experts: int | None = None


def parse_model(
    text: str,
    *,
    revision: str | None = None,
    random_weights: bool = False,
    dtype: Dtype = "auto",
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> ModelSpec:
    """Read a model's name as the command line gives it.

    `builtin:NAME` is a bundled architecture; a path that exists, or that starts with `.`, `/`
    or `~`, is a local folder; anything else is an id on the hub. A ModelError where it is neither,
    or the folder holds no model.
    """
    if not text:
        raise ModelError("--model is empty.", "Give a hub id, a folder or builtin:NAME.")
    if text.startswith(BUILTIN_PREFIX):
        if revision is not None:
            raise ModelError(
                f"--revision {revision} does not go with {text}.",
                "Bundled architectures have no revisions; leave it out.",
            )
        name = text.removeprefix(BUILTIN_PREFIX)
        return ModelSpec("builtin", name, random_weights=True, dtype=dtype)
    asked = ModelSpec(
        source="hub",
        id=text,
        revision=revision,
        random_weights=random_weights,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
    )
    path = local_path(text)
    if text[0] in "./~" or (path is not None and path.is_dir()):
        path = _check_folder(path, text)
        if revision is not None:
            raise ModelError(f"--revision {revision} does not go with the folder {text}.")
        resolved = real_path(path)
        name = re.sub(r"[^\w.-]", "_", resolved.name) or "model"
        return replace(asked, source="local", id=name, path=resolved)
    if not _HUB_ID.fullmatch(text) or ".." in text:
        raise ModelError(
            f"{text!r} is neither a hub id (org/name), nor a folder, nor builtin:NAME.",
            "`energyscore models` lists the bundled architectures.",
        )
    return asked


def _check_folder(path: Path | None, text: str) -> Path:
    if path is None or not path.is_dir():
        raise ModelError(f"The model folder {text} does not exist.")
    if not any((path / name).is_file() for name in ("config.json", PIPELINE_INDEX)):
        raise ModelError(
            f"The folder {path} holds no model: there is no config.json in it.",
            f"Name the folder that `save_pretrained` wrote; a pipeline's has a {PIPELINE_INDEX}.",
        )
    return path
