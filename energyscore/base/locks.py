"""Locks between processes: files that the kernel holds locked for as long as a process lives."""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from energyscore.base.errors import ResultError

LOCAL = "Name a folder on a local disk."


@contextlib.contextmanager
def locked(
    path: Path, *, wait_s: float = 0.0, busy: str = "", remedy: str = "or choose another --out"
) -> Iterator[int]:
    """Hold a lock file. The lock is the kernel's and ends with the process, killed or not.

    It yields the lock file's descriptor: processes that inherit it hold the lock along. Where
    another process still holds it after `wait_s`, the ResultError is `busy`. A file that is there
    keeps what is in it, and a link is not followed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ResultError(f"The lock file {path} is a link.", "Remove it.") from error
        raise ResultError(f"{path} cannot be written: {error.strerror}.") from error
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, file)
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise ResultError(busy, f"Wait for it, {remedy}.") from error
            except OSError as error:
                raise ResultError(f"{path} cannot be locked: {error.strerror}.", LOCAL) from error
            time.sleep(0.05)
        # The file stays: were it removed, one process could hold the old file's lock and
        # another the new one's.
        yield file
