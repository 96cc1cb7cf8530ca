"""What records are stamped with: the time in UTC, and the digest of a content."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime


def utc_stamp(moment: datetime | None = None) -> str:
    """A moment, by default now, as `2026-01-31T12:00:00Z`."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_time(text: str) -> str:
    """A time as results have it: always UTC and of one form, so that texts sort as times do."""
    form = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text, re.ASCII)
    try:
        datetime.fromisoformat(text if form else "")
    except ValueError as error:
        raise ValueError("it must be a time in UTC such as 2026-01-31T12:00:00Z") from error
    return text


def digest_of(content: object, default: Callable[[object], object] | None = None) -> str:
    """SHA-256 of canonical JSON: sorted keys, no spaces; `default` converts what it cannot hold."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=default)
    return hashlib.sha256(canonical.encode()).hexdigest()
