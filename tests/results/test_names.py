"""Models that share a name are told apart wherever they stand together, and only there."""

import json

import pytest
from support.results import make_result, make_run

from energyscore.protocol.task import load_tasks
from energyscore.results.conformance import with_conformance
from energyscore.results.names import label_of, names_in_view, tell_apart
from energyscore.results.parts import Caution
from energyscore.results.result import result_to_json

ONE, TWO = f"sha256:{'1a2b3c4d' * 2}", f"sha256:{'99887766' * 2}"


def folder_model(revision, wh, model="ckpt", source="local", **change):
    """A result of a model folder, or of another source, with that digest."""
    runs = [make_run(index, joules=3600.0 * (wh + index / 100)) for index in range(2)]
    result = make_result(model, runs, gpu="NVIDIA L4", identity=f"{wh:064.0f}", **change)
    part = result.model.model_copy(update={"revision": revision, "source": source})
    return result.model_copy(update={"model": part})


@pytest.fixture
def two_folders(tmp_path):
    """Results of ./a/ckpt and ./b/ckpt, and of a third model."""
    caution = Caution(code="drift", message="it drifts")
    results = {
        "first": folder_model(ONE, 1),
        "second": folder_model(TWO, 2).model_copy(update={"cautions": [caution]}),
        "third": folder_model("r", 3, "org/model", "hub"),
    }
    for name, result in results.items():
        (tmp_path / f"{name}.json").write_text(result_to_json(result))
    return tmp_path


def test_names_are_told_apart_where_they_must_be_and_only_there():
    models = [("ckpt", ONE), ("org/m", "abc"), ("ckpt", TWO), ("ckpt", ONE), ("org/m", "abc")]
    assert tell_apart(models) == [
        "ckpt @1a2b3c4d",
        "org/m",
        "ckpt @99887766",
        "ckpt @1a2b3c4d",
        "org/m",
    ]
    assert tell_apart([("ckpt", None), ("ckpt", ONE)]) == ["ckpt", "ckpt @1a2b3c4d"]


def test_digests_that_begin_alike_are_shown_as_far_as_they_must_be():
    models = [("m", "a" * 8 + "b" * 32), ("m", "a" * 8 + "c" * 32)]
    assert tell_apart(models) == [f"m @{'a' * 8}{'b' * 8}", f"m @{'a' * 8}{'c' * 8}"]
    longest = [("m", "a" * 64 + end) for end in "bc"]
    assert len(set(tell_apart(longest))) == 2


def test_the_table_and_its_notes_tell_them_apart(two_folders, command):
    done = command("rate", ".")
    rows = [line.split("  ")[0] for line in done.stdout.splitlines() if "cohort of" in line]
    assert rows == ["ckpt @1a2b3c4d", "ckpt @99887766", "org/model"]
    assert "caution: it drifts (ckpt @99887766)." in done.stdout
    alone = command("rate", "first.json", "third.json")
    assert "ckpt" in alone.stdout
    assert "@" not in alone.stdout


def test_the_page_tells_them_apart(two_folders, command):
    command("page", ".", "-o", "site")
    index = (two_folders / "site/index.html").read_text()
    assert "<bdi>ckpt @1a2b3c4d</bdi>" in index
    assert "<bdi>ckpt @99887766</bdi>" in index
    assert "<bdi>org/model</bdi>" in index
    assert "3 results of 3 models" in index
    pages = [file.read_text() for file in (two_folders / "site/results").glob("ckpt-*.html")]
    assert len(pages) == 2
    assert not any("Other results of this model" in page for page in pages)


def test_a_label_and_a_card_are_of_one_of_them(two_folders, command):
    both = command("label", ".", "--model", "ckpt")
    assert both.status == 2
    assert "ckpt @1a2b3c4d text_generation" in both.error
    one = command("label", ".", "--model", "ckpt @99887766")
    assert one.status == 0
    assert "Energy label of ckpt @99887766" in one.stdout
    refused = command("card", "first.json", "second.json")
    assert (refused.status, "ckpt @1a2b3c4d, ckpt @99887766" in refused.error) == (2, True)
    card = command("card", ".", "--model", "ckpt @1a2b3c4d")
    assert card.status == 0
    assert "1.0" in card.stdout


def test_a_leaderboard_keeps_both_and_names_their_digests(two_folders, command):
    board = json.loads(command("leaderboard", ".", "--format", "json").stdout)
    (table,) = board["tables"]
    assert [(row["model"], row["revision"]) for row in table["rows"]] == [
        ("ckpt @1a2b3c4d", ONE),
        ("ckpt @99887766", TWO),
        ("org/model", "r"),
    ]
    assert table["duplicates"] == []


def test_a_newer_revision_on_the_hub_still_replaces_the_older(tmp_path, command):
    for number, revision in enumerate(("old", "new")):
        change = {"created_at": f"2026-01-0{number + 1}T00:00:00Z"}
        result = folder_model(revision, 1 + number, "org/m", "hub", **change)
        (tmp_path / f"{number}.json").write_text(result_to_json(result))
    board = json.loads(command("leaderboard", ".", "--format", "json").stdout)
    (table,) = board["tables"]
    assert [(row["model"], row["revision"]) for row in table["rows"]] == [("org/m", "new")]
    every = json.loads(command("leaderboard", ".", "--all", "--format", "json").stdout)
    assert [row["model"] for row in every["tables"][0]["rows"]] == ["org/m @old", "org/m @new"]


