"""Files that a command writes: none of them may be one that it read."""

import os
from collections.abc import Iterable
from pathlib import Path

from energyscore.base.errors import UsageError


def keep_inputs(out: Path | None, inputs: Iterable[Path]) -> None:
    """Refuse to write over what was read.

    Raises:
        UsageError: when `out` is one of `inputs`, by whatever name.
    """
    for path in inputs if out is not None else ():
        if out is not None and _is_same(out, path):
            raise UsageError(
                f"{out} is one of the files that are read.",
                "Name another one to write; nothing was written.",
            )


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other.expanduser())
    except (OSError, ValueError, RuntimeError):
        return False  # one of them is not there
