"""The newest of each measurement, and a word on stderr about those that are set aside for it."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from energyscore.results.result import Result

_MOST = 5


def latest(loaded: "Sequence[tuple[Path, Result]]") -> "list[tuple[Path, Result]]":
    """The newest result of each measurement with its file; the others are named on stderr."""
    from energyscore.judge.rating import latest_only

    results = [result for _, result in loaded]
    files = {id(result): path for path, result in loaded}
    say_set_aside(results, "--all shows all.")
    return [(files[id(result)], result) for result in latest_only(results)]


def say_set_aside(
    results: "Sequence[Result]", remedy: str, identities: Collection[str] | None = None
) -> None:
    """Name in one line on stderr what `latest_only` leaves out, of these identities only."""
    from energyscore.cli.console import message_console
    from energyscore.judge.rating import set_aside

    others = [
        result
        for result in set_aside(results)
        if identities is None or result.identity in identities
    ]
    if others:
        message_console().print(
            f"note: set aside: {describe(others)}; {remedy}", soft_wrap=True, markup=False
        )


def describe(others: "Sequence[Result]") -> str:
    """How many measurements of what was measured anew there are, and the first of them."""
    invalid = sum(not result.valid for result in others)
    kind = "older" if not invalid else "invalid" if invalid == len(others) else "older or invalid"
    shown = [_describe(result) for result in others[:_MOST]]
    more = f"; and {len(others) - _MOST} more" if len(others) > _MOST else ""
    return (
        f"{len(others)} {kind} measurement{'s' * (len(others) > 1)} of the same model and setting "
        f"({'; '.join(shown)}{more})"
    )


def _describe(result: "Result") -> str:
    from energyscore.base.text import terminal_text
    from energyscore.base.units import format_wh
    from energyscore.judge.headline import headline_of
    from energyscore.results.names import label_of

    headline = headline_of(result)
    energy = format_wh(headline.energy_wh) if headline else "no energy"
    when = result.created_at[:16].replace("T", " ")
    said = f"{label_of(result)}, {when}: {energy if result.valid else 'invalid'}"
    return terminal_text(said)
