"""A broken file among results: what shows names it and goes on, what decides stops."""

import json

import pytest
from support.results import make_result, make_run

from energyscore.results.result import result_to_json
from energyscore.results.store import load_results

TORN = '{"schema_version": 1, "created_at": "2026'
SHOWING = {
    "rate": ("rate", "."),
    "json": ("rate", ".", "--format", "json"),
    "page": ("page", ".", "-o", "site"),
    "leaderboard": ("leaderboard", ".", "--format", "json"),
    "label": ("label", ".", "--model", "org/1"),
    "among": ("label", "good/1.json", "--among", "."),
    "card": ("card", ".", "--model", "org/1"),
}
DECIDING = {
    "gate": ("gate", ".", "--max", "gpu_wh_per_1k_queries<=9"),
    "compare": ("compare", ".", "good/1.json"),
    "save": ("baseline", "save", "."),
    "bundle": ("bundle", ".", "--attest", "--allow-unofficial"),
}


@pytest.fixture
def folder(tmp_path):
    """Two good results and one that was cut off."""
    (tmp_path / "good").mkdir()
    for wh in (1, 2):
        runs = [make_run(index, joules=3600.0 * wh) for index in range(2)]
        result = make_result(f"org/{wh}", runs, identity=f"{wh:064d}")
        (tmp_path / f"good/{wh}.json").write_text(result_to_json(result))
    (tmp_path / "torn.json").write_text(TORN)
    return tmp_path


@pytest.mark.parametrize("name", SHOWING)
def test_what_shows_names_it_once_and_shows_the_rest(folder, command, name):
    done = command(*SHOWING[name])
    assert done.status == 0, done.stderr
    said = done.stderr.splitlines()
    assert [line.startswith("caution: left out: ") for line in said] == [True]
    assert "torn.json is not valid JSON" in said[0]
    if name == "rate":
        assert "org/1" in done.stdout
        assert "org/2" in done.stdout
    if name == "json":
        assert len(json.loads(done.stdout)["results"]) == 2


@pytest.mark.parametrize("name", DECIDING)
def test_what_decides_stops(folder, command, name):
    done = command(*DECIDING[name])
    assert (done.status, done.stdout) == (2, "")
    assert "torn.json is not valid JSON" in done.error
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / "submission.zip").exists()
    assert not (folder / "energy-baseline").exists()


def test_a_broken_file_that_is_named_is_an_error(folder, command):
    for arguments in (("rate", "good", "torn.json"), ("leaderboard", "torn.json", ".")):
        done = command(*arguments)
        assert done.status == 2
        assert "torn.json is not valid JSON" in done.error


def test_a_folder_of_broken_files_only_is_an_error(folder, command):
    for file in (folder / "good").iterdir():
        file.write_text(TORN)
    for arguments in SHOWING.values():
        if "good/1.json" not in arguments:
            done = command(*arguments)
            assert done.status == 2
            assert "None of the results can be read." in done.error


def test_an_official_leaderboard_is_shown_without_the_broken_results(folder, command):
    for file in (folder / "good").iterdir():
        file.write_text(TORN)
    head = "model,total_gpu_energy,energy_score,class\n"
    (folder / "text_generation.csv").write_text(f"{head}a/b,0.001,5,A\nc/d,0.002,1,A\n")
    done = command("leaderboard", ".")
    assert (done.status, "a/b" in done.stdout) == (0, True)
    assert len(done.stderr.splitlines()) == 3


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b'{"sche'])
def test_what_was_cut_off_at_its_beginning_is_known_by_its_name(tmp_path, content, command):
    (tmp_path / "good.json").write_text(result_to_json(make_result()))
    name = "20260304T050607Z_reasoning-high_0123456789.json"
    (tmp_path / name).write_bytes(content)
    assert f"{name} is not valid JSON" in command("rate", ".").stderr
    assert command(*DECIDING["gate"]).status == 2


def test_each_broken_file_is_told_once(folder):
    told = []
    found = load_results([folder, folder / "good", folder], told.append)
    assert [result.model.id for _, result in found] == ["org/1", "org/2"]
    assert len(told) == 1


def test_a_csv_is_sent_to_the_command_that_takes_it(folder, command):
    (folder / "asr.csv").write_text("model,total_gpu_energy,energy_score\na/b,0.1,5\nc/d,0.2,1\n")
    official = command("rate", "asr.csv")
    assert official.status == 2
    assert "asr.csv is a CSV file: this command takes results" in official.error
    assert "`energyscore leaderboard` ranks official CSVs" in official.error
    (folder / "ours.csv").write_bytes(command("rate", "good", "--format", "csv").stdout.encode())
    ours = command("rate", "ours.csv")
    assert "Name the folder of the results" in ours.error
