"""Reads the zip of a submission: in memory, within limits, and in one form only.

The zip is read, written again in the form that submissions have, and compared byte for byte. So
nothing can hide before, between or behind its entries, and every bit counts. What could do harm
while it is read (sizes, names, links, encryption, compression) is refused before that.
"""

import io
import re
import stat
import struct
import zipfile
from collections.abc import Mapping, Sequence

from energyscore.verify.findings import NotASubmission

MOST_BYTES = 256 * 2**20  # of the zip, and so of all its content
MOST_ENTRIES = 6001  # The manifest, and up to six files for each of 1,000 results
_MOST_NAME = 200
_END = struct.Struct("<4s6xHI4xH")  # entries, bytes of the directory, bytes of a comment
_ZIP64_MARK, _ZIP64_BYTES = b"PK\x06\x07", 20
_ENTRY_BYTES = 46
_ENCRYPTED = 0x1
_EPOCH = (1980, 1, 1, 0, 0, 0)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_REMEDY = "make the zip with `energyscore bundle`"


def read_archive(data: bytes) -> dict[str, bytes]:
    """The files in a submission's zip by path; NotASubmission where `bundle` writes none such."""
    _check_end(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(data))
            files = {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, struct.error, RuntimeError, ValueError, EOFError, OSError) as error:
        raise _bad(f"it is damaged: {error}") from error
    if _rewritten(files) != data:
        raise _bad(f"its bytes differ from what energyscore writes for these files; {_REMEDY}")
    return files


def _check_end(data: bytes) -> None:
    """Refuse a zip whose directory would take much memory to read."""
    if len(data) > MOST_BYTES:
        raise _bad(f"it has over {MOST_BYTES:,} bytes")
    if not data.startswith(b"PK"):
        raise _bad("it is not a zip file")
    end = max(0, len(data) - _END.size)
    mark, count, size, comment = _END.unpack(data[end:].rjust(_END.size, b"\0"))
    if mark != b"PK\x05\x06" or comment:
        raise _bad("it is cut off, or has something behind its end")
    if count > MOST_ENTRIES or size > MOST_ENTRIES * (_ENTRY_BYTES + _MOST_NAME):
        raise _bad(f"it has {count} entries in {size} bytes; the limit is {MOST_ENTRIES} entries")
    if data[max(0, end - _ZIP64_BYTES) : end].startswith(_ZIP64_MARK):
        raise _bad(f"it is a Zip64 file; {_REMEDY}")


def _check_entries(entries: Sequence[zipfile.ZipInfo], most_bytes: int) -> None:
    """Refuse what must not be read: odd paths, links, and files that would swell."""
    seen: set[str] = set()
    for entry in entries:
        name = entry.orig_filename
        shown = repr(name[:100])
        if name.startswith(("/", "\\")) or name[1:2] == ":":
            raise _bad(f"the path {shown} is absolute")
        if ".." in name.replace("\\", "/").split("/"):
            raise _bad(f"the path {shown} leads out of the archive")
        if len(name) > _MOST_NAME or not _NAME.fullmatch(name):
            raise _bad(f"the path {shown} is not one that submissions have; {_REMEDY}")
        if name.lower() in seen:
            raise _bad(f"{name} is there twice")
        seen.add(name.lower())
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _bad(f"{name} is a link")
        if entry.flag_bits & _ENCRYPTED:
            raise _bad(f"{name} is encrypted")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise _bad(f"{name} is compressed, so another program packed the zip; {_REMEDY}")
    if sum(entry.file_size for entry in entries) > most_bytes:
        raise _bad("its entries overlap")


def _rewritten(files: Mapping[str, bytes]) -> bytes:
    """The one zip that submissions with these files have: stored, and of fixed times and modes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.create_system = 3  # Unix
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def _bad(message: str) -> NotASubmission:
    return NotASubmission("archive", message)
