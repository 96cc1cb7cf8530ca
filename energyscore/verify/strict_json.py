"""JSON from strangers: no key twice, no NaN or Infinity, no number out of range."""

import json
import zlib
from functools import partial
from itertools import accumulate
from typing import Any

from pydantic import BaseModel, ConfigDict

from energyscore.results.result import unique_keys

MOST_DEPTH = 20
MOST_BYTES = 4 * 2**20  # Of a text, by default: what is parsed takes many times as much memory
MOST_UNZIPPED = 256 * 2**20
MOST_RATIO = 50  # Bytes out for each byte in; recorded numbers are compressed 3 to 10 times
MOST_NUMBER = 1e18
MOST_KEYS = 500_000  # Of a text: each takes far more memory than a number does
_FREE = 2**20  # A text this small may be compressed as well as it can be


class StrictModel(BaseModel):
    """Base of what a file of a stranger may hold: nothing unknown, of the exact types, frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class BadJson(ValueError):
    """What is wrong with it, one line."""


def parse_strict(
    data: bytes, *, most_bytes: int = MOST_BYTES, whole_numbers_too: bool = True
) -> Any:
    """The content of a JSON text of at most so many bytes; a BadJson where our files are never so.

    Where there are very many whole numbers, whoever asks holds them against the bound faster.
    """
    if len(data) > most_bytes:
        raise BadJson(f"it has {len(data):,} bytes; the limit is {most_bytes:,}")
    if data.count(b":") > MOST_KEYS:
        raise BadJson(f"it has over {MOST_KEYS:,} keys")
    if _depth(data) > MOST_DEPTH:
        raise BadJson(f"it is nested more than {MOST_DEPTH} deep")
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=unique_keys,
            parse_constant=partial(_number, float),
            parse_float=partial(_number, float),
            parse_int=partial(_number, int) if whole_numbers_too else None,
        )
    except BadJson:
        raise
    except (ValueError, RecursionError) as error:
        raise BadJson(f"it is not valid JSON: {str(error)[:200]}") from error


def unzip_strict(data: bytes) -> bytes:
    """The content of a gzip file of one member; a BadJson where it is damaged or too large."""
    most = min(MOST_UNZIPPED, max(_FREE, MOST_RATIO * len(data)))
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        content = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise BadJson(f"it is not a valid gzip file: {error}") from error
    if len(content) > most:
        raise BadJson(f"it unpacks to over {most:,} bytes: it may be a bomb")
    if not unpacker.eof or unpacker.unused_data:
        raise BadJson("it is cut off, or has something behind its end")
    return content


def _depth(data: bytes) -> int:
    """How deep brackets are nested at most, not counting those within texts."""
    bare = b"".join(data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    opening = bare.translate(None, bytes(set(range(256)) - set(b"[]{}")))
    return max(accumulate(1 if bracket in b"[{" else -1 for bracket in opening), default=0)


def _number(kind: type[int] | type[float], text: str) -> float:
    if not abs(float(text)) <= MOST_NUMBER:
        raise BadJson(f"the number {text[:30]} is out of range")
    return kind(text)
