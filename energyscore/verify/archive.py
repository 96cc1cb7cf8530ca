"""Reads the zip of a submission: strictly, in memory, and within limits.

Not by `zipfile`, which is made to read whatever it can. A submission has one form only: entries
one after the other without gaps, each described alike in its own header and in the directory, no
extra fields, nothing before, between or behind them. So nothing can hide or overlap, and whatever
is changed is noticed.
"""

import re
import stat
import struct
import zlib
from dataclasses import dataclass

from energyscore.verify.findings import NotASubmission

MOST_BYTES = 64 * 2**20
"""Of the zip itself."""

MOST_ENTRIES = 1000
MOST_ENTRY_BYTES = 64 * 2**20
MOST_TOTAL_BYTES = 256 * 2**20
MOST_RATIO = 200
"""Bytes out for each byte in; text and numbers are compressed 5 to 50 times."""

FREE_BYTES = 2**20
"""An entry this small may be compressed as well as it can be."""

_END = struct.Struct("<IHHHHIIH")
_ENTRY = struct.Struct("<IHHHHHHIIIHHHHHII")
_LOCAL = struct.Struct("<IHHHHHIIIHH")
_END_MARK, _ENTRY_MARK, _LOCAL_MARK = 0x06054B50, 0x02014B50, 0x04034B50
_ENCRYPTED, _UTF8 = 0x1, 0x800
_STORED, _DEFLATED = 0, 8
_UNIX_20, _NEEDS_20 = 3 << 8 | 20, 20
_DATE, _TIME = 1 << 5 | 1, 0  # 1 January 1980, 0:00
_FILE = 0o100644
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class _Entry:
    name: str
    method: int
    crc: int
    packed: int
    size: int
    start: int


def read_archive(data: bytes) -> dict[str, bytes]:
    """The files in a submission's zip, by path.

    Raises:
        NotASubmission: when it is no zip, is damaged, or is not as submissions are.
    """
    if not data.startswith(b"PK"):
        raise _bad("it is not a zip file")
    entries = _entries(data)
    total = sum(entry.size for entry in entries)
    if total > MOST_TOTAL_BYTES:
        raise _bad(f"it would take {total:,} bytes unpacked; the limit is {MOST_TOTAL_BYTES:,}")
    return {entry.name: _content(data, entry) for entry in entries}


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
        entry, start, place = _entry(data, place, end)
        if entry.name.lower() in seen:
            raise _bad(f"{entry.name} is there twice")
        seen.add(entry.name.lower())
        if start != follows:
            how = "overlaps the one before" if start < follows else "leaves a gap before it"
            raise _bad(f"the entry {entry.name} {how}")
        follows = entry.start + entry.packed
        if follows > offset:
            raise _bad(f"the entry {entry.name} reaches into the directory")
        entries.append(entry)
    if place != end or follows != offset:
        raise _bad("there is something between its entries and its directory")
    return entries


def _entry(data: bytes, place: int, end: int) -> tuple[_Entry, int, int]:
    """An entry by its place in the directory; where its header begins; the next one's place."""
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
    if method not in (_STORED, _DEFLATED):
        raise _bad(f"{name} is compressed in a way ({method}) that submissions do not use")
    if size > MOST_ENTRY_BYTES:
        raise _bad(f"{name} would take {size:,} bytes; the limit is {MOST_ENTRY_BYTES:,}")
    if size > FREE_BYTES and size > MOST_RATIO * max(1, packed):
        raise _bad(f"{name} is compressed over {MOST_RATIO} times: it may be a zip bomb")
    form = (made, needs, flags & ~_UTF8, time, date, extra, comment, disk, internal, external)
    if form != (_UNIX_20, _NEEDS_20, 0, _TIME, _DATE, 0, 0, 0, 0, _FILE << 16):
        raise _bad(f"{name} is not in the form in which energyscore writes entries")
    header = (_LOCAL_MARK, needs, flags, method, time, date, crc, packed, size, name_length, 0)
    begin = start + _LOCAL.size + name_length
    if (
        begin > len(data)
        or _LOCAL.unpack_from(data, start) != header
        or data[start + _LOCAL.size : begin] != raw
    ):
        raise _bad(f"the header of {name} is not what the directory says")
    following = place + _ENTRY.size + name_length
    return _Entry(name, method, crc, packed, size, begin), start, following


def _checked_name(raw: bytes) -> str:
    """A path below the archive's root, of plain characters."""
    name = raw.decode("ascii", errors="replace")
    shown = repr(name[:100])
    if name.startswith(("/", "\\")) or name[1:2] == ":":
        raise _bad(f"the path {shown} is absolute")
    if ".." in name.replace("\\", "/").split("/"):
        raise _bad(f"the path {shown} leads out of the archive")
    if len(name) > 200 or not _NAME.fullmatch(name):
        raise _bad(f"the path {shown} is not one that submissions have")
    return name


def _content(data: bytes, entry: _Entry) -> bytes:
    """An entry's bytes, never more of them than it says."""
    packed = data[entry.start : entry.start + entry.packed]
    content = packed
    if entry.method == _DEFLATED:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = unpacker.decompress(packed, entry.size + 1)
        except zlib.error as error:
            raise _bad(f"{entry.name} is damaged: {error}") from error
        if not unpacker.eof or unpacker.unused_data:
            raise _bad(f"{entry.name} is damaged: its data end elsewhere than it says")
    if len(content) != entry.size:
        raise _bad(f"{entry.name} is damaged: its size is not what it says")
    if zlib.crc32(content) != entry.crc:
        raise _bad(f"{entry.name} is damaged: its CRC-32 is not what it says")
    return content


def _bad(message: str) -> NotASubmission:
    return NotASubmission("archive", message)
