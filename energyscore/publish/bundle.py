"""A submission: results, what they stand on, and who vouches for them, in one zip. Pure.

manifest.json               what is in it, with the SHA-256 of every file, and the attestations
<nn>-<model>-<task>/
    result.json             the result, byte for byte as it was written
    <...>.raw.jsonl.gz      its raw record, under the name that the result gives
    environment.json        the machine and the software
    log.txt                 how it went, as text
    GPU_ENERGY_WH.txt       the AI Energy Score's files; only where GPU energy was measured
    GPU_ENERGY_SUMMARY.json the same with its phases; of what the newer official method measured in
                            the form of its harness, which books all energy as decoding, and with
                            what it is of: model, task, class, mode of reasoning, queries

The same results give the same bytes: times, order and modes are fixed, and nothing is compressed
(raw records are already), as compressors differ from release to release.
"""

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from energyscore.base.text import json_bytes
from energyscore.base.version import __version__
from energyscore.judge.rating import Rating
from energyscore.protocol.official_method import METHODS, method_of
from energyscore.protocol.task import TaskFile
from energyscore.results.log import to_log
from energyscore.results.result import RULES_VERSION, Result

BUNDLE_VERSION = 1
MANIFEST = "manifest.json"

ATTESTATIONS = {
    "public_sharing": "The results, the raw records and the logs in this submission may be "
    "published.",
    "data_integrity": "The data in this submission are as they were measured: nothing was "
    "changed, left out or selected after the fact.",
    "model_representation": "The model that was measured is the one that is named, in the form in "
    "which it is made available to its users.",
}
"""What whoever submits vouches for, one by one."""

MOST_BYTES = 256 * 2**20
"""The checker reads no more."""

MOST_RESULTS = 1000
"""Nor of more results."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNSAFE = re.compile(r"[^A-Za-z0-9.]+")


@dataclass(frozen=True)
class Submitted:
    """One result of a submission; only an official one carries its stars."""

    result: Result
    content: bytes  # of its file
    raw: bytes | None  # its raw record
    rating: Rating  # against the default reference
    not_official: tuple[str, ...]  # see `why_not_official`


def why_not_official(result: Result, tasks: Mapping[str, TaskFile]) -> tuple[str, ...]:
    """The points that keep a result from being official; `tasks` are those of energyscore."""
    task = tasks.get(result.task.id)
    points = [
        ("validity", result.valid),
        ("raw record", result.raw is not None),
        ("task", task is not None and task.spec.digest == result.task.digest),
        ("counter and power", all(c.code != "counter_power_disagree" for c in result.cautions)),
        *((check.name, check.ok) for check in result.conformance),
    ]
    return tuple(name for name, ok in points if not ok)


def to_bundle(entries: Sequence[Submitted]) -> bytes:
    """The zip of a submission whose three attestations were given."""
    files: dict[str, bytes] = {}
    listed = []
    for number, entry in enumerate(entries, start=1):
        folder = _folder(number, entry.result)
        files |= {f"{folder}/{name}": data for name, data in _files(entry).items()}
        stars = None if entry.not_official else entry.rating.stars
        listed.append(
            {
                "folder": folder,
                "identity": entry.result.identity,
                "official": not entry.not_official,
                "not_official": list(entry.not_official),
                "stars": stars,
                "scale": entry.rating.scale if stars is not None else None,
            }
        )
    manifest = {
        "kind": "submission",
        "bundle_version": BUNDLE_VERSION,
        "rules_version": RULES_VERSION,
        "energyscore": __version__,
        "attestations": ATTESTATIONS,
        "results": listed,
        "files": [
            {"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for path, data in sorted(files.items())
        ],
    }
    return _zip({MANIFEST: json_bytes(manifest)} | dict(sorted(files.items())))


def _files(entry: Submitted) -> dict[str, bytes]:
    result = entry.result
    files = {
        "result.json": entry.content,
        "environment.json": json_bytes(result.environment.model_dump(mode="json")),
        "log.txt": to_log(result).encode(),
    }
    if result.raw is not None and entry.raw is not None:
        files[result.raw.file] = entry.raw
    total_wh = result.score.gpu_wh_per_1k_queries
    if total_wh is not None and result.valid:
        # The official tool rounds to 0.01 Wh; small models would come out as 0.
        files["GPU_ENERGY_WH.txt"] = f"{total_wh!r}\n".encode()
        files["GPU_ENERGY_SUMMARY.json"] = json_bytes(_summary(result, total_wh))
    return files


def _summary(result: Result, total_wh: float) -> dict[str, object]:
    """The official summary, in the form of the method that the result was measured by."""
    head: dict[str, object] = {"units": "Wh", "total": total_wh}
    method = method_of(result.workload.generation)
    if method is None or METHODS[method].phases:
        phases = result.score.phases.items()
        return head | {f"{name}_wh": phase.gpu_wh_per_1k_queries for name, phase in phases}
    booked = {"preprocess_wh": 0.0, "prefill_wh": 0.0, "decode_wh": total_wh}
    of = {
        "model": result.model.id,
        "task": result.task.scale_task,
        "class": result.model.model_class,
        "reasoning": result.mode,
        "queries": 1000,
    }
    known = {name: one for name, one in of.items() if one is not None}
    return head | {"format": METHODS[method].harness} | booked | known


def _folder(number: int, result: Result) -> str:
    model, task = (
        _UNSAFE.sub("-", name).strip("-.")[:80] or "unnamed"
        for name in (result.model.id, result.task.id)
    )
    return f"{number:02d}-{model}-{task}"


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()
