"""What `energyscore leaderboard` reads of what lies about, what it writes, and says of it."""

import json

import pytest
from support.results import make_result, make_run

from energyscore.base.errors import ResultError, UsageError
from energyscore.base.writing import is_as_written, write_files
from energyscore.judge.leaderboard_sources import BOARD, find_sources
from energyscore.protocol.scales import DEFAULT_SCALE, load_scale
from energyscore.results.store import save_result

REFERENCE = load_scale(DEFAULT_SCALE)
HEAD = "model,total_gpu_energy,energy_score"
TEXT = f"{HEAD},class\no/c,0.011,1,A\no/b,0.004,5,A\n"
ASR = f"{HEAD}\no/w,0.02,5\no/v,0.08,1\n"


def save(folder, model, wh, **change):
    runs = [make_run(index, joules=3600.0 * wh) for index in range(10)]
    return save_result(folder / model, make_result(model, runs, identity=f"{model:0>64}", **change))


@pytest.fixture
def folder(tmp_path):
    """Two official results, an official file, and all kinds of other files."""
    save(tmp_path / "results", "o/a", 1.0)
    save(tmp_path / "results", "o/d", 5.0)
    (tmp_path / "results/results.csv").write_text("csv_version,task\n1,x\n")
    (tmp_path / "text_generation.csv").write_text(TEXT)
    return tmp_path


def models(done):
    return sorted(
        row["model"] for table in json.loads(done.stdout)["tables"] for row in table["rows"]
    )


def test_a_foreign_csv_in_a_folder_is_passed_over_with_a_note(folder, command):
    (folder / "prompts.csv").write_text("text\nhello\n")
    (folder / "asr.csv").write_text("model;total_gpu_energy;energy_score\no/x;1;5\n")
    (folder / "mine.csv").write_text(ASR)
    done = command("leaderboard", ".", "--format", "json")
    assert done.status == 0, done.stderr
    assert models(done) == ["o/a", "o/b", "o/c", "o/d"]
    assert done.stderr.splitlines() == [
        "not read: asr.csv, prompts.csv: without the columns of an official leaderboard.",
        "not read: mine.csv: the name is no task's; rename it, or name the task with --task.",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [("prompts.csv", "the task is the file's name"), ("asr.csv", "no column total_gpu_energy")],
)
def test_one_that_is_named_is_an_error(folder, command, name, said):
    (folder / name).write_text("model,text\no/x,hello\n")
    done = command("leaderboard", ".", name)
    assert (done.status, done.stdout) == (2, "")
    assert said in done.error


def test_a_folder_of_foreign_files_says_what_was_passed_over(tmp_path, command):
    (tmp_path / "mine.csv").write_text(ASR)
    done = command("leaderboard", ".")
    assert done.status == 2
    assert "holds neither results nor official leaderboards. not read: mine.csv" in done.error


def test_a_summary_that_does_not_say_what_it_is_of_is_passed_over_or_refused(folder, command):
    (folder / "run").mkdir()
    said = {"units": "Wh", "total": 3.0, "format": "ai_energy_benchmarks", "model": "o/s"}
    summary = folder / "run/GPU_ENERGY_SUMMARY.json"
    summary.write_text(json.dumps(said | {"queries": 1000, "class": "A"}))
    done = command("leaderboard", ".", "--format", "json")
    assert models(done) == ["o/a", "o/b", "o/c", "o/d"]
    (note,) = done.stderr.splitlines()
    assert note.startswith("not read: run/GPU_ENERGY_SUMMARY.json: it does not say its task; add")
    done = command("leaderboard", summary, "text_generation.csv")
    assert (done.status, "does not say its task" in done.stderr) == (2, True)
    asked = ("leaderboard", ".", "--task", "text_generation", "--format", "json")
    done = command(*asked)
    assert (done.status, done.error.count("--harness")) == (2, 1)
    done = command(*asked, "--harness", "v2")
    # Results of ours that took the likeliest tokens are left out.
    assert models(done) == ["o/b", "o/c", "o/s"]


