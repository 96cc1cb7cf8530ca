"""What the driver makes of what an engine tells, without any cluster."""

from collections import defaultdict

import pytest
from support.deliveries import delivered, made
from support.fake_nodes import drive
from support.fake_suite import fake_plan

from energyscore.base.errors import UsageError
from energyscore.measurement.cluster.delivery import Delivery, to_bytes
from energyscore.measurement.cluster.engine import Came, Lost
from energyscore.results.store import load_results


class Told:
    """An engine that runs one order at a time, and tells what it was told to."""

    def __init__(self, *, left=(), never="", **told):
        self.left, self.never, self.told = left, never, {n: list(t) for n, t in told.items()}
        self.offered, self.has_taken, self.sent = [], [], defaultdict(list)
        self.running = None

    def begin(self):
        return self.left

    def why_never(self, order):
        return self.never

    def offer(self, number, order, avoid, journals):
        if self.running is not None:
            return False
        self.running, name = number, order.job.models[0]
        self.offered.append(name)
        self.sent[name].append(dict(journals()))
        return True

    def wait(self):
        number, self.running = self.running, None
        what = self.told[self.offered[-1].replace("/", "_")].pop(0)
        if isinstance(what, type):
            self.running = number
            raise what
        return [what(number)] if callable(what) else [came(number, what)]

    def taken(self, name):
        self.has_taken.append(name)

    def cancel(self):
        return [came(self.running, delivery) for delivery in self.told.get("cancelled", ())]

    def close(self):
        pass


def came(number, delivery, name=None):
    """An event: the delivery, by a name of its own."""
    attempt = delivery.attempt
    return Came(number, name or f"{attempt.began_at}_{attempt.key[:16]}_0", to_bytes(delivery))


def ended(report):
    return [(one.status, [attempt.status for attempt in one.attempts]) for one in report.entries]


def test_after_a_failure_the_rest_is_left_where_that_was_asked_for_and_no_earlier_one_counts(
    tmp_path,
):
    a, b, c = fake_plan("a/b", "b/b", "c/b")
    names, wrong = ("a/b", "b/b", "c/b"), {"status": "failed", "exit_code": 2}
    told = Told(a_b=[delivered(a, **wrong)])
    report, _ = drive(tmp_path, told, *names, stop_on_failure=True)
    assert ended(report) == [("failed", ["failed"]), ("pending", []), ("pending", [])]
    assert report.exit_status == 3
    # It failed before: it is tried again, and the others are measured, once it is not.
    lost = lambda number: Lost(number, "", "", "the job gave nothing")  # noqa: E731
    told = Told(a_b=[delivered(a, 1)], b_b=[lost, delivered(b, 2)], c_b=[delivered(c, 3)])
    report, watcher = drive(tmp_path, told, *names, stop_on_failure=True)
    assert ended(report) == [
        ("done", ["failed", "done"]), ("done", ["lost", "done"]), ("done", ["done"])
    ]  # fmt: skip
    assert watcher.lines == [
        "caution: b/b, text_generation: lost: the job gave nothing; it is tried again"
    ]


def test_what_is_always_lost_ends_after_its_retries_and_takes_no_other_down(tmp_path):
    lost = lambda number: Lost(number, "n1", "", "its worker was lost")  # noqa: E731
    broken = lambda number: Came(number, "x", b"no ZIP")  # noqa: E731
    _, b = fake_plan("a/b", "b/b")
    told = Told(a_b=[lost, broken, lost], b_b=[delivered(b)])
    report, _ = drive(tmp_path, told, "a/b", "b/b")
    assert ended(report) == [("failed", ["lost"] * 3), ("done", ["done"])]
    assert report.entries[0].reason == "its worker was lost (on n1)"


def test_what_was_kept_and_comes_once_more_is_one_attempt_and_ends_its_entry(tmp_path):
    (a,) = fake_plan("a/b")
    failed = delivered(a, status="failed", exit_code=1)
    told = Told(left=[came(None, failed)], a_b=[failed, delivered(a, 1)])
    report, _ = drive(tmp_path, told, "a/b")
    assert ended(report) == [("done", ["failed", "done"])]
    assert len(told.has_taken) == 3, "nodes keep none of it"
    told = Told(left=[came(None, delivered(a, 1))])
    report, _ = drive(tmp_path, told, "a/b")
    assert ended(report) == [("skipped", ["failed", "done"])]
    assert len(told.has_taken) == 1
    assert len(load_results([tmp_path / "out"])) == 1


def test_what_is_interrupted_keeps_its_runs_and_is_not_tried_again(tmp_path):
    a, b = fake_plan("a/b", "b/b")
    begun = Delivery(
        made(b, 1, status="interrupted", reason="interrupted; kept of b/b: 1 of 2 runs."),
        journals={".ab12.journal": b"a run"},
    )
    told = Told(a_b=[delivered(a)], b_b=[KeyboardInterrupt], cancelled=[begun])
    report, watcher = drive(tmp_path, told, "a/b", "b/b")
    assert (report.interrupted, report.exit_status) == (True, 130)
    assert ended(report) == [("done", ["done"]), ("pending", ["interrupted"])]
    assert report.entries[1].reason == "interrupted; kept of b/b: 1 of 2 runs. (on n1)"
    assert watcher.lines == []
    told = Told(b_b=[delivered(b, 2)])
    report, _ = drive(tmp_path, told, "a/b", "b/b")
    assert ended(report) == [("skipped", ["done"]), ("done", ["interrupted", "done"])]
    assert told.sent["b/b"] == [{".ab12.journal": b"a run"}]


def test_what_there_will_never_be_room_for_is_told_before_anything_runs(tmp_path):
    with pytest.raises(UsageError, match="No node has 9 GPUs"):
        drive(tmp_path, Told(never="No node has 9 GPUs."), "a/b")
