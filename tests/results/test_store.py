import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.results import make_result, make_run

from energyscore.base.errors import ResultError
from energyscore.base.files import visible_files
from energyscore.base.writing import write_atomically, write_new
from energyscore.results.latest import latest_only
from energyscore.results.store import (
    Journal,
    KnownResults,
    load_result,
    load_results,
    result_folder,
    save_result,
)

IDENTITY = "a" * 64


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_write_that_fails_leaves_the_old_content_and_no_temporary_file(
    tmp_path, monkeypatch, step
):
    file = tmp_path / "results.csv"
    write_atomically(file, "old")

    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(ResultError, match=r"results\.csv cannot be written: No space left"):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert names(tmp_path) == ["results.csv"]


def test_a_write_replaces_the_whole_file_and_makes_its_folders(tmp_path):
    file = tmp_path / "a" / "b" / "f.txt"
    write_atomically(file, "a longer old content")
    write_atomically(file, "neu: ä".encode())
    assert file.read_text(encoding="utf-8") == "neu: ä"
    assert names(file.parent) == ["f.txt"]


def test_a_result_that_would_not_be_read_is_not_written(tmp_path):
    result = make_result()
    score = result.score.model_copy(update={"gpu_wh_per_1k_queries": 1e-3})
    with pytest.raises(ResultError, match="contradicts itself and is not written: score"):
        save_result(tmp_path, result.model_copy(update={"score": score}))
    assert names(tmp_path) == []


def test_a_saved_result_is_loaded_as_it_was(tmp_path):
    result = make_result(identity="c" * 64, created_at="2026-03-04T05:06:07Z")
    folder = result_folder(tmp_path, ("org", "model"), "text_generation")
    path = save_result(folder, result)
    assert path == tmp_path / "org/model/text_generation/20260304T050607Z_cccccccccc.json"
    assert load_results([path]) == [(path.resolve(), result)]
    assert load_results([tmp_path]) == [(path.resolve(), result)]


def test_results_of_one_second_are_all_kept_and_the_last_one_counts(tmp_path):
    """A loop around what is measured in no time, or two processes at once."""
    results = [make_result(runs=[make_run(joules=3600.0 * number)]) for number in range(1, 13)]
    raws = {0: {"index": 0}}
    paths = [save_result(tmp_path, one, raws if one is results[4] else None) for one in results]
    assert [load_result(path).runs for path in paths] == [one.runs for one in results]
    assert sorted(paths) == paths, "in this order they are read"
    assert latest_only(load_results([tmp_path])) == [(paths[-1], results[-1])]
    assert save_result(tmp_path, results[0]) == paths[0], "the same once more is no other one"
    assert len(names(tmp_path)) == 12 + 1


def test_no_result_is_written_over_where_files_cannot_be_linked(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert write_new(tmp_path / "a" / "f", "old")
    assert not write_new(tmp_path / "a" / "f", "new")
    assert (tmp_path / "a" / "f").read_text() == "old"
    assert names(tmp_path / "a") == ["f"]
    (tmp_path / "dangling").symlink_to("nowhere")
    assert not write_new(tmp_path / "dangling", "new")
    with pytest.raises(ResultError, match="cannot be written: File exists"):
        write_new(tmp_path / "a" / "f" / "g", "new")


def test_odd_names_of_models_stay_inside_the_folder(tmp_path):
    folder = result_folder(tmp_path, ("a/../b", "mo del:1"), "task")
    assert folder == tmp_path / "a_.._b" / "mo_del_1" / "task"


def test_in_folders_only_results_count_and_each_once_in_the_order_of_paths(tmp_path):
    second = save_result(tmp_path / "b", make_result("org/b"))
    first = save_result(tmp_path / "a", make_result("org/a"))
    save_result(tmp_path / ".cache", make_result("org/hidden"))
    (tmp_path / "a" / ".tmp-x.json").write_text('{"schema_version"')
    (tmp_path / "a" / "config.json").write_text('{"model_type": "gpt2"}')
    (tmp_path / "notes.json").write_text('"not a result"')
    loaded = load_results([tmp_path, second, tmp_path / "b"])
    assert [path for path, _ in loaded] == [first.resolve(), second.resolve()]
    assert [result.model.id for _, result in loaded] == ["org/a", "org/b"]


def test_a_hidden_folder_can_be_named(tmp_path):
    path = save_result(tmp_path / ".results", make_result())
    assert [found for found, _ in load_results([tmp_path / ".results"])] == [path.resolve()]


def test_what_holds_no_results_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ResultError, match=f"The folder {tmp_path} holds no results"):
        load_results([tmp_path])
    with pytest.raises(ResultError, match=r"nowhere\.json does not exist"):
        load_results([tmp_path / "nowhere.json"])
    with pytest.raises(ResultError, match=r"config\.json is not a result"):
        load_results([tmp_path / "config.json"])


