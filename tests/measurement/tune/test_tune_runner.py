"""The processes of a tune: whatever ends one of them, or all, and what is not measured again."""

import itertools
import os
import signal
import time

import pytest
from support.fake_suite import forked
from support.fake_tune import FakeTune, Quiet

from energyscore.base.errors import UsageError
from energyscore.measurement.suite.where import Where
from energyscore.measurement.tune import runner
from energyscore.measurement.tune.request import Limits
from energyscore.measurement.tune.shortages import Shortages
from energyscore.measurement.tune.space import Settings, Space

DEFAULT = Settings(1)
SPACE = Space(DEFAULT, batch_sizes=(1, 2, 4, 8))


def falling(settings):
    """The least at batch 4."""
    return {1: 8000.0, 2: 5000.0, 4: 3000.0, 8: 4000.0}.get(settings.batch_size, 9000.0)


@pytest.fixture
def fake(tmp_path):
    return FakeTune(tmp_path, falling)


def test_the_best_is_measured_once_more_and_nothing_twice(fake):
    observer = Quiet()
    tuned = fake.run(SPACE, observer)
    assert fake.names[0] == "1-auto", "the default comes first"
    once = ["1-auto", "2-auto", "4-auto", "8-auto"]
    assert sorted(fake.names) == sorted([*once, "1-auto", "4-auto"])
    assert fake.names[-1] == "4-auto"
    assert tuned.best.outcome.settings == Settings(4)
    assert tuned.best.purpose == "confirm"
    assert tuned.default.outcome.settings == DEFAULT
    assert not tuned.ended
    assert [one["job"].get("tuning") for one in fake.asked] == [True] * 5 + [None]
    keys = [one["job"]["request"] for one in fake.asked]
    assert len(set(keys)) == 6
    assert observer.begun[0][3] is None
    assert observer.begun[1][3] > 0
    again = fake.run(SPACE)
    assert len(fake.asked) == 6
    assert (again.best.file, again.best.seconds) == (tuned.best.file, None)
    assert [one.outcome for one in again.trials] == [one.outcome for one in tuned.trials]
    fake.run(SPACE, fresh=True)
    assert fake.names[6:] == fake.names[:6]


def test_a_trial_may_end_once_it_surely_needs_more_than_the_best(fake):
    fake.run(SPACE)
    limits = [one["job"].get("beaten_by") for one in fake.asked]
    assert limits[0] is None
    assert all(limits[1:4])
    assert limits[-1] is None


def test_what_ends_badly_is_an_outcome_and_no_end(fake):
    fake.ends({"2-auto": "error", "4-auto": "oom"})
    tuned = fake.run(SPACE)
    came_to = {one.outcome.settings.batch_size: one.outcome for one in tuned.trials}
    assert (came_to[2].status, came_to[2].reason) == ("failed", "it broke.")
    assert came_to[4].status == "out_of_memory"
    assert came_to[4].reason == "m does not fit into memory."
    assert "8-auto" not in fake.names or fake.names.index("8-auto") < fake.names.index("4-auto")
    assert tuned.best is not None
    # What did not fit is remembered, what failed is tried again.
    before = len(fake.names)
    fake.ends({})
    fake.run(SPACE)
    assert "2-auto" in fake.names[before:]
    assert "4-auto" not in fake.names[before:]
    fake.run(SPACE, fresh=True)
    assert fake.names.count("4-auto") == 3  # once out of memory, once measured, once confirmed


def test_what_another_machine_measured_or_had_no_memory_for_is_tried_here(fake):
    fake.ends({"4-auto": "oom"})
    fake.run(SPACE)
    before = len(fake.names)
    fake.where = Where(machine="another")
    fake.ends({})
    fake.run(SPACE)
    assert set(fake.names[before:]) == {"1-auto", "2-auto", "4-auto", "8-auto"}


