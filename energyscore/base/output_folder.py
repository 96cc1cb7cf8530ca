"""A folder of files that we wrote: brought up to date without losing what is not ours.

A manifest in it lists each file by its digest. Only what is in the manifest, and still as we wrote
it, is replaced or removed; all else is let be, and where it is in the way, it is refused.
"""

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from energyscore.base.errors import ResultError, UsageError

_Digests = dict[str, list[str]]

_SAFE = re.compile(r"([a-z0-9][a-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*")
_VERSION = 1


def write_files(folder: Path, files: Mapping[str, bytes], *, kind: str, force: bool) -> None:
    """Make the folder hold these files, in their order, and none that an earlier call wrote.

    Each file is replaced as a whole. Killed at any time, a repeated call goes on.

    Args:
        folder: it is made where it is missing.
        files: content by path: names of ASCII letters, digits, `.`, `_` and `-`, in one folder
            further down at most, whose name is in lower case.
        kind: what the folder is, a word; it names the manifest.
        force: replace and remove files that were changed or are not ours, and write into a folder
            that is not ours. What is neither written nor in the manifest stays even then.

    Raises:
        UsageError: when something that is not ours is in the way, and `force` is false.
        ResultError: when the folder cannot be written or read.
    """
    manifest = folder / f"energyscore-{kind}.json"
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ours = _read(manifest, kind)
        if not force:
            _check(folder, ours, digests, kind)
        # What may be found after a kill: each file as it was, or as it will be.
        either = {path: list(known) for path, known in (ours or {}).items()}
        for path, digest in digests.items():
            either[path] = sorted({*either.get(path, []), digest})
        _write_manifest(manifest, kind, either)
        for path, data in files.items():
            target = folder / path
            if _digest(target) != digests[path]:
                _replace(target, data)
        for path in sorted(set(ours or {}) - set(files)):
            with contextlib.suppress(FileNotFoundError):
                (folder / path).unlink()
        _write_manifest(manifest, kind, {path: [digest] for path, digest in digests.items()})
    except OSError as error:
        where = error.filename or folder
        raise ResultError(f"{where} cannot be written: {error.strerror}.") from error


def _check(folder: Path, ours: _Digests | None, wanted: Mapping[str, str], kind: str) -> None:
    """Refuse what would lose something of others."""
    if ours is None:
        others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if others:
            raise UsageError(
                f"The folder {folder} is no {kind} of energyscore and is not empty: it holds "
                f"{others[0]}{' and more' if len(others) > 1 else ''}.",
                "Name another folder, or add --force: files of the same names are replaced then.",
            )
    below = {(folder / path).parent for path in wanted} - {folder}
    for inner in sorted(below):
        if inner.is_symlink():
            raise UsageError(f"{inner} leads to another place.", "Remove it, or add --force.")
    for path in sorted({*(ours or {}), *wanted}):
        found = _digest(folder / path)
        if found is not None and found not in {*(ours or {}).get(path, ()), wanted.get(path)}:
            raise UsageError(
                f"{folder / path} was changed or is not of energyscore.",
                "Move it away, or add --force to replace it.",
            )


def _digest(path: Path) -> str | None:
    """The digest of a file; None where there is none; what is no file has one like no file's."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return "no file"
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return "no file" if path.parent.exists() and not path.parent.is_dir() else None


def _read(manifest: Path, kind: str) -> _Digests | None:
    """The manifest's files; None where there is no manifest, or none of ours."""
    try:
        content = json.loads(manifest.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return None
    files = content.get("files") if isinstance(content, dict) else None
    if not isinstance(files, dict) or content.get("kind") != kind:
        return None
    # It may have been written by anyone: no path of it leads out of the folder.
    return {
        path: [str(digest) for digest in known]
        for path, known in files.items()
        if _SAFE.fullmatch(path) and isinstance(known, list)
    }


def _write_manifest(manifest: Path, kind: str, files: _Digests) -> None:
    content = {"kind": kind, "version": _VERSION, "files": dict(sorted(files.items()))}
    _replace(manifest, (json.dumps(content, indent=1) + "\n").encode())


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
