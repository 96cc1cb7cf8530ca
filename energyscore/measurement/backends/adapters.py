"""Adapters (LoRA and the like): fetched, checked, and applied to the model they are for."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from energyscore.base.errors import ModelError
from energyscore.base.files import is_file
from energyscore.base.libraries import library_errors, said_by
from energyscore.base.packages import needed_by
from energyscore.measurement.backends.failures import lacks_memory
from energyscore.measurement.backends.published import published_file
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.model_folder import holds_adapter
from energyscore.protocol.weight_files import (
    ADAPTER_SETTINGS,
    ADAPTER_WEIGHTS,
    PICKLE_REMEDY,
    SAFE,
    check_weights,
)


@dataclass(frozen=True)
class Adapter:
    """An adapter on this machine."""

    spec: ModelSpec  # pinned to the commit that its files are from
    folder: Path
    pickled: bool
    replaced: tuple[str, ...]  # prefixes of weights that it has in place of the model's


def is_adapter(spec: ModelSpec) -> bool:
    """Whether a model has the files of an adapter, here or on the hub."""
    if spec.path is not None:
        return holds_adapter(spec.path)
    return published_file(spec, ADAPTER_SETTINGS) is not None


def fetch_adapter(spec: ModelSpec) -> Adapter | None:
    """The files of an adapter, checked before anything opens them; None where it is none.

    Raises:
        UnsupportedError: when peft is not installed.
        ModelError: when its files may not be opened.
    """
    if not is_adapter(spec):
        return None
    _check_peft(spec)
    folder = spec.path
    if folder is None:
        file = published_file(spec, ADAPTER_SETTINGS)
        assert file is not None
        folder = file.parent  # the cache names folders by commit
        spec = replace(spec, revision=folder.name)
        if published_file(spec, ADAPTER_WEIGHTS + SAFE) is None and spec.allow_pickle:
            published_file(spec, f"{ADAPTER_WEIGHTS}.bin")
    endings = (SAFE, ".bin") if spec.allow_pickle else (SAFE,)
    settings = _settings(folder / ADAPTER_SETTINGS, spec.label)
    kind = str(settings.get("peft_type"))
    if "PROMPT" in kind or "PREFIX" in kind or kind == "P_TUNING":
        raise ModelError(
            f"The adapter {spec.label} is of the kind {kind[:40]}, which lengthens prompts "
            "instead of changing the model: it is not supported.",
            "Name an adapter such as LoRA, or merge it.",
        )
    names = [ADAPTER_WEIGHTS + ending for ending in endings]
    found = next((name for name in names if is_file(folder / name)), None)
    if found is None:
        raise ModelError(
            f"The adapter {spec.label} has no safetensors weights ({names[0]}).",
            "" if spec.allow_pickle else PICKLE_REMEDY,
        )
    check_weights(folder, spec.label, allow_pickle=spec.allow_pickle, named=found)
    whole = tuple(f"{name}." for name in settings.get("modules_to_save") or ())
    return Adapter(spec, folder, not found.endswith(SAFE), whole)


def apply_adapter(model: Any, adapter: Adapter) -> None:
    """Put an adapter into a model, as matrices of its own: it is not merged.

    Raises:
        ModelError: when it does not fit the model.
    """
    label = adapter.spec.label
    unfit = f"The adapter {label} does not fit the model {model.config.name_or_path or 'named'}"
    remedy = "Name the model that it was made for with --base-model."

    def explain(error: BaseException) -> ModelError | None:
        if isinstance(error, UnpicklingError | EOFError) or lacks_memory(error):
            return None  # told as of any model
        if isinstance(error, re.error):
            place = f"target_modules in {ADAPTER_SETTINGS} of the adapter {label}"
            return ModelError(f"{place} is no pattern: {said_by(error)}.", "Mend it there.")
        return ModelError(f"{unfit}: {said_by(error)}.", remedy)

    with library_errors(explain):
        info = model.load_adapter(str(adapter.folder), use_safetensors=not adapter.pickled)
    wrong = [*info.missing_keys, *info.unexpected_keys, *info.mismatched_keys]
    if wrong:
        raise ModelError(f"{unfit}: {wrong[0]} is missing or left over.", remedy)


def _check_peft(spec: ModelSpec) -> None:
    with needed_by(f"The adapter {spec.label}"):
        import peft  # noqa: F401


def _settings(file: Path, label: str) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    except (OSError, ValueError, RecursionError):
        pass
    message = f"{ADAPTER_SETTINGS} of the adapter {label} cannot be read."
    raise ModelError(message, "Download or save it again.")
