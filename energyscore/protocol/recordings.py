"""Recordings of a dataset, read to their end before anything is measured."""

import io
import struct

import soundfile

from energyscore.base.errors import DatasetError

_NO_LENGTH = 2**63 - 1  # what libsndfile says of a file whose header leaves its length open
_OPEN_SIZE = 0x7FFFF000  # a WAV's header says this or more where a pipe's size was not yet known
_BLOCK = 1 << 16
_FAILURES = (soundfile.SoundFileError, RuntimeError, TypeError, ValueError)


def check_recording(content: bytes, place: str, named: object) -> None:
    """Refuse a broken recording; `place` is its row and column, `named` its file if known."""
    fault = _find_fault(content)
    if fault:
        file = f" ({named})" if isinstance(named, str) else ""
        raise DatasetError(
            f"{place}: the recording{file} {fault}.",
            "It must be a whole WAV, FLAC, OGG or MP3 file: restore it, or remove the row.",
        )


def _find_fault(content: bytes) -> str:
    """What is wrong with a recording's file; empty where nothing is.

    A file that was cut off differs from a short one by its header: a WAV would else be read as
    far as it goes, and less be measured than the dataset holds.
    """
    try:
        file = soundfile.SoundFile(io.BytesIO(content))
    except _FAILURES as error:
        return f"cannot be read: {error}"
    with file:
        if file.frames == _NO_LENGTH:
            return "does not say in its header how long it is"
        try:
            while len(file.read(_BLOCK, dtype="float32")):
                pass
        except _FAILURES:
            return "is cut off or damaged: it cannot be read to its end"
    size, held = _sound_bytes(content)
    if held < size:
        return f"is cut off: its header says {size:,} bytes of sound, and it holds {held:,}"
    return ""


def _sound_bytes(content: bytes) -> tuple[int, int]:
    """Bytes of sound that a WAV's header says and that are there; nothing of other formats."""
    if content[:4] not in (b"RIFF", b"RIFX"):
        return 0, 0
    order = "<" if content[:4] == b"RIFF" else ">"
    place = 12  # after the kind and size of the whole
    while place + 8 <= len(content):
        name, size = struct.unpack_from(f"{order}4sI", content, place)
        place += 8
        if name == b"data":
            held = len(content) - place
            return (0, held) if size >= _OPEN_SIZE else (size, held)
        place += size + size % 2
    return 0, 0
