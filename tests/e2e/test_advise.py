"""Advice that measures what it lacks."""

import json

import pytest
from support.commands import energyscore


@pytest.mark.slow
def test_what_is_missing_is_measured_once_and_within_the_budget(tmp_path):
    """Idling and loading take about 25 s by what is known, and tuning 80 s and more."""
    model = ("--model", "builtin:bert-tiny-squad", "--quick", "--queries", 5)
    done = energyscore("run", "question_answering", *model, "--out", "results", cwd=tmp_path)
    assert done.status == 0, done.stderr
    asked = ("advise", "results", "--requests", "40/h", "--format", "json", "--price", "0.25 EUR")
    without = json.loads(energyscore(*asked, cwd=tmp_path).stdout)
    assert without["year"]["includes"] == "requests alone"
    assert "days" in {one["piece"] for one in without["missing"]}
    asked = (*asked, "--measure", "--yes", "--budget", "70s")
    done = energyscore(*asked, cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert "to measure: energyscore run question_answering" in done.stderr
    assert "--loading --idle 5" in done.stderr
    assert "EUR. What was measured already is not measured again." in done.stderr
    assert "left out: energyscore tune" in done.stderr
    found = json.loads(done.stdout)
    assert found["year"]["includes"] == "requests, idling and loading"
    assert "days" not in {one["piece"] for one in found["missing"]}
    assert found["recommended"]["file"].startswith("results/advice/")
    results = sorted(tmp_path.rglob("2*.json"))
    again = energyscore(*asked, cwd=tmp_path)
    assert "Nothing is measured." in again.stderr
    assert json.loads(again.stdout) == found
    assert sorted(tmp_path.rglob("2*.json")) == results