def test_what_the_kernel_ended_for_lack_of_memory_did_not_fit(fake, monkeypatch):
    fake.ends({"8-auto": "kill"})
    told = fake.run(SPACE).trials
    assert {one.outcome.status for one in told if one.outcome.settings == Settings(8)} == {"failed"}
    kills = itertools.count()
    monkeypatch.setattr(runner, "kernel_kills", lambda: next(kills))
    (full,) = [one for one in fake.run(SPACE).trials if one.outcome.settings == Settings(8)]
    assert full.outcome.status == "out_of_memory"
    assert full.outcome.reason.endswith("the kernel does that when memory runs out")


def test_an_interrupt_between_two_trials_keeps_what_was_measured(fake):
    class Impatient(Quiet):
        def end(self, number, trial, best):
            if number == 3:
                raise KeyboardInterrupt

    tuned = fake.run(SPACE, Impatient())
    assert tuned.interrupted
    assert len(tuned.trials) == 2
    assert (tuned.best, len(tuned.left_out)) == (None, 2)
    fake.run(SPACE)
    assert len(fake.names) == 6


def test_an_invalid_trial_is_no_candidate(fake):
    fake.ends({"4-auto": "invalid"})
    tuned = fake.run(SPACE)
    assert tuned.best.outcome.settings == Settings(8)
    (invalid,) = [one for one in tuned.trials if one.outcome.status == "invalid"]
    assert invalid.outcome.reason == "the GPU was shared"


def test_limits_of_latency_memory_and_quality(tmp_path):
    fake = FakeTune(tmp_path, falling, latency_s=lambda settings: 0.1 * settings.batch_size)
    over = fake.run(SPACE, limits=Limits(latency_s=0.25))
    assert over.best.outcome.settings == Settings(2)
    reasons = {one.outcome.status: one.outcome.reason for one in over.trials}
    assert reasons["over_latency"].startswith("latency (p90) ")
    assert reasons["over_latency"].endswith(", above 250 ms")
    heavy = fake.run(SPACE, limits=Limits(memory_bytes=2e8))
    assert heavy.best.outcome.settings == Settings(2)
    assert "over_memory" in {one.outcome.status for one in heavy.trials}

    def lost(first, it):
        assert first.workload.batch_size == 1
        return "accuracy fell" if it.workload.batch_size >= 4 else ""

    worse = fake.run(SPACE, limits=Limits(quality_loss=0.01), lost=lost)
    assert worse.best.outcome.settings == Settings(2)
    assert {one.outcome.reason for one in worse.trials} == {"", "accuracy fell"}


def test_where_the_default_cannot_be_measured_for_its_options_the_tune_ends(fake):
    fake.ends({"1-auto": "usage"})
    with pytest.raises(UsageError, match="not on the hub"):
        fake.run(SPACE)
    assert fake.names == ["1-auto"]


def test_a_default_that_does_not_fit_leaves_others_to_try(tmp_path):
    fake = FakeTune(tmp_path, lambda settings: 3000.0 / settings.batch_size)
    fake.ends({"1-auto": "oom", "2-auto": "oom", "4-auto": "oom", "8-auto": "oom"})
    tuned = fake.run(Space(DEFAULT, batch_sizes=(1, 2), dtypes=("float16",)))
    assert tuned.default.outcome.status == "out_of_memory"
    assert tuned.best.outcome.settings == Settings(2, "float16")


def test_the_time_ahead_is_within_the_budget(fake):
    observer = Quiet()
    fake.run(SPACE, observer, budget_s=60.0)
    ahead_s = [left_s for _, _, _, left_s in observer.begun if left_s is not None]
    assert ahead_s
    assert max(ahead_s) < 60


def test_a_budget_ends_the_search_and_the_best_so_far_is_measured_once_more(fake):
    tuned = fake.run(SPACE, budget_s=0.001)
    assert fake.names == ["1-auto"]
    assert tuned.ended == "the budget of 0.0 s is spent"
    assert tuned.best is tuned.default
    assert {one.settings.batch_size for one in tuned.left_out} == {2, 4, 8}