def test_the_gate_says_which_of_them_it_checked(two_folders, command):
    done = command("gate", "first.json", "second.json", "--max", "gpu_wh_per_1k_queries<=1.5")
    said = {line.split()[0]: line for line in done.stdout.splitlines() if "ckpt" in line}
    assert done.status == 1
    assert "ckpt @1a2b3c4d" in said["pass"]
    assert "ckpt @99887766" in said["fail"]


def test_each_is_compared_with_its_own_revision(tmp_path, command):
    """By age alone both would be compared with the newer of the two."""
    for side in ("before", "after"):
        (tmp_path / side).mkdir()
        for number, revision in enumerate((ONE, TWO)):
            month = 1 if side == "before" else 2
            change = {"created_at": f"2026-0{month}-0{number + 1}T00:00:00Z"}
            result = folder_model(revision, 1 + number, **change)
            (tmp_path / side / f"{number}.json").write_text(result_to_json(result))
    pairs = json.loads(command("compare", "before", "after", "--format", "json").stdout)["pairs"]
    figures = {pair["model"]: pair["rows"][0]["ratio"] for pair in pairs}
    assert figures == {"ckpt @1a2b3c4d": 1.0, "ckpt @99887766": 1.0}


def under(day=1, model="org/m", dtype="float16", **work):
    """A result of a model under settings of its own."""
    result = make_result(model, dtype=dtype, created_at=f"2026-01-{day:02d}T08:00:00Z")
    return result.model_copy(update={"workload": result.workload.model_copy(update=work)})


def settings(*results):
    return [name.setting for name in names_in_view(results)]


def test_one_model_under_several_settings_is_told_apart_by_what_differs():
    assert settings(under(), under(model="org/other")) == ["", ""]
    assert settings(under(), under(day=2, batch_size=8)) == ["batch 1", "batch 8"]
    three = under(), under(batch_size=8), under(batch_size=8, dtype="bfloat16")
    assert settings(*three) == ["float16, batch 1", "float16, batch 8", "bfloat16, batch 8"]
    assert settings(under(), under(queries=50)) == ["queries 1,000", "queries 50"]
    random = make_result("org/m", weights="random")
    assert settings(under(), random) == ["", "random weights"]
    how = {"attention": "eager", "attention_default": "sdpa", "compiled": True}
    ran = under().model_copy(update={"model": under().model.model_copy(update=how)})
    assert settings(under(), ran) == ["", "eager attention, compiled"]
    on = [make_result("org/m", gpu=gpu) for gpu in ("NVIDIA L4", "NVIDIA H100 80GB HBM3")]
    assert settings(*on) == ["NVIDIA L4", "NVIDIA H100 80GB HBM3"]


def test_repeats_of_one_setting_are_told_apart_by_their_day_or_second():
    assert settings(under(), under(day=2)) == ["2026-01-01", "2026-01-02"]
    later = under().model_copy(update={"created_at": "2026-01-01T09:00:00Z"})
    assert settings(under(), later) == ["2026-01-01 08:00:00", "2026-01-01 09:00:00"]
    assert settings(under(), under()) == ["", ""]


def test_modes_and_tasks_are_no_settings():
    off, on = (under(generation={"max_new_tokens": 9, "reasoning": mode}) for mode in ("off", "on"))
    asr = under().model_copy(update={"task": under().task.model_copy(update={"id": "asr"})})
    assert settings(off, on, asr) == ["", "", ""]
    assert label_of(on, "m", "batch 8") == "m (reasoning on, batch 8)"


@pytest.fixture
def two_batches(tmp_path):
    """One model measured one query at a time, and eight."""
    for number, batch in enumerate((1, 8)):
        runs = [make_run(index, joules=3600.0 * (number + 1 + index / 100)) for index in range(2)]
        result = make_result("org/m", runs, gpu="NVIDIA L4", identity=f"{batch:064d}")
        work = result.workload.model_copy(update={"batch_size": batch})
        result = result.model_copy(update={"workload": work})
        result = with_conformance(load_tasks()["text_generation"].spec, result)
        (tmp_path / f"{number}.json").write_text(result_to_json(result))
    return tmp_path


def test_every_view_says_which_batch_a_row_is_of(two_batches, command):
    limit = ("--max", "gpu_wh_per_1k_queries<=1.5")
    for words in (("rate", "."), ("card", "."), ("gate", ".", *limit), ("leaderboard", ".")):
        shown = command(*words).stdout
        assert "batch 1" in shown, words
        assert "batch 8" in shown, words
    refused = command("label", ".").error
    assert "org/m (batch 1)" in refused
    assert "org/m (batch 8)" in refused
    command("page", ".", "-o", "site")
    index = (two_batches / "site/index.html").read_text()
    assert "<bdi>org/m (batch 1)</bdi>" in index
    one = command("label", "0.json", "--among", "1.json", "-o", "label.svg")
    assert "Energy label of org/m (batch 1)" in one.stdout
