"""What people see of a suite: its progress on stderr, its plan and its end as tables."""

from collections.abc import Sequence
from typing import Self

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from energyscore.base.text import terminal_text
from energyscore.base.units import format_duration
from energyscore.cli.console import Bar, Talk, show_notes, show_table
from energyscore.measurement.forecast import Forecast, forecast_of
from energyscore.measurement.suite.estimate import Estimate
from energyscore.measurement.suite.plan import Planned
from energyscore.measurement.suite.report import Record, SuiteReport
from energyscore.publish.wording import energy_of

_OWN_PLACE = "[1/1] "


_ENTRY = ("model", "task", "class", "status")


class SuiteProgress(Bar):
    """Shows entries: one bar on a terminal, one plain line an event else.

    The bar is drawn only when something happens: a thread that redraws it would work while
    the entry is measured.
    """

    def __init__(self, total: int, talk: Talk) -> None:
        """Start without a bar."""
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

    def begin(self, number: int, planned: Planned, left_s: float | None) -> None:
        """An entry is measured now."""
        self._place = f"[{number}/{self._total}]"
        self._left = "" if left_s is None else f", about {format_duration(left_s)} left"
        self._event(f"{planned.label}, {planned.task_name}: starting{self._left}")

    def line(self, text: str) -> None:
        """A line of the entry's process; on a terminal its stages only move the bar's text."""
        if text.startswith(_OWN_PLACE):
            left = self._left if self._progress else ""
            self._event(text.removeprefix(_OWN_PLACE) + left)
        elif self._progress is None or text.startswith(("error:", "caution:")):
            self._print(text)

    def end(self, number: int, record: Record) -> None:
        """What became of an entry."""
        self._place = f"[{number}/{self._total}]"
        reason = f": {record.reason}" if record.reason else ""
        self._print(f"{record.label}, {record.task}: {record.status}{reason}")
        if self._progress is not None:
            self._progress.update(self._task, completed=number, refresh=True)

    def _event(self, text: str) -> None:
        if self._progress is None:
            self._print(text)
        else:
            description = escape(terminal_text(f"{self._place} {text}"))
            self._progress.update(self._task, description=description, refresh=True)

    def _print(self, text: str) -> None:
        if self._talk.quiet and text.startswith(("error:", "caution:")):
            self._console.print(escape(f"{self._place} {text}"), soft_wrap=True)
        self.say(f"{self._place} {text}")


def show_summary(report: SuiteReport, answers: Sequence[str] = ()) -> None:
    """What became of every entry, as a table, and which of them need least energy."""
    show_table(
        "",
        (*_ENTRY, "energy / 1,000 queries", "took", "reason"),
        [
            (
                *_entry(record),
                _energy(record),
                "" if record.seconds is None else format_duration(record.seconds),
                record.reason,
            )
            for record in report.entries
        ],
    )
    show_notes(answers)


def show_plan(plan: Sequence[tuple[Record, Estimate]]) -> None:
    """What would be done, as a table."""
    show_table(
        "",
        (*_ENTRY, "time, loading apart", "size on the hub", ""),
        [
            (
                *_entry(record),
                *(
                    (_time(estimate), _size(estimate), _cost(estimate))
                    if record.status == "pending"
                    else ("", "", record.reason)
                ),
            )
            for record, estimate in plan
        ],
    )


def forecast_of_plan(
    plan: Sequence[tuple[Record, Estimate]], limit_w: float | None = None
) -> Forecast:
    """The plan's sum: what is known of the time, and of how many entries it is not."""
    pending = [estimate for record, estimate in plan if record.status == "pending"]
    return forecast_of(pending, len(plan), limit_w)


def _entry(record: Record) -> tuple[str, ...]:
    return record.label, record.task, record.model_class or "", record.status


def _energy(record: Record) -> str:
    wh = record.wh_per_1k_queries
    return "" if wh is None else energy_of(wh, record.basis, estimated=record.estimated)


def _time(one: Estimate) -> str:
    if one.estimated_seconds is None:
        return "unknown"
    bound = {"at_least": "at least", "at_most": "up to about"}.get(
        one.estimate_basis or "", "about"
    )
    return f"{bound} {format_duration(one.estimated_seconds)}"


def _cost(one: Estimate) -> str:
    """What reasoning may come to, before anybody waits for it."""
    if one.most_tokens_a_query is None:
        return ""
    return f"up to {one.most_tokens_a_query:,} tokens a query, {one.most_tokens_a_pass:,} a pass"


def _size(one: Estimate) -> str:
    if one.size_bytes is None:
        return "unknown"
    return "none" if one.size_bytes == 0 else f"{one.size_bytes / 1e9:.2f} GB"
