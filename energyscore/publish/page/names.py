"""Safe and unique names of files and of places in a page, made from names that others gave."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

from energyscore.results.lean import text_without_runs
from energyscore.results.result import Result

_LONGEST = 60


def slug(text: str) -> str:
    """Lower-case letters of ASCII, digits and hyphens; `x` where none is left."""
    plain = unicodedata.normalize("NFKD", text[: 10 * _LONGEST]).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower())[:_LONGEST].strip("-") or "x"


def page_names(results: Sequence[Result]) -> list[str]:
    """The name of each result's page, without ending.

    It stays the same when the same measurement is repeated: links to it go on working. Where a
    measurement is there more than once, its newest result has that name.
    """
    names: dict[int, str] = {}
    taken: set[str] = set()
    newest_first = sorted(
        range(len(results)), key=lambda place: results[place].created_at, reverse=True
    )
    for place in newest_first:
        result = results[place]
        what = "\n".join((result.identity, result.task.id, result.model.id))
        name = f"{slug(result.model.id)}-{slug(result.task.id)}-{_short(what)}"
        if name in taken:
            name = f"{name}-{_short(text_without_runs(result))}"
        names[place] = unique(name, taken)
        taken.add(names[place])
    return [names[place] for place in range(len(results))]


def unique(name: str, taken: Iterable[str]) -> str:
    """The name, with a number where it is taken."""
    numbered, number = name, 1
    while numbered in taken:
        number += 1
        numbered = f"{name}-{number}"
    return numbered


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
