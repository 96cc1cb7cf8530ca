"""Which result of a measurement counts, where there are several: the newest valid one.

An invalid one counts only where none is valid: an invalid repeat does not replace a valid result.
Results come in pairs with whatever belongs to them, such as their file.
"""

from collections.abc import Iterable
from typing import TypeVar

from energyscore.results.result import Result

K = TypeVar("K")

NEWER_INVALID = "newer_invalid"
"""The code of a caution that is no result's own: a newer result of the measurement is invalid."""


def latest_only(loaded: Iterable[tuple[K, Result]]) -> list[tuple[K, Result]]:
    """The newest valid result of each identity, else the newest, in order of first occurrence."""
    newest: dict[str, tuple[K, Result]] = {}
    for entry in loaded:
        known = newest.get(entry[1].identity)
        if known is None or _rank(entry[1]) >= _rank(known[1]):
            newest[entry[1].identity] = entry
    return list(newest.values())


def without_copies(loaded: Iterable[tuple[K, Result]]) -> list[tuple[K, Result]]:
    """Each result once, however many copies of it there are."""
    known: dict[tuple[str, str], list[Result]] = {}
    found = []
    for entry in loaded:
        alike = known.setdefault((entry[1].identity, entry[1].created_at), [])
        if entry[1] not in alike:
            alike.append(entry[1])
            found.append(entry)
    return found


def set_aside(loaded: Iterable[tuple[K, Result]]) -> list[tuple[K, Result]]:
    """What `latest_only` leaves out, except copies."""
    loaded = list(loaded)
    kept = latest_only(loaded)
    return without_copies([*kept, *loaded])[len(kept) :]


def newer_invalid(loaded: Iterable[tuple[K, Result]]) -> dict[str, tuple[K, Result]]:
    """By identity the newest invalid result that is newer than the valid one that counts."""
    loaded = list(loaded)
    kept = {result.identity: result for _, result in latest_only(loaded)}
    newer = (
        entry
        for entry in loaded
        if kept[entry[1].identity].valid
        and not entry[1].valid
        and entry[1].created_at > kept[entry[1].identity].created_at
    )
    return {entry[1].identity: entry for entry in latest_only(newer)}


def say_newer_invalid(file: object, result: Result, used: object) -> str:
    """The caution about a newer invalid result, for people."""
    reasons = "; ".join(result.invalid_reasons) or "its file does not say why"
    return f"{file} is newer and invalid ({reasons}); {used} is used"


def _rank(result: Result) -> tuple[bool, str]:
    return result.valid, result.created_at
