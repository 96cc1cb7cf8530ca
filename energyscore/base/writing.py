"""Files that we write: whole or not at all, and never over what is not ours to replace.

A folder of many files has a manifest, which lists each file by its digests. Only what is in the
manifest, and still as we wrote it, is replaced or removed.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from energyscore.base.errors import ResultError, UsageError
from energyscore.base.files import is_dir, is_file, real_path, visible_files
from energyscore.base.locks import LOCAL, locked

_Digests = dict[str, list[str]]

_SAFE = re.compile(r"([a-z0-9][a-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*")
_NO_FILE = "not a regular file"
_NO_SUCH_CALL = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_VERSION = 1


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old content or the new one, never a part.

    What a link names is replaced, not the link; who may read and write it stays as it was. A pipe
    or a device is written into and stays what it is. Missing folders are made. A ResultError where
    it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if _is_stream(path):
            with open(path, "wb") as file:
                file.write(data)
            return
        target = real_path(path)
        _replace(target, data, sync=True)
        sync_folder(target.parent)
    except OSError as error:
        raise ResultError(f"{path} cannot be written: {error.strerror}.") from error


def write_new(path: Path, content: str) -> bool:
    """Write a file as a whole where nothing is yet; False, and nothing is done, where something is.

    A ResultError where it cannot be written.
    """
    try:
        _replace(path, content.encode(), sync=True, new=True)
        sync_folder(path.parent)
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(path):
            return False
        raise ResultError(f"{path} cannot be written: {error.strerror}.") from error
    return True


def _put_new(temporary: Path, target: Path) -> None:
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # the file system has no links
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        os.replace(temporary, target)


def check_folder(folder: Path, warn: Callable[[str], None]) -> None:
    """Try in a folder all that is done to it later; it is made if it is missing.

    A ResultError where files cannot be written or locked in it. Where they cannot be made safe
    against a loss of power, as in some folders on a network, `warn` is told.
    """
    probe = folder / f".tmp-{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            stack.callback(probe.unlink, missing_ok=True)
            _replace(probe, b"probe", sync=True)
            with locked(probe):
                pass
        if refused := sync_folder(folder):
            warn(
                f"{folder} cannot be synced ({refused}): should the machine lose power, what was "
                f"just written there may be lost. {LOCAL}"
            )
    except ResultError as error:
        why = getattr(error.__cause__, "strerror", error)
        raise ResultError(
            f"Files in the folder {folder} cannot be locked: {why}.", LOCAL
        ) from error
    except OSError as error:
        raise ResultError(
            f"The output folder {folder} cannot be written: {error.strerror}.",
            "Name another one with --out.",
        ) from error


def check_outputs(
    outputs: Mapping[str, Path],
    inputs: Iterable[Path],
    is_ours: Callable[[Path], bool] = lambda path: False,
) -> None:
    """Refuse files to write that would lose something, before anything is written.

    `outputs` are files by the option that names them, as the UsageError does. In folders of
    `inputs` only a file that `is_ours`, an earlier output, may be replaced.
    """
    remedy = "Name another file; nothing was written."
    inputs = list(inputs)
    options: dict[Path, str] = {}
    for option, file in outputs.items():
        named = f"{option} {file}".lstrip()
        try:
            place = file.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(f"{named} cannot be a file.", remedy) from error
        if place in options:
            raise UsageError(f"{options[place]} and {option} name one file, {file}.", remedy)
        options[place] = option
        if is_dir(file):
            raise UsageError(f"{named} is a folder.", "Name a file in it.")
        if any(_overlaps(place, one, is_ours) for one in inputs):
            raise UsageError(f"{named} would replace a file that is read.", remedy)


def _overlaps(place: Path, source: Path, is_ours: Callable[[Path], bool]) -> bool:
    """Whether writing a file loses something of a source."""
    if not is_dir(source):
        return _is_same(place, source)
    if not place.exists() or is_ours(place):
        return False
    # What lies in the folder by a link is read as well.
    linked = visible_files(source, "*.json")
    return place.is_relative_to(real_path(source)) or any(_is_same(place, one) for one in linked)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return is_file(other) and os.path.samefile(one, other.expanduser())
    except (OSError, ValueError, RuntimeError):
        return False  # one of them is not there


def write_files(
    folder: Path,
    files: Mapping[str, bytes],
    *,
    kind: str,
    remedy: str,
    alone: bool = True,
    force: bool = False,
) -> None:
    """Write files into a folder, in their order, with a manifest.

    Each file is replaced as a whole. Killed at any time, a repeated call goes on.

    Args:
        folder: it is made if it is missing.
        files: content by path: ASCII names, at most one folder down, whose name is in lower case.
        kind: a word for what the folder is; it names the manifest.
        remedy: what to do about a file in the way that is not ours.
        alone: the folder is for this kind only: other files in it are refused, and files of an
            earlier call that are not written again are removed. Otherwise both stay, and the
            manifest is hidden.
        force: replace and remove what was changed or is not ours. Files that are neither written
            nor in the manifest stay.

    A UsageError where something that is not ours is in the way, without `force`; a ResultError
    where the folder cannot be written or read.
    """
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ours = _read_manifest(folder, kind)
        if not force:
            _check_folder(folder, ours, digests, kind, remedy, alone=alone)
        # What may be found after a kill: each file as it was, or as it will be.
        either = {path: list(known) for path, known in (ours or {}).items()}
        for path, digest in digests.items():
            either[path] = sorted({*either.get(path, []), digest})
        _write_manifest(folder, kind, either, alone=alone)
        for path, data in files.items():
            if _digest(folder / path) != digests[path]:
                _replace(folder / path, data)
        kept = {} if alone else either
        for path in sorted(set(ours or {}) - set(files) - set(kept)):
            (folder / path).unlink(missing_ok=True)
        kept |= {path: [digest] for path, digest in digests.items()}
        _write_manifest(folder, kind, kept, alone=alone)
    except OSError as error:
        where = error.filename or folder
        raise ResultError(f"{where} cannot be written: {error.strerror}.") from error


def is_as_written(path: Path, kind: str) -> bool:
    """Whether a file is one that `write_files` wrote, and still as it was written."""
    known = (_read_manifest(path.parent, kind) or {}).get(path.name, ())
    return is_file(path) and _digest(path) in known


def _check_folder(
    folder: Path,
    ours: _Digests | None,
    wanted: Mapping[str, str],
    kind: str,
    remedy: str,
    *,
    alone: bool,
) -> None:
    """Refuse what would lose something of others."""
    if ours is None and alone:
        others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if others:
            raise UsageError(
                f"The folder {folder} is no {kind} of energyscore and is not empty: it holds "
                f"{others[0]}{' and more' if len(others) > 1 else ''}.",
                remedy,
            )
    for inner in sorted({(folder / path).parent for path in wanted} - {folder}):
        if inner.is_symlink():
            raise UsageError(f"{inner} leads to another place.", remedy)
    for path in sorted({*(ours or {}), *wanted} if alone else wanted):
        found = _digest(folder / path)
        if found is not None and found not in {*(ours or {}).get(path, ()), wanted.get(path)}:
            raise UsageError(f"{folder / path} was changed or is not of energyscore.", remedy)


def _digest(path: Path) -> str | None:
    """The digest of a file; None if missing; a sentinel if it is not a regular file."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return _NO_FILE
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return _NO_FILE if path.parent.exists() and not path.parent.is_dir() else None


