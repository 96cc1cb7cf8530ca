"""The workload: a task's queries, from its dataset or yours, pinned and fingerprinted."""

import difflib
import hashlib
import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from energyscore.base.errors import DatasetError
from energyscore.base.files import is_dir, is_file, local_path, real_path
from energyscore.base.stamps import digest_of
from energyscore.protocol.rows import FILE_KINDS, Rows, read_file, read_folder, read_hub
from energyscore.protocol.task import TaskFile, TaskSpec

BUNDLED, OFFICIAL = "bundled", "official"

Query: TypeAlias = Mapping[str, Any]
"""One item of the workload: the task's fields and their values."""


@dataclass(frozen=True)
class Workload:
    """Queries ready to be put to a model; more may have been `wanted` than the dataset holds.

    `revision` is the commit of a hub dataset, None for local data; `official` is the task's own.
    """

    queries: tuple[Query, ...]
    dataset: str
    revision: str | None
    official: bool
    wanted: int

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


def load_workload(task: TaskFile, source: str, count: int) -> Workload:
    """Load the first `count` queries of a task.

    The source is `bundled`, `official`, a file (csv, json, jsonl, parquet), a folder, or the id of
    a dataset on the hub. A DatasetError names what is missing: the dataset, a column, or a cell.
    """
    spec = task.spec
    path = locate(task, source)
    if path is not None and path.is_dir():
        queries = _to_queries(read_folder(path, spec.dataset), spec, path, count, path)
        return Workload(queries, real_path(path).name, None, False, count)
    if path is not None:
        queries = _to_queries(read_file(path), spec, path, count, path.parent)
        name = f"bundled:{spec.id}" if source == BUNDLED else path.name
        return Workload(queries, name, None, False, count)
    dataset = spec.dataset.id if source == OFFICIAL else source
    revision = spec.dataset.revision if dataset == spec.dataset.id else "main"
    rows, commit = read_hub(dataset, revision, spec.dataset)
    queries = _to_queries(rows, spec, Path(dataset), count, Path(dataset).parent)
    return Workload(queries, dataset, commit, dataset == spec.dataset.id, count)


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


def named_files(task: TaskFile, source: str, count: int) -> Iterator[Path]:
    """The images and recordings that the first `count` rows of a file name, in their order."""
    path, dataset = locate(task, source), task.spec.dataset
    if path is None or not dataset.kinds or not is_file(path):
        return
    for cells in _cells(read_file(path), task.spec, path, count):
        for field in dataset.kinds:
            content = _content_or_file(*cells[field], path.parent)
            if isinstance(content, Path):
                yield content


def _cells(
    rows: Rows, spec: TaskSpec, where: Path, count: int
) -> Iterator[dict[str, tuple[Any, str]]]:
    """The cells of the first rows by the task's fields, each with its place for people.

    A file may name its columns as the official dataset does or as the task's fields.
    """
    columns: dict[str, str] = {}
    for number, row in enumerate(itertools.islice(rows, count), start=1):
        columns = columns or _match_columns(row, spec, str(where))
        yield {
            field: (row.get(column), f"{where}, row {number}: the column {column!r}")
            for field, column in columns.items()
        }


def _to_queries(
    rows: Rows, spec: TaskSpec, where: Path, count: int, folder: Path
) -> tuple[Query, ...]:
    """The first rows as queries, each cell checked; paths in them are relative to `folder`."""
    queries: list[Query] = []
    for cells in _cells(rows, spec, where, count):
        query: dict[str, str | bytes] = {}
        for field, (cell, place) in cells.items():
            kind = spec.dataset.kind_of(field)
            if kind == "text":
                query[field] = _text(cell, place)
                continue
            query[field] = content = _bytes(cell, place, folder)
            if kind == "audio":
                from energyscore.protocol.recordings import check_recording

                named = cell.get("path") if isinstance(cell, Mapping) else cell
                check_recording(content, place, named)
        queries.append(query)
    if not queries:
        raise DatasetError(f"The dataset {where} is empty.", "It must hold at least one row.")
    return tuple(queries)


def _text(cell: Any, place: str) -> str:
    if not isinstance(cell, str) or not cell.strip():
        problem = "is empty" if cell is None or cell == "" else "holds no text"
        raise DatasetError(f"{place} {problem}.", "Remove the row or fill it in.")
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


def _match_columns(row: Mapping[str, Any], spec: TaskSpec, where: str) -> dict[str, str]:
    columns = {}
    for field, official in spec.dataset.columns.items():
        found = next((name for name in (official, field) if name in row), None)
        if found is None:
            known = [str(name) for name in row]
            near = difflib.get_close_matches(official.lower(), known, n=1)
            raise DatasetError(
                f"The dataset {where} has no column {official!r}; its columns are: "
                f"{', '.join(known)}. The task {spec.id} expects: "
                f"{', '.join(spec.dataset.columns.values())}.",
                f"Rename {near[0]!r} to {official!r}." if near else "Rename or add it.",
            )
        columns[field] = found
    return columns
