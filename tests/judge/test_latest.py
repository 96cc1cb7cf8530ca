"""Several measurements of the same: one is shown, and the others are not passed over in silence."""

import csv
import io
import json
import shutil

import pytest
from support.results import make_result, make_run

from energyscore.publish.wording import set_aside as described
from energyscore.results.latest import latest_only, set_aside, without_copies
from energyscore.results.result import result_to_json

OLD, NEW = "2026-01-02T03:04:05Z", "2026-03-02T03:04:05Z"
NOTE = (
    "note: set aside: 1 older measurement of the same model and setting "
    "(org/m, 2026-01-02 03:04: 4.00 Wh)"
)


def measured(model, wh, created_at=OLD, **change):
    runs = [make_run(index, joules=3600.0 * wh) for index in range(10)]
    return make_result(model, runs, identity=f"{model:0>64}", created_at=created_at, **change)


@pytest.fixture
def folder(tmp_path):
    """One model measured twice, another once."""
    kept = {"old": measured("org/m", 4.0), "new": measured("org/m", 6.0, NEW)}
    kept["other"] = measured("org/n", 9.0)
    (tmp_path / "results").mkdir()
    for name, result in kept.items():
        (tmp_path / f"results/{name}.json").write_text(result_to_json(result))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("rate", "results"), "--all shows all."),
        (("rate", "results", "--format", "csv"), "--all shows all."),
        (("page", "results", "-o", "site"), "--all shows all."),
        (("label", "results", "--model", "org/m"), "to take one, name its file."),
        (("card", "results", "--model", "org/m"), "to take one, name its file."),
    ],
)
def test_what_is_set_aside_is_said(folder, command, arguments, remedy):
    done = command(*arguments)
    assert done.status == 0, done.stderr
    assert done.stderr == f"{NOTE}; {remedy}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("rate", "results", "--all"),
        ("page", "results", "--all", "-o", "site"),
        ("label", "results", "--model", "org/n"),
        ("label", "results/old.json", "--among", "results"),
    ],
)
def test_where_nothing_is_set_aside_nothing_is_said(folder, command, arguments):
    assert command(*arguments).stderr == ""


def test_a_copy_is_no_other_measurement(folder, command):
    shutil.copytree(folder / "results", folder / "backup")
    (folder / "results/old.json").unlink()
    (folder / "backup/old.json").unlink()
    assert command("rate", ".").stderr == ""
    board = json.loads(command("leaderboard", ".", "--format", "json").stdout)
    (table,) = board["tables"]
    assert (len(table["rows"]), table["duplicates"]) == (2, [])


def test_leaderboards_list_them(folder, command):
    (table,) = json.loads(command("leaderboard", "results", "--format", "json").stdout)["tables"]
    assert [row["model"] for row in table["rows"]] == ["org/m", "org/n"]
    (other,) = table["duplicates"]
    assert (other["file"], other["wh_per_1k_queries"]) == ("results/old.json", pytest.approx(4.0))
    assert "not shown: org/m of results/old.json, 4.00 Wh; kept: results/new.json" in (
        command("leaderboard", "results", "--explain").stdout
    )


def test_all_that_are_shown_are_counted(folder, command):
    (folder / "results/third.json").write_text(result_to_json(measured("org/o", 5.0)))
    text = command("rate", "results", "--all", "--scale", "cohort", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 4
    assert {row["stars_relative_to"] for row in rows} == {"cohort of 4"}


def test_a_newer_one_that_is_invalid_is_set_aside_and_called_so():
    good = measured("org/m", 4.0)
    bad = measured("org/m", 6.0, NEW, invalid=["it was stopped"])
    assert latest_only([(1, good), (2, bad)]) == [(1, good)]
    (aside,) = set_aside([(1, bad), (2, good)])
    assert (aside.key, aside.result, aside.used, aside.newer_invalid) == (1, bad, 2, True)
    assert described([bad]) == (
        "1 invalid measurement of the same model and setting (org/m, 2026-03-02 03:04: invalid)"
    )
    assert described([good, bad]).startswith("2 older or invalid measurements of")


def test_many_are_grouped():
    many = [(wh, measured("org/m", wh, f"2026-01-{wh:02}T00:00:00Z")) for wh in range(1, 10)]
    others = [one.result for one in set_aside(many)]
    assert len(others) == 8
    said = described(others)
    assert said.startswith("8 older measurements")
    assert said.count("org/m") == 5
    assert said.endswith("; and 3 more)")


def test_copies_are_told_from_others_with_the_same_name():
    first, second = measured("org/m", 4.0), measured("org/m", 5.0)
    copy = first.model_copy(deep=True)
    loaded = [("a", first), ("b", second), ("c", copy)]
    assert without_copies(loaded) == loaded[:2]


def test_the_newest_of_each_identity_counts():
    old, new, other = measured("a/a", 1), measured("a/a", 1, NEW), measured("b/b", 1)
    assert latest_only([(1, new), (2, other), (3, old)]) == [(1, new), (2, other)]


def test_an_invalid_repeat_replaces_no_valid_result():
    def made(month, invalid=()):
        return measured("a/a", 1, f"2026-{month:02}-01T00:00:00Z", invalid=invalid)

    old, good, bad, worse = made(1), made(2), made(3, ["hot"]), made(4, ["hot"])
    assert latest_only(enumerate([worse, old, good, bad])) == [(2, good)]
    assert latest_only(enumerate([worse, bad])) == [(0, worse)]


@pytest.fixture
def spoiled(folder):
    """The newest measurement of org/m is invalid."""
    bad = measured("org/m", 1.0, "2026-04-02T03:04:05Z", invalid=["a GPU was lost"])
    (folder / "results/bad.json").write_text(result_to_json(bad))
    return folder


NEWER = "results/bad.json is newer and invalid (a GPU was lost); results/new.json is used"


@pytest.mark.parametrize(
    "arguments",
    [
        ("rate", "results"),
        ("page", "results", "-o", "site"),
        ("label", "results", "--model", "org/m"),
        ("baseline", "save", "results"),
        ("compare", "results", "results/other.json", "--allow", "model"),
    ],
)
def test_a_newer_invalid_result_is_a_caution(spoiled, command, arguments):
    said = [line for line in command(*arguments).stderr.splitlines() if "caution" in line]
    assert f"caution: {NEWER}" in said


def test_the_gate_judges_the_newest_valid_result_and_names_a_newer_invalid_one(spoiled, command):
    limits = ("--max", "gpu_wh_per_1k_queries<=100")
    done = command("gate", "results", *limits, "--format", "json")
    verdict = json.loads(done.stdout)
    assert (done.status, verdict["verdict"]) == (0, "pass")
    assert (verdict["notes"], verdict["cautions"]) == ([], [NEWER])
    assert {check["source"] for check in verdict["checks"]} == {
        "results/new.json",
        "results/other.json",
    }
    assert NEWER in command("gate", "results", *limits).stdout
    stars = json.loads(command("rate", "results", "--format", "json").stdout)["results"]
    judged = command("gate", "results", "--min-stars", "1", "--format", "json")
    shown = {one["source"]: one["value"] for one in json.loads(judged.stdout)["checks"]}
    assert shown == {one["file"]: one["rating"]["stars"] for one in stars}


def test_a_newer_invalid_result_is_a_warning_on_github(spoiled, command, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = command("gate", "results", "--max", "gpu_wh_per_1k_queries<=100")
    assert f"::warning title=Energy gate%3A caution::{NEWER}" in done.stdout + done.stderr
