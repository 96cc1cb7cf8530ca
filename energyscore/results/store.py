"""The files in `results/`: written atomically, never torn, readable after any kill.

results/<org>/<model>/<task>/<UTC time>_<identity>.json     one result
results/<org>/<model>/<task>/<UTC time>_<identity>.raw.jsonl.gz   what its figures stand on
results/<org>/<model>/<task>/.<identity>.journal            finished runs of an unfinished one
results/results.csv                                         the latest of each, one row each
"""

import contextlib
import gzip
import hashlib
import itertools
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from energyscore.base.errors import ResultError
from energyscore.base.files import Skip, once, read_file
from energyscore.base.locks import locked
from energyscore.base.writing import sync_folder, write_atomically, write_new
from energyscore.results.consistency import contradiction
from energyscore.results.cost import OLDER_SESSIONS, Cost, unknown_cost
from energyscore.results.folder import load_files
from energyscore.results.lean import without_details
from energyscore.results.parts import RawPart, Run
from energyscore.results.per_token import with_per_token
from energyscore.results.raw import RawRun, raw_to_bytes, subject_of
from energyscore.results.result import (
    RULES_VERSION,
    Result,
    parse_result,
    result_to_json,
    upgrade_run,
)

_REPORT = "Please report it; the finished runs are kept."
CSV_NAME = "results.csv"
RAW_ENDING = ".raw.jsonl.gz"
_UNSAFE = re.compile(r"[^\w.-]")


def result_folder(out: Path, model_folder: tuple[str, str], task: str) -> Path:
    """Where results of a model on a task are kept."""
    # A leading dot would hide the folder, and its results, from `rate`.
    # The task may come from another machine, as the model does: it is one name, and no path.
    parts = (*model_folder, task)
    return out.joinpath(*(_UNSAFE.sub("_", part).lstrip(".") or "_" for part in parts))


def save_result(folder: Path, result: Result, raws: Mapping[int, RawRun] | None = None) -> Path:
    """Write a result into its folder and give its path; never over another one.

    What was measured in the same second gets a number. The raw records of its runs, by index, are
    written first, so that a result that names its raw record has it; not at all where one run has
    none.
    """
    if wrong := contradiction(result):
        raise ResultError(f"The result contradicts itself and is not written: {wrong}.", _REPORT)
    data = None
    if raws and all(run.index in raws for run in result.runs):
        runs = [raws[run.index] for run in result.runs]
        data = raw_to_bytes(result.identity, subject_of(result), runs)
    return _save_new(folder, result, data)


def save_delivered(folder: Path, result: Result, raw: bytes | None) -> Path:
    """Write a result that was measured elsewhere, with its raw record as it came.

    A ResultError where they are not whole.
    """
    refuse_unsound(result, "")
    named = None if result.raw is None else result.raw.sha256
    if (None if raw is None else hashlib.sha256(raw).hexdigest()) != named:
        raise ResultError("The raw record of the result is not the one that it names.")
    return _save_new(folder, result, raw)


def _save_new(folder: Path, result: Result, data: bytes | None) -> Path:
    """Write a result, with its raw record, by a name that is free."""
    stamp, mode = re.sub(r"[-:]", "", result.created_at), result.mode
    name = "_".join([stamp, *([f"reasoning-{mode}"] if mode else []), result.identity[:10]])
    names = (name if number == 1 else f"{name}_{number:03}" for number in itertools.count(1))
    return next(path for one in names if (path := _save_as(folder, one, result, data)))


def _save_as(folder: Path, name: str, result: Result, raw_data: bytes | None) -> Path | None:
    """Write a result with its raw record by this name; None where another one has it."""
    path, raw_path = folder / f"{name}.json", folder / f"{name}{RAW_ENDING}"
    if raw_data is not None:
        if os.path.lexists(path) or os.path.lexists(raw_path):
            return None
        write_atomically(raw_path, raw_data)
        raw = RawPart(file=raw_path.name, sha256=hashlib.sha256(raw_data).hexdigest())
        result = result.model_copy(update={"raw": raw})
    content = result_to_json(result)
    return path if write_new(path, content) or read_file(path) == content.encode() else None


def load_results(
    paths: Iterable[Path],
    skip: Skip | None = None,
    *,
    may_be_empty: bool = False,
    details: bool = True,
) -> list[tuple[Path, Result]]:
    """Read results from files and folders; see `load_files`. Without `details` see `lean`."""
    read = load_result if details else load_lean
    return load_files(
        paths, {"result": read}, skip, may_be_empty=may_be_empty, by_content=not details
    )


class KnownResults:
    """The results in a folder, without details. Each file is read once, and when it has changed."""

    def __init__(self, folder: Path, skip: Skip) -> None:
        """Name the folder; `skip` is told once of each file that is left out, and why."""
        self.folder = folder
        self._skip = once(skip)
        self._known: dict[Path, tuple[tuple[int, ...], Result]] = {}

    def load(self, below: Path | None = None) -> list[tuple[Path, Result]]:
        """What is in the folder now, or in one below it, sorted; none where there is no folder."""
        folders = [below or self.folder]
        return load_files(folders, {"result": self._read}, self._skip, may_be_empty=True)

    def changed_ns(self, path: Path) -> int:
        """When a file that was read had been written last, in ns."""
        return self._known[path][0][-1]

    def _read(self, path: Path) -> Result:
        try:
            status = path.stat()
        except OSError:
            return load_lean(path)  # it says what is wrong
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = stamp, load_lean(path)
        return known[1]


