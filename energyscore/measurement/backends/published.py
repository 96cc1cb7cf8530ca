"""Files of a model on the hub or in a folder, looked at before the library loads the model."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers.utils import cached_file

from energyscore.base.errors import ModelError
from energyscore.protocol import hub
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.model_folder import GGUF_REMEDY, name_adapter
from energyscore.protocol.weight_files import (
    ADAPTER_SETTINGS,
    INDEX,
    PICKLE_REMEDY,
    SAFE,
    check_name,
    check_weights,
    lack_of_weights,
    refuse_adapter,
    shards_of,
)


def published_file(spec: ModelSpec, name: str) -> Path | None:
    """A file of a model, fetched if it lies on the hub; None where the model has none."""
    found = cached_file(
        spec.location,
        name,
        revision=spec.revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return Path(found) if found else None


def explain_no_config(spec: ModelSpec) -> ModelError | None:
    """What a repository without a configuration is, where that can be told."""
    if spec.path is not None:
        return None
    settings = published_file(spec, ADAPTER_SETTINGS)
    if settings is not None:
        return name_adapter(settings, spec.label)
    names = (not hub.offline_by_choice() and hub.file_sizes(spec.id, spec.revision)) or {}
    if any(name.lower().endswith(".gguf") for name in names):
        message = f"The model {spec.label} is a GGUF file, which transformers cannot run."
        return ModelError(message, GGUF_REMEDY)
    return None


def refuse_published_adapter(spec: ModelSpec) -> None:
    """Refuse a whole model on the hub with an adapter beside it, as in a folder."""
    settings = published_file(spec, ADAPTER_SETTINGS) if spec.path is None else None
    if settings is not None:
        refuse_adapter(settings.parent, spec.label)


def check_published_weights(spec: ModelSpec, config: Any) -> None:
    """Check the files of weights that the library would open, before it does."""
    named = getattr(config, "transformers_weights", None)
    if spec.path is not None:
        if not check_weights(spec.path, spec.label, allow_pickle=spec.allow_pickle, named=named):
            raise lack_of_weights(spec.path, spec.label, allow_pickle=spec.allow_pickle)
        return
    names = [named] if named else [f"model{SAFE}", f"model{SAFE}{INDEX}"]
    if spec.allow_pickle and not named:
        names.append(f"pytorch_model.bin{INDEX}")
    for name in names:
        check_name(
            str(name).removesuffix(INDEX), "config.json", spec.label, allow_pickle=spec.allow_pickle
        )
        file = published_file(spec, name)
        if file is None:
            continue
        if name.endswith(INDEX):
            shards_of(file, spec.label, allow_pickle=spec.allow_pickle)
        else:
            check_weights(file.parent, spec.label, allow_pickle=spec.allow_pickle, named=name)
        return


@contextlib.contextmanager
def pickles_refused(spec: ModelSpec) -> Iterator[None]:
    """Let torch open no pickle meanwhile, unless it was allowed.

    What is opened was checked before; this holds for what no check foresaw.
    """
    if spec.allow_pickle:
        yield
        return

    def refuse(*_: Any, **__: Any) -> Any:
        raise ModelError(f"Loading the model {spec.label} would open a pickle.", PICKLE_REMEDY)

    original = torch.load
    torch.load = refuse
    try:
        yield
    finally:
        torch.load = original
