"""What a folder or a file is that was named as a model, and what to do where it is none."""

import json
from pathlib import Path

from energyscore.base.errors import ModelError
from energyscore.base.files import is_dir, is_file
from energyscore.protocol.weight_files import ADAPTER_SETTINGS, refuse_adapter

PIPELINE_INDEX = "model_index.json"
"""What a pipeline of several models has in place of a `config.json`."""

_FILES = (".gguf", ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".onnx")
GGUF_REMEDY = (
    "Name the model that it was made from: a folder with a config.json and safetensors, or its "
    "id on the hub."
)


def check_model(path: Path | None, text: str) -> Path:
    """The folder of a whole model; a ModelError says what `path` is where it is none."""
    path = _check_is_folder(path, text)
    if not any(is_file(path / name) for name in ("config.json", PIPELINE_INDEX)):
        message, remedy = _what_it_is(path)
        raise ModelError(f"The folder {path} {message}.", remedy)
    refuse_adapter(path, path.name)
    return path


def holds_adapter(path: Path) -> bool:
    """Whether the files of an adapter lie in a folder."""
    return is_file(path / ADAPTER_SETTINGS)


def is_weights_file(path: Path) -> bool:
    """Whether it is a file of weights, which people name where a folder is wanted."""
    return path.suffix.lower() in _FILES and is_file(path)


def name_adapter(settings: Path, label: str) -> ModelError:
    """The error for an adapter that was named as a model, by its settings."""
    return ModelError(f"The model {label} {_ADAPTER}.", _adapter_remedy(settings))


_ADAPTER = "is an adapter (such as LoRA) and no whole model"


def _check_is_folder(path: Path | None, text: str) -> Path:
    if path is not None and is_file(path):
        if path.suffix.lower() == ".gguf":
            raise ModelError(f"{text} is a GGUF file, which transformers cannot run.", GGUF_REMEDY)
        raise ModelError(
            f"{text} is a file, and a model is a folder.",
            f"Name the folder with its config.json, such as {path.parent}.",
        )
    if path is None or not is_dir(path):
        raise ModelError(f"The model folder {text} does not exist.")
    return path


def _what_it_is(path: Path) -> tuple[str, str]:
    """What a folder without a configuration is, and what to do."""
    if is_file(path / ADAPTER_SETTINGS):
        return _ADAPTER, _adapter_remedy(path / ADAPTER_SETTINGS)
    none = "holds no model: there is no config.json in it"
    names = sorted(_names(path))
    if any(name.lower().endswith(".gguf") for name in names):
        return "holds a GGUF file, which transformers cannot run", GGUF_REMEDY
    saved = [name for name in names if is_file(path / name / "config.json")]
    if saved:
        return none, f"Name one of the folders in it, such as {path / saved[-1]}."
    return (
        none,
        f"Name the folder that `save_pretrained` wrote; a pipeline's has a {PIPELINE_INDEX}.",
    )


def _names(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.iterdir()]
    except OSError as error:
        raise ModelError(f"The folder {path} cannot be read: {error.strerror}.") from error


def _adapter_remedy(settings: Path) -> str:
    base = "NAME"
    try:
        found = json.loads(settings.read_text(encoding="utf-8"))["base_model_name_or_path"]
        if isinstance(found, str) and found.isprintable():
            base = found[:200] or base
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return f"Measure it together with the model that it was made for: --base-model {base}."
