"""The key of an entry: what was asked for, in a form that can be compared without a model.

A result's identity needs the loaded model. The key stands for all that can be known before:
equal keys ask for the same measurement of the same files, wherever (`suite.where`).
"""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from energyscore.base.errors import DatasetError
from energyscore.base.files import is_file, model_files
from energyscore.base.stamps import digest_of
from energyscore.measurement.options import RunOptions
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.task import TaskFile
from energyscore.protocol.workload import load_workload, locate, named_files

OfDataset: TypeAlias = Callable[[str, TaskFile, RunOptions], str | None]
"""What is told of a dataset: by its source, the task that reads it, and how much of it."""

_ALIKE = ("queries", "repeats", "half_width", "idle", "screen")
"""What results of one identity may differ in; queries and screens count apart."""

_HOW = ("by", "quantization", "attention", "compile")
"""How a model works, as far as it was asked for: keys of before these were there stay."""

LARGE_BYTES = 64 * 2**20
_END_BYTES = 2**20

OfLarge: TypeAlias = Callable[[Path], bytes]
"""What stands for the content of a large file, beside its size."""


def _change(file: Path) -> bytes:
    """When it was changed: a copy has another time, and is measured anew, which is safe."""
    return str(file.stat().st_mtime_ns).encode()


def _ends(file: Path) -> bytes:
    """Its beginning and its end, which a copy has, too."""
    with file.open("rb") as opened:
        first = opened.read(_END_BYTES)
        opened.seek(-_END_BYTES, os.SEEK_END)
        return first + opened.read()


def key_here(
    *, online: bool, gpu_type: str | None = None
) -> Callable[[TaskFile, ModelSpec, RunOptions], str]:
    """`key_of` with what is in the datasets now."""
    return functools.partial(
        key_of, online=online, gpu_type=gpu_type, digest_of_data=_once_each(_dataset_digest)
    )


def work_here(*, online: bool) -> Callable[[TaskFile, ModelSpec, RunOptions], str]:
    """`work_of` with what is in the datasets now."""
    return functools.partial(work_of, online=online, queries_in=_once_each(_fingerprint))


def key_of(
    task: TaskFile,
    model: ModelSpec,
    options: RunOptions,
    *,
    online: bool,
    gpu_type: str | None = None,
    digest_of_data: OfDataset | None = None,
) -> str:
    """SHA-256 of all that an entry asks for and that decides what is measured.

    Where the hub is not `online` the bundled sample may be used. `gpu_type` is a name that only a
    scheduler understands: no result can tell whether it was measured on one.

    Raises:
        DatasetError: when a local dataset is not there, or its rows do not fit the task.
    """
    digest_of_data = digest_of_data or _dataset_digest
    source = options.source_of(model, online=online)
    content: dict[str, Any] = {
        "task": task.spec.digest,
        **_asked_model(model),
        **({"base_model": _asked_model(model.base)} if model.base else {}),
        "dataset": [source, digest_of_data(source, task, options), *_selected(options)],
        "options": options.decisive(task.spec),
        **({"gpu_type": gpu_type} if gpu_type else {}),
    }
    return digest_of(content)


def parts_of(
    task: TaskFile, model: ModelSpec, options: RunOptions, *, online: bool
) -> dict[str, str]:
    """What an entry is made of here, by name: equal on machines that have equal copies of it.

    Raises:
        DatasetError: as `key_of`.
    """
    source = options.source_of(model, online=online)
    dataset = _dataset_digest(source, task, options, _ends)
    found = {"task": task.spec.digest, "dataset": f"{source} {dataset}"}
    for name, one in (("model", model), ("base model", model.base)):
        if one is not None:
            found[name] = f"{one.source} {_model_digest(one, _ends)}"
    return found


def _asked_model(model: ModelSpec) -> dict[str, Any]:
    spec = asdict(model) | {"path": str(model.path)}
    del spec["base"]
    if spec["parent"] is None or (model.base and spec["parent"]["relation"] is None):
        del spec["parent"]  # the same; of an adapter its base counts by itself
    for name in _HOW:
        if not spec[name]:
            del spec[name]
    return {"model": spec, "model_files": _model_digest(model)}


