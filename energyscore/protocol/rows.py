"""Rows of datasets: from files, folders and the hub, each a mapping of columns to cells.

Images and audio stay as they lie: bytes of their files, or the files' paths.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from energyscore.base.errors import DatasetError
from energyscore.base.files import read_text
from energyscore.protocol.task import Dataset

Rows: TypeAlias = Iterable[Mapping[str, Any]]


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Rows of a file with one JSON object a line."""
    rows = []
    for number, line in enumerate(read_text(path, str(path), DatasetError).split("\n"), start=1):
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


def read_file(path: Path) -> Rows:
    """Rows of a csv, json, jsonl or parquet file."""
    reader = FILE_KINDS.get(path.suffix.lower())
    if reader is None:
        raise DatasetError(
            f"--dataset {path}: files of the kind {path.suffix or 'without an ending'} are not "
            "read.",
            f"Give one of {', '.join(FILE_KINDS)}.",
        )
    return reader(path)


def _read_parquet(path: Path) -> Rows:
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
        content = json.loads(read_text(path, str(path), DatasetError))
    except (ValueError, RecursionError):
        return read_jsonl(path)
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise DatasetError(f"{path} must hold a JSON array of objects with named columns.")
    return content


FILE_KINDS: dict[str, Callable[[Path], Rows]] = {
    ".csv": _read_csv,
    ".json": _read_json,
    ".jsonl": read_jsonl,
    ".parquet": _read_parquet,
}


def read_folder(path: Path, wanted: Dataset) -> Rows:
    """A folder that `save_to_disk` wrote, or one with data files in it."""
    datasets = _datasets()
    try:
        if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
            loaded: Any = datasets.load_from_disk(str(path))
        else:
            loaded = datasets.load_dataset(str(path))
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DatasetError(f"--dataset {path}: no dataset can be read there: {error}.") from error
    return _split_of(loaded, wanted, str(path))


def _datasets() -> ModuleType:
    """The library that reads them, its progress shown to terminals only."""
    import datasets

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    module: ModuleType = datasets
    return module


def _split_of(loaded: Any, wanted: Dataset, where: str) -> Rows:
    splits: dict[str, Any] = loaded if isinstance(loaded, dict) else {wanted.split: loaded}
    if wanted.split in splits or len(splits) == 1:
        return _undecoded(splits.get(wanted.split) or next(iter(splits.values())), wanted)
    raise DatasetError(
        f"{where} has no split {wanted.split!r}, only {', '.join(map(str, loaded))}."
    )


def read_hub(dataset: str, revision: str, wanted: Dataset) -> tuple[Rows, str]:
    """The dataset at exactly the commit that the revision names now, and that commit."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    datasets = _datasets()
    try:
        commit = str(HfApi().dataset_info(dataset, revision=revision).sha)
        loaded = datasets.load_dataset(dataset, revision=commit)
    except HFValidationError as error:
        raise DatasetError(
            f"--dataset {dataset}: neither a file, a folder, nor the id of a dataset on the hub.",
            "Or name one of: bundled, official.",
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
    return _split_of(loaded, wanted, dataset), commit


def _undecoded(split: Any, wanted: Dataset) -> Rows:
    """The rows with images and audio as the bytes of their files.

    Decoding is the work of the `preprocess` phase; and datasets decodes audio with a package
    that fails on many machines.
    """
    import datasets

    features = {"image": datasets.Image, "audio": datasets.Audio}
    for field, kind in wanted.kinds.items():
        for column in (wanted.columns[field], field):
            feature = features.get(kind)
            if feature and isinstance((split.features or {}).get(column), feature):
                split = split.cast_column(column, feature(decode=False))
    rows: Rows = split
    return rows
