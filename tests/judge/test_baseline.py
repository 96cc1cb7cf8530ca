"""Baselines: kept by hardware with commit and time, found again, broken ones refused."""

import json
import subprocess

import pytest
from support.commands import energyscore
from support.results import make_result, make_run, make_server_result

from energyscore.base.errors import ResultError
from energyscore.judge.baseline import (
    current_commit,
    file_of,
    find_baseline,
    find_baselines,
    load_baseline,
    save_baselines,
    unlike_conditions,
)
from energyscore.judge.comparability import conditions_of, differences
from energyscore.judge.sources import load_rated
from energyscore.results.parts import SelectionPart
from energyscore.results.result import result_to_json
from energyscore.results.store import load_results

RESULT = make_result()
SELECTION = SelectionPart(config=None, split="test", columns={"text": "prompt"})
OF_SPLIT = RESULT.model_copy(
    update={"workload": RESULT.workload.model_copy(update={"selection": SELECTION})}
)


def git(folder, *arguments):
    who = ("-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def saved(folder, *results):
    return save_baselines(folder, results, None, "no git")


def test_a_baseline_is_the_whole_result_with_commit_and_time(tmp_path):
    (entry,) = saved(tmp_path, RESULT)
    baseline = load_baseline(entry.path)
    assert baseline.result == RESULT
    assert (baseline.commit, baseline.commit_reason) == (None, "no git")
    assert baseline.saved_at.endswith("Z")
    assert [one.commit for one in load_rated([entry.path])] == [None]


def test_the_same_measurement_is_replaced_and_others_have_files_of_their_own(tmp_path):
    later = make_result(created_at="2026-02-01T00:00:00Z")
    assert [one.replaced for one in saved(tmp_path, RESULT, later)] == [False, True]
    others = [
        make_result(power_limit_w=300.0),
        make_result(gpu="NVIDIA L4"),
        make_result("org/other"),
        make_result(quick=True),
        make_result(dtype="bfloat16"),
        OF_SPLIT,
    ]
    assert not any(one.replaced for one in saved(tmp_path, *others))
    assert len({file_of(one) for one in (RESULT, *others)}) == 7
    hardware = {file_of(one).parent for one in (RESULT, *others)}
    assert len(hardware) == 3
    (newest,) = (b for p, b in find_baselines(tmp_path) if p == tmp_path / file_of(RESULT))
    assert newest.result.created_at == later.created_at


def test_what_was_taken_of_a_dataset_is_a_condition_as_the_dataset_is():
    (point,) = differences(conditions_of(RESULT), conditions_of(OF_SPLIT))
    assert str(point) == (
        "dataset: EnergyStarAI/text_generation (split test, text=prompt) instead of "
        "EnergyStarAI/text_generation"
    )


@pytest.mark.parametrize("model", ["../../up", "a/..", ".hidden", "x" * 300, "\x00/\n", "模型"])
def test_no_name_leaves_the_folder(tmp_path, model):
    (entry,) = saved(tmp_path / "in", make_result(model))
    assert (tmp_path / "in").resolve() in entry.path.resolve().parents
    assert len(find_baselines(tmp_path / "in")) == 1


def test_what_is_invalid_or_without_energy_is_no_baseline(tmp_path):
    entries = saved(
        tmp_path, make_result(invalid=("hot",)), make_result(runs=[make_run(joules=None)])
    )
    assert [entry.path for entry in entries] == [None, None]
    assert "hot" in entries[0].reason
    assert "no energy" in entries[1].reason


def test_the_commit_is_that_of_the_project(tmp_path, monkeypatch):
    for name in ("GITHUB_SHA", "GIT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert current_commit() == (None, "git knows of no commit here")
    monkeypatch.setenv("GITHUB_SHA", "abc")
    assert current_commit()[0].sha == "abc"
    git(tmp_path, "init", "-b", "trunk")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "one")
    commit, reason = current_commit()
    assert commit.sha == git(tmp_path, "rev-parse", "HEAD")
    assert (commit.branch, commit.dirty, reason) == ("trunk", False, "")
    (tmp_path / "file").write_text("2")
    assert current_commit()[0].dirty is True


def test_results_are_not_taken_from_baselines_that_lie_among_them(tmp_path):
    (tmp_path / "result.json").write_text(result_to_json(RESULT))
    saved(tmp_path / "energy-baseline", make_result("org/other"))
    assert [result.model.id for _, result in load_results([tmp_path])] == ["org/model"]


def test_one_is_found_by_the_beginning_of_its_name(tmp_path):
    saved(tmp_path, RESULT, make_result("org/other"))
    path, baseline = find_baseline("text-generation_org-o", tmp_path)
    assert baseline.result.model.id == "org/other"
    assert find_baseline(str(path), tmp_path)[1] == baseline
    with pytest.raises(ResultError, match="means 2 baselines"):
        find_baseline("text", tmp_path)
    with pytest.raises(ResultError, match="Did you mean"):
        find_baseline(path.stem[1:], tmp_path)
    for name in ("org/other", "text_generation_org/o", "text_generation_org-o"):
        assert find_baseline(name, tmp_path)[0] == path
    with pytest.raises(ResultError, match="means 2 baselines"):
        find_baseline("text_generation", tmp_path)


def test_folders_of_one_name_are_baselines_of_their_own(tmp_path):
    def local(revision):
        part = RESULT.model.model_copy(
            update={"id": "ckpt", "source": "local", "revision": revision}
        )
        return RESULT.model_copy(update={"model": part})

    one, other = local("sha256:" + "a" * 64), local("sha256:" + "b" * 64)
    assert not any(entry.replaced for entry in saved(tmp_path, one, other))
    assert saved(tmp_path, one)[0].replaced
    assert unlike_conditions([one, other]) == ["revision aaaaaaaaaaaaaaaa", "revision " + "b" * 16]


def test_what_is_unlike_is_shown_of_those_that_look_the_same():
    loads = [make_server_result(concurrency=at_once) for at_once in (1, 8)]
    assert unlike_conditions(loads) == ["", ""], "their names say it"
    found = unlike_conditions([RESULT, make_result(power_limit_w=300.0), make_result("org/other")])
    assert (found[1], found[2]) == ("power_limit 300 W", "")
    assert found[0].startswith("power_limit ")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: len(text) // 2], "it is not valid JSON"),
        (
            lambda text: text.replace('"schema_version": 1', '"schema_version": 9', 1),
            "schema_version",
        ),
        (
            lambda text: text.replace('"queries": 1000', '"queries": 0', 1),
            "result.workload.queries",
        ),
    ],
)
def test_a_broken_baseline_is_refused_with_the_field(tmp_path, change, said):
    (entry,) = saved(tmp_path, RESULT)
    entry.path.write_text(change(entry.path.read_text()))
    with pytest.raises(ResultError, match="is no baseline") as caught:
        find_baselines(tmp_path)
    assert said in str(caught.value)


