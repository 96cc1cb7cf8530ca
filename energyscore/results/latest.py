"""Which result of a measurement counts, where there are several: the newest valid one.

An invalid one counts only where none is valid: an invalid repeat does not replace a valid result.
Results come in pairs with whatever belongs to them, such as their file.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

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


@dataclass(frozen=True)
class Aside(Generic[K]):
    """A result that is left out, and what belongs to the one that counts in its place."""

    key: K
    result: Result
    used: K
    newer_invalid: bool

    @property
    def caution(self) -> str:
        """What to say where it is newer and invalid."""
        reasons = "; ".join(self.result.invalid_reasons) or "its file does not say why"
        return f"{self.key} is newer and invalid ({reasons}); {self.used} is used"


def set_aside(loaded: Iterable[tuple[K, Result]]) -> list[Aside[K]]:
    """What `latest_only` leaves out, except copies."""
    loaded = list(loaded)
    kept = latest_only(loaded)
    used = {result.identity: (key, result) for key, result in kept}
    others = []
    for key, result in without_copies([*kept, *loaded])[len(kept) :]:
        key_used, counts = used[result.identity]
        newer = result.created_at > counts.created_at
        others.append(Aside(key, result, key_used, counts.valid and not result.valid and newer))
    return others


def _rank(result: Result) -> tuple[bool, str]:
    return result.valid, result.created_at
