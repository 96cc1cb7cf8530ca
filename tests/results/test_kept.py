"""What was read before is taken from there if the file says the same, byte for byte: only then."""

import os
import sqlite3

import pytest
from support.results import make_result

from energyscore.base.errors import ResultError
from energyscore.judge.baseline import save_baselines
from energyscore.judge.sources import load_rated
from energyscore.results import folder, kept
from energyscore.results.lean import without_details
from energyscore.results.result import result_to_json
from energyscore.results.store import load_lean, load_results

COUNT = 6


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder of several results, which count as many."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(kept.NO_CACHE)
    monkeypatch.setattr(kept, "MANY", 2)
    place = tmp_path / "results"
    place.mkdir()
    for n in range(COUNT):
        result = make_result(f"org/model-{n}", identity=str(n) * 64)
        (place / f"{n}.json").write_text(result_to_json(result))
    return place


@pytest.fixture
def parsed(monkeypatch):
    """The names of the files that were read, and not taken from what is kept."""
    names = []
    read = folder._read

    def reading(readers, kinds, path):
        names.append(path.name)
        return read(readers, kinds, path)

    monkeypatch.setattr(folder, "_read", reading)
    return names


def load(results):
    return load_results([results], details=False)


def database(tmp_path):
    return tmp_path / "cache" / "energyscore" / "checked.sqlite"


def test_the_second_time_nothing_is_read_and_all_is_the_same(results, parsed):
    first = load(results)
    assert len(parsed) == COUNT
    again = load(results)
    assert len(parsed) == COUNT
    assert again == first == [(file, load_lean(file)) for file, _ in first]
    # What is alike is one in memory.
    for part in ("environment", "emissions", "conformance"):
        assert getattr(again[0][1], part) is getattr(again[1][1], part)
    assert list(again[0][1].__dict__) == list(first[0][1].__dict__)
    assert result_to_json(again[0][1].model_copy(update={"runs": []})) == result_to_json(
        first[0][1].model_copy(update={"runs": []})
    )


def test_what_was_kept_for_one_command_serves_others(results, parsed):
    load(results)
    entries = load_rated([results])
    assert len(parsed) == COUNT
    assert [entry.result for entry in entries] == [result for _, result in load(results)]


@pytest.mark.parametrize("new", ["org/model-X", "org/model-33"], ids=["same size", "longer"])
def test_a_file_that_was_changed_is_read_again(results, parsed, new):
    load(results)
    file = results / "3.json"
    before = file.stat()
    file.write_text(file.read_text().replace("org/model-3", new))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    found = dict(load(results))
    assert parsed[COUNT:] == ["3.json"]
    assert found[file].model.id == new


def test_what_contradicts_itself_is_refused_each_time(results, parsed):
    load(results)
    file = results / "3.json"
    good = file.read_text()
    score = make_result().score.gpu_wh_per_1k_queries
    file.write_text(good.replace(str(score), str(score / 2)))
    for _ in range(2):
        with pytest.raises(ResultError, match=r"3\.json: score"):
            load(results)
        left_out = []
        assert len(load_results([results], left_out.append, details=False)) == COUNT - 1
        assert len(left_out) == 1
    file.write_text(good)
    assert len(load(results)) == COUNT


def test_other_code_takes_nothing_that_this_one_checked(results, parsed, monkeypatch):
    load(results)
    monkeypatch.setattr(kept, "_code", lambda: b"another")
    load(results)
    assert len(parsed) == 2 * COUNT


def test_a_baseline_counts_in_a_folder_only_where_baselines_are_wanted(results, parsed):
    save_baselines(results / "kept", [make_result(identity="9" * 64)], None, "no repository")
    assert len(load_rated([results])) == COUNT + 1
    before = len(parsed)
    assert len(load_rated([results])) == COUNT + 1
    assert len(parsed) == before
    assert len(load_rated([results], baselines=False)) == COUNT


def turn_off(tmp_path, monkeypatch):
    monkeypatch.setenv(kept.NO_CACHE, "1")


def let_others_write(tmp_path, monkeypatch):
    database(tmp_path).parent.chmod(0o777)


def let_others_write_the_file(tmp_path, monkeypatch):
    database(tmp_path).chmod(0o666)


def put_a_link_there(tmp_path, monkeypatch):
    database(tmp_path).rename(tmp_path / "elsewhere")
    database(tmp_path).symlink_to(tmp_path / "elsewhere")


def change_what_is_kept(tmp_path, monkeypatch):
    with sqlite3.connect(database(tmp_path)) as it:
        it.execute("UPDATE kept SET content = content || x'00'")


def keep_no_bytes(tmp_path, monkeypatch):
    with sqlite3.connect(database(tmp_path)) as it:
        it.execute("UPDATE kept SET content = NULL")


def write_over_it(tmp_path, monkeypatch):
    database(tmp_path).write_bytes(b"no database" * 1000)


@pytest.mark.parametrize(
    "spoil",
    [
        *(turn_off, let_others_write, let_others_write_the_file, put_a_link_there),
        *(change_what_is_kept, keep_no_bytes, write_over_it),
    ],
)
def test_what_cannot_be_trusted_is_not_used(results, parsed, tmp_path, monkeypatch, spoil):
    first = load(results)
    spoil(tmp_path, monkeypatch)
    assert load(results) == first
    assert len(parsed) == 2 * COUNT


def test_no_database_begins_anew(results, parsed, tmp_path, monkeypatch):
    load(results)
    write_over_it(tmp_path, monkeypatch)
    load(results)
    load(results)
    assert len(parsed) == 2 * COUNT


def test_while_another_command_writes_it_goes_on_without(results, parsed, tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "_WAIT_S", 0.01)
    first = load(results)
    with sqlite3.connect(database(tmp_path), isolation_level=None) as it:
        it.execute("BEGIN EXCLUSIVE")
        assert load(results) == first
    it.close()
    assert len(parsed) == 2 * COUNT


def test_where_there_can_be_no_folder_it_goes_on_without(results, parsed, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert load(results) == load(results)
    assert len(parsed) == 2 * COUNT


def test_without_a_home_nothing_is_kept_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "~/.cache")  # as it is where the user has no home
    assert kept._Shelf.here() is None
    assert not list(tmp_path.iterdir())


def test_a_file_that_changes_while_it_is_read_is_not_kept(results, parsed, monkeypatch):
    reading = folder._read

    def changing(readers, kinds, path):
        found = reading(readers, kinds, path)
        if path.name == "3.json":
            path.write_text(path.read_text().replace("org/model-3", "org/model-X"))
        return found

    monkeypatch.setattr(folder, "_read", changing)
    assert dict(load(results))[results / "3.json"].model.id == "org/model-3"
    monkeypatch.setattr(folder, "_read", reading)
    assert dict(load(results))[results / "3.json"].model.id == "org/model-X"


def test_of_too_many_the_oldest_go(results, parsed, tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "_MOST", 4)
    load(results)
    load(results)
    assert sorted(parsed[COUNT:]) == ["0.json", "1.json"]


def test_details_are_not_kept_and_so_never_missing(results, parsed):
    whole = load_results([results])
    assert without_details(whole[0][1]) == load(results)[0][1]
    assert load_results([results]) == whole
