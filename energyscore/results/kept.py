"""What was read and checked before: thousands of files are not checked again in every command.

It is kept by the SHA-256 of what is in a file, and by the code that read it: a file in which one
byte was changed is another one, and is checked. Only what was sound is kept, for commands that read
many files, in the user's cache folder. `energyscore verify` looks at nothing here.
"""

import contextlib
import functools
import hashlib
import io
import os
import pickle
import sqlite3
import stat
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import pydantic

from energyscore.base.errors import ResultError
from energyscore.base.files import read_file
from energyscore.base.form import with_values
from energyscore.base.places import cache_folder
from energyscore.base.processes import MANY, worked_on
from energyscore.base.version import __version__
from energyscore.protocol.task import bundled_tasks_dir
from energyscore.results.result import Result

T = TypeVar("T")

NO_CACHE = "ENERGYSCORE_NO_CACHE"
"""The environment variable that turns this off, with the value 1."""

_MOST = 30_000  # files, at about 6 kB each
_TOGETHER = 500  # that are written at once
_WAIT_S = 1.0  # for another command that writes there
_TABLE = "CREATE TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY, kind TEXT, sum BLOB, content BLOB)"
_ALIKE = {
    *("task", "model", "workload", "protocol", "environment", "idle", "emissions", "conformance")
}
_PACKAGE = Path(__file__).resolve().parents[1]


class Found(NamedTuple, Generic[T]):
    """What a file is, and what was read from it."""

    kind: str
    value: T


Outcome: TypeAlias = Found[T] | ResultError | None
Read: TypeAlias = Callable[[Path], Outcome[T]]
"""Reads a file; an error where something is wrong with it, None where it is of no wanted kind."""


class _Packed(NamedTuple):
    """What was read from a file, as it is kept; `digest` of its content, None if that changed."""

    digest: bytes | None
    kind: str
    content: bytes


def read_many(
    read: Read[T], files: Sequence[Path], readers: Mapping[Any, Callable[[Path], T]]
) -> Generator[Outcome[T]]:
    """What `read` gives for each of the files, in their order; it reads by these readers.

    Where there are many, what was read from the same content before is taken from there, and
    several processes read the rest: readers change nothing, what they give follows from the content
    alone, and little of it is kept, as all of that goes from one process to another.
    """
    shelf = _Shelf.here() if len(files) >= MANY else None
    if shelf is None:
        yield from worked_on(read, files)
        return
    known = shelf.find(files, readers)
    rest = [file for file in files if file not in known]
    outcomes = worked_on(functools.partial(_read_packed, read), rest)
    try:
        with contextlib.closing(outcomes):
            for file in files:
                outcome = known.pop(file, None) or next(outcomes)
                if isinstance(outcome, _Packed):
                    shelf.add(outcome, readers.get(outcome.kind))
                    yield Found(outcome.kind, _unpacked(outcome.content))
                else:
                    yield outcome
    finally:
        shelf.write()


def _read_packed(read: Read[T], path: Path) -> _Packed | ResultError | None:
    """What is in a file, packed; it is not kept if it was changed while it was read."""
    before = _digest_of(path)
    outcome = read(path)
    if not isinstance(outcome, Found):
        return outcome
    same = before is not None and before == _digest_of(path)
    return _Packed(before if same else None, outcome.kind, _packed(outcome.value))


def _reduced(result: Result) -> tuple[Any, ...]:
    """A result for pickle: parts that many results have alike are packed on their own."""
    values = {
        name: pickle.dumps(value, protocol=5) if name in _ALIKE else value
        for name, value in result.__dict__.items()
    }
    return _result, (values, result.__pydantic_fields_set__)


def _result(values: dict[str, Any], told: set[str]) -> Result:
    """Of parts that are alike one is made: it takes less time, and less memory."""
    whole = {name: _one_of(it) if name in _ALIKE else it for name, it in values.items()}
    return with_values(Result, whole, told)


@functools.lru_cache(maxsize=10_000)
def _one_of(packed: bytes) -> Any:
    return pickle.loads(packed)


