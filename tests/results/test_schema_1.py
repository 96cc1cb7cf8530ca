"""Files of schema 1, written before the first release, are read as they were.

`data/schema-1` was made by energyscore at commit fb6d3dc: two results of a simulated H100, three
of a processor (estimates), baselines of them, a submission, and what was said of them.
"""

import csv
import json
import math
import shutil
from pathlib import Path

import pytest
from support.commands import ROOT

from energyscore.base.errors import ResultError
from energyscore.judge.baseline import find_baselines
from energyscore.results.names import label_of
from energyscore.results.result import SCHEMA_VERSION, parse_result, result_to_json
from energyscore.results.store import Journal, load_results
from energyscore.verify.checker import verify

OLD = ROOT / "tests" / "data" / "schema-1"


@pytest.fixture
def old(tmp_path):
    """A copy, as commands may write beside what they read."""
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def test_results_have_the_figures_that_they_were_shown_with(old):
    with (OLD / "rated.csv").open() as file:
        shown = {row["file"]: row for row in csv.DictReader(file)}
    loaded = load_results([old / "results"])
    assert len(loaded) == len(shown) == 5
    for path, result in loaded:
        row = shown[str(path.relative_to(old))]
        assert result.model.id == row["model"]
        for figure in ("gpu_wh_per_1k_queries", "system_wh_per_1k_queries"):
            recorded = row[figure]
            assert getattr(result.score, figure) == (float(recorded) if recorded else None)


def test_the_answers_that_the_limit_ended_are_kept(old):
    """In schema 1 they were `cut_queries`."""
    (file,) = (old / "results").rglob("*_reasoning-off_*.json")
    content = json.loads(file.read_text())
    result = parse_result(file.read_bytes(), "old")
    assert label_of(result) == "builtin:qwen3-0.6b (reasoning off)"
    assert content["runs"][0]["cut_queries"] == result.runs[0].answers_cut == 1


def test_old_results_are_upgraded_and_written_as_the_newest_schema(old):
    for _, result in load_results([old / "results"]):
        text = result_to_json(result)
        assert list(json.loads(text))[:2] == ["kind", "schema_version"]
        assert json.loads(text)["schema_version"] == SCHEMA_VERSION
        assert parse_result(text, "new") == result


def test_a_result_of_schema_2_is_refused_as_schema_1(old):
    """Else a changed version would not be noticed in a submission."""
    file = next((old / "results").rglob("*_reasoning-off_*.json"))
    new = json.loads(result_to_json(parse_result(file.read_bytes(), "old")))
    with pytest.raises(ResultError, match="schema version 1 has no `kind`"):
        parse_result(json.dumps(new | {"schema_version": 1}), "new")


def test_rating_old_results_gives_the_same_stars_and_chances(old, command):
    shown = json.loads((OLD / "rated.json").read_text())
    again = json.loads(command("rate", "old/results", "--format", "json").stdout)
    now, then = ([entry["rating"] for entry in one["results"]] for one in (again, shown))
    for rating, old_one in zip(now, then, strict=True):
        chances, old_chances = rating.pop("probabilities"), old_one.pop("probabilities")
        assert {name: rating[name] for name in old_one} == old_one  # later versions say more
        assert chances == (old_chances and pytest.approx(old_chances, abs=1e-14))


def test_a_recorded_country_stays_readable(old):
    (result,) = (r for _, r in load_results([old / "results"]) if r.model.id.endswith("distilgpt2"))
    assert result.emissions.country == "FRA"
    assert result.emissions.intensity_g_per_kwh == pytest.approx(56.039, abs=1e-3)


def test_baselines_are_found_and_hold_their_results(old):
    kept = find_baselines(old / "baseline")
    assert sorted(baseline.result.model.id for _, baseline in kept) == [
        "builtin:distilgpt2",
        "builtin:minilm-l6",
        "builtin:qwen3-0.6b",
        "org/model",
        "org/other",
    ]


def test_an_old_submission_is_valid(old):
    verdict = verify((old / "submission.zip").read_bytes())
    assert [one for one in verdict.findings if one.level == "failed"] == []


def test_the_gate_judges_old_results_as_it_did(old, command):
    done = command("gate", "old/results", "--max", "gpu_wh_per_1k_queries<=100", "--format", "json")
    shown, again = json.loads((OLD / "gate.json").read_text()), json.loads(done.stdout)
    assert done.status == shown["exit_code"] == 3
    assert again["counts"] == shown["counts"]
    figures = ("value", "outcome")
    assert [[check[name] for name in figures] for check in again["checks"]] == [
        [check[name] for name in figures] for check in shown["checks"]
    ]
    for now, then in zip(again["checks"], shown["checks"], strict=True):
        if then["ci95"] is not None:  # symmetric then, symmetric on the log scale now
            mean, (low, high) = then["value"], then["ci95"]
            half = (high - low) / 2 / mean
            assert now["ci95"] == pytest.approx([mean * math.exp(-half), mean * math.exp(half)])


def test_runs_in_a_journal_of_schema_1_are_kept(old, tmp_path):
    """An upgrade between a kill and the same command again loses no run."""
    (file,) = (old / "results").rglob("*_reasoning-off_*.json")
    content = json.loads(file.read_text())
    journal = Journal(tmp_path, content["identity"])
    line = {"identity": content["identity"], "run": content["runs"][0], "raw": None}
    (tmp_path / f".{content['identity'][:16]}.journal").write_text(json.dumps(line) + "\n")
    (run,) = journal.load()
    assert run.answers_cut == content["runs"][0]["cut_queries"] == 1


def test_a_run_has_the_old_name_or_the_new_one(old):
    (file,) = (old / "results").rglob("*_reasoning-off_*.json")
    content = json.loads(file.read_text())
    content["runs"][0]["answers_cut"] = 0
    with pytest.raises(ResultError, match="has no `answers_cut`"):
        parse_result(json.dumps(content), "old")


@pytest.mark.parametrize("file", ["suite.json", "../baseline"])
def test_a_file_of_ours_of_another_kind_is_named_as_such(old, command, file):
    path = old / "results" / file
    path = next(path.rglob("*.json")) if path.is_dir() else path
    done = command("rate", path)
    assert done.status == 2
    assert f"its kind is '{'suite' if file == 'suite.json' else 'baseline'}'" in done.error
