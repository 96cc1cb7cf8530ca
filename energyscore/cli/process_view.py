"""Progress of measurements that are made one after another, each in a process of its own."""

from typing import Self

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from energyscore.base.text import terminal_text
from energyscore.cli.console import Bar, Talk

OWN_PLACE = "[1/1] "
"""Before what the process of one measurement says of its stages."""


class ProcessProgress(Bar):
    """One bar on a terminal, one plain line an event else.

    The bar is drawn only when something happens: a thread that redraws it would work while
    something is measured.
    """

    def __init__(self, total: int | None, talk: Talk) -> None:
        """Start without a bar; `total`: how many there are, where that is known."""
        super().__init__(
            talk,
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            auto_refresh=False,
        )
        self._total = total
        self._place = ""
        self._left = ""

    def __enter__(self) -> Self:
        """Begin to show."""
        super().__enter__()
        if self._progress is not None:
            self._task = self._progress.add_task("", total=self._total)
        return self

    def starting(self, number: int, what: str, left: str) -> None:
        """One is measured now; `left`: what is said of the rest."""
        self._place, self._left = self._place_of(number), left
        self._event(f"{what}: starting{left}")

    def line(self, text: str) -> None:
        """A line of its process; on a terminal its stages only move the bar's text."""
        if text.startswith(OWN_PLACE):
            left = self._left if self._progress else ""
            self._event(text.removeprefix(OWN_PLACE) + left)
        elif self._progress is None or text.startswith(("error:", "caution:")):
            self._print(text)

    def ended(self, number: int, text: str) -> None:
        """What became of one."""
        self._place = self._place_of(number)
        self._print(text)
        if self._progress is not None:
            self._progress.update(self._task, completed=self._completed(number), refresh=True)

    def _completed(self, number: int) -> int:
        """How many have ended once this one has."""
        return number

    def _place_of(self, number: int) -> str:
        return f"[{number}]" if self._total is None else f"[{number}/{self._total}]"

    def _event(self, text: str) -> None:
        if self._progress is None:
            self._print(text)
        else:
            description = escape(terminal_text(self._placed(text)))
            self._progress.update(self._task, description=description, refresh=True)

    def _print(self, text: str) -> None:
        if self._talk.quiet and text.startswith(("error:", "caution:")):
            self._console.print(escape(self._placed(text)), soft_wrap=True)
        self.say(self._placed(text))

    def _placed(self, text: str) -> str:
        return f"{self._place} {text}" if self._place else text
