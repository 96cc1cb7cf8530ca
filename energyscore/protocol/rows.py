"""Rows of files, each a mapping of columns to cells, read no further than they are asked for.

Images and audio stay as they lie: bytes of their files, or the files' paths. A column or a key
that occurs twice is refused: readers take one or the other of the two.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from energyscore.base.errors import DatasetError
from energyscore.base.files import read_text
from energyscore.base.form import DuplicateKeyError, first_twice, unique_keys
from energyscore.base.libraries import library_errors, said_by

Rows: TypeAlias = Iterable[Mapping[str, Any]]
Columns: TypeAlias = Callable[[Iterable[str]], Iterable[str]]
"""Which of a file's columns are needed; a DatasetError where one of them is missing."""

_BATCH = 64  # rows of a parquet file that are held at once: a cell may be a picture
_BLANK = re.compile(r"[\s,]*")


def read_file(path: Path, needed: Columns) -> Rows:
    """Rows of a csv, json, jsonl or parquet file; of the latter the needed columns only."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _read_parquet(path, needed)
    reader = {".csv": read_csv, ".json": _read_json, ".jsonl": read_jsonl}.get(suffix)
    if reader is None:
        raise DatasetError(
            f"--dataset {path}: files of the kind {path.suffix or 'without an ending'} are not "
            "read.",
            f"Give one of {', '.join(FILE_KINDS)}.",
        )
    return reader(path)


FILE_KINDS = (".csv", ".json", ".jsonl", ".parquet")


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a file with one JSON object a line."""
    for number, line in enumerate(read_text(path, str(path), DatasetError).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=unique_keys)
        except (ValueError, RecursionError) as error:
            raise _no_json(f"{path}, line {number}", error) from error
        if not isinstance(row, dict):
            raise DatasetError(f"{path}, line {number} is not a JSON object with named columns.")
        yield row


def _read_json(path: Path) -> Iterator[dict[str, Any]]:
    """A JSON array of objects; one object a line is accepted as well."""
    text = read_text(path, str(path), DatasetError)
    try:
        content = json.loads(text, object_pairs_hook=unique_keys)
    except DuplicateKeyError as error:
        line = _line_of_duplicate(text)
        raise _no_json(f"{path}, line {line}", error) from error
    except (ValueError, RecursionError):
        return read_jsonl(path)
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise DatasetError(f"{path} must hold a JSON array of objects with named columns.")
    return iter(content)


def check_keys(path: Path, where: str) -> None:
    """Refuse a file of JSON in which an object has a key twice; other faults are not looked for."""
    text = read_text(path, where, DatasetError)
    try:
        json.loads(text, object_pairs_hook=unique_keys)
    except DuplicateKeyError as error:
        raise _no_json(f"{where}, line {_line_of_duplicate(text)}", error) from error
    except (ValueError, RecursionError):
        pass


def _line_of_duplicate(text: str) -> int:
    """The line in which the row begins that has a key twice."""
    decoder = json.JSONDecoder(object_pairs_hook=unique_keys)
    place = text.index("{")
    try:
        while True:
            _, end = decoder.raw_decode(text, place)
            blank = _BLANK.match(text, end)
            place = blank.end() if blank else end
    except ValueError:
        return text.count("\n", 0, place) + 1


def _no_json(where: str, error: Exception) -> DatasetError:
    if isinstance(error, DuplicateKeyError):
        return DatasetError(f"{where}: {error}.", "Remove one of the two.")
    return DatasetError(f"{where} is not valid JSON: {error}.")


def read_csv(path: Path, separator: str = ",") -> Iterator[dict[str, Any]]:
    """Rows of a CSV, every cell as text: "NA", "1" and "" are words here, not numbers or holes.

    A row with more or fewer fields than the header is refused: a text with a comma in it that
    is not quoted would otherwise be cut there, and something else be measured.
    """
    csv.field_size_limit(2**31 - 1)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=separator, strict=True)
            header = next(reader, None)
            if header is None:
                raise DatasetError(f"{path} is empty: a CSV begins with a line of column names.")
            # Columns without a name, as spreadsheets leave them, are no field's.
            refuse_twice(filter(None, header), f"{path}, line {reader.line_num}")
            for number, row in enumerate(filter(None, reader), start=1):
                if len(row) != len(header):
                    raise DatasetError(
                        f"{path}, row {number} has {len(row)} fields, the header has "
                        f"{len(header)}.",
                        "Put texts with commas in them in double quotes.",
                    )
                yield dict(zip(header, row, strict=True))
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as csv: {error}.") from error


def refuse_twice(names: Iterable[str], where: str) -> None:
    """Refuse columns of which two have one name."""
    if twice := first_twice(names):
        raise DatasetError(
            f"{where}: the column {twice[:40]!r} occurs twice.", "Rename or remove one of the two."
        )


def _read_parquet(path: Path, needed: Columns) -> Iterator[dict[str, Any]]:
    """Rows of a parquet file, a few at a time: it may say that it has billions."""
    from pyarrow import parquet

    def explain(error: BaseException) -> DatasetError:
        return DatasetError(f"{path} cannot be read as parquet: {said_by(error)}.")

    with library_errors(explain), parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names
        refuse_twice(names, str(path))
        # Others may hold what Python cannot, such as times beyond its calendar.
        for batch in file.iter_batches(_BATCH, columns=list(needed(names))):
            yield from batch.to_pylist()