def test_a_spoiled_result_in_a_folder_is_named_and_not_passed_over(tmp_path):
    save_result(tmp_path, make_result())
    (tmp_path / "torn.json").write_text('{"schema_version": 1, "created_at": "2026')
    with pytest.raises(ResultError, match=r"torn\.json is not valid JSON"):
        load_results([tmp_path])


def test_a_link_to_nothing_among_results_is_passed_over(tmp_path):
    path = save_result(tmp_path, make_result())
    (tmp_path / "gone.json").symlink_to(tmp_path / "was here.json")
    (tmp_path / "round.json").symlink_to(tmp_path / "round.json")
    assert [found for found, _ in load_results([tmp_path])] == [path.resolve()]
    assert visible_files(tmp_path, "*.json") == [path]


def test_what_is_known_of_a_folder_follows_what_is_in_it(tmp_path):
    known = KnownResults(tmp_path / "out", list)
    assert known.load() == []
    path = save_result(tmp_path / "out/org", make_result())
    (tmp_path / "out/gone.json").symlink_to(tmp_path / "was here.json")
    assert [file for file, _ in known.load()] == [path]
    assert known.load()[0][1] is known.load(tmp_path / "out/org")[0][1]
    assert known.changed_ns(path) == path.stat().st_mtime_ns
    path.unlink()
    assert known.load() == []


def raw_of(path):
    return path.with_name(path.name.replace(".json", ".raw.jsonl.gz"))


def journal_file(folder):
    return folder / f".{IDENTITY[:16]}.journal"


def test_runs_that_an_older_schema_wrote_down_are_kept(tmp_path):
    journal = Journal(tmp_path, IDENTITY)
    journal.append(make_run(0))
    file = journal_file(tmp_path)
    file.write_text(file.read_text().replace('"answers_cut"', '"cut_queries"'))
    assert journal.load() == [make_run(0)]


def test_a_journal_gives_back_the_finished_runs_by_index(tmp_path):
    journal = Journal(tmp_path / "not/there/yet", IDENTITY)
    assert journal.load() == []
    runs = [make_run(2), make_run(0, joules=None), make_run(1)]
    for run in runs:
        journal.append(run)
    assert journal.load() == [runs[1], runs[2], runs[0]]
    assert Journal(tmp_path / "not/there/yet", IDENTITY).load() == journal.load()


def test_of_runs_with_one_index_the_last_counts(tmp_path):
    journal = Journal(tmp_path, IDENTITY)
    for run in (make_run(0, joules=1.0), make_run(1), make_run(0, joules=2.0)):
        journal.append(run)
    assert [run.energy_j["gpu:GPU-0"] for run in journal.load()] == [2.0, 3600.0]


def test_every_cut_of_the_last_line_costs_that_run_only_and_not_the_next(tmp_path):
    journal = Journal(tmp_path, IDENTITY)
    journal.append(make_run(0))
    whole = journal_file(tmp_path).read_bytes()
    journal.append(make_run(1))
    both = journal_file(tmp_path).read_bytes()
    for length in range(len(whole) + 2, len(both) - 2, 97):
        journal_file(tmp_path).write_bytes(both[:length])
        assert [run.index for run in journal.load()] == [0]
        journal.append(make_run(2))
        assert [run.index for run in journal.load()] == [0, 2]


@pytest.mark.parametrize(
    "line",
    ["[]", '"text"', "3", "null", "{}", f'{{"identity": "{IDENTITY}", "run": {{}}}}', "\0\0"],
)
def test_lines_that_hold_no_run_are_passed_over(tmp_path, line):
    journal = Journal(tmp_path, IDENTITY)
    journal.append(make_run(0))
    with journal_file(tmp_path).open("a") as file:
        file.write(line + "\n")
    journal.append(make_run(1))
    assert [run.index for run in journal.load()] == [0, 1]


def test_a_journal_that_is_no_text_holds_no_runs(tmp_path):
    journal_file(tmp_path).write_bytes(b"\xff\xfe\xfd")
    assert Journal(tmp_path, IDENTITY).load() == []


def test_runs_of_another_identity_are_not_taken(tmp_path):
    other = Journal(tmp_path, IDENTITY[:16] + "b" * 48)  # of the same file name
    other.append(make_run(0))
    journal = Journal(tmp_path, IDENTITY)
    journal.append(make_run(1))
    assert [run.index for run in journal.load()] == [1]
    assert [run.index for run in other.load()] == [0]