def test_a_wrong_line_of_an_official_file_is_no_foreign_file(folder, command):
    (folder / "asr.csv").write_text(f"{HEAD}\no/x,-1,5\n")
    assert "asr.csv, line 2" in command("leaderboard", ".").error


def test_what_was_written_is_not_read_again_unless_it_is_named(folder, command):
    before = command("leaderboard", ".", "--format", "json")
    assert command("leaderboard", ".", "--format", "official", "--out", "official").status == 0
    after = command("leaderboard", ".", "--format", "json")
    assert after.stdout == before.stdout
    assert after.stderr.startswith("not read: official/text_generation.csv: ")
    named = command("leaderboard", "official", "--format", "json")
    assert (named.stderr, models(named)) == ("", ["o/a", "o/b", "o/c", "o/d"])
    assert command("leaderboard", ".", "official", "--format", "json").stderr == ""
    content = (folder / "official/text_generation.csv").read_text()
    (folder / "official/text_generation.csv").write_text(content + "o/more,0.02,,A\n")
    changed = command("leaderboard", ".", "--format", "json")
    assert models(changed) == ["o/a", "o/b", "o/c", "o/d", "o/more"]


def test_no_file_of_others_is_written_over(folder, command):
    source = (folder / "text_generation.csv").read_text()
    done = command("leaderboard", ".", "text_generation.csv", "--format", "official", "--out", ".")
    assert done.status == 2
    assert "text_generation.csv would replace a file that is read" in done.error
    (folder / "there").mkdir()
    (folder / "there/text_generation.csv").write_text("mine")
    done = command("leaderboard", "results", "--format", "official", "--out", "there")
    assert done.status == 2
    assert "there/text_generation.csv was changed or is not of energyscore" in done.error
    assert (folder / "text_generation.csv").read_text() == source
    assert (folder / "there/text_generation.csv").read_text() == "mine"


@pytest.mark.parametrize(
    "content", ['{"kind": "leaderboard", "files": []}', "[]", "{", '{"files": {"x.csv": ["1"]}}']
)
def test_a_manifest_that_is_not_of_ours_is_none(tmp_path, content):
    (tmp_path / ".energyscore-leaderboard.json").write_text(content)
    (tmp_path / "x.csv").write_text("mine")
    assert not is_as_written(tmp_path / "x.csv", BOARD)
    with pytest.raises(UsageError, match="is not of energyscore"):
        write_files(tmp_path, {"x.csv": b"ours"}, kind=BOARD, remedy="", alone=False)


def test_a_task_selects_results_and_files(folder, command):
    (folder / "asr.csv").write_text(ASR)
    (folder / "mine.csv").write_text(f"{HEAD}\no/m,0.05,3\n")
    everything = command("leaderboard", ".", "asr.csv", "--format", "json")
    assert models(everything) == ["o/a", "o/b", "o/c", "o/d", "o/v", "o/w"]
    text = command(
        "leaderboard", "results", "asr.csv", "--task", "Text-Generation", "--format", "json"
    )
    assert models(text) == ["o/a", "o/d"]
    asr = command("leaderboard", ".", "--task", "asr", "--format", "json")
    assert models(asr) == ["o/m", "o/v", "o/w"]
    none = command("leaderboard", "results", "--task", "asr")
    assert none.status == 2
    assert "Nothing here is of the task asr" in none.error
    wrong = command("leaderboard", "results", "--task", "asq")
    assert "--task: unknown task 'asq'. Did you mean 'asr'?" in wrong.error


