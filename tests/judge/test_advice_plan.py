"""What advice would have measured: in what order, at what cost, and within which budget."""

import pytest
from support.results import make_quality
from test_advice import LARGE, SMALL, advice, at, measured

from energyscore.base.interrupts import Interrupted
from energyscore.cli import advise_measure
from energyscore.cli.console import Bar, Talk
from energyscore.judge.advice.commands import run_command, seconds_for
from energyscore.judge.advice.plan import NO_BUDGET, plan_missing
from energyscore.results.cost import Cost

GPU = "gpu:GPU-0"


def costing(result, seconds=100.0, joules=36_000.0):
    """The same, and what measuring it took: 10 Wh in 100 s, of which 60 s idling."""
    cost = Cost(duration_s=seconds, energy_j={GPU: joules}, methods={GPU: "counter"}, reasons={},
                sessions=1)  # fmt: skip
    runs = [run.model_copy(update={"duration_s": 1.0}) for run in result.runs]
    return result.model_copy(update={"cost": cost, "runs": runs})


def missing_of(*results, **asked):
    found = advice(*map(costing, results), **asked)
    return [one for one in found.missing if one.command is not None]


KNOWN = measured("org/small", 2.0, quality=make_quality([1] * 93 + [0] * 7), loading=False)


def test_what_one_run_can_tell_is_one_run():
    """Quality and loading of a result are missing: one command asks for both."""
    bare = measured("org/small", 2.0, loading=False)
    missing = missing_of(LARGE, bare, demand=at(40))
    assert {one.piece for one in missing} == {"quality", "days", "settings"}
    plan = plan_missing(missing)
    assert [one.command.name for one in plan.chosen] == ["run", "tune"]
    run = plan.chosen[0]
    assert [piece.piece for piece in run.pieces] == ["quality", "days"]
    assert run.command.options["quality"] is True
    assert run.command.options["loading"] is True
    assert plan.left == []


def test_whoever_says_no_has_nothing_measured(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(advise_measure, "_why_not", lambda one, machine: "")
    monkeypatch.setattr(Bar, "agree", lambda self, question: asked.append(question))
    missing = missing_of(LARGE, KNOWN, demand=at(40))
    with pytest.raises(Interrupted, match="not started, as you chose") as caught:
        advise_measure.measure_missing(missing, tmp_path / "out", None, None, Talk())
    assert caught.value.remedy == "--budget 10m takes less."
    assert asked == ["That is what would be measured."]
    assert "to measure: energyscore run text_generation" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_was_known_is_measured_again_as_the_newest_result_counts():
    """Else a run for the loading would hide the quality, and one for the quality the loading."""
    found = {one.piece: one for one in missing_of(LARGE, KNOWN, demand=at(40))}
    assert found["days"].command.options["quality"] is True
    loaded = measured("org/small", 2.0)
    found = {one.piece: one for one in missing_of(LARGE, loaded, demand=at(40))}
    assert found["quality"].command.options["loading"] is True
    assert found["quality"].command.options["idle"] == 30


def test_what_it_takes_is_told_by_what_was_measured():
    """40 s of work, and idling four times for 30 s, with 10 s of loading."""
    found = {one.piece: one for one in missing_of(LARGE, KNOWN, demand=at(40))}
    assert found["days"].seconds == pytest.approx(40 + 4 * 30 + 10)
    plan = plan_missing([found["days"]])
    assert plan.seconds == pytest.approx(170)
    assert plan.wh == pytest.approx(10 * 170 / 100)
    five = advice(costing(KNOWN)).today
    assert seconds_for(five, run_command(five, repeats=10)) == pytest.approx(80), "twice the runs"


def test_what_does_not_fit_into_the_budget_is_left():
    missing = missing_of(LARGE, KNOWN, demand=at(40))
    plan = plan_missing(missing, budget_s=200.0)
    assert [one.pieces[0].piece for one in plan.chosen] == ["days"]
    assert [(one.pieces[0].piece, why) for one, why in plan.left] == [("settings", NO_BUDGET)]
    assert plan_missing(missing, budget_s=100.0).chosen == []
    unknown = advice(LARGE, KNOWN, demand=at(40)).missing
    assert plan_missing(unknown, budget_s=1e9).chosen == [], "what it takes is not known"


def test_what_cannot_be_measured_here_is_left_with_the_reason():
    plan = plan_missing(missing_of(LARGE, KNOWN, demand=at(40)), None, lambda one: "elsewhere")
    assert plan.chosen == []
    assert {why for _, why in plan.left} == {"elsewhere"}


def test_what_may_come_out_better_is_screened_and_then_measured_whole():
    compiled = measured("org/large", 10.0, billions=7, compiled=True)
    (one,) = [each for each in missing_of(LARGE, SMALL, compiled) if each.piece == "combination"]
    (planned,) = plan_missing([one]).chosen
    assert planned.command.options["screen"] is True
    assert "repeats" not in planned.command.options
    quick = [one.model_copy(update={"protocol": one.protocol.model_copy(update={"quick": True})})
             for one in (LARGE, SMALL, compiled)]  # fmt: skip
    (one,) = [each for each in missing_of(*quick) if each.piece == "combination"]
    (planned,) = plan_missing([one]).chosen
    assert "screen" not in planned.command.options
