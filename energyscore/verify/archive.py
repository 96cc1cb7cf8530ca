"""Reads the zip of a submission: strictly, in memory, and within limits.

Not by `zipfile`, which is made to read whatever it can. A submission has one form only: entries
one after the other without gaps and stored as they are, each described alike in its own header and
in the directory, no extra fields, nothing before, between or behind them. So nothing can hide,
overlap or swell, and every bit counts.
"""

import re
import stat
import struct
import zlib
from dataclasses import dataclass

from energyscore.verify.findings import NotASubmission

MOST_BYTES = 256 * 2**20
"""Of the zip, and so of all that is in it."""

MOST_ENTRIES = 6001
"""The manifest, and of each of 1,000 results up to six files."""

_END = struct.Struct("<IHHHHIIH")
_ENTRY = struct.Struct("<IHHHHHHIIIHHHHHII")
_LOCAL = struct.Struct("<IHHHHHIIIHH")
_END_MARK, _ENTRY_MARK, _LOCAL_MARK = 0x06054B50, 0x02014B50, 0x04034B50
_ENCRYPTED = 0x1
_STORED = 0
_UNIX_20, _NEEDS_20 = 3 << 8 | 20, 20
_DATE, _TIME = 1 << 5 | 1, 0  # 1 January 1980, 0:00
_FILE = 0o100644
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class _Entry:
    name: str
    start: int
    end: int


def read_archive(data: bytes) -> dict[str, bytes]:
    """The files in a submission's zip, by path.

    Raises:
        NotASubmission: when it is no zip, is damaged, or is not as submissions are.
    """
    if len(data) > MOST_BYTES:
        raise _bad(f"it has over {MOST_BYTES:,} bytes")
    if not data.startswith(b"PK"):
        raise _bad("it is not a zip file")
    return {entry.name: data[entry.start : entry.end] for entry in _entries(data)}


def _entries(data: bytes) -> list[_Entry]:
    """The directory, held against the headers of the entries themselves."""
    end = len(data) - _END.size
    fields = _END.unpack_from(data, end) if end >= 0 else (0,) * 8
    mark, disk, first_disk, here, count, size, offset, comment = fields
    if mark != _END_MARK or comment:
        raise _bad("it is cut off, or has something behind its end")
    if disk or first_disk or here != count:
        raise _bad("it is one part of several")
    if count > MOST_ENTRIES:
        raise _bad(f"it has {count} entries; the limit is {MOST_ENTRIES}")
    if offset + size != end:
        raise _bad("its directory is not where its end says")
    entries: list[_Entry] = []
    seen: set[str] = set()
    place, follows = offset, 0
    for _ in range(count):
        if place + _ENTRY.size > end or _ENTRY.unpack_from(data, place)[0] != _ENTRY_MARK:
            raise _bad("its directory is damaged")
        entry, place = _entry(data, place, end, follows)
        if entry.name.lower() in seen:
            raise _bad(f"{entry.name} is there twice")
        seen.add(entry.name.lower())
        follows = entry.end
        if follows > offset:
            raise _bad(f"the entry {entry.name} reaches into the directory")
        entries.append(entry)
    if place != end or follows != offset:
        raise _bad("there is something between its entries and its directory")
    return entries


def _entry(data: bytes, place: int, end: int, follows: int) -> tuple[_Entry, int]:
    """An entry by its place in the directory, and the next one's place.

    Its header must begin where the entry before it ended, at `follows`.
    """
    (
        _, made, needs, flags, method, time, date, crc, packed, size,
        name_length, extra, comment, disk, internal, external, start,
    ) = _ENTRY.unpack_from(data, place)  # fmt: skip
    raw = data[place + _ENTRY.size : min(end, place + _ENTRY.size + name_length)]
    name = _checked_name(raw)
    mode = external >> 16
    if stat.S_ISLNK(mode):
        raise _bad(f"{name} is a link")
    if flags & _ENCRYPTED:
        raise _bad(f"{name} is encrypted")
    if method != _STORED or packed != size:
        raise _bad(
            f"{name} is compressed, so another program packed the zip; make it with "
            "`energyscore bundle`, which stores files as they are"
        )
    if start != follows:
        how = "overlaps the one before" if start < follows else "leaves a gap before it"
        raise _bad(f"the entry {name} {how}")
    form = (made, needs, flags, time, date, extra, comment, disk, internal, external)
    if form != (_UNIX_20, _NEEDS_20, 0, _TIME, _DATE, 0, 0, 0, 0, _FILE << 16):
        raise _bad(
            f"{name} is not in the form in which energyscore writes entries: the zip was packed "
            "by another program; make it with `energyscore bundle`"
        )
    header = (_LOCAL_MARK, needs, flags, method, time, date, crc, packed, size, name_length, 0)
    begin = start + _LOCAL.size + name_length
    if (
        begin > len(data)
        or _LOCAL.unpack_from(data, start) != header
        or data[start + _LOCAL.size : begin] != raw
    ):
        raise _bad(f"the header of {name} is not what the directory says")
    content = data[begin : begin + size]
    if len(content) != size or zlib.crc32(content) != crc:
        raise _bad(f"{name} is damaged: its CRC-32 is not what it says")
    return _Entry(name, begin, begin + size), place + _ENTRY.size + name_length


def _checked_name(raw: bytes) -> str:
    """A path below the archive's root, of plain characters."""
    name = raw.decode("ascii", errors="replace")
    shown = repr(name[:100])
    if name.startswith(("/", "\\")) or name[1:2] == ":":
        raise _bad(f"the path {shown} is absolute")
    if ".." in name.replace("\\", "/").split("/"):
        raise _bad(f"the path {shown} leads out of the archive")
    if len(name) > 200 or not _NAME.fullmatch(name):
        raise _bad(
            f"the path {shown} is not one that submissions have; make the zip with "
            "`energyscore bundle`"
        )
    return name


def _bad(message: str) -> NotASubmission:
    return NotASubmission("archive", message)
