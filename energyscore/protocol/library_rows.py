"""Rows that the library `datasets` reads: of folders and of the hub."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from energyscore.base.errors import DatasetError, did_you_mean
from energyscore.base.libraries import library_errors, named, said_by
from energyscore.protocol.library_files import CsvFiles, check_json_files, csv_files
from energyscore.protocol.rows import Rows
from energyscore.protocol.selection import Selection, match_columns
from energyscore.protocol.task import TaskSpec

_STATE, _SPLITS, _INFO = "state.json", "dataset_dict.json", "dataset_info.json"


def read_folder(path: Path, spec: TaskSpec, selection: Selection) -> Rows:
    """A folder that `save_to_disk` wrote, or one with data files in it."""
    saved = any((path / name).is_file() for name in (_STATE, _SPLITS))
    if not saved and (path / _INFO).is_file():
        raise DatasetError(
            f"--dataset {path}: a dataset was saved there, and its state.json is missing.",
            "Save it again.",
        )
    if saved and selection.config is not None:
        Selection(config=selection.config).refuse_parts(f"the saved dataset {path}")
    where = f"--dataset {path}"

    def explain(error: BaseException) -> DatasetError:
        _check_config_named(None if saved else str(path), None, selection, where)
        return DatasetError(
            f"{where}: no dataset can be read there: {_said(error)}.",
            "Save it again." if saved else "",
        )

    with library_errors(explain):
        if saved:
            loaded = _load_saved(path)
        else:
            _check_config(str(path), None, selection, where)
            loaded = _load(str(path), None, selection, where)
        return _split_of(loaded, spec, selection, str(path))


def _load(dataset: str, commit: str | None, selection: Selection, where: str) -> Any:
    """A dataset of data files, its rows by split."""
    builder = _datasets().load_dataset_builder(dataset, selection.config, revision=commit)
    check_json_files(builder, where)
    if found := csv_files(builder, where):
        return found
    builder.download_and_prepare()
    return builder.as_dataset()


def _load_saved(path: Path) -> Any:
    """What `save_to_disk` wrote: a dataset, or one for each split; the library fails at empty ones.

    Raises whatever the library does where it is broken.
    """
    if (path / _SPLITS).is_file():
        names = json.loads((path / _SPLITS).read_bytes())["splits"]
        return {str(name): _load_saved(path / str(name)) for name in names}
    if not json.loads((path / _STATE).read_bytes())["_data_files"]:
        return []
    return _datasets().load_from_disk(str(path))


def read_hub(dataset: str, revision: str, spec: TaskSpec, selection: Selection) -> tuple[Rows, str]:
    """The dataset at exactly the commit that the revision names now, and that commit."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    where, commit = f"The dataset {dataset}", ""

    def explain(error: BaseException) -> DatasetError:
        if isinstance(error, HFValidationError):
            return DatasetError(
                f"--dataset {dataset}: neither a file, a folder, nor the id of a dataset on the "
                "hub.",
                "Or name one of: bundled, official.",
            )
        if isinstance(error, OfflineModeIsEnabled):
            return DatasetError(
                f"{where} needs the hub, which cannot be reached from here.",
                "Use --dataset bundled, or a local file.",
            )
        if isinstance(error, HfHubHTTPError):
            status = getattr(error.response, "status_code", "no")
            return DatasetError(
                f"The hub does not give the dataset {dataset} (HTTP {status}).",
                "Check its id; for a private one set HF_TOKEN.",
            )
        if commit:
            _check_config_named(dataset, commit, selection, where)
        return DatasetError(f"{where} cannot be loaded: {_said(error)}.")

    with library_errors(explain):
        commit = str(HfApi().dataset_info(dataset, revision=revision).sha)
        _check_config(dataset, commit, selection, where)
        loaded = _load(dataset, commit, selection, where)
        return _split_of(loaded, spec, selection, dataset), commit


def _datasets() -> ModuleType:
    """The library that reads them, its progress shown to terminals only; its errors are ours."""
    import datasets

    datasets.logging.set_verbosity(logging.CRITICAL)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    module: ModuleType = datasets
    return module


