"""Files that we write: whole or not at all, and by one process at a time."""

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from energyscore.base.errors import ResultError
from energyscore.base.files import real_path


def write_atomically(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a file so that readers see the old content or the new one, never a part.

    What a link names is replaced, not the link. What is no file (a pipe, a device) is written into
    and stays what it is.

    Args:
        path: the file; folders on the way are made.
        content: all of it.
        mode: its permissions.

    Raises:
        ResultError: when it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if _is_stream(path):
            with open(path, "wb") as file:
                file.write(data)
            return
        target = real_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".tmp-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, mode)
            os.replace(temporary, target)
        finally:
            # Gone after the rename; still there after an error or Ctrl-C.
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        sync_folder(target.parent)
    except OSError as error:
        raise ResultError(f"{path} cannot be written: {error.strerror}.") from error


def _is_stream(path: Path) -> bool:
    """Whether a path names what is there and no file; a folder is an error of its own."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    # /dev/stdout may lead to a file that the shell holds open: replaced, it would go on elsewhere.
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or path.is_relative_to("/dev")


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = False, busy: str = "") -> Iterator[int]:
    """Hold a lock file. The lock is the kernel's and ends with the process, killed or not.

    Yields:
        The lock file's descriptor: processes that inherit it hold the lock along.

    Raises:
        ResultError: when another process holds it and `wait` is false.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise ResultError(f"{path} cannot be written: {error.strerror}.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            raise ResultError(busy, "Wait for it, or choose another --out.") from error
        # The file stays: were it removed, one process could hold the old file's lock and
        # another the new one's.
        yield file.fileno()


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file durable: the folder's entry must reach the disk as well."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
