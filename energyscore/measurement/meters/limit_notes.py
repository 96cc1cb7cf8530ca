"""Notes of power limits that are set for a measurement: what to put back, should it be killed.

A note is a file of the user on this machine, locked for as long as the process lives that set the
limit. One that is there and not locked was left by a process that could not put the limit back.
They count until the machine is started anew, which resets all limits.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from energyscore.base.errors import ResultError
from energyscore.base.files import read_file
from energyscore.base.locks import locked
from energyscore.base.places import state_folder

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_WAIT_S = 1.0
"""A process that only looks holds a note for much less."""


@dataclass(frozen=True)
class LimitNote:
    """The limit that a GPU had, and the one that was set instead, in watts."""

    uuid: str
    found_w: float
    set_w: float

    @property
    def remedy(self) -> str:
        """The command that puts the limit back."""
        return f"`sudo nvidia-smi -i {self.uuid} -pl {self.found_w:g}` puts it back."

    def write(self) -> None:
        """Note it, on the disk when this returns; its GPU's note is held."""
        text = json.dumps({"found_w": self.found_w, "set_w": self.set_w})
        with _path(self.uuid).open("r+") as file:
            file.write(text)
            file.truncate()
            os.fsync(file.fileno())


def read_note(uuid: str) -> LimitNote | None:
    """The note of a GPU, whoever wrote it; None where there is nothing to put back."""
    path = _path(uuid)
    try:
        content = json.loads(read_file(path)) if path.exists() else {}
        return LimitNote(uuid, float(content["found_w"]), float(content["set_w"]))
    except (ResultError, ValueError, TypeError, KeyError):
        return None


def clear_note(uuid: str) -> None:
    """Note that there is nothing to put back."""
    os.truncate(_path(uuid), 0)


@contextlib.contextmanager
def held(uuid: str, label: str) -> Iterator[None]:
    """Hold the note of a GPU, which one process can at a time.

    Raises:
        ResultError: when another process holds it, or no file can be written.
    """
    busy = f"{label}: another measurement has set its power limit."
    with locked(_path(uuid), wait_s=_WAIT_S, busy=busy, remedy="or name another --gpu"):
        yield


def left_by_others(uuid: str) -> LimitNote | None:
    """The note that a killed process left of a GPU; None: none, or one is at work."""
    note = read_note(uuid)
    try:
        if note is not None:
            with locked(_path(uuid)):
                pass
    except ResultError:
        return None
    return note


def _path(uuid: str) -> Path:
    """Where a GPU's note lies, by the start of the machine: a home may be that of many machines."""
    boot = _BOOT.read_text().strip() if _BOOT.exists() else "boot"
    return state_folder() / f"power-limit-{boot}-{uuid}.json"
