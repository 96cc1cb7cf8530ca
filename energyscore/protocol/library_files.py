"""Data files that the library `datasets` found in a folder or on the hub, and that we read better.

It takes words such as `NA` and `null` in a CSV for missing, and numbers for no texts; of a key that
occurs twice in JSON it takes one in silence. A dataset is the same work as its files alone.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from energyscore.base.errors import DatasetError
from energyscore.protocol.rows import Rows, check_keys, read_csv


@dataclass(frozen=True)
class CsvFiles:
    """The rows of a split's CSV files, one after the other."""

    files: tuple[Path, ...]
    separator: str
    where: str

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """Rows with the columns of the first; a DatasetError where another file has others."""
        columns = None
        for row in itertools.chain.from_iterable(map(self._read, self.files)):
            columns = columns or row.keys()
            if row.keys() != columns:
                raise DatasetError(
                    f"The files of {self.where} have different columns: {', '.join(columns)}; "
                    f"{', '.join(row)}.",
                    "Name one of the files with --dataset.",
                )
            yield row

    @cached_property
    def _count(self) -> int:
        return sum(1 for _ in self)

    def __len__(self) -> int:
        """How many rows there are: all are read for it."""
        return self._count

    def __bool__(self) -> bool:
        """Whether there are rows: the first is read for it."""
        return any(True for _ in self)

    def _read(self, file: Path) -> Rows:
        return read_csv(file, self.separator)


def csv_files(builder: Any, where: str) -> dict[str, CsvFiles]:
    """The splits of a dataset of plain CSV files; none where it is of others, or read otherwise.

    `builder` is the library's.
    """
    if not _all_end_with(builder, ".csv", ".tsv") or _settings(builder) - {"sep", "delimiter"}:
        return {}
    return {
        split: CsvFiles(tuple(files.values()), builder.config.sep, where)
        for split, files in _fetched(builder).items()
    }


def check_json_files(builder: Any, where: str) -> None:
    """Refuse JSON files in which an object has a key twice; lines of JSON the library refuses."""
    if _all_end_with(builder, ".json"):
        for files in _fetched(builder).values():
            for name, file in files.items():
                check_keys(file, f"{where}, {PurePosixPath(name).name}")


def _all_end_with(builder: Any, *endings: str) -> bool:
    names = itertools.chain.from_iterable((builder.config.data_files or {}).values())
    kinds = {PurePosixPath(str(name)).suffix.lower() for name in names}
    return bool(kinds) and kinds <= {*endings}


def _fetched(builder: Any) -> dict[str, dict[str, Path]]:
    """The files of each split by name, on this machine."""
    import datasets

    named = {str(split): list(map(str, some)) for split, some in builder.config.data_files.items()}
    options = datasets.DownloadConfig(
        token=builder.token, storage_options=builder.storage_options or {}
    )
    found = datasets.DownloadManager(download_config=options).download(named)
    return {
        split: dict(zip(names, map(Path, found[split]), strict=True))
        for split, names in named.items()
    }


def _settings(builder: Any) -> set[str]:
    """What a dataset says of how its files are to be read, apart from which they are."""
    config, plain = builder.config, type(builder.config)()
    own = {"name", "version", "data_dir", "data_files", "description"}
    return {
        one.name
        for one in fields(config)
        if one.name not in own and getattr(config, one.name) != getattr(plain, one.name)
    }
