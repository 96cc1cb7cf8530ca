"""The workload: a task's queries, from its dataset or yours, pinned and fingerprinted."""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from energyscore.base.errors import DatasetError
from energyscore.base.files import is_dir, is_file, local_path, real_path
from energyscore.base.stamps import digest_of
from energyscore.protocol.library_rows import read_folder, read_hub
from energyscore.protocol.rows import FILE_KINDS, Rows, read_file
from energyscore.protocol.selection import BUNDLED, OFFICIAL, Selection, match_columns
from energyscore.protocol.task import TaskFile, TaskSpec

Query: TypeAlias = Mapping[str, Any]
"""One item of the workload: the task's fields and their values."""


@dataclass(frozen=True)
class Workload:
    """Queries ready to be put to a model; more may have been `wanted` than the dataset holds.

    `revision` is the commit of a hub dataset, None for local data; `official` is the task's own.
    `empty_rows` are the numbers of the rows that hold nothing and were left out.
    """

    queries: tuple[Query, ...]
    dataset: str
    revision: str | None
    official: bool
    wanted: int
    selection: Selection = field(default_factory=Selection)
    empty_rows: tuple[int, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the queries: two workloads with the same one are the same work."""
        return digest_of(self.queries, _content_digest)

    def shuffled(self, seed: int) -> list[Query]:
        """The queries in a seeded random order.

        Each repeat has its own: queries in a fixed order can lock to the counter's updates.
        """
        queries = list(self.queries)
        random.Random(seed).shuffle(queries)
        return queries


def load_workload(
    task: TaskFile,
    source: str,
    count: int,
    selection: Selection | None = None,
    *,
    strict: bool = False,
) -> Workload:
    """Load the first `count` queries of a task.

    The source is `bundled`, `official`, a file (csv, json, jsonl, parquet), a folder, or the id of
    a dataset on the hub. Rows that hold nothing are left out and the next ones taken, as the
    official harness does; `strict` refuses them. A DatasetError names what is missing: the
    dataset, a column, or a cell.
    """
    spec, chosen = task.spec, selection or Selection()
    chosen.check(spec)
    path, commit, official = locate(task, source), None, False
    if path is None:
        name = spec.dataset.id if source == OFFICIAL else source
        revision = spec.dataset.revision if name == spec.dataset.id else "main"
        rows, commit = read_hub(name, revision, spec, chosen)
        where, folder = Path(name), Path(name).parent
        official = name == spec.dataset.id and not chosen.differs_from(spec)
    elif path.is_dir():
        rows, where, folder = read_folder(path, spec, chosen), path, path
        name = real_path(path).name
    else:
        rows, where, folder = _file_rows(path, spec, chosen), path, path.parent
        name = f"bundled:{spec.id}" if source == BUNDLED else path.name
    empty: list[int] = []
    queries = _to_queries(_full(rows, spec, where, count, chosen, empty, strict), spec, folder)
    if not queries:
        raise DatasetError(f"The dataset {where} is empty.", "It must hold at least one row.")
    return Workload(queries, name, commit, official, count, chosen.of_queries(spec), tuple(empty))


def load_graded(
    task: TaskFile, source: str, count: int, selection: Selection | None = None
) -> Workload:
    """The first `count` queries of a task, each with its references beside it.

    Rows without a reference are left out. Where a dataset of the task itself has none, the rows
    of the sample are taken that the task has for it. A DatasetError where there are none either.
    """
    graded, quality = task.with_references(), task.spec.quality
    try:
        return load_workload(graded, source, count, selection)
    except DatasetError:
        if quality is None or quality.sample is None or source not in (BUNDLED, OFFICIAL):
            raise
    return load_workload(graded.with_sample(quality.sample), BUNDLED, count)


def locate(task: TaskFile, source: str) -> Path | None:
    """The file or folder that holds the rows of a source, None for a dataset on the hub."""
    if source == OFFICIAL:
        return None
    if source == BUNDLED:
        return task.sample_path
    path = local_path(source)
    if path is not None and (is_file(path) or is_dir(path)):
        return path
    if Path(source).suffix.lower() in FILE_KINDS or source[:1] in "./~":
        raise DatasetError(f"--dataset {source}: there is no such file or folder.")
    return None


def named_files(
    task: TaskFile, source: str, count: int, selection: Selection | None = None
) -> Iterator[Path]:
    """The images and recordings that the first `count` rows of a file name, in their order."""
    path, spec, chosen = locate(task, source), task.spec, selection or Selection()
    if path is None or not spec.dataset.kinds or not is_file(path):
        return
    chosen.check(spec)
    for cells in _full(_file_rows(path, spec, chosen), spec, path, count, chosen, []):
        for name in spec.dataset.kinds:
            content = _content_or_file(*cells[name], path.parent)
            if isinstance(content, Path):
                yield content


_Cells: TypeAlias = Mapping[str, tuple[Any, str]]
"""The cells of a row by the task's fields, each with its place for people."""


def _file_rows(path: Path, spec: TaskSpec, selection: Selection) -> Rows:
    selection.refuse_parts(f"the file {path}")

    def needed(known: Iterable[str]) -> Iterable[str]:
        return match_columns(list(known), spec, selection, str(path)).values()

    return read_file(path, needed)


def _full(
    rows: Rows,
    spec: TaskSpec,
    where: Path,
    count: int,
    selection: Selection,
    empty: list[int],
    strict: bool = False,
) -> Iterator[_Cells]:
    """The first `count` rows that hold something; the numbers of those before go to `empty`."""
    columns: dict[str, str] = {}
    first, found = "", 0
    for number, row in enumerate(rows, start=1):
        columns = columns or match_columns(row, spec, selection, str(where))
        cells = {
            name: (row.get(column), f"{where}, row {number}: the column {column!r}")
            for name, column in columns.items()
        }
        place = next((cells[name][1] for name in cells if _lacks(cells[name][0], name, spec)), "")
        if place and strict:
            remedy = "Remove the row or fill it in; without --strict it is left out."
            raise DatasetError(f"{place} is empty.", remedy)
        first = first or place
        if place:
            empty.append(number)
            continue
        yield cells
        found += 1
        if found == count:
            return
    if empty and not found:
        raise DatasetError(
            f"All {len(empty):,} rows of the dataset {where} are empty: {first} is.",
            "Name another column with --columns, or other data.",
        )


def _lacks(cell: Any, name: str, spec: TaskSpec) -> bool:
    """Whether a row lacks what it needs: no answer may be the right one, a missing one may not."""
    is_reference = spec.dataset.kind_of(name) == "reference"
    return cell is None if is_reference else _is_empty(cell)


def _is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing: no text but blanks, no file."""
    if isinstance(cell, Mapping):
        return not (cell.get("bytes") or cell.get("path"))
    return cell is None or (isinstance(cell, str | bytes) and not cell.strip())


def _to_queries(rows: Iterator[_Cells], spec: TaskSpec, folder: Path) -> tuple[Query, ...]:
    """Rows as queries, each cell checked; paths in them are relative to `folder`."""
    queries: list[Query] = []
    for cells in rows:
        query: dict[str, Any] = {}
        for name, (cell, place) in cells.items():
            kind = spec.dataset.kind_of(name)
            if kind == "text":
                query[name] = _text(cell, place)
                continue
            if kind == "reference":
                query[name] = _reference(cell, place)
                continue
            query[name] = content = _bytes(cell, place, folder)
            if kind == "audio":
                from energyscore.protocol.recordings import check_recording

                named = cell.get("path") if isinstance(cell, Mapping) else cell
                check_recording(content, place, named)
        queries.append(query)
    return tuple(queries)


def _text(cell: Any, place: str) -> str:
    if not isinstance(cell, str):
        raise DatasetError(f"{place} holds no text.", "Remove the row or fill it in.")
    return cell


def _reference(cell: Any, place: str) -> Any:
    try:
        json.dumps(cell)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{place} holds no text, no number and no list of these.") from error
    return cell


def _bytes(cell: Any, place: str, folder: Path) -> bytes:
    content = _content_or_file(cell, place, folder)
    if isinstance(content, bytes):
        return content
    try:
        return content.read_bytes()
    except (OSError, ValueError) as error:
        raise _unreadable(content, place, error) from error


def _content_or_file(cell: Any, place: str, folder: Path) -> bytes | Path:
    """What a cell for an image or a recording holds: its file's bytes, or where it lies."""
    if isinstance(cell, Mapping):
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, bytes) and cell:
        return cell
    if not isinstance(cell, str) or not cell.strip():
        raise DatasetError(f"{place} names no file.", "Remove the row or fill it in.")
    try:
        return folder / Path(cell).expanduser()
    except RuntimeError as error:
        raise _unreadable(cell, place, error) from error


def _unreadable(file: object, place: str, error: Exception) -> DatasetError:
    return DatasetError(
        f"{place} names the file {file}, which cannot be read: {error}.",
        "Paths are relative to the folder of the file that names them.",
    )


def _content_digest(content: Any) -> str:
    """The digest of bytes, in place of them in a fingerprint."""
    if not isinstance(content, bytes):
        raise TypeError(f"a query holds {type(content).__name__}")
    return hashlib.sha256(content).hexdigest()
