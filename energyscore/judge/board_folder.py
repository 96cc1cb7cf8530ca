"""The folder that official leaderboards are written to, and how files of ours are known in it.

A hidden list in it holds the digest of each file as it was written. So a leaderboard of all that
lies around it does not take its own output for another source, and nothing else is written over.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from energyscore.base.errors import UsageError
from energyscore.base.files import real_path
from energyscore.base.writing import write_atomically

LIST = ".energyscore-leaderboard.json"
_KIND = "leaderboard"


def write_board(folder: Path, files: Mapping[str, bytes], sources: Collection[Path]) -> list[Path]:
    """Write the official file of each task.

    Args:
        folder: where to; it is made where it is missing.
        files: the content of each by its task.
        sources: the files, resolved, that the leaderboard was made of.

    Returns:
        The files that were written, in the order of `files`.

    Raises:
        UsageError: when a file is in the way that is a source, or that an earlier call did not
            write; nothing is written then.
        ResultError: when a file cannot be written.
    """
    ours = _read(folder)
    paths = {task: folder / f"{task}.csv" for task in files}
    for path in paths.values():
        if real_path(path) in sources:
            raise UsageError(
                f"{path} is one of the files that the leaderboard is made of.",
                "Name another folder with --out.",
            )
        if path.exists() and path.name not in ours:
            raise UsageError(
                f"{path} is there already, and is not of energyscore.",
                "Name another folder with --out, or move the file away.",
            )
    # The list comes first: after a kill in between, what was written is known.
    digests = {paths[task].name: hashlib.sha256(data).hexdigest() for task, data in files.items()}
    content = {"kind": _KIND, "files": dict(sorted((ours | digests).items()))}
    write_atomically(folder / LIST, json.dumps(content, indent=1) + "\n")
    for task, data in files.items():
        write_atomically(paths[task], data)
    return list(paths.values())


def is_own_board(path: Path) -> bool:
    """Whether a file is one that `write_board` wrote, and still as it was written."""
    known = _read(path.parent).get(path.name)
    if known is None:
        return False
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == known
    except OSError:
        return False


def _read(folder: Path) -> dict[str, str]:
    """The digests by the files' names; none where there is no list of ours."""
    try:
        content = json.loads((folder / LIST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    files = content.get("files") if isinstance(content, dict) else None
    if not isinstance(files, dict) or content.get("kind") != _KIND:
        return {}
    return {name: str(digest) for name, digest in files.items()}