def _manifests(folder: Path, kind: str) -> list[Path]:
    name = f"energyscore-{kind}.json"
    return [folder / name, folder / f".{name}"]


def _read_manifest(folder: Path, kind: str) -> _Digests | None:
    """The manifest's files; None where there is no manifest of ours."""
    for manifest in _manifests(folder, kind):
        try:
            content = json.loads(manifest.read_bytes())
        except (FileNotFoundError, ValueError, RecursionError):
            continue
        files = content.get("files") if isinstance(content, dict) else None
        if isinstance(files, dict) and content.get("kind") == kind:
            # It may have been written by anyone: no path of it leads out of the folder.
            return {
                path: [str(digest) for digest in known]
                for path, known in files.items()
                if _SAFE.fullmatch(path) and isinstance(known, list)
            }
    return None


def _write_manifest(folder: Path, kind: str, files: _Digests, *, alone: bool) -> None:
    content = {"kind": kind, "version": _VERSION, "files": dict(sorted(files.items()))}
    manifest = _manifests(folder, kind)[0 if alone else 1]
    _replace(manifest, (json.dumps(content, indent=1) + "\n").encode())


def _replace(target: Path, data: bytes, *, sync: bool = False, new: bool = False) -> None:
    """Replace a file, or a link, as a whole. Permissions stay; `new` ones are the umask's."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".tmp-{secrets.token_hex(8)}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            mode = _mode_of(target)
            if mode is not None and mode != stat.S_IMODE(os.fstat(handle).st_mode):
                os.fchmod(handle, mode)
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        (_put_new if new else os.replace)(temporary, target)
    finally:
        # Gone after the rename; still there after an error or Ctrl-C.
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _mode_of(path: Path) -> int | None:
    """The permissions of a file; None for a link, and where nothing is."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return None
    return stat.S_IMODE(mode) if stat.S_ISREG(mode) else None


def _is_stream(path: Path) -> bool:
    """Whether a path names what exists and is no file; a folder is an error of its own."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    # /dev/stdout may lead to a file that the shell holds open: replaced, it would go on elsewhere.
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or path.is_relative_to("/dev")


def sync_folder(folder: Path) -> str:
    """Make a rename or a new file durable: the folder's entry must reach the disk as well.

    Gives why the folder's file system knows of no such thing; empty where it does.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:
            raise
        return str(error.strerror)
    finally:
        os.close(handle)
    return ""