def test_the_commands_save_list_and_show(tmp_path):
    (tmp_path / "a.json").write_text(result_to_json(RESULT))
    done = energyscore("baseline", "save", "a.json", cwd=tmp_path)
    assert (done.status, "saved" in done.stdout) == (0, True)
    (row,) = json.loads(energyscore("baseline", "list", "--format", "json", cwd=tmp_path).stdout)
    assert (row["hardware"], row["model"]) == (RESULT.hardware, "org/model")
    assert "org/model" in energyscore("baseline", "list", cwd=tmp_path).stdout
    older = make_result(created_at="2025-01-01T00:00:00Z")
    (tmp_path / "a.json").write_text(result_to_json(older))
    again = energyscore("baseline", "save", "a.json", cwd=tmp_path)
    assert f" Wh (GPU), {RESULT.created_at} -> " in again.stdout
    assert "was measured later than" in again.stderr
    listed = energyscore("baseline", "list", "--dir", "energy-baseline", cwd=tmp_path)
    assert (listed.status, "org/model" in listed.stdout) == (0, True)
    shown = energyscore("baseline", "show", "org/model", cwd=tmp_path)
    assert json.loads(shown.stdout)["result"]["model"]["id"] == "org/model"
    (tmp_path / "bad.json").write_text(result_to_json(make_result(invalid=("hot",))))
    refused = energyscore("baseline", "save", "bad.json", cwd=tmp_path)
    assert (refused.status, "hot" in refused.stderr) == (3, True)


def test_the_list_of_baselines_has_one_table_for_what_was_measured_alike(command, tmp_path):
    few = [make_run(index, joules=9000.0) for index in range(3)]
    results = [
        make_result("org/fast"),
        make_result("org/slow", few, identity="1" * 64),
        make_result("org/l4", gpu="NVIDIA L4", identity="2" * 64),
    ]
    for place, one in enumerate(results):
        (tmp_path / f"{place}.json").write_text(result_to_json(one))
    assert command("baseline", "save", *(f"{n}.json" for n in range(3))).status == 0
    listed = command("baseline", "list")
    lines = [" ".join(line.split()) for line in listed.stdout.splitlines()]
    heading = "model energy / 1,000 queries runs commit saved (UTC)"
    saved = find_baselines(tmp_path / "energy-baseline")[0][1].saved_at[:16].replace("T", " ")
    assert lines == [
        *("NVIDIA H100 80GB HBM3, text_generation", heading),
        f"org/fast 1.00 Wh (GPU) 10 none {saved}",
        *(f"org/slow 2.50 Wh (GPU) 3 none {saved}", ""),
        *("NVIDIA L4, text_generation", heading, f"org/l4 1.00 Wh (GPU) 10 none {saved}"),
    ]
    assert "3 baselines in energy-baseline." in listed.stderr
