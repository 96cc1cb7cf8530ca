"""The folder in which one attempt works, and what killed attempts left of theirs."""

import contextlib
import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

_LOCK, _MADE = ".lock", ".new"


def sweep() -> None:
    """Remove what attempts left that were killed on this machine."""
    for old in Path(tempfile.gettempdir()).glob(f"{_prefix()}*"):
        if _is_left(old):
            shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, removed afterwards."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=_prefix()))
    lock = os.open(folder / _MADE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.suppress(OSError):  # where nothing can be locked, it is never removed
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / _MADE).rename(folder / _LOCK)  # whoever finds it finds it locked
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _prefix() -> str:
    return f"energyscore-{socket.gethostname()}-"


def _is_left(folder: Path) -> bool:
    """Whether the process that worked there has ended."""
    with contextlib.suppress(OSError):
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        finally:
            os.close(lock)
    return False