@pytest.mark.parametrize(("times", "said"), [(1, 0), (1000, 1), (1e-3, 1)])
def test_figures_in_another_unit_are_doubted(tmp_path, times, said):
    """The reference's class A takes 1.3 to 28.7 Wh."""
    rows = [(f"o/{wh}", wh / 1000 * times) for wh in (1.3, 4.0, 9.0, 28.0)]
    lines = "\n".join(f"{model},{kwh!r},3,A" for model, kwh in rows)
    (tmp_path / "text_generation.csv").write_text(f"{HEAD},class\n{lines}\n")
    notes = find_sources([tmp_path], None, REFERENCE).notes
    assert len(notes) == said
    assert all("are the figures in kWh per 1,000 queries?" in note for note in notes)


def test_figures_of_a_task_that_the_reference_has_not_are_not_doubted(tmp_path):
    (tmp_path / "reasoning.csv").write_text(f"{HEAD},class\no/a,1e6,3,A\n")
    assert find_sources([tmp_path], None, REFERENCE).notes == []


def test_where_nothing_qualifies_each_reason_is_said_once(tmp_path, command):
    for model, wh in (("o/x", 1.0), ("o/y", 2.0)):
        save(tmp_path / "results", model, wh, quick=True)
    done = command("leaderboard", "results", "--format", "official")
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.count("o/x") == done.stderr.count("warm-up") == 1
    assert "without --quick, on an H100 80GB" in done.error
    assert "`energyscore leaderboard` shows" not in done.error


def test_one_official_result_alone_is_told_what_it_needs(tmp_path, command):
    save(tmp_path / "results", "o/x", 1.0)
    done = command("leaderboard", "results", "--format", "official")
    assert done.status == 2
    assert "Name the CSV of the official leaderboard" in done.error


def test_official_files_of_own_results_only_are_warned_of(folder, command):
    done = command("leaderboard", "results", "--format", "official")
    assert (done.status, done.stdout) == (0, "leaderboard/text_generation.csv: 2 rows\n")
    assert "caution: no row of an official leaderboard is among them" in done.stderr
    joined = command("leaderboard", ".", "--format", "official", "--out", "joined")
    assert "no row of an official leaderboard" not in joined.stderr
    assert "1 of 2 published rows have other stars than published" in joined.stderr


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("name", ["rate", "leaderboard"])
def test_files_are_called_as_they_were_given_and_no_home_folder_is_named(
    folder, command, monkeypatch, name, form
):
    done = command(name, "results", "--format", form)
    assert str(folder) not in done.stdout
    assert "results/o/a/2026" in done.stdout
    monkeypatch.setenv("HOME", str(folder))
    done = command(name, folder / "results", "--format", form)
    assert str(folder) not in done.stdout
    assert "~/results/o/a/2026" in done.stdout


def test_leaderboard_files_are_called_as_they_were_given(folder, command, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    save(folder / "results", "o/b", 3.0)
    done = command("leaderboard", folder, "--format", "json")
    assert done.status == 0, done.stderr
    assert str(folder) not in done.stdout
    assert "~/text_generation.csv" in done.stdout


@pytest.mark.parametrize("arguments", [("rate",), ("leaderboard",), ("rate", "--format", "json")])
def test_invalid_results_only_are_status_3(tmp_path, command, arguments):
    save(tmp_path / "results", "o/bad", 1.0, invalid=["the GPU was lost"])
    done = command(*arguments, "results")
    assert done.status == 3
    assert "the GPU was lost" in done.stdout
    official = command("leaderboard", "results", "--format", "official")
    assert official.status == 3
    save(tmp_path / "results", "o/good", 1.0)
    assert command(*arguments, "results").status == 0


def test_without_an_official_file_invalid_results_are_not_status_3_beside_one(folder, command):
    for path in (folder / "results").rglob("*.json"):
        path.unlink()
    save(folder / "results", "o/bad", 1.0, invalid=["the GPU was lost"])
    assert command("leaderboard", ".").status == 0


def test_nothing_is_an_error_of_its_own(tmp_path):
    with pytest.raises(ResultError, match="holds neither"):
        find_sources([tmp_path], None, REFERENCE)
