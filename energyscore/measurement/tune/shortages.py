"""What did not fit into memory, kept in the folder of the results: it leaves no result there.

A trial that failed for another reason is tried again when the tune is started again: what was
missing may be there then.
"""

import contextlib
import json
from pathlib import Path

from energyscore.base.errors import ResultError

_NAME = ".out_of_memory.jsonl"
_OOM_KILLS = Path("/proc/vmstat")


class Shortages:
    """Reasons by the key of what was asked for, and the machine; a torn line is none."""

    def __init__(self, folder: Path) -> None:
        """Name the folder of the results."""
        self._path = folder / _NAME

    def find(self, key: str, machine: str | None) -> str | None:
        """Why this did not fit there; None where it is not known not to."""
        found = None
        with contextlib.suppress(OSError, UnicodeDecodeError):
            for line in self._path.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    entry = json.loads(line)
                    same = (entry["key"], entry["machine"]) == (key, machine)
                    found = str(entry["reason"]) if same else found
        return found

    def keep(self, key: str, machine: str | None, reason: str) -> None:
        """Keep that this did not fit there."""
        entry = {"key": key, "machine": machine, "reason": reason}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise ResultError(f"{self._path} cannot be written: {error.strerror}.") from error

    def forget(self) -> None:
        """Forget all: a fresh start was asked for."""
        self._path.unlink(missing_ok=True)


def kernel_kills() -> int | None:
    """How many processes the kernel has ended for lack of memory so far; None if it says not."""
    with contextlib.suppress(OSError, ValueError):
        for line in _OOM_KILLS.read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None
