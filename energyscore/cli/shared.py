"""Options that several commands have, declared once. Light: `--help` imports it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energyscore.cli.choices import Format

if TYPE_CHECKING:
    from energyscore.base.errors import ResultError
    from energyscore.results.result import Result

MEASURING, OUTPUT = "Measuring", "Output"
RESULTS = Path("results")

Out = Annotated[Path, typer.Option("--out", help="Folder for results.", rich_help_panel=OUTPUT)]
FormatOption = Annotated[
    Format, typer.Option("--format", help="What stdout gets.", rich_help_panel=OUTPUT)
]
Paths = Annotated[
    list[Path],
    typer.Argument(metavar="PATH", help="Result files, or folders of them.", show_default=False),
]
Every = Annotated[
    bool,
    typer.Option(
        "--all", help="Show older results of the same measurement too, not only the latest."
    ),
]
TaskPath = Annotated[
    Path | None,
    typer.Option("--task-path", help="A folder of task files of your own.", show_default=False),
]


def load_shown(paths: Iterable[Path]) -> "list[tuple[Path, Result]]":
    """Results to show: one in a folder that cannot be read is named, and the rest is shown.

    What decides (`gate`, `compare`, `baseline`, `bundle`) does not use this.

    Raises:
        ResultError: as `load_results`, and when none can be read.
    """
    from energyscore.base.errors import ResultError
    from energyscore.results.folder import UNREADABLE
    from energyscore.results.store import load_results

    loaded = load_results(paths, say_skipped)
    if not loaded:
        raise ResultError("None of the results can be read.", UNREADABLE)
    return loaded


def latest(
    loaded: "Sequence[tuple[Path, Result]]", remedy: str = "--all shows all."
) -> "list[tuple[Path, Result]]":
    """The latest result of each measurement with its file; the others are named on stderr."""
    from energyscore.results.latest import latest_only

    say_set_aside(loaded, remedy)
    return latest_only(loaded)


def say_set_aside(loaded: "Iterable[tuple[Path, Result]]", remedy: str) -> None:
    """Name what `latest_only` leaves out: a newer invalid result in a caution, others in a note."""
    from energyscore.base.files import shown_path
    from energyscore.cli.console import say
    from energyscore.publish import wording
    from energyscore.results.latest import set_aside

    others = []
    for one in set_aside((shown_path(path), result) for path, result in loaded):
        if one.newer_invalid:
            say_note(one.caution)
        else:
            others.append(one.result)
    if others:
        say(f"note: set aside: {wording.set_aside(others)}; {remedy}")


def say_note(text: str) -> None:
    """Say in one line on stderr what else there is to know."""
    from energyscore.cli.console import ProgressObserver

    ProgressObserver().warn(text)


def say_skipped(error: "ResultError") -> None:
    """Name a file that is left out, and why, in one line on stderr."""
    from energyscore.cli.console import ProgressObserver

    ProgressObserver().warn(f"left out: {error.message}")
