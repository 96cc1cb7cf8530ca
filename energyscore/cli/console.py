"""What people see: tables on stdout when they are what was asked for, all else on stderr."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from energyscore.base.errors import ResultError
from energyscore.base.text import one_line, terminal_lines, terminal_text
from energyscore.judge.rating import Report, in_one_view
from energyscore.measurement.observer import LineObserver
from energyscore.publish.notes import MOST_ROWS, notes_on
from energyscore.publish.table import ranked, star_table

_WIDE = 132


class _HarmlessConsole(Console):
    """Whatever is printed may be a name from somebody's file: none of it moves the cursor."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; a text is one line, whatever is in it."""
        lines = (one.replace("\n", " ") if isinstance(one, str) else one for one in objects)
        super().print(*lines, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Every text that is shown comes through here, cells of tables too."""
        return super().render_str(terminal_lines(text), **options)


def message_console() -> Console:
    """For messages: stderr."""
    return _console(stderr=True)


def data_console() -> Console:
    """For the data that a command was asked for: stdout."""
    return _console(stderr=False)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    # Files and pipes have no width; a table cut at 80 columns would lose figures there.
    wide = None if stream.isatty() or "COLUMNS" in os.environ else _WIDE
    return _HarmlessConsole(stderr=stderr, width=wide, highlight=False, emoji=False)


def say(text: str) -> None:
    """Print a line for people to stderr, as it stands."""
    message_console().print(text, soft_wrap=True, markup=False)


def write_data(content: bytes) -> None:
    """Write what an exporter made to stdout."""
    write_pieces([content])


def write_pieces(pieces: Iterable[bytes]) -> None:
    """Write data to stdout as it is made: all of it at once may have no room in memory."""
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def show_json(content: object) -> None:
    """Print JSON to stdout."""
    print(json.dumps(content, indent=2))


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a plain table to stdout."""
    table = Table(
        title=escape(one_line(title)) or None, title_justify="left", box=None, pad_edge=False
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    rows = list(rows)
    for row in rows[:MOST_ROWS]:
        table.add_row(*(escape(one_line(cell)) for cell in row))
    data_console().print(table)
    show_notes(_first_of(len(rows), "rows"))


def show_notes(notes: Iterable[str]) -> None:
    """Print the lines that stand under a table on stdout."""
    notes, console = list(notes), data_console()
    for note in [*notes[:MOST_ROWS], *_first_of(len(notes), "notes")]:
        console.print(f"  {note}", style="dim", soft_wrap=True, markup=False)


def _first_of(count: int, what: str) -> list[str]:
    return (
        [f"the first {MOST_ROWS} of {count:,} {what}; JSON has all."] if count > MOST_ROWS else []
    )


def show_report(report: Report) -> None:
    """Print the star table, one table a task, and under it what must be known to read it.

    The tasks stand as `energyscore tasks` lists them.
    """
    console = data_console()
    report = in_one_view(report)
    for task in sorted({entry.result.task.id for entry in report}):
        entries = [entry for entry in report if entry.result.task.id == task]
        shown = ranked(entries)[:MOST_ROWS]
        table, shared = star_table(task, shown, console)
        console.print(table)
        for note in [*_first_of(len(entries), "rows"), *shared, *notes_on(shown)]:
            console.print(f"  {escape(note)}", style="dim", soft_wrap=True)
        console.print()


@dataclass(frozen=True)
class Talk:
    """How much is said on stderr: nothing but cautions and errors, the usual, or more.

    `yes`: what is costly is begun without being asked.
    """

    quiet: bool = False
    verbose: bool = False
    yes: bool = False


class Bar:
    """A bar on stderr where that is a terminal; else there is none."""

    def __init__(self, talk: Talk, *columns: ProgressColumn, **options: Any) -> None:
        """Start without it; `options` are those of rich's `Progress`."""
        self._console, self._talk, self._agreed = message_console(), talk, talk.yes
        self._columns, self._options = columns, options
        self._progress: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._console.is_terminal and not self._talk.quiet:
            self._progress = Progress(
                *self._columns, console=self._console, transient=True, **self._options
            )
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def say(self, message: str) -> None:
        """A line for people."""
        if not self._talk.quiet:
            self._console.print(escape(message), soft_wrap=True)

    def agree(self, question: str) -> bool:
        """Whether to go on. It is asked once, on a terminal; without one it was said."""
        if self._agreed or not (self._console.is_terminal and sys.stdin.isatty()):
            return True
        if self._progress is not None:
            self._progress.stop()
        self._console.print(f"{escape(question)} Go on? \\[y/N] ", end="", soft_wrap=True)
        self._agreed = sys.stdin.readline().strip().lower() in ("y", "yes")
        if self._progress is not None and self._agreed:
            self._progress.start()
        return self._agreed


class ProgressObserver(Bar, LineObserver):
    """Shows stages and queries on stderr: a bar on a terminal, one plain line an event else."""

    def __init__(self, talk: Talk = Talk()) -> None:
        """Start without a bar; the first stage makes it."""
        super().__init__(
            talk,
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[count]}"),
            TimeRemainingColumn(),
            refresh_per_second=2,  # drawing takes time from the work that is metered
        )
        self._prefix, self.verbose = "", talk.verbose
        self._total: int | None = None

    def stage(self, name: str, total: int | None) -> None:
        """A new stage of the model begins."""
        self._total = total
        if self._progress is None:
            super().stage(name, total)
            return
        if self._task is not None:
            self._progress.remove_task(self._task)
        shown = escape(terminal_text(f"{self._prefix}: {name}"))
        self._task = self._progress.add_task(
            shown, total=total, count=f"0/{total}" if total else ""
        )

    def advance(self, done: int) -> None:
        """So many queries of the stage are done."""
        if self._progress is not None and self._total is not None:
            self._progress.update(self._task, completed=done, count=f"{done}/{self._total}")

    def warn(self, message: str) -> None:
        """A line that people should not overlook."""
        self._console.print(f"[yellow]caution:[/] {escape(message)}", soft_wrap=True)

    def fail(self, message: str) -> None:
        """What went wrong with one model while others go on."""
        self._console.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)


def say_note(text: str) -> None:
    """Say in one line on stderr what else there is to know."""
    ProgressObserver().warn(text)


def say_skipped(error: ResultError) -> None:
    """Name a file that is left out, and why, in one line on stderr."""
    say_note(f"left out: {error.message}")
