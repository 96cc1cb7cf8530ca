"""The latest of each measurement, and a word on stderr about those that are set aside for it."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from energyscore.results.result import Result


def latest(
    loaded: "Sequence[tuple[Path, Result]]", remedy: str = "--all shows all."
) -> "list[tuple[Path, Result]]":
    """The latest result of each measurement with its file; the others are named on stderr."""
    from energyscore.results.latest import latest_only

    kept = latest_only(loaded)
    say_set_aside(loaded, remedy, {result.identity for _, result in kept})
    return kept


def say_set_aside(
    loaded: "Sequence[tuple[Path, Result]]", remedy: str, identities: Collection[str]
) -> None:
    """Name on stderr what `latest_only` leaves out, of these identities only.

    Of each identity a newer result that is invalid is a caution; the others are one note.
    """
    from energyscore.base.files import shown_path
    from energyscore.cli.console import say
    from energyscore.cli.shared import say_note
    from energyscore.publish import wording
    from energyscore.results.latest import latest_only, newer_invalid, say_newer_invalid, set_aside

    loaded = [entry for entry in loaded if entry[1].identity in identities]
    used = {result.identity: shown_path(path) for path, result in latest_only(loaded)}
    invalid = newer_invalid(loaded)
    for name, (path, result) in invalid.items():
        say_note(say_newer_invalid(shown_path(path), result, used[name]))
    others = [
        result
        for _, result in set_aside(loaded)
        if result.identity not in invalid or result != invalid[result.identity][1]
    ]
    if others:
        say(f"note: set aside: {wording.set_aside(others)}; {remedy}")
