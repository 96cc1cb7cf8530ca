"""What people see of a suite: its progress on stderr, its plan and its end as tables."""

from collections import Counter
from collections.abc import Sequence

from energyscore.base.units import format_duration
from energyscore.cli.console import message_console, say_note, show_notes, show_table
from energyscore.cli.process_view import ProcessProgress
from energyscore.measurement.cluster.ray_engine import RayNode
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


class ClusterProgress(SuiteProgress):
    """Shows entries of which several are measured at once."""

    _ended_now = 0

    def begin_on(self, node: str, number: int, planned: Planned, left_s: float | None) -> None:
        """An entry is measured now, on this node where its name is known."""
        left = "" if left_s is None else f", about {format_duration(left_s)} left"
        on = f" on {node}" if node else ""
        self.starting(number, f"{planned.label}, {planned.task_name}", f"{on}{left}")

    def line(self, text: str) -> None:
        """What is to be known beside them: it names its entry itself."""
        self._place = ""
        super().line(text)

    def end(self, number: int, record: Record) -> None:
        """What became of an entry; the bar shows how many have ended."""
        self._ended_now += 1
        super().end(number, record)

    def _completed(self, number: int) -> int:
        return self._ended_now


def show_nodes(nodes: Sequence[RayNode]) -> None:
    """What the nodes of a cluster said of themselves, before anything runs there: on stderr.

    Those that get no entry come first, and are named with the reason and what to do.
    """
    nodes = sorted(nodes, key=lambda one: (not one.problem, one.name))
    columns = ("", "node", "GPUs", "driver", "Python", "torch", "free", "hub")
    show_table("", columns, map(_node, nodes), message_console())
    for node in nodes:
        if node.problem:
            say_note(f"node {node.name} gets no entry: {node.problem}. {node.remedy}")


def _node(node: RayNode) -> tuple[str, ...]:
    verdict, facts = "no entry" if node.problem else "ok", node.facts
    if facts is None:
        return verdict, node.name, *["unknown"] * 6
    counts = Counter(name for _, name in facts.gpus)
    gpus = ", ".join(name if one == 1 else f"{one} x {name}" for name, one in counts.items())
    return (
        verdict,
        node.name,
        gpus or "none",
        facts.driver or "none",
        facts.python,
        facts.torch or "none",
        f"{facts.free_gb:.0f} GB",
        "reached" if facts.hub else "not reached",
    )


def show_summary(report: SuiteReport, answers: Sequence[str] = ()) -> None:
    """What became of every entry, as a table, and which of them need least energy."""
    on_nodes = any(_node_of(record) for record in report.entries)
    show_table(
        "",
        (*_ENTRY, *["node"] * on_nodes, "energy / 1,000 queries", "took", "reason"),
        [
            (
                *_entry(record),
                *[_node_of(record)] * on_nodes,
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


def _node_of(record: Record) -> str:
    """Where its last attempt was; empty where it was measured here."""
    return record.attempts[-1].node if record.attempts else ""


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
