"""What lies in a folder of results: nothing is passed over because it could not be read.

A file is known by the keys at its top, wherever they stand in it; one that is no JSON might be
anything, a result that was cut off among it, and counts as broken. Files of other programs pass.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, TypeAlias

from energyscore.base.errors import ResultError
from energyscore.base.files import is_file

Kind: TypeAlias = Literal["result", "baseline", "broken", "other"]
Skip: TypeAlias = Callable[[ResultError], None]
"""Is told why something is left out."""

_RESULT_NAME = re.compile(r"\d{8}T\d{6}Z_(reasoning-[a-z]+_)?[0-9a-f]{10}\.json", re.IGNORECASE)
_RESULT_HEAD = re.compile(rb'\s*\{\s*"schema_version"')
_OTHER_HEAD = re.compile(rb'\s*\{\s*"kind"\s*:\s*"(selftest|suite)"')
_HEAD_BYTES = 256
_OUR_OTHERS = ("selftest.json", "suite.json")


def visible_files(folder: Path, pattern: str, skip: Skip | None = None) -> list[Path]:
    """The files in a folder, all the way down, that are not hidden, sorted.

    Linked folders are followed, each folder once; a pattern holds in either case.

    Args:
        folder: the folder.
        pattern: of the names, such as `*.json`.
        skip: is told of a folder that cannot be read and is left out; None: an error.

    Raises:
        ResultError: when a folder cannot be read and `skip` is None.
    """
    seen: set[tuple[int, int]] = set()
    later, found = [folder], []
    while later:
        # Links come after what lies there itself: a file is known by its own path.
        for here, names in _walk(later.pop(0), seen, later, skip):
            found += [here / name for name in names if fnmatchcase(name.lower(), pattern)]
    return sorted(file for file in found if is_file(file))


def kind_of(path: Path) -> Kind:
    """What a JSON file is; one that cannot be read is broken."""
    if _RESULT_NAME.fullmatch(path.name):
        return "result"
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if _RESULT_HEAD.match(head):
                return "result"
            if _OTHER_HEAD.match(head):
                return "other"
            content: Any = json.loads(head + file.read())
    except (OSError, ValueError, RecursionError):
        return "other" if path.name in _OUR_OTHERS else "broken"
    if not isinstance(content, dict):
        return "other"
    kind = content.get("kind")
    if kind == "baseline":
        return "baseline"
    return "result" if "schema_version" in content and kind is None else "other"


def _walk(
    folder: Path, seen: set[tuple[int, int]], links: list[Path], skip: Skip | None
) -> Iterator[tuple[Path, list[str]]]:
    """The folders below one, without hidden and linked ones, each with the names of its files."""
    try:
        status = folder.stat()
        if (place := (status.st_dev, status.st_ino)) in seen:
            return
        seen.add(place)
        with os.scandir(folder) as listed:
            entries = [entry for entry in listed if not entry.name.startswith(".")]
    except FileNotFoundError:
        return  # it went meanwhile
    except OSError as error:
        refused = ResultError(f"The folder {folder} cannot be read: {error.strerror}.")
        if skip is None:
            raise refused from error
        skip(refused)
        return
    below = [entry.name for entry in entries if _is_folder(entry)]
    yield folder, [entry.name for entry in entries if entry.name not in below]
    for entry in sorted(entries, key=lambda one: one.name):
        if entry.name not in below:
            continue
        if entry.is_symlink():
            links.append(folder / entry.name)
        else:
            yield from _walk(folder / entry.name, seen, links, skip)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link in a circle
