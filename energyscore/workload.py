"""The workload: a task's queries, from its dataset or yours, pinned and fingerprinted."""

import difflib
import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energyscore.backend import Query
from energyscore.errors import DatasetError
from energyscore.paths import local_path
from energyscore.rows import FILE_KINDS, Rows, read_file, read_folder, read_hub, read_jsonl
from energyscore.task import TaskFile, TaskSpec

BUNDLED, OFFICIAL = "bundled", "official"


@dataclass(frozen=True)
class Workload:
    """Queries ready to be put to a model.

    Attributes:
        queries: the queries, in the dataset's order.
        dataset: where they are from, as results name it.
        revision: commit of a hub dataset, None for local data.
        official: whether they are from the task's official dataset.
        wanted: how many queries were asked for; more than `len(queries)` when the dataset
            holds fewer.
    """

    queries: tuple[Query, ...]
    dataset: str
    revision: str | None
    official: bool
    wanted: int

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the queries: two workloads with the same one are the same work."""
        canonical = json.dumps(
            self.queries, sort_keys=True, separators=(",", ":"), default=_content_digest
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    def shuffled(self, seed: int) -> list[Query]:
        """The queries in a seeded random order.

        Each repeat has its own: queries in a fixed order can lock to the counter's updates.
        """
        queries = list(self.queries)
        random.Random(seed).shuffle(queries)
        return queries


def load_workload(task: TaskFile, source: str, count: int) -> Workload:
    """Load the first `count` queries of a task.

    Args:
        task: the task.
        source: `bundled`, `official`, a file (csv, json, jsonl, parquet), a folder, or the id
            of a dataset on the hub.
        count: how many queries.

    Raises:
        DatasetError: when there is no such dataset, it lacks a column, is empty, or a cell of
            it is empty or no text.
    """
    spec = task.spec
    if source == BUNDLED:
        sample = task.sample_path
        queries = _to_queries(read_jsonl(sample), spec, sample, count, plain=True)
        return Workload(queries, f"bundled:{spec.id}", None, False, count)
    path = local_path(source)
    if path is not None and path.is_file():
        queries = _to_queries(read_file(path), spec, path, count)
        return Workload(queries, path.name, None, False, count)
    if path is not None and path.is_dir():
        queries = _to_queries(read_folder(path, spec.dataset), spec, path, count)
        return Workload(queries, path.resolve().name, None, False, count)
    if Path(source).suffix.lower() in FILE_KINDS or source[:1] in "./~":
        raise DatasetError(f"--dataset {source}: there is no such file or folder.")
    dataset = spec.dataset.id if source == OFFICIAL else source
    revision = spec.dataset.revision if dataset == spec.dataset.id else "main"
    rows, commit = read_hub(dataset, revision, spec.dataset)
    queries = _to_queries(rows, spec, Path(dataset), count)
    return Workload(queries, dataset, commit, dataset == spec.dataset.id, count)


def _to_queries(
    rows: Rows, spec: TaskSpec, where: Path, count: int, *, plain: bool = False
) -> tuple[Query, ...]:
    """The first rows as queries, each cell checked.

    A file may name its columns as the official dataset does or as the task's fields;
    `plain` says that they are the fields (bundled samples).
    """
    queries: list[Query] = []
    columns: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        if number == 1:
            columns = {} if plain else _match_columns(row, spec, str(where))
        if number > count:
            break
        query: dict[str, str | bytes] = {}
        for field in spec.dataset.columns:
            column = columns.get(field, field)
            place = f"{where}, row {number}: the column {column!r}"
            if spec.dataset.kind_of(field) == "text":
                query[field] = _text(row.get(column), place)
            else:
                query[field] = _bytes(row.get(column), place, where.parent)
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
    """An image's or a recording's file: its bytes, or where it lies."""
    if isinstance(cell, Mapping):
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, bytes) and cell:
        return cell
    if not isinstance(cell, str) or not cell.strip():
        raise DatasetError(f"{place} names no file.", "Remove the row or fill it in.")
    try:
        return (folder / Path(cell).expanduser()).read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        raise DatasetError(
            f"{place} names the file {cell}, which cannot be read: {error}.",
            "Paths are relative to the folder of the file that names them.",
        ) from error


def _content_digest(content: Any) -> str:
    """What stands for bytes in a fingerprint."""
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