def test_a_budget_with_too_little_left_for_a_trial_is_not_called_spent(fake, monkeypatch):
    monkeypatch.setattr(runner.Tuner, "_typical_s", lambda tuner: 40.0)
    tuned = fake.run(SPACE, budget_s=75.0)
    assert fake.names == ["1-auto"]
    assert tuned.ended.endswith(
        "of the budget of 1 min 15 s were left, and a trial takes 40.0 s here, as does measuring "
        "the best once more"
    )


def test_a_budget_that_ends_within_the_first_trial_is_told_and_not_as_an_interrupt(fake):
    fake.ends({"1-auto": "late"})
    observer = Quiet()
    tuned = fake.run(SPACE, observer, budget_s=0.5)
    assert (tuned.default, tuned.interrupted) == (None, False)
    assert tuned.ended == "the budget of 0.5 s is spent"
    assert observer.lines == []


@pytest.mark.parametrize("name", ["1-auto", "8-auto", "4-auto"])
def test_a_tune_that_was_killed_goes_on_and_measures_nothing_twice(fake, name):
    """Killed with its parent, by Ctrl-C, and the child alone: each in its own tune."""
    fake.ends({name: "wait"})
    for number in (signal.SIGKILL, signal.SIGINT):
        pid = forked(lambda: fake.run(SPACE))
        deadline = time.monotonic() + 60
        while not (fake.folder / "waiting").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (fake.folder / "waiting").unlink()
        os.kill(pid, number)
        os.waitpid(pid, 0)
    fake.ends({name: "kill"})
    if name != "1-auto":
        fake.run(SPACE)
    fake.ends({})
    tuned = fake.run(SPACE)
    assert tuned.best.outcome.settings == Settings(4)
    # Where the best was killed, another was taken for the best, and measured once more.
    measured = {"1-auto": 2, "2-auto": 1, "4-auto": 2, "8-auto": 2 if name == "4-auto" else 1}
    others = measured.keys() - {name}
    assert {one: fake.names.count(one) for one in others} == {one: measured[one] for one in others}


def test_a_saving_is_of_two_figures_of_one_state_of_the_machine(fake):
    """Another tune's figure of the default, or of the best, is of another day."""
    days = [f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3, 4)]

    def tuned_on(day, *sizes):
        fake.ends({"now": days[day]})
        found = fake.run(Space(DEFAULT, batch_sizes=(1, *sizes)))
        return [one.result.created_at for one in (found.best, found.default)]

    assert tuned_on(0, 2) == [days[0], days[0]]
    assert tuned_on(1, 2, 8) == [days[1], days[1]]
    assert tuned_on(2, 2, 8, 4) == [days[2], days[2]]
    assert fake.names[-2:] == ["4-auto", "1-auto"]
    before = len(fake.names)
    assert tuned_on(3, 2, 8, 4) == [days[2], days[2]]
    assert len(fake.names) == before, "nothing is measured twice"
    for file in fake.out.rglob("*.json"):  # killed before the default was measured beside the best
        if days[2] in (text := file.read_text()) and '"batch_size": 1' in text:
            file.unlink()
    assert tuned_on(3, 2, 8, 4) == [days[3], days[3]]
    assert fake.names[before:] == ["4-auto", "1-auto"]


def test_what_did_not_fit_survives_a_torn_line(tmp_path):
    shortages = Shortages(tmp_path / "new")
    assert shortages.find("a", "m") is None
    shortages.keep("a", "m", "too large")
    with next((tmp_path / "new").iterdir()).open("a") as file:
        file.write('{"key": "b", "rea')
    assert (shortages.find("a", "m"), shortages.find("b", "m")) == ("too large", None)
    assert shortages.find("a", "other") is None
    shortages.forget()
    assert shortages.find("a", "m") is None
