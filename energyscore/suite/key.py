"""The key of an entry: what was asked for, in a form that can be compared without a model.

A result's identity needs the loaded model. The key stands for all that can be known before:
equal keys ask for the same measurement on the same machine, of the same files.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from energyscore.errors import DatasetError
from energyscore.model import ModelSpec
from energyscore.paths import local_path, model_files
from energyscore.result import EnvironmentPart
from energyscore.rows import FILE_KINDS, read_file
from energyscore.suite.options import RunOptions
from energyscore.task import TaskFile
from energyscore.workload import BUNDLED, OFFICIAL

LARGE_BYTES = 64 * 2**20


def key_of(
    task: TaskFile,
    model: ModelSpec,
    options: RunOptions,
    machine: EnvironmentPart,
    *,
    online: bool,
    visible_gpus: str | None,
) -> str:
    """SHA-256 of all that an entry asks for and that decides what is measured.

    Args:
        task: the task.
        model: the model as it is asked for.
        options: how it is measured.
        machine: the machine and its software, all of its GPUs among it.
        online: whether the hub can be reached; without it the bundled sample may be used.
        visible_gpus: what CUDA_VISIBLE_DEVICES says.

    Raises:
        DatasetError: when the dataset is a file or folder that is not there.
    """
    source = options.dataset or (OFFICIAL if model.source == "hub" and online else BUNDLED)
    content: dict[str, Any] = {
        "task": task.spec.digest,
        "model": asdict(model) | {"path": str(model.path)},
        "model_files": None
        if model.path is None
        else _digest(model_files(model.path, weights=not model.random_weights)),
        "dataset": [source, _dataset_digest(source, task)],
        "options": options.decisive(task.spec),
        "machine": machine.model_dump(mode="json", exclude={"selftest"}),
        "visible_gpus": visible_gpus,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _dataset_digest(source: str, task: TaskFile) -> str | None:
    """Digest of the files that hold the queries; None for what lies on the hub."""
    if source == OFFICIAL:
        return None
    path = task.sample_path if source == BUNDLED else local_path(source)
    if path is not None and path.is_file():
        return _digest([path, *_named_files(path, task)])
    if path is not None and path.is_dir():
        return _digest(_files_in(path))
    if Path(source).suffix.lower() in FILE_KINDS or source[:1] in "./~":
        raise DatasetError(f"The dataset {source}: there is no such file or folder.")
    return None


def _named_files(path: Path, task: TaskFile) -> Iterator[Path]:
    """The images and recordings that the rows of a text file name."""
    dataset = task.spec.dataset
    if not dataset.kinds or path.suffix.lower() == ".parquet":
        return
    for row in read_file(path):
        for field in dataset.kinds:
            cell = row.get(dataset.columns[field]) or row.get(field)
            if isinstance(cell, str) and (named := local_path(cell)) is not None:
                yield path.parent / named


def _files_in(folder: Path) -> list[Path]:
    """All files of a folder but hidden ones."""
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


def _digest(files: Iterable[Path]) -> str:
    """SHA-256 of names and contents; of a large file its size and time of change stand for it.

    Reading hundreds of gigabytes only to see that nothing is to be done would take the night. A
    copy of a large file has another time, and is measured once more: wrong on the safe side.
    """
    digest = hashlib.sha256()
    for file in files:
        try:
            status = file.stat()
            digest.update(f"{file.name}\0{status.st_size}\0".encode("utf-8", "surrogateescape"))
            if status.st_size > LARGE_BYTES:
                digest.update(str(status.st_mtime_ns).encode())
            else:
                digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError as error:
            raise DatasetError(f"{file} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()
