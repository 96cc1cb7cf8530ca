"""The weight files that loading a model opens, checked before anything opens them.

A pickle can run code when it is opened, and an index can name any file. So each file must be
safetensors (or pickles must be allowed), and lie in the model's own folder.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from energyscore.base.errors import ModelError
from energyscore.base.files import is_file, is_model_part, real_path

SAFE = ".safetensors"
INDEX = ".index.json"
ADAPTER_SETTINGS = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model"
PICKLE_REMEDY = "Pickle files can run code; allow them with --allow-pickle if you trust it."

_STEMS = ("model", "diffusion_pytorch_model")
_PICKLED = {"model": "pytorch_model.bin", "diffusion_pytorch_model": "diffusion_pytorch_model.bin"}
_MOST_HEADER_BYTES = 100_000_000  # what the library reads at most
SAVE_AGAIN = "Download or save it again."


def check_weights(
    folder: Path,
    label: str,
    *,
    allow_pickle: bool,
    named: str | None = None,
    root: Path | None = None,
) -> bool:
    """Check the weights that transformers or diffusers would open in this folder.

    `named` is a file that the configuration names in place of the usual ones; `root` is the
    model's folder where this is one in it. Returns whether there are any.

    Raises:
        ModelError: a pickle that was not allowed, a file outside the folder, a broken file.
    """
    for first in [named] if named else _candidates(allow_pickle):
        if is_file(folder / first) or named:
            for file in _opened(folder, first, label, allow_pickle):
                _check_place(file, root or folder, label)
                _check_content(file, label)
            return True
    return False


def check_pipeline(
    folder: Path, index: Mapping[str, Any], label: str, *, allow_pickle: bool
) -> None:
    """Check the weights of each part of a pipeline, given its index."""
    for name, entry in index.items():
        if isinstance(entry, list) and (folder / name).is_dir():
            real = real_path(folder / name)
            if not _is_plain(name) or not real.is_relative_to(real_path(folder)):
                raise ModelError(
                    f"The part {name!r} of the model {label} lies outside its folder.",
                    "Copy it into the folder, if you trust it.",
                )
            part = f"{label} ({name})"
            refuse_adapter(folder / name, part)
            check_weights(
                folder / name,
                part,
                allow_pickle=allow_pickle,
                named=_named_weights(folder / name / "config.json"),
                root=folder,
            )


def refuse_adapter(folder: Path, label: str) -> None:
    """Refuse a whole model with an adapter beside it: libraries differ in whether they apply it."""
    if is_file(folder / ADAPTER_SETTINGS):
        raise ModelError(
            f"The model {label} has an adapter beside its weights ({ADAPTER_SETTINGS}): whether "
            "that is applied depends on what is installed.",
            "Move the adapter to a folder of its own and add --base-model, or merge it into the "
            "model (peft's merge_and_unload) and save that.",
        )


def shards_of(index: Path, label: str, *, allow_pickle: bool) -> list[str]:
    """The names of the files that an index of weights names; a ModelError for what may not be."""
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        names = sorted(set(content["weight_map"].values()))
        if not isinstance(content["metadata"], dict) or not names:
            raise ValueError("it names no files")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{index.name} of the model {label} cannot be read.", SAVE_AGAIN
        ) from error
    for name in names:
        check_name(name, index.name, label, allow_pickle=allow_pickle)
    return names


def check_name(name: object, source: str, label: str, *, allow_pickle: bool) -> None:
    """Refuse a file that a model names (in its file `source`) outside its folder, or a pickle."""
    if not isinstance(name, str) or not _is_plain(name):
        raise ModelError(
            f"{source} of the model {label} names weights outside the model's folder: {name!r}.",
            "Put them into the folder and name them there, if you trust it.",
        )
    if not allow_pickle and not name.endswith(SAFE):
        raise ModelError(
            f"{source} of the model {label} names weights that are not safetensors: {name!r}.",
            PICKLE_REMEDY,
        )


def lack_of_weights(folder: Path, label: str, *, allow_pickle: bool) -> ModelError:
    """The error for a folder in which no weights were found: what is there in their place."""
    names = sorted(entry.name for entry in folder.iterdir())

    def first(pattern: str) -> str | None:
        return next((name for name in names if re.fullmatch(pattern, name)), None)

    if not allow_pickle and first(r"pytorch_model(-.*|\.bin\.index)?\.(bin|json)"):
        return ModelError(f"The model {label} has no safetensors weights.", PICKLE_REMEDY)
    message, remedy = "has no weights: there is no model.safetensors in its folder", SAVE_AGAIN
    if found := first(r"model-\d+-of-\d+\.safetensors"):
        message = (
            f"has weights in parts ({found}), and no index of them (model.safetensors.index.json)"
        )
    elif found := first(r"(model|pytorch_model)\.[\w-]+\.(safetensors|bin)"):
        message = f"has weights of a variant only: {found}"
        remedy = "Rename it to model.safetensors, or save the model without a variant."
    elif found := first(r".*\.(safetensors|bin|pt|pth|ckpt|h5|msgpack|gguf|onnx)"):
        message = f"has no weights in the form that transformers loads; {found} is another"
        remedy = "Save it with transformers (`save_pretrained`), as model.safetensors."
    return ModelError(f"The model {label} {message}.", remedy)


def _named_weights(config: Path) -> str | None:
    """The file of weights that a part's configuration names in place of the usual ones."""
    try:
        named = json.loads(config.read_text(encoding="utf-8"))["transformers_weights"]
        return named if isinstance(named, str) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # what is wrong with it is told when it is loaded