def test_a_discarded_journal_is_gone(tmp_path):
    journal = Journal(tmp_path, IDENTITY)
    journal.append(make_run(0))
    journal.discard()
    journal.discard()
    assert journal.load() == []
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("runs", "identity", "kept"),
    [
        ([make_run(0), make_run(1)], IDENTITY, []),
        ([make_run(0, joules=1.0), make_run(1)], IDENTITY, [0, 1]),  # measured anew since
        ([make_run(0), make_run(1)], IDENTITY[:16] + "b" * 48, [0, 1]),
    ],
)
def test_runs_that_a_result_holds_do_not_become_another_one(tmp_path, runs, identity, kept):
    journal = Journal(tmp_path, IDENTITY)
    for run in runs:
        journal.append(run)
    journal.drop_saved()
    assert [run.index for run in journal.load()] == [0, 1], "they are in no result yet"
    save_result(tmp_path, make_result(runs=[make_run(0, joules=9.0)], identity=identity))
    save_result(tmp_path, make_result(runs=[make_run(0), make_run(1)], identity=identity))
    (tmp_path / f"broken_{IDENTITY[:10]}.json").write_text("{")
    journal.drop_saved()
    assert [run.index for run in journal.load()] == kept


def test_a_raw_record_without_its_result_is_removed_while_the_journal_holds_its_runs(tmp_path):
    """What a kill between the two writes leaves; the runs go into the result to come."""
    runs, identity = [make_run(0), make_run(1)], IDENTITY
    raws = {run.index: {"index": run.index} for run in runs}
    journal = Journal(tmp_path, identity)
    for run in runs:
        journal.append(run, raws[run.index])
    whole = save_result(tmp_path, make_result(runs=runs, identity=identity), raws)
    foreign = tmp_path / f"x_{identity[:10]}.raw.jsonl.gz"
    foreign.write_bytes(b"no raw record")
    journal.drop_saved()
    kept = names(tmp_path)
    assert raw_of(whole).name in kept, "its result is there"
    for run in runs:
        journal.append(run, raws[run.index])
    whole.rename(tmp_path / "renamed.json")
    journal.drop_saved()
    assert raw_of(whole).name in names(tmp_path), "a result of another name names it"
    (tmp_path / "renamed.json").unlink()
    Journal(tmp_path, IDENTITY[:16] + "b" * 48).drop_saved()
    assert raw_of(whole).exists(), "of another identity"
    for run in runs:
        journal.append(run, raws[run.index])
    journal.drop_saved()
    assert names(tmp_path) == [journal_file(tmp_path).name, foreign.name]
    assert journal.load_raws() == raws


def test_a_journal_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file", IDENTITY)
    with pytest.raises(ResultError, match="cannot be written"):
        journal.append(make_run(0))
    with pytest.raises(ResultError, match="cannot be written"), journal.lock():
        pass


def test_the_lock_refuses_a_second_holder_until_it_is_released(tmp_path):
    with Journal(tmp_path, IDENTITY).lock():
        with (
            pytest.raises(ResultError, match=f"measuring the same into {tmp_path}"),
            Journal(tmp_path, IDENTITY).lock(),
        ):
            pass
        with Journal(tmp_path, "b" * 64).lock():  # another measurement may go on
            pass
        # The refusal must not have ended the first one's hold.
        with pytest.raises(ResultError), Journal(tmp_path, IDENTITY).lock():
            pass
    with pytest.raises(RuntimeError, match="work failed"), Journal(tmp_path, IDENTITY).lock():
        raise RuntimeError("work failed")
    with Journal(tmp_path, IDENTITY).lock():
        pass


def test_a_killed_holder_leaves_no_lock(tmp_path):
    script = (
        "import sys; from pathlib import Path; from energyscore.results.store import Journal\n"
        f"with Journal(Path({str(tmp_path)!r}), {IDENTITY!r}).lock():\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        try:
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(ResultError, match="Another"), Journal(tmp_path, IDENTITY).lock():
                pass
        finally:
            holder.kill()
    with Journal(tmp_path, IDENTITY).lock():
        pass


def test_a_name_too_long_for_a_file_does_not_exist(tmp_path):
    with pytest.raises(ResultError):
        load_results([tmp_path / ("x" * 300)])


def test_an_interrupt_while_writing_leaves_no_temporary_file(tmp_path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "f.txt", "new")
    assert names(tmp_path) == []


def test_what_a_link_names_is_written_and_the_link_stays(tmp_path):
    (tmp_path / "there").mkdir()
    target, link, nowhere = tmp_path / "there" / "f", tmp_path / "l", tmp_path / "n"
    target.write_text("old")
    link.symlink_to(target)
    nowhere.symlink_to("there/new")
    write_atomically(link, "new")
    write_atomically(nowhere, "made")
    assert link.is_symlink()
    assert nowhere.is_symlink()
    assert target.read_text() == "new"
    assert (tmp_path / "there" / "new").read_text() == "made"
    assert names(tmp_path / "there") == ["f", "new"]


def test_a_pipe_is_written_into_and_not_replaced(tmp_path):
    pipe = tmp_path / "p"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, "content")
        assert os.read(reader, 100) == b"content"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert names(tmp_path) == ["p"]


def test_devices_stay_what_they_are():
    write_atomically(Path("/dev/null"), "content")
    assert Path("/dev/null").is_char_device()


def test_links_in_a_circle_cannot_be_written(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ResultError, match=r"a cannot be written: Too many levels"):
        write_atomically(tmp_path / "a", "content")
