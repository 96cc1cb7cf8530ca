"""Paths as people write them: any text may come, and not every text can be a path."""

import os
from collections.abc import Iterator
from pathlib import Path

_NO_PART_NAMES = ("readme", "license", "licence", "notice", "changelog")
_NO_PART_SUFFIXES = frozenset(
    (*(".md", ".rst", ".pdf", ".log", ".pyc"), *(".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp"))
)
_WEIGHT_SUFFIXES = frozenset(
    (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".ot")
)


def local_path(text: str) -> Path | None:
    """A path as people write it, or None when it can be none on this machine."""
    try:
        path = Path(text).expanduser()
        path.exists()  # a name that is too long, or holds a NUL, shows here
    except (RuntimeError, OSError, ValueError):
        return None
    return path


def is_file(path: Path) -> bool:
    """`Path.is_file`, False for a name that can be no file's."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_dir(path: Path) -> bool:
    """`Path.is_dir`, False for a name that can be no folder's."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def real_path(path: Path) -> Path:
    """`Path.resolve`; of links in a circle a path that cannot be opened."""
    return Path(os.path.realpath(path))


def shown_path(path: Path) -> str:
    """A path as it was given, for output that may be published: a home folder is written `~`."""
    try:
        home = Path.home()
    except RuntimeError:
        return str(path)
    if home == Path(home.anchor) or not path.is_relative_to(home):
        return str(path)
    return str("~" / path.relative_to(home))


def model_files(folder: Path, *, weights: bool = True) -> Iterator[Path]:
    """Files of a model's folder, and of the folders in it, that can decide its work.

    All but hidden ones, texts and pictures about the model, and results measured into it: a
    processor's settings or a word list decide as much as the weights do.

    Args:
        folder: the model's folder.
        weights: whether the weights are among them.
    """
    for file in sorted(folder.rglob("*")):
        parts, name, suffix = file.relative_to(folder).parts, file.name.lower(), file.suffix.lower()
        if any(part.startswith(".") for part in parts) or "results" in parts[:-1]:
            continue
        if name.startswith(_NO_PART_NAMES) or suffix in _NO_PART_SUFFIXES:
            continue
        if (weights or suffix not in _WEIGHT_SUFFIXES) and is_file(file):
            yield file