def _candidates(allow_pickle: bool) -> Iterator[str]:
    """The files that are looked for, in the libraries' order."""
    for stem in _STEMS:
        yield stem + SAFE
        yield stem + SAFE + INDEX
        if allow_pickle:
            yield _PICKLED[stem]
            yield _PICKLED[stem] + INDEX


def _opened(folder: Path, first: str, label: str, allow_pickle: bool) -> list[Path]:
    if not first.endswith(INDEX):
        check_name(first, "config.json", label, allow_pickle=allow_pickle)
        return [folder / first]
    check_name(first.removesuffix(INDEX), "config.json", label, allow_pickle=allow_pickle)
    names = shards_of(folder / first, label, allow_pickle=allow_pickle)
    missing = [name for name in names if not is_file(folder / name)]
    if missing:
        some = f"{missing[0]}{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}"
        raise ModelError(
            f"The model {label} lacks {len(missing)} of the {len(names)} weight files that its "
            f"{first} names: {some}.",
            SAVE_AGAIN,
        )
    return [folder / name for name in names]


def _is_plain(name: str) -> bool:
    """Whether it names something within a folder, of those that count as parts of a model."""
    path = PurePosixPath(name)
    inside = bool(path.parts) and not path.is_absolute() and ".." not in path.parts
    return inside and is_model_part(path)


def _check_place(file: Path, folder: Path, label: str) -> None:
    """Refuse a link that leads out of the folder; the hub's cache links to its own blobs."""
    real, home = real_path(file), real_path(folder)
    if real.is_relative_to(home) and is_model_part(real.relative_to(home)):
        return
    snapshots = home.parent
    if snapshots.name == "snapshots" and real.is_relative_to(snapshots.parent / "blobs"):
        return
    raise ModelError(
        f"The weights {file.name} of the model {label} are a link that leads out of its folder.",
        "Copy the file into the folder, if you trust it.",
    )


def _check_content(file: Path, label: str) -> None:
    """Refuse what is called safetensors and is not, by its header; the numbers are not read."""
    if not file.name.endswith(SAFE):
        return
    try:
        size = os.path.getsize(file)
        with file.open("rb") as content:
            start = content.read(8)
            length = int.from_bytes(start, "little")
            fits = len(start) == 8 and length <= min(_MOST_HEADER_BYTES, size - 8)
            header = content.read(length) if fits else content.read(64)
    except OSError as error:
        raise ModelError(
            f"{file.name} of the model {label} cannot be read: {error.strerror}."
        ) from error
    if not fits or not _is_header(header, size - 8 - length):
        kind, remedy = _kind_of(start + header)
        raise ModelError(f"The model {label} has corrupt weights: {file.name} {kind}.", remedy)


def _is_header(header: bytes, data_bytes: int) -> bool:
    try:
        tensors = json.loads(header)
        ends = [one["data_offsets"][1] for name, one in tensors.items() if name != "__metadata__"]
        return max(ends, default=0) == data_bytes
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return False


def fault_of(start: bytes) -> tuple[str, str] | None:
    """What is wrong with a file that begins so, whatever it should be, and what to do."""
    if start.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS in place of the file", "Fetch it: git lfs pull."
    return None if start else ("is empty", SAVE_AGAIN)


def _kind_of(start: bytes) -> tuple[str, str]:
    """What a file is that should be safetensors, and what to do."""
    if fault := fault_of(start):
        return fault
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return "is a pickle and not safetensors", "Save it as safetensors."
    return "is not a whole safetensors file", SAVE_AGAIN
