"""Paths as people write them: any text may come, and not every text can be a path."""

from pathlib import Path


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
