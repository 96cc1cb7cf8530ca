"""A session beside others in one folder: each measurement is made once."""

import shutil

import pytest

from energyscore.measurement.observer import LineObserver
from energyscore.measurement.options import Job, RunOptions
from energyscore.measurement.session import run_session
from energyscore.results.store import load_result

BEGIN, LOADING = "a model begins", "loading the model"


class Watcher(LineObserver):
    """Does something at a moment, as another process would."""

    def __init__(self, moment, act):
        super().__init__(self.line)
        self.moment, self.act, self.lines = moment, act, []

    def model(self, label, task, place):
        super().model(label, task, place)
        self.line(BEGIN)

    def line(self, text):
        self.lines.append(text)
        if self.moment in text:
            self.act()


@pytest.mark.parametrize("moment", [BEGIN, LOADING])
def test_what_another_process_finished_meanwhile_is_not_measured_again(
    tmp_path, tiny_model, prompts_csv, moment
):
    options = RunOptions(dataset=str(prompts_csv), device="cpu", queries=2, quick=True)
    kept, out = tmp_path / "kept", tmp_path / "out"

    def run(out, watcher, **change):
        model = {"tasks": ("text_generation",), "models": (str(tiny_model),)}
        outcome = run_session(Job(**model, options=options, out=out, **change), watcher)
        assert outcome.exit_status == 0, watcher.lines
        return outcome.results[0][0]

    path = run(kept, Watcher("never", None))
    watcher = Watcher(moment, lambda: shutil.copytree(kept, out, dirs_exist_ok=True))
    again = run(out, watcher)
    assert again == out / path.relative_to(kept)
    assert load_result(again) == load_result(path)
    assert any("measured before" in line for line in watcher.lines)
    assert any(LOADING in line for line in watcher.lines) == (moment == LOADING)
    assert len(list(out.rglob("*.json"))) == 1
    assert run(out, Watcher("never", None), fresh=True) != again
    assert len(list(out.rglob("*.json"))) == 2