def work_of(
    task: TaskFile,
    model: ModelSpec,
    options: RunOptions,
    *,
    online: bool,
    queries_in: OfDataset | None = None,
) -> str:
    """What a result will be told from others by on this machine, as far as it is known before.

    Not the number of runs, nor how long idling is metered, nor how the model's files may be read:
    two entries that differ in these only give results of one identity. What is not known before
    (which GPUs a model will occupy, how long its context is) counts as it is asked for.

    Raises:
        DatasetError: when the queries cannot be read.
    """
    source, count = options.source_of(model, online=online), options.queries or task.spec.queries
    queries: object = (queries_in or _fingerprint)(source, task, options)
    queries = queries or [source, count, *_selected(options)]
    work = options.decisive(task.spec)
    dtype = "float32" if (model.dtype, options.device) == ("auto", "cpu") else model.dtype
    revision = model.revision or ("main" if model.source == "hub" else None)
    content: dict[str, Any] = {
        "task": task.spec.digest,
        "model": [model.label, str(model.path), revision, model.random_weights, dtype],
        **{name: how for name in _HOW if (how := getattr(model, name))},
        **({"base_model": [model.base.label, str(model.base.path)]} if model.base else {}),
        "queries": queries,
        "work": {n: work[n] for n in work if n not in _ALIKE},
        **({"screen": True} if options.screen else {}),
    }
    return json.dumps(content, sort_keys=True)


def _selected(options: RunOptions) -> list[object]:
    """What was said to be taken of the dataset; nothing where nothing was."""
    chosen = (options.dataset_config, options.split, options.columns)
    return [list(chosen)] if any(chosen) else []


def _once_each(read: OfDataset) -> OfDataset:
    """The same, of each dataset once: many entries of a list have the same."""
    known: dict[object, str | None] = {}

    def read_once(source: str, task: TaskFile, options: RunOptions) -> str | None:
        dataset = source, task.path, options.queries, repr(options.selection)
        if dataset not in known:
            known[dataset] = read(source, task, options)
        return known[dataset]

    return read_once


def _fingerprint(source: str, task: TaskFile, options: RunOptions) -> str | None:
    """Of the first queries of a file; None for what is no file here."""
    path = locate(task, source)
    if path is None or not is_file(path):
        return None
    queries = options.queries or task.spec.queries
    return load_workload(task, source, queries, options.selection).fingerprint


def _dataset_digest(
    source: str, task: TaskFile, options: RunOptions, of_large: OfLarge = _change
) -> str | None:
    """Digest of the files that the first queries are made of; None for what lies on the hub."""
    path = locate(task, source)
    if path is None:
        return None
    if not path.is_dir():
        queries = options.queries or task.spec.queries
        named = named_files(task, source, queries, options.selection)
        return _digest(dict.fromkeys([path, *named]), of_large)
    parts = {file: file.relative_to(path).parts for file in sorted(path.rglob("*"))}
    hidden = {file for file in parts if any(part.startswith(".") for part in parts[file])}
    return _digest((file for file in parts if file.is_file() and file not in hidden), of_large)


def _model_digest(model: ModelSpec, of_large: OfLarge = _change) -> str | None:
    """Digest of a model's files; None where it has none here."""
    if model.path is None:
        return None
    return _digest(model_files(model.path, weights=not model.random_weights), of_large)


def _digest(files: Iterable[Path], of_large: OfLarge) -> str:
    """SHA-256 of names and contents; of a large file its size and what `of_large` gives.

    Reading hundreds of gigabytes only to see that nothing is to be done would take the night.
    """
    digest = hashlib.sha256()
    for file in files:
        try:
            status = file.stat()
            digest.update(f"{file.name}\0{status.st_size}\0".encode("utf-8", "surrogateescape"))
            if status.st_size > LARGE_BYTES:
                digest.update(of_large(file))
            else:
                digest.update(hashlib.sha256(file.read_bytes()).digest())
        except (OSError, ValueError) as error:
            raise DatasetError(f"{file} cannot be read: {error}.") from error
    return digest.hexdigest()