def _said(error: BaseException) -> str:
    """What an error says, or the one that led to it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return said_by(error) if isinstance(error, OSError) else named(error)


def _configs(dataset: str, commit: str | None) -> list[str]:
    """The configurations of a dataset; none where they cannot be told."""
    found: list[str] = []
    try:
        with library_errors(lambda error: DatasetError(_said(error))):
            found = _datasets().get_dataset_config_names(dataset, revision=commit)
    except DatasetError:
        pass
    return list(map(str, found))


def _check_config(dataset: str, commit: str | None, selection: Selection, where: str) -> None:
    """Refuse a configuration that a dataset does not have: some loaders take any name."""
    if selection.config is None:
        return
    if (known := _configs(dataset, commit)) and selection.config not in known:
        raise DatasetError(
            f"{where} has no configuration {selection.config!r}.",
            did_you_mean(selection.config, known),
        )


def _check_config_named(
    dataset: str | None, commit: str | None, selection: Selection, where: str
) -> None:
    """Refuse a dataset of several configurations, of which none was named."""
    known = _configs(dataset, commit) if dataset and selection.config is None else []
    if len(known) > 1:
        raise DatasetError(
            f"{where} has {len(known)} configurations: {', '.join(known)}.",
            "Name one with --dataset-config.",
        )


def _split_of(loaded: Any, spec: TaskSpec, selection: Selection, where: str) -> Rows:
    """The rows of the split that was named, else of the task's; of the only one there is."""
    name = selection.split or spec.dataset.split
    splits = {str(key): one for key, one in loaded.items()} if isinstance(loaded, dict) else {}
    if not isinstance(loaded, dict):
        splits = {str(getattr(loaded, "split", None) or name): loaded}
    if name not in splits and (len(splits) != 1 or selection.split is not None):
        raise DatasetError(
            f"{where} has no split {name!r}, only {', '.join(splits) or 'an empty list'}.",
            did_you_mean(name, splits) if selection.split else "Name one with --split.",
        )
    name = name if name in splits else next(iter(splits))
    split = splits[name]
    if not split and len(splits) > 1:
        rows = ", ".join(f"{key} ({len(one):,} rows)" for key, one in splits.items())
        raise DatasetError(
            f"The split {name!r} of {where} is empty; its splits are: {rows}.",
            "Name another with --split.",
        )
    return _rows_of(split, spec, selection, where) if split else ()


def _rows_of(split: Any, spec: TaskSpec, selection: Selection, where: str) -> Rows:
    """The rows, with images and audio as the bytes of their files, and only the needed columns.

    Decoding is the work of the `preprocess` phase; and datasets decodes audio with a package
    that fails on many machines.
    """
    import datasets

    if isinstance(split, CsvFiles):
        return split
    features: Mapping[str, Any] = split.features or {}
    columns = match_columns(list(features), spec, selection, where)
    _refuse_renamed(split, columns, selection, where)
    references = {
        column: features[column]
        for name, column in columns.items()
        if spec.dataset.kind_of(name) == "reference" and column in features
    }
    split = split.select_columns(sorted(set(columns.values())))
    kinds = {"image": datasets.Image, "audio": datasets.Audio}
    for name, column in columns.items():
        kind = kinds.get(spec.dataset.kind_of(name))
        if kind and isinstance(features.get(column), kind):
            split = split.cast_column(column, kind(decode=False))
    return _read_on(_with_names(split, references) if references else split, where)


def _with_names(rows: Rows, references: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The rows, numbers of classes replaced by their names."""
    for row in rows:
        named_by = {column: _named(row[column], kind) for column, kind in references.items()}
        yield {**row, **named_by}


def _named(cell: Any, kind: Any) -> Any:
    """A cell with names for the numbers of classes, also within it; below 0 is an unknown one."""
    if hasattr(kind, "int2str"):
        return kind.int2str(cell) if cell is not None and cell >= 0 else None
    if isinstance(cell, list) and hasattr(kind, "feature"):
        return [_named(one, kind.feature) for one in cell]
    if isinstance(cell, dict) and isinstance(kind, dict):
        return {key: _named(one, kind.get(key)) for key, one in cell.items()}
    return cell


def _refuse_renamed(
    split: Any, columns: Mapping[str, str], selection: Selection, where: str
) -> None:
    """Refuse a column of a CSV that occurs twice: the library calls the second one `NAME.1`."""
    if getattr(split.info, "builder_name", None) != "csv":
        return
    for name, column in columns.items():
        if name not in selection.columns and f"{column}.1" in split.features:
            raise DatasetError(
                f"{where}: the column {column!r} occurs twice.",
                f"Name the one that is meant: --columns {name}={column}, or "
                f"--columns {name}={column}.1.",
            )


def _read_on(rows: Rows, where: str) -> Iterator[Mapping[str, Any]]:
    """The rows; what is broken in them shows when they are read."""

    def explain(error: BaseException) -> DatasetError:
        return DatasetError(f"The rows of {where} cannot be read: {_said(error)}.")

    with library_errors(explain):
        yield from rows
