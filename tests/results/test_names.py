"""Models that share a name are told apart wherever they stand together, and only there."""

import json

import pytest
from support.results import make_result, make_run

from energyscore.results.names import tell_apart
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