def load_result(path: Path) -> Result:
    """Read one result file; a ResultError where it is none, or contradicts itself."""
    result = parse_result(read_file(path), str(path))
    refuse_unsound(result, f"{path}: ")
    return with_per_token(result)


def refuse_unsound(result: Result, where: str) -> None:
    """A ResultError for a result that contradicts itself, or whose rules are not known here."""
    if result.rules_version > RULES_VERSION:
        raise ResultError(
            f"{where}rules_version: it is {result.rules_version}; this energyscore knows rules up "
            f"to {RULES_VERSION}.",
            "Upgrade energyscore: pip install -U energyscore.",
        )
    if wrong := contradiction(result):
        raise ResultError(f"{where}{wrong}.", "Restore the file as it was, or measure again.")


def load_lean(path: Path) -> Result:
    """Read one result file, all of it, and keep it without the details of its runs."""
    return without_details(load_result(path))


class Journal:
    """The finished runs of a measurement under way: one line each, synced, torn lines ignored."""

    def __init__(self, folder: Path, identity: str) -> None:
        """Name the journal of one measurement by its identity."""
        self._path = folder / f".{identity[:16]}.journal"
        self._identity = identity

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the measurement: two processes doing the same would spoil each other's figures.

        A ResultError where another process holds it. The lock ends with its process, killed or not.
        """
        message = f"Another energyscore is measuring the same into {self._path.parent}."
        with locked(self._path.with_suffix(".lock"), busy=message):
            yield

    def load(self) -> list[Run]:
        """The runs that were finished before; none when there is no journal of this identity."""
        return [run for run, _ in self._entries()]

    def load_raws(self) -> dict[int, RawRun]:
        """The raw records of those runs by index, of those that have one."""
        return {run.index: raw for run, raw in self._entries() if isinstance(raw, dict)}

    def costs(self) -> list[Cost]:
        """What each session took, up to its last finished run."""
        found: dict[str, Cost] = {}
        for entry in self._lines():
            session, found_cost = str(entry.get("session")), unknown_cost(OLDER_SESSIONS)
            with contextlib.suppress(ValidationError):
                found_cost = Cost.model_validate(entry.get("cost"))
            found[session] = found_cost
        return list(found.values())

    def _entries(self) -> list[tuple[Run, object]]:
        """Runs in order, each with its raw record; of runs with one index the last counts."""
        found: dict[int, tuple[Run, object]] = {}
        for entry in self._lines():
            run = entry["run"]
            found[run.index] = run, entry.get("raw")
        return [found[index] for index in sorted(found)]

    def _lines(self) -> Iterator[dict[str, Any]]:
        """The lines of this identity, each with its run."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return
        for line in lines:
            try:
                entry = json.loads(line)
                if entry["identity"] == self._identity:
                    yield entry | {"run": Run.model_validate(upgrade_run(entry["run"]))}
            except (ValueError, KeyError, TypeError, ValidationError):
                continue  # a line torn by a kill: that run is done again

    def append(
        self, run: Run, raw: RawRun | None = None, cost: Cost | None = None, session: str = ""
    ) -> None:
        """Add a finished run with its raw record; both survive a kill from here on.

        `cost` is what the session took so far.
        """
        entry = {"identity": self._identity, "run": run.model_dump(mode="json"), "raw": raw}
        if cost is not None:
            entry |= {"session": session, "cost": cost.model_dump(mode="json")}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                # A torn last line must not swallow this one.
                file.write("\n" if file.tell() else "")
                file.write(json.dumps(entry, separators=(",", ":")) + "\n")
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._path.parent)
        except OSError as error:
            raise ResultError(f"{self._path} cannot be written: {error.strerror}.") from error

    def drop_saved(self) -> None:
        """Remove it where a result holds its runs: its process ended between the two.

        Writing the result is the one step that finishes a measurement; what is left of the journal
        then must not become a second result of the same runs. A raw record of them that was
        written for a result that was not is removed: the result to come writes it anew. To be
        called by who holds the lock.
        """
        runs, raws = self.load(), list(self.load_raws().values())
        if not runs:
            return
        named = set()
        for path in self._path.parent.glob("*.json"):
            with contextlib.suppress(ResultError):
                result = load_result(path)
                named.add(result.raw and result.raw.file)
                if result.identity == self._identity and runs[0] in result.runs:
                    self.discard()
                    return
        for path in self._path.parent.glob(f"*_{self._identity[:10]}*{RAW_ENDING}"):
            if path.name not in named and raws and _raws_in(path, self._identity) == raws:
                path.unlink(missing_ok=True)

    def drop_saved_unless_busy(self) -> None:
        """The same, where there is one that no process is writing."""
        if self._path.exists():
            with contextlib.suppress(ResultError), self.lock():
                self.drop_saved()

    def discard(self) -> None:
        """Remove it: the result is written, or a fresh start was asked for."""
        self._path.unlink(missing_ok=True)


def _raws_in(path: Path, identity: str) -> list[RawRun]:
    """The runs in a raw record of this identity; none where it is no such file."""
    try:
        head, *runs = map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
        return runs if head["identity"] == identity else []
    except (OSError, EOFError, ValueError, zlib.error, TypeError, KeyError):
        return []
