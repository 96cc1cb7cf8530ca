"""What people see: tables on stdout when they are what was asked for, all else on stderr."""

import os
import sys
from collections.abc import Iterable, Sequence
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

from energyscore.export import RatedResult, Report
from energyscore.modes import Multiple, mode_of, multiples_of, tokens_of
from energyscore.notes import notes_on
from energyscore.rating import Rating
from energyscore.result import Result
from energyscore.units import format_duration, format_number, format_wh

_WIDE = 132
_NARROW = 110  # columns under which the table stacks what it can


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
    return Console(stderr=stderr, width=wide, highlight=False)


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a plain table to stdout."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    data_console().print(table)


def show_report(report: Report) -> None:
    """Print the star table, one table a task, and under it what must be known to read it."""
    console = data_console()
    for task in dict.fromkeys(entry.result.task.id for entry in report):
        entries = [entry for entry in report if entry.result.task.id == task]
        console.print(_star_table(task, entries, narrow=console.width < _NARROW))
        for note in notes_on(entries):
            console.print(f"  {escape(note)}", style="dim", soft_wrap=True)
        console.print()


def _star_table(task: str, entries: Sequence[RatedResult], *, narrow: bool) -> Table:
    table = Table(title=task, title_justify="left", title_style="bold", box=None, pad_edge=False)
    modes = any(mode_of(entry.result) for entry in entries)
    table.add_column("model", overflow="fold", min_width=13 if modes else None)
    table.add_column("class")
    table.add_column("energy /\n1,000 queries", justify="right", no_wrap=True)
    table.add_column("± 95%" if _shows("±") else "+- 95%", justify="right", no_wrap=True)
    if modes:
        table.add_column("energy against,\ntokens / query", justify="right", no_wrap=True)
    multiples = dict(
        zip(map(id, entries), multiples_of([entry.result for entry in entries]), strict=True)
    )
    table.add_column("what was metered", overflow="fold")
    table.add_column("stars", no_wrap=True)
    chances = any(entry.rating.probabilities for entry in entries)
    if chances:
        table.add_column("chance", no_wrap=True)
    table.add_column("relative to", overflow="fold")
    ranked = sorted(entries, key=lambda entry: entry.rating.energy_wh or float("inf"))
    classes = any(entry.result.model.model_class for entry in entries)
    for entry in ranked:
        rating = entry.rating
        energy = "not measured" if rating.energy_wh is None else format_wh(rating.energy_wh)
        table.add_row(
            escape(_model(entry.result)),
            entry.result.model.model_class or "",
            energy,
            _half_width(entry.result, rating),
            *([_mode(multiples[id(entry)], entry.result)] if modes else []),
            _metered(entry.result, rating),
            _stars(rating),
            *([_chance(rating, a_line=1 if narrow else 2)] if chances else []),
            escape(_relative_to(rating)),
        )
    table.columns[1].width = None if classes else 0
    return table


def _model(result: Result) -> str:
    mode = mode_of(result)
    return result.model.id if mode is None else f"{result.model.id}\nreasoning {mode}"


def _mode(multiple: Multiple | None, result: Result) -> str:
    """What a mode takes: so many times another's energy, so many tokens, of them thinking."""
    tokens = tokens_of(result)
    lines = [f"{format_number(multiple.times)} x {multiple.of}"] if multiple else []
    lines.append(f"{format_number(tokens.output)} tokens")
    if tokens.thinking is not None:
        lines.append(f"{format_number(tokens.thinking)} thinking")
    return "\n".join(lines)


def _stars(rating: Rating) -> str:
    if rating.stars is None:
        return "[dim]none[/]"
    full, empty = ("★", "☆") if _shows("★☆") else ("*", "-")
    stars = full * rating.stars + empty * (5 - rating.stars)
    return f"[yellow]{stars}[/] estimated" if rating.estimated else f"[green]{stars}[/]"


def _chance(rating: Rating, a_line: int) -> str:
    """The likeliest stars first, without those below half a per cent: `4★ 93 %, 5★ 7 %`."""
    if rating.probabilities is None:
        return ""
    if max(rating.probabilities) >= 0.995:
        return "> 99 %"
    star = "★" if _shows("★") else "*"
    by_stars = enumerate(rating.probabilities, start=1)
    ranked = sorted(by_stars, key=lambda entry: entry[1], reverse=True)
    shown = [f"{stars}{star} {p * 100:.0f} %" for stars, p in ranked if p >= 0.005]
    places = range(0, len(shown), a_line)
    return ",\n".join(", ".join(shown[place : place + a_line]) for place in places)


def _shows(text: str) -> bool:
    """Whether stdout can show these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _relative_to(rating: Rating) -> str:
    if rating.stars is None and rating.reason.startswith("not comparable"):
        return rating.reason.partition(":")[0] + ", see below"
    if rating.stars is None:
        return rating.reason
    return str(rating.scale)


def _metered(result: Result, rating: Rating) -> str:
    if rating.basis == "gpu":
        method = {"counter": "counter", "power_integral": "integrated power"}
        return f"GPU, {method.get(result.score.method or '', 'unknown')}"
    if rating.basis == "system":
        kind = "estimated" if rating.estimated else "measured"
        return f"CPU and RAM, {kind}"
    return "nothing"


def _half_width(result: Result, rating: Rating) -> str:
    interval = result.score.ci95 if rating.basis == "gpu" else result.score.system_ci95
    if interval is None or not rating.energy_wh:
        return "one run" if result.score.runs == 1 else ""
    return f"{format_number((interval[1] - interval[0]) / 2 / rating.energy_wh * 100)} %"


class Bar:
    """A bar on stderr where that is a terminal; else there is none."""

    def __init__(self, *columns: ProgressColumn, **options: Any) -> None:
        """Start without it; `options` are those of rich's `Progress`."""
        self._console = message_console()
        self._columns, self._options = columns, options
        self._progress: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._console.is_terminal:
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
        self._console.print(escape(message), soft_wrap=True)


class ProgressObserver(Bar):
    """Shows stages and queries on stderr: a bar on a terminal, one plain line an event else."""

    def __init__(self) -> None:
        """Start without a bar; the first stage makes it."""
        super().__init__(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[count]}"),
            TimeRemainingColumn(),
            refresh_per_second=2,  # drawing takes time from the work that is metered
        )
        self._prefix = ""
        self._total: int | None = None

    def model(self, label: str, task: str, place: str) -> None:
        """A new model begins."""
        self._prefix = f"{place} {label}, {task}"

    def stage(self, name: str, total: int | None) -> None:
        """A new stage of the model begins."""
        self._total = total
        if self._progress is None:
            self.say(f"{self._prefix}: {name}")
            return
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(
            escape(f"{self._prefix}: {name}"), total=total, count=f"0/{total}" if total else ""
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


def describe_estimate(
    runs: int, seconds_a_run: float, longest_s: float | None = None, *, at_most: bool = False
) -> str:
    """How long the measured part will take, and should all answers be as long as they may be."""
    plural, bound = "" if runs == 1 else "s", "up to " if at_most else ""
    about = "at most" if at_most else "about"
    line = f"{bound}{runs} run{plural} to measure, {about} {format_duration(runs * seconds_a_run)}"
    if longest_s is None or longest_s < 1.01 * seconds_a_run:
        return line
    return f"{line}; {format_duration(runs * longest_s)} should all answers take all their tokens"
