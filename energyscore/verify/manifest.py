"""The manifest of a submission, and the files that it lists."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from energyscore.base.errors import first_problem
from energyscore.verify.findings import Finds, NotASubmission
from energyscore.verify.strict_json import BadJson, StrictModel, parse_strict

MANIFEST = "manifest.json"
BUNDLE_VERSION = 1

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ListedFile(StrictModel):
    """A file as the manifest lists it."""

    path: str
    bytes: Annotated[int, Field(ge=0)]
    sha256: _Sha256


class ListedResult(StrictModel):
    """A result as the manifest lists it, with what is claimed of it."""

    folder: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    identity: _Sha256
    official: bool
    not_official: list[str]
    stars: Annotated[int, Field(ge=1, le=5)] | None
    scale: str | None


class Manifest(StrictModel):
    """What a submission holds, and what its submitter attests."""

    kind: Literal["submission"]
    bundle_version: Annotated[int, Field(ge=1)]
    rules_version: Annotated[int, Field(ge=1)]
    energyscore: str
    attestations: dict[str, str]
    results: Annotated[list[ListedResult], Field(min_length=1, max_length=1000)]
    files: list[ListedFile]


def read_manifest(files: Mapping[str, bytes]) -> Manifest:
    """The manifest of a submission; NotASubmission where it is missing or wrong."""
    if MANIFEST not in files:
        raise NotASubmission("manifest", f"there is no {MANIFEST} in it")
    try:
        content = parse_strict(files[MANIFEST])
        version = content.get("bundle_version") if isinstance(content, dict) else None
        if type(version) is int and version > BUNDLE_VERSION:
            raise NotASubmission(
                "manifest", f"its version is newer than {BUNDLE_VERSION}: upgrade energyscore"
            )
        return Manifest.model_validate(content)
    except BadJson as error:
        raise NotASubmission("manifest", f"{MANIFEST}: {error}") from error
    except ValidationError as error:
        raise NotASubmission("manifest", f"{MANIFEST}: {first_problem(error)}") from error


def check_files(manifest: Manifest, files: Mapping[str, bytes]) -> Finds:
    """Every file is listed, every listed one is there, and each is what its hash says."""
    listed = {file.path: file for file in manifest.files}
    if len(listed) < len(manifest.files):
        yield "a path is listed twice"
    for path in sorted(files.keys() - listed.keys() - {MANIFEST}):
        yield f"{path} is not listed in the manifest"
    folders = {result.folder for result in manifest.results}
    if len(folders) < len(manifest.results):
        yield "two results have one folder"
    for path, file in sorted(listed.items()):
        if path not in files or path == MANIFEST:
            yield f"{path} is listed, but is not there"
        elif len(files[path]) != file.bytes:
            yield f"{path} has {len(files[path])} bytes, not {file.bytes}"
        elif hashlib.sha256(files[path]).hexdigest() != file.sha256:
            yield f"{path} is not what its SHA-256 in the manifest says"
        elif path.partition("/")[0] not in folders:
            yield f"{path} belongs to no result"


def check_attestations(manifest: Manifest, wanted: Mapping[str, str]) -> Finds:
    """All three were given, in the words of the rules."""
    for name, text in wanted.items():
        if manifest.attestations.get(name) != text:
            yield f"this attestation is missing, or not in the rules' words: {text!r}"
    for name in sorted(manifest.attestations.keys() - wanted.keys()):
        yield f"an attestation {name[:50]!r} is unknown to the rules"
