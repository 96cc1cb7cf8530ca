"""The one loader of results and baselines, from files and folders.

Nothing is left out silently because it could not be read: a file that is not JSON might be a result
that was cut off, and counts as broken. A file's kind is told by its keys; files of other programs
are ignored.
"""

import contextlib
import functools
import gc
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from energyscore.base.errors import ResultError
from energyscore.base.files import RealPaths, Skip, is_dir, is_file, visible_files
from energyscore.base.processes import MANY
from energyscore.results.kept import Found, Outcome, read_many

Kind: TypeAlias = Literal["result", "baseline", "broken", "other"]
T = TypeVar("T")

UNREADABLE = "Restore the files, or measure again."
_MADE_BY: dict[Kind, str] = {
    "result": "`energyscore run` writes results.",
    "baseline": "`energyscore baseline save RESULTS` makes baselines.",
}

_HEAD = re.compile(rb'\s*\{\s*(?:"kind"\s*:\s*"(\w+)"|"schema_version")')
_HEAD_BYTES = 256
_OUR_OTHERS = ("selftest.json", "suite.json", "tune.json")
_KINDS: tuple[Kind, ...] = ("result", "baseline", "broken")
_OURS = (*_KINDS, "selftest", "suite", "tune", "scale")


def kind_of(path: Path) -> Kind:
    """What a JSON file is; one that cannot be read is broken. Results of schema 1 name no kind."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            found = _HEAD.match(head)
            kind = (found[1] or b"result").decode() if found else ""
            if kind not in _OURS:
                kind = _kind_in(json.loads(head + file.read()))
    except (OSError, ValueError, RecursionError):
        return "other" if path.name in _OUR_OTHERS else "broken"
    return next((known for known in _KINDS if known == kind), "other")


def _kind_in(content: Any) -> str:
    known = content if isinstance(content, dict) else {}
    kind = str(known.get("kind", "result" if "schema_version" in known else "other"))
    # What has the parts of a result under a kind that we do not write was changed by hand.
    return "broken" if kind not in _OURS and {"runs", "score"} <= known.keys() else kind


def load_files(
    paths: Iterable[Path],
    readers: Mapping[Kind, Callable[[Path], T]],
    skip: Skip | None = None,
    *,
    in_folders: Collection[Kind] = ("result", "baseline"),
    may_be_empty: bool = False,
    by_content: bool = False,
) -> list[tuple[Path, T]]:
    """Read files, and folders all the way down, sorted: each file once, with its path as given.

    Args:
        paths: the files and folders.
        readers: what reads each kind of file that is wanted; the first one also reads what is
            broken, or named and of no such kind, to say what is wrong with it.
        skip: is told of a file or folder in a folder that cannot be read and is left out. None:
            it is an error, as a file that is named always is: no check may pass by overlooking.
        in_folders: the kinds that count in folders; others are read when they are named.
        may_be_empty: a folder need not hold anything, or exist.
        by_content: what readers give follows from the content of a file alone, and they change
            nothing: many files are read by `read_many`.

    Raises:
        ResultError: when a path does not exist, a folder holds nothing of a wanted kind, or a file
            cannot be read.
    """
    loaded: dict[str, tuple[Path, T] | None] = {}
    places = RealPaths()
    kinds = [kind for kind in readers if kind in in_folders]
    for path in paths:
        in_folder = is_dir(path) or (may_be_empty and not path.exists())
        files = visible_files(path, "*.json", skip) if in_folder else [_named(path)]
        new: dict[str, Path] = {}
        found = False
        for file in files:
            place = places.of(file)
            if place in loaded and (in_folder or loaded[place]):
                found = True
            else:
                new.setdefault(place, file)
        wanted = {kind: readers[kind] for kind in (kinds if in_folder else readers)}
        read = functools.partial(_read, readers, kinds if in_folder else None)
        several = list(new.values())
        one_by_one = (read(file) for file in several)
        outcomes = read_many(read, several, wanted) if by_content else one_by_one
        with _uncollected(many=len(new) >= MANY), contextlib.closing(outcomes):
            for (place, file), outcome in zip(new.items(), outcomes, strict=True):
                found |= outcome is not None
                if isinstance(outcome, ResultError):
                    if skip is None or not in_folder:
                        raise outcome
                    loaded[place] = None
                    skip(outcome)
                elif outcome is not None:
                    loaded[place] = file, outcome.value
        if not found and not may_be_empty:
            raise _nothing_in(path, kinds, skip)
    return [entry for entry in loaded.values() if entry]


def _read(
    readers: Mapping[Kind, Callable[[Path], T]], kinds: Collection[Kind] | None, path: Path
) -> Outcome[T]:
    """What is in a file, or what is wrong with it; None where it is of none of these kinds."""
    kind = kind_of(path)
    if kinds is not None and kind != "broken" and kind not in kinds:
        return None
    try:
        return Found(kind, readers.get(kind, next(iter(readers.values())))(path))
    except ResultError as error:
        return error


@contextlib.contextmanager
def _uncollected(*, many: bool) -> Iterator[None]:
    """Without the garbage collector, which would look at all that is read again and again.

    Nor does it look at many files' contents later: they hold no circles, and may stay.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if many:
            gc.freeze()
        if was_on:
            gc.enable()


def result_files(folder: Path, skip: Skip | None = None) -> list[Path]:
    """The files in a folder, all the way down, that claim to be results or are broken, sorted."""
    return [path for path, _ in _in_folder(folder, ["result"], skip)]


def _in_folder(folder: Path, kinds: Collection[Kind], skip: Skip | None) -> list[tuple[Path, Kind]]:
    """The files in a folder that are of these kinds or broken, each with its kind."""
    known = ((path, kind_of(path)) for path in visible_files(folder, "*.json", skip))
    return [(path, kind) for path, kind in known if kind == "broken" or kind in kinds]


def _nothing_in(folder: Path, kinds: Collection[Kind], skip: Skip | None) -> ResultError:
    kept = "baseline" not in kinds and _in_folder(folder, ["baseline"], skip)
    holds = "baselines only, no" if kept else "no"
    return ResultError(
        f"The folder {folder} holds {holds} {' or '.join(f'{kind}s' for kind in kinds)}.",
        " ".join(_MADE_BY[kind] for kind in kinds),
    )


def _named(path: Path) -> Path:
    if not is_file(path):
        raise ResultError(f"{path} does not exist.", "Name a result file or a folder of them.")
    if path.suffix.lower() == ".csv":
        raise ResultError(
            f"{path} is a CSV file: this command takes results, JSON files or folders of them.",
            f"Name the folder of the results, such as {path.parent}; "
            "`energyscore leaderboard` ranks official CSVs.",
        )
    return path
