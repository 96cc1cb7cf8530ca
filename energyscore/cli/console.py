"""What people see: tables on stdout when they are what was asked for, all else on stderr."""

import json
import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TextIO

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
from energyscore.base.units import counted
from energyscore.judge.rating import Report
from energyscore.measurement.observer import LineObserver
from energyscore.publish.beside import WIDE, wide_row
from energyscore.publish.layout import fitted
from energyscore.publish.notes import MOST_ROWS, end_of
from energyscore.publish.table import ranked, star_table
from energyscore.publish.table_end import TableEnd, left_to_explain

_WIDE = 120


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
    wide = None if _has_width(stream) else _WIDE
    return _HarmlessConsole(stderr=stderr, width=wide, highlight=False, emoji=False)


def _has_width(stream: TextIO) -> bool:
    return stream.isatty() or "COLUMNS" in os.environ


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


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    console: Console | None = None,
) -> None:
    """Print a plain table to stdout, its columns fitted to the width there is."""
    console, rows = console or data_console(), list(rows)
    shown = [[one_line(cell) for cell in row] for row in rows[:MOST_ROWS]]
    texts = [[name, *cells] for name, *cells in zip(columns, *shown, strict=True)]
    table = Table(
        title=escape(one_line(title)) or None, title_justify="left", box=None, pad_edge=False
    )
    cells = fitted(texts, console.width)
    for name, *_ in cells:
        table.add_column(escape(name), no_wrap=True, overflow="fold")
    for row in zip(*(column[1:] for column in cells), strict=True):
        table.add_row(*map(escape, row))
    console.print(table)
    show_notes(_first_of(len(rows), "row"), console)


def show_notes(notes: Iterable[str], console: Console | None = None) -> None:
    """Print the lines that stand under a table on stdout, wrapped by words where it has a width."""
    notes, console = list(notes), console or data_console()
    for note in [*notes[:MOST_ROWS], *_first_of(len(notes), "note")]:
        for line in _wrapped(one_line(note), console.width):
            console.print(line, style="dim", soft_wrap=True, markup=False)


def show_line(text: str) -> None:
    """Print a line on stdout that is no note, wrapped by words where there is a width."""
    console = data_console()
    for line in _wrapped(one_line(text), console.width, ""):
        console.print(line, soft_wrap=True, markup=False)


def show_copyable(text: str) -> None:
    """Print a command to be copied on stdout: a line of its own that is never broken."""
    data_console().print(f"  {one_line(text)}", soft_wrap=True, markup=False)


def _wrapped(text: str, width: int, indent: str = "  ") -> list[str]:
    """A text on lines that hang by two blanks; in a file or pipe it is one line."""
    if not _has_width(sys.stdout):
        return [indent + text]
    return textwrap.wrap(
        text, min(width, _WIDE), initial_indent=indent, subsequent_indent=indent + "  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _first_of(count: int, what: str) -> list[str]:
    if count <= MOST_ROWS:
        return []
    return [f"the first {MOST_ROWS} of {counted(count, what)}; JSON has all."]


def show_report(
    report: Report,
    *,
    explain: bool = False,
    wide: bool = False,
    files: str = "",
    how: str = "--explain",
) -> None:
    """Print the star table, one table a task, and under it what must be known to read it.

    The tasks stand as `energyscore tasks` lists them. `files` says where the results are, and `how`
    to be told all there is to say. `wide`: a second table has speed and quality.
    """
    console = data_console()
    ends: list[TableEnd] = []
    for task in sorted({entry.result.task.id for entry in report}):
        if ends:
            console.print()
        entries = [entry for entry in report if entry.result.task.id == task]
        shown = ranked(entries)[:MOST_ROWS]
        table, shared = star_table(task, shown, console)
        console.print(table)
        if wide:
            show_table(f"{task}: speed and quality", WIDE, map(wide_row, shown))
        ends.append(end_of(shown, shared))
        show_notes([*_first_of(len(entries), "row"), *ends[-1].lines(explain=explain)])
    if len(ends) > 1:
        console.print()
    show_notes([*([files] if files else []), *([] if explain else left_to_explain(ends, how))])


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

    def fail(self, message: str, code: str = "") -> None:
        """What went wrong with one model while others go on."""
        self._console.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)


def say_note(text: str) -> None:
    """Say in one line on stderr what else there is to know."""
    ProgressObserver().warn(text)


def say_skipped(error: ResultError) -> None:
    """Name a file that is left out, and why, in one line on stderr."""
    say_note(f"left out: {error.message}")
