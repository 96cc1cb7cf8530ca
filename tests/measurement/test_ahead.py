"""What is said before a run, and what is asked."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from support.results import make_cpu_run, make_result, make_run

from energyscore.base.errors import UnsupportedError, UsageError
from energyscore.base.interrupts import Interrupted
from energyscore.cli.console import ProgressObserver, Talk
from energyscore.judge import cautions
from energyscore.measurement.ahead import check_official, say_ahead, warn_of_others
from energyscore.measurement.forecast import forecast_of, question_of
from energyscore.measurement.observer import LineObserver, describe_estimate
from energyscore.measurement.options import read_options
from energyscore.measurement.suite.estimate import Estimate, estimate_of
from energyscore.protocol.model import parse_model
from energyscore.protocol.quick import QUICK, SHORT
from energyscore.protocol.task import load_tasks

TASKS = load_tasks()
TEN = Estimate(630.0, "at_least")


class Says(LineObserver):
    """Keeps the lines, and what it is asked; it gives one answer to all."""

    def __init__(self, answer=True):
        self.lines, self.asked, self.answer = [], [], answer
        super().__init__(self.lines.append)

    def agree(self, question):
        self.asked.append(question)
        return self.answer


def test_the_least_time_is_said_and_what_quick_would_be():
    seen = Says()
    say_ahead(forecast_of([TEN, TEN], listed=3), read_options({}, "it"), seen)
    assert seen.lines[0] == "2 of 3 to measure, at least 21 min 00 s."
    assert seen.lines[1] == f"With --quick: {QUICK}."
    assert seen.asked == []
    say_ahead(forecast_of([Estimate()], 1), read_options({"quick": True}, "it"), seen)
    assert seen.lines[2:] == ["1 of 1 to measure; how long it takes is known after the warm-up."]


def test_the_energy_is_by_what_was_drawn_before_or_else_by_the_limit_of_the_gpu():
    hour = [Estimate(3600.0, "earlier", power_w=500.0)] * 2
    assert (
        forecast_of(hour, 2).describe("")
        == "2 of 2 to measure, about 2 h 00 min and about 1.00 kWh."
    )
    limit = forecast_of([Estimate(3600.0, "at_least")], 1, limit_w=700.0).describe("")
    assert limit == (
        "1 of 1 to measure, at least 1 h 00 min and up to 700 Wh (the GPU's limit is 700 W)."
    )
    one_unknown = forecast_of([hour[0], TEN], 2)
    assert (
        forecast_of([TEN, Estimate()], 2)
        .describe("")
        .endswith("; how long 1 of them take is known after the warm-up.")
    )
    assert one_unknown.drawn(60) == ""


def test_the_power_of_the_last_result_is_taken():
    spec, options = TASKS["text_generation"].spec, read_options({}, "it")
    on_gpu = make_result(runs=[make_run(joules=3600.0, seconds=100.0)])  # 36 W
    on_cpu = make_result(runs=[make_cpu_run()], gpu=None)
    found = estimate_of(spec, options, [on_cpu, on_gpu], on_gpu=True)
    assert found.power_w == pytest.approx(36.0)
    assert estimate_of(spec, options, [], on_gpu=True).power_w is None


LONG = forecast_of([Estimate(4000.0, "at_least", power_w=100.0)], 1)
FULL = forecast_of([Estimate(most_tokens_a_query=8192, full_budget=True)], 1)


@pytest.mark.parametrize(
    ("forecast", "question"),
    [
        (LONG, "This will take 1 h 06 min or more and about 111 Wh."),
        (
            FULL,
            "This will take answers of the full budget, an unknown time and an energy that the "
            "first result will tell.",
        ),
    ],
)
def test_what_is_costly_is_asked_once_and_no_ends_it(forecast, question):
    seen, options = Says(answer=False), read_options({"quick": True}, "it")
    with pytest.raises(Interrupted, match="not started, as you chose"):
        say_ahead(forecast, options, seen)
    assert seen.asked == [question]
    assert not forecast_of([TEN], 1).costly


def test_the_full_budget_is_that_of_the_official_protocol():
    spec = TASKS["reasoning"].spec
    for given, full in (({"max_new_tokens": 8192}, True), ({}, False)):
        found = estimate_of(spec, read_options({"reasoning": "on"} | given, "it"), [], on_gpu=True)
        assert found.full_budget is full
    text = TASKS["text_generation"].spec
    assert not estimate_of(text, read_options({}, "it"), [], on_gpu=True).full_budget


def on_a_terminal(monkeypatch, answer, talk=Talk(), tty=True):  # noqa: B008
    shown = io.StringIO()
    observer = ProgressObserver(talk)
    observer._console = Console(file=shown, force_terminal=tty, width=200, color_system=None)
    monkeypatch.setattr(
        sys, "stdin", SimpleNamespace(isatty=lambda: tty, readline=lambda: f"{answer}\n")
    )
    return observer, shown


@pytest.mark.parametrize(
    ("answer", "agrees"), [("y", True), ("YES", True), ("", False), ("n", False)]
)
def test_on_a_terminal_the_answer_counts(monkeypatch, answer, agrees):
    observer, shown = on_a_terminal(monkeypatch, answer)
    assert observer.agree("It takes long.") is agrees
    assert shown.getvalue() == "It takes long. Go on? [y/N] "
    assert observer.agree("Again.") is agrees
    assert ("Again." in shown.getvalue()) is not agrees  # who said yes is not asked again


@pytest.mark.parametrize(("talk", "tty"), [(Talk(yes=True), True), (Talk(), False)])
def test_scripts_are_not_asked(monkeypatch, talk, tty):
    observer, shown = on_a_terminal(monkeypatch, "n", talk, tty=tty)
    assert observer.agree("It takes long.")
    assert shown.getvalue() == ""


def test_a_quiet_observer_says_cautions_and_errors_only(monkeypatch):
    observer, shown = on_a_terminal(monkeypatch, "", Talk(quiet=True), tty=False)
    with observer:
        observer.model("org/m", "asr", "[1/1]")
        observer.stage("run 1 of 2", 5)
        observer.tell("2 runs")
        observer.warn("busy")
        observer.fail("gone")
    assert shown.getvalue() == "caution: busy\nerror: gone\n"


def test_lines_name_the_model_and_details_are_for_those_who_ask():
    seen = Says()
    seen.model("org/m", "asr", "[2/3]")
    seen.tell("10 runs")
    seen.detail("more")
    seen.verbose = True
    seen.detail("more")
    assert seen.lines == ["[2/3] org/m, asr: 10 runs", "[2/3] org/m, asr: more"]


def test_after_the_warm_up_the_time_of_a_quick_run_stands_beside_it():
    assert describe_estimate(10, 60.0, pass_s=4.0) == (
        "10 runs to measure, about 10 min 00 s (with --quick one pass, about 4.0 s)"
    )
    assert describe_estimate(1, 60.0, pass_s=50.0) == "1 run to measure, about 1 min 00 s"
    assert question_of(LONG, 7200.0) == "Its runs will take about 2 h 00 min and about 200 Wh."
    assert question_of(None, 7200.0, at_most=True) == (
        "Its runs will take up to 2 h 00 min and an energy that the first result will tell."
    )


@pytest.fixture
def h100(monkeypatch):
    """A machine with the GPU of the official protocol."""
    machine = make_result().environment
    monkeypatch.setattr("energyscore.measurement.ahead.describe_machine", lambda: machine)


def check(seen, *, model="org/model", of_task=True, device="cuda", count=1000, **options):
    task = TASKS["text_generation"]
    dataset = task.spec.dataset.id if of_task else "bundled:text_generation"
    workload = SimpleNamespace(dataset=dataset, official=of_task, queries=range(count))
    asked = [(task, parse_model(model), workload, None)]
    check_official(asked, read_options(options, "it"), device, seen)


def test_that_all_points_hold_so_far_is_said(h100):
    seen = Says()
    check(seen)
    check(seen, official=True)
    assert [line.partition(":")[0] for line in seen.lines] == ["Official so far"] * 2


def test_what_is_missing_is_named_before_it_starts(h100):
    seen = Says()
    check(seen, of_task=False, repeats=3, dtype="float32")
    assert seen.lines == [
        "Not official in 3 points: dataset, repeats, precision (--official says why, and measures "
        "nothing then)."
    ]


def test_official_refuses_what_would_not_be_and_says_how_to_mend_it(h100):
    with pytest.raises(UsageError) as raised:
        check(Says(), official=True, count=50, repeats=3)
    assert raised.value.message == (
        "--official: the result would not be official. queries: 50 instead of 1000; repeats: 3 "
        "instead of 10 or more (leave out --repeats)."
    )
    with pytest.raises(UnsupportedError, match="hardware: A processor instead of H100 80GB"):
        check(Says(), official=True, device="cpu")


def test_a_busy_machine_is_told_of_before():
    seen = Says()
    for share in (None, 0.05, 0.4):
        warn_of_others(SimpleNamespace(others_share=lambda share=share: share), seen)
    (line,) = seen.lines
    assert line.startswith("caution: other processes use 40% of the processor now")
    assert "over 25% get no stars" in line


def test_what_quick_does_is_said_in_one_wording():
    page = (Path(__file__).parents[2] / "docs/measuring.md").read_text()
    assert QUICK in " ".join(page.replace("`", "").split())
    assert SHORT in cautions.QUICK
