"""What an attempt brings back, as the bytes of one file: a ZIP with fixed names in it. Pure.

One file an attempt, written under another name and renamed: on file systems of clusters nothing
can be locked or appended to safely.
"""

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from energyscore.base.errors import ResultError
from energyscore.measurement.suite.attempt import Attempt

_ATTEMPT, _RESULT, _RAW, _LOG = "attempt.json", "result.json", "raw.jsonl.gz", "log.txt"
_JOURNAL = re.compile(r"journals/(\.[0-9a-f]{1,64}\.journal)")
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(KeyError, RuntimeError, ValueError, OSError, EOFError),
)
"""What reading a damaged ZIP may raise: of an encrypted one, for example, a RuntimeError."""

MOST_BYTES = 2**30
MOST_LOG_BYTES = 2**22


@dataclass(frozen=True)
class Delivery:
    """An attempt, and the files that it wrote."""

    attempt: Attempt
    result: bytes | None = None
    raw: bytes | None = None
    log: bytes = b""
    journals: Mapping[str, bytes] = field(default_factory=dict)  # the runs of what is unfinished


def to_bytes(delivery: Delivery) -> bytes:
    """One file of it."""
    parts = {
        _ATTEMPT: delivery.attempt.model_dump_json(indent=1).encode(),
        _LOG: delivery.log,
        **{f"journals/{name}": data for name, data in delivery.journals.items()},
    }
    if delivery.result is not None:
        parts[_RESULT] = delivery.result
    if delivery.raw is not None:
        parts[_RAW] = delivery.raw
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def from_bytes(data: bytes, where: str) -> Delivery:
    """A file's content; a ResultError where it is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = {info.filename: info for info in archive.infolist()}
            if sum(info.file_size for info in infos.values()) > MOST_BYTES:
                raise ResultError(f"{where} is larger than any attempt: it is left out.")
            journals = {
                found[1]: archive.read(name)
                for name in infos
                if (found := _JOURNAL.fullmatch(name))
            }
            return Delivery(
                Attempt.model_validate_json(archive.read(_ATTEMPT)),
                archive.read(_RESULT) if _RESULT in infos else None,
                archive.read(_RAW) if _RAW in infos else None,
                archive.read(_LOG) if _LOG in infos else b"",
                journals,
            )
    except _BROKEN as error:
        raise ResultError(f"{where} is no attempt of energyscore: {error}.") from error
