"""The workload: a task's queries, from its dataset or yours, pinned and fingerprinted."""

import csv
import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energyscore.backend import Query
from energyscore.errors import DatasetError, did_you_mean
from energyscore.paths import local_path
from energyscore.task import TaskFile, TaskSpec

BUNDLED, OFFICIAL = "bundled", "official"
_FILE_KINDS = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".parquet": "parquet"}


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
        canonical = json.dumps(self.queries, sort_keys=True, separators=(",", ":"))
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
        rows: Iterable[Mapping[str, Any]] = _read_jsonl(task.sample_path)
        queries = _to_queries(rows, spec, str(task.sample_path), count, plain=True)
        return Workload(queries, f"bundled:{spec.id}", None, False, count)
    path = local_path(source)
    if path is not None and path.is_file():
        queries = _to_queries(_read_file(path), spec, str(path), count)
        return Workload(queries, path.name, None, False, count)
    if path is not None and path.is_dir():
        queries = _to_queries(_read_folder(path, spec), spec, str(path), count)
        return Workload(queries, path.resolve().name, None, False, count)
    if Path(source).suffix.lower() in _FILE_KINDS or source[:1] in "./~":
        raise DatasetError(f"--dataset {source}: there is no such file or folder.")
    dataset = spec.dataset.id if source == OFFICIAL else source
    revision = spec.dataset.revision if dataset == spec.dataset.id else "main"
    rows, commit = _read_hub(dataset, revision, spec)
    queries = _to_queries(rows, spec, dataset, count)
    return Workload(queries, dataset, commit, dataset == spec.dataset.id, count)


def _read_jsonl(path: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{path}, line {number} is not valid JSON: {error}.") from error
        if not isinstance(row, dict):
            raise DatasetError(f"{path}, line {number} is not a JSON object with named columns.")
        rows.append(row)
    return rows


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read as UTF-8 text: {error}.") from error


def _read_file(path: Path) -> Iterable[Mapping[str, Any]]:
    kind = _FILE_KINDS.get(path.suffix.lower())
    if kind is None:
        raise DatasetError(
            f"--dataset {path}: files of the kind {path.suffix or 'without an ending'} are not "
            "read.",
            f"Give one of {', '.join(_FILE_KINDS)}.",
        )
    if kind == "jsonl":
        return _read_jsonl(path)
    if kind == "json":
        return _read_json(path)
    if kind == "csv":
        return _read_csv(path)
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as parquet: {error}.") from error
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict(orient="records")]


def _read_csv(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a CSV, every cell as text: "NA", "1" and "" are words here, not numbers or holes.

    A row with more or fewer fields than the header is refused: a text with a comma in it that
    is not quoted would otherwise be cut there, and something else be measured.
    """
    csv.field_size_limit(2**31 - 1)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, None)
            if header is None:
                raise DatasetError(f"{path} is empty: a CSV begins with a line of column names.")
            for number, row in enumerate(filter(None, reader), start=1):
                if len(row) != len(header):
                    raise DatasetError(
                        f"{path}, row {number} has {len(row)} fields, the header has "
                        f"{len(header)}.",
                        "Put texts with commas in them in double quotes.",
                    )
                yield dict(zip(header, row, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as csv: {error}.") from error


def _read_json(path: Path) -> list[dict[str, Any]]:
    """A JSON array of objects; one object a line is accepted as well."""
    try:
        content = json.loads(_read_text(path))
    except (ValueError, RecursionError):
        return _read_jsonl(path)
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise DatasetError(f"{path} must hold a JSON array of objects with named columns.")
    return content


def _read_folder(path: Path, spec: TaskSpec) -> Iterable[Mapping[str, Any]]:
    """A folder that `save_to_disk` wrote, or one with data files in it."""
    import datasets

    try:
        if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
            loaded: Any = datasets.load_from_disk(str(path))
        else:
            loaded = datasets.load_dataset(str(path))
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DatasetError(f"--dataset {path}: no dataset can be read there: {error}.") from error
    return _split_of(loaded, spec, str(path))


def _split_of(loaded: Any, spec: TaskSpec, where: str) -> Iterable[Mapping[str, Any]]:
    splits: dict[str, Any] = loaded if isinstance(loaded, dict) else {spec.dataset.split: loaded}
    rows: Iterable[Mapping[str, Any]]
    if spec.dataset.split in splits or len(splits) == 1:
        rows = splits.get(spec.dataset.split) or next(iter(splits.values()))
        return rows
    raise DatasetError(
        f"{where} has no split {spec.dataset.split!r}, only {', '.join(map(str, loaded))}."
    )


def _read_hub(
    dataset: str, revision: str, spec: TaskSpec
) -> tuple[Iterable[Mapping[str, Any]], str]:
    """The dataset at exactly the commit that the revision names now, and that commit."""
    import datasets
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        commit = str(HfApi().dataset_info(dataset, revision=revision).sha)
        loaded = datasets.load_dataset(dataset, revision=commit)
    except HFValidationError as error:
        raise DatasetError(
            f"--dataset {dataset}: neither a file, a folder, nor the id of a dataset on the hub.",
            f"Or name one of: {BUNDLED}, {OFFICIAL}.",
        ) from error
    except OfflineModeIsEnabled as error:
        raise DatasetError(
            f"The dataset {dataset} needs the hub, which cannot be reached from here.",
            "Use --dataset bundled, or a local file.",
        ) from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "no")
        raise DatasetError(
            f"The hub does not give the dataset {dataset} (HTTP {status}).",
            "Check its id; for a private one set HF_TOKEN.",
        ) from error
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DatasetError(f"The dataset {dataset} cannot be loaded: {error}.") from error
    return _split_of(loaded, spec, dataset), commit


def _to_queries(
    rows: Iterable[Mapping[str, Any]],
    spec: TaskSpec,
    where: str,
    count: int,
    *,
    plain: bool = False,
) -> tuple[Query, ...]:
    """The first rows as queries, each cell checked.

    A file may name its columns as the official dataset does or as the task's fields;
    `plain` says that they are the fields (bundled samples).
    """
    queries: list[Query] = []
    columns: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        if number == 1:
            columns = {} if plain else _match_columns(row, spec, where)
        if number > count:
            break
        query = {}
        for field in spec.dataset.columns:
            cell = row.get(columns.get(field, field))
            if not isinstance(cell, str) or not cell.strip():
                raise DatasetError(
                    f"{where}, row {number}: the column {columns.get(field, field)!r} "
                    f"{'is empty' if cell is None or cell == '' else 'holds no text'}.",
                    "Remove the row or fill it in.",
                )
            query[field] = cell
        queries.append(query)
    if not queries:
        raise DatasetError(f"The dataset {where} is empty.", "It must hold at least one row.")
    return tuple(queries)


def _match_columns(row: Mapping[str, Any], spec: TaskSpec, where: str) -> dict[str, str]:
    columns = {}
    for field, official in spec.dataset.columns.items():
        found = next((name for name in (official, field) if name in row), None)
        if found is None:
            known: Sequence[str] = [str(name) for name in row]
            raise DatasetError(
                f"The dataset {where} has no column {official!r}, which {spec.id} needs; it has "
                f"{', '.join(repr(name) for name in known)}.",
                did_you_mean(official, known) if len(known) > 1 else "Rename its column.",
            )
        columns[field] = found
    return columns
