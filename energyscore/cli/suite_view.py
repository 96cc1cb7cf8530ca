"""What people see of a suite: its progress on stderr, its plan and its end as tables."""

from collections.abc import Sequence

from energyscore.base.units import format_duration
from energyscore.cli.console import show_notes, show_table
from energyscore.cli.process_view import ProcessProgress
from energyscore.measurement.forecast import Forecast, forecast_of
from energyscore.measurement.suite.estimate import Estimate
from energyscore.measurement.suite.plan import Planned
from energyscore.measurement.suite.report import Record, SuiteReport
from energyscore.publish.wording import energy_of

_ENTRY = ("model", "task", "class", "status")


class SuiteProgress(ProcessProgress):
    """Shows entries."""

    def begin(self, number: int, planned: Planned, left_s: float | None) -> None:
        """An entry is measured now."""
        left = "" if left_s is None else f", about {format_duration(left_s)} left"
        self.starting(number, f"{planned.label}, {planned.task_name}", left)

    def end(self, number: int, record: Record) -> None:
        """What became of an entry."""
        reason = f": {record.reason}" if record.reason else ""
        self.ended(number, f"{record.label}, {record.task}: {record.status}{reason}")


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
