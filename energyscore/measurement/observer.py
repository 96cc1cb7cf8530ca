"""What a benchmark asks of an observer of its progress, and one that prints lines."""

import sys
from collections.abc import Callable
from typing import Protocol

from energyscore.base.text import terminal_text
from energyscore.base.units import counted, format_duration


class Observer(Protocol):
    """Whoever shows progress. Called a few times a second at most."""

    def stage(self, name: str, total: int | None) -> None:
        """A new stage begins; `total` queries are to come, or an unknown number."""

    def advance(self, done: int) -> None:
        """So many queries of the stage are done."""


def print_line(text: str) -> None:
    """Print a line to stderr, harmless for terminals and logs whatever is in it."""
    print(terminal_text(text), file=sys.stderr, flush=True)


class LineObserver:
    """Gives every event but single queries as one line of text."""

    def __init__(self, write: Callable[[str], None] = print_line, prefix: str = "") -> None:
        """Give the lines to `write`; stages begin with `prefix`."""
        self._write, self._prefix = write, prefix
        self.verbose = False

    def model(self, label: str, task: str, place: str) -> None:
        """A new model begins: stages are shown with its name."""
        self._prefix = f"{place} {label}, {task}".lstrip()

    def stage(self, name: str, total: int | None) -> None:
        """A new stage begins."""
        self.say(f"{self._prefix}: {name}")

    def advance(self, done: int) -> None:
        """Not shown: lines have no bar."""

    def say(self, message: str) -> None:
        """A line for people."""
        self._write(message)

    def tell(self, message: str) -> None:
        """A line about the model that is being measured."""
        self.say(f"{self._prefix}: {message}" if self._prefix else message)

    def detail(self, message: str) -> None:
        """A line about the model for those who asked for more (-v)."""
        if self.verbose:
            self.tell(message)

    def agree(self, question: str) -> bool:
        """Whether to go on: nobody is there to ask, and it has been said."""
        return True

    def warn(self, message: str) -> None:
        """A line that people should not overlook."""
        self._write(f"caution: {message}")

    def fail(self, message: str, code: str = "") -> None:
        """What went wrong with one model while others go on; `code`: the error's, for programs."""
        self._write(f"error: {message}")


def describe_estimate(
    runs: int,
    seconds_a_run: float,
    longest_s: float | None = None,
    *,
    at_most: bool = False,
    pass_s: float | None = None,
) -> str:
    """How long the measured part will take, and how long if every answer uses its full budget.

    `pass_s` is one pass of the workload, which a quick run is: said where that saves something.
    """
    bound = "up to " if at_most else ""
    about = "at most" if at_most else "about"
    whole_s = runs * seconds_a_run
    line = f"{bound}{counted(runs, 'run')} to measure, {about} {format_duration(whole_s)}"
    if longest_s is not None and longest_s >= 1.01 * seconds_a_run:
        line += f"; {format_duration(runs * longest_s)} if every answer uses its full budget"
    if pass_s is not None and pass_s < whole_s / 2:
        line += f" (with --quick one pass, about {format_duration(pass_s)})"
    return line