def _packed(value: Any) -> bytes:
    file = io.BytesIO()
    packer = pickle.Pickler(file, protocol=5)
    packer.dispatch_table = {Result: _reduced}
    packer.dump(value)
    return file.getvalue()


def _unpacked(content: bytes) -> Any:
    return pickle.loads(content)  # nobody else may write there


def _digest_of(path: Path) -> bytes | None:
    try:
        return hashlib.sha256(read_file(path)).digest()
    except ResultError:
        return None


class _Shelf:
    """Where it is kept. What goes wrong here costs time and nothing else."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._new: list[tuple[bytes, str, bytes, bytes]] = []

    @classmethod
    def here(cls) -> "_Shelf | None":
        """This user's; None where there can be none, or others could write to it."""
        if os.environ.get(NO_CACHE) == "1":
            return None
        folder = cache_folder()
        file = folder / "checked.sqlite"
        if not folder.is_absolute():
            return None  # without a home it would lie in the working directory
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            ours = all(_is_ours(os.lstat(one)) for one in (folder, file))
        except OSError:
            return None
        return cls(file) if ours else None

    def find(
        self, files: Iterable[Path], readers: Mapping[Any, Callable[[Path], T]]
    ) -> dict[Path, Found[T]]:
        """What was read from these files before, of those that are as they were."""
        found: dict[Path, Found[T]] = {}
        with self._whatever_goes_wrong(), self._open() as database:
            for file in files:
                digest = _digest_of(file)
                for kind, reader in readers.items() if digest else ():
                    row = database.execute(
                        "SELECT kind, sum, content FROM kept WHERE key = ?",
                        (_key(digest or b"", reader),),
                    ).fetchone()
                    if row and row[0] == kind and row[1] == hashlib.sha256(row[2]).digest():
                        found[file] = Found(kind, _unpacked(row[2]))
                        break
        return found

    def add(self, packed: _Packed, reader: Callable[[Path], Any] | None) -> None:
        """Keep what was read from a file; it is written with others."""
        if packed.digest is not None and reader is not None:
            key, content = _key(packed.digest, reader), packed.content
            self._new.append((key, packed.kind, hashlib.sha256(content).digest(), content))
        if len(self._new) >= _TOGETHER:
            self.write()

    def write(self) -> None:
        """Write what is new; of too many the oldest go."""
        new, self._new = self._new, []
        if not new:
            return
        with self._whatever_goes_wrong(), self._open() as database, database:
            database.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", new)
            database.execute(
                "DELETE FROM kept WHERE rowid <= (SELECT max(rowid) FROM kept) - ?", (_MOST,)
            )

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The database, closed again before a process is forked."""
        with contextlib.closing(sqlite3.connect(self._file, timeout=_WAIT_S)) as database:
            database.execute(_TABLE)
            yield database

    @contextlib.contextmanager
    def _whatever_goes_wrong(self) -> Iterator[None]:
        """Go on without; what is no database any more begins anew."""
        try:
            yield
        except sqlite3.OperationalError:
            return  # the disk is full, or another command writes
        except (sqlite3.DatabaseError, TypeError):  # or holds what is never written there
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _key(digest: bytes, reader: Callable[[Path], Any]) -> bytes:
    """What a reading follows from: a content, who reads it, and the code of all that checks it."""
    return hashlib.sha256(digest + _code() + _name(reader)).digest()


@functools.cache
def _name(reader: Callable[[Path], Any]) -> bytes:
    return f"{reader.__module__}.{reader.__qualname__}".encode()


@functools.cache
def _code() -> bytes:
    """What tells this code from another: the version, its files, and what they are run by."""
    found = hashlib.sha256(f"{__version__} {pydantic.VERSION} {sys.version}".encode())
    ours = [*_PACKAGE.rglob("*.py"), *_PACKAGE.rglob("*.json"), *bundled_tasks_dir().iterdir()]
    for file in sorted(ours):
        status = file.stat()
        found.update(f"{file} {status.st_size} {status.st_mtime_ns}".encode())
    return found.digest()
