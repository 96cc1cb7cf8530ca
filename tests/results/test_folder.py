"""A folder of results: whatever may be a result is read, or named; nothing is passed over."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from support.commands import ROOT, python
from support.results import make_result

from energyscore.base.errors import ResultError
from energyscore.base.files import visible_files
from energyscore.judge.baseline import find_baselines, save_baselines
from energyscore.judge.sources import load_rated
from energyscore.results.folder import kind_of
from energyscore.results.result import result_to_json
from energyscore.results.store import load_results

TEXT = result_to_json(make_result())


def sorted_keys(text):
    return json.dumps(json.loads(text), sort_keys=True)


def with_packages(text):
    content = json.loads(text)
    content["environment"]["packages"] = {"kind": "suite"}
    return json.dumps(dict(reversed(content.items())))


@contextlib.contextmanager
def nobody():
    """Root may read everything: be somebody else meanwhile."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def open_folder():
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "locked").mkdir()
    for name in ("good", "locked/in"):
        (folder / f"{name}.json").write_text(result_to_json(make_result(f"org/{name}")))
    yield folder
    (folder / "locked").chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("locked", ["locked", "locked/in.json"])
def test_what_cannot_be_read_stops_what_decides_and_is_named_by_what_shows(open_folder, locked):
    (open_folder / locked).chmod(0)
    said = []
    with nobody():
        with pytest.raises(ResultError, match=f"{locked} cannot be read"):
            load_results([open_folder])
        with pytest.raises(ResultError, match=f"{locked} cannot be read"):
            load_rated([open_folder])
        shown = load_results([open_folder], said.append)
    assert [path.name for path, _ in shown] == ["good.json"]
    assert [f"{locked} cannot be read" in str(error) for error in said] == [True]


@pytest.mark.parametrize("change", [str, sorted_keys, with_packages])
@pytest.mark.parametrize("name", ["a.json", "a.JSON"])
def test_a_result_is_known_wherever_its_keys_stand(tmp_path, change, name):
    (tmp_path / name).write_text(change(TEXT))
    assert [path.name for path, _ in load_results([tmp_path])] == [name]
    assert len(load_rated([tmp_path])) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"{", TEXT.encode()[3000:], TEXT.encode("utf-16"), b"[" * 100_000],
    ids=["empty", "cut", "headless", "utf-16", "deep"],
)
def test_what_may_have_been_a_result_is_broken(tmp_path, content):
    (tmp_path / "good.json").write_text(TEXT)
    (tmp_path / "bad.json").write_bytes(content)
    for load in (load_results, load_rated):
        with pytest.raises(ResultError, match=r"bad\.json"):
            load([tmp_path])
    said = []
    assert len(load_results([tmp_path], said.append)) == 1
    assert len(said) == 1


def test_files_of_other_programs_and_reports_of_ours_pass(tmp_path):
    contents = {
        "config.json": '{"model_type": "gpt2"}',
        "list.json": "[1]",
        "suite.json": "",
        "other.json": json.dumps({"x": 1, "kind": "selftest", "schema_version": 1}),
        "nested.json": '{"results": [{"schema_version": 1}]}',
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        assert kind_of(tmp_path / name) == "other", name
    (tmp_path / "good.json").write_text(TEXT)
    assert len(load_results([tmp_path])) == len(load_rated([tmp_path])) == 1


def test_linked_folders_are_followed_once(tmp_path):
    (tmp_path / "here/sub").mkdir(parents=True)
    (tmp_path / "there").mkdir()
    (tmp_path / "there/b.json").write_text(TEXT)
    (tmp_path / "here/sub/a.json").write_text(TEXT)
    (tmp_path / "here/0").symlink_to("sub")
    (tmp_path / "here/link").symlink_to("../there")
    (tmp_path / "there/round").symlink_to("../here")
    here = tmp_path / "here"
    assert visible_files(here, "*.json") == [here / "link/b.json", here / "sub/a.json"]


@pytest.mark.parametrize("form", [{"separators": (",", ":")}, {"sort_keys": True}])
def test_a_baseline_is_known_however_it_is_written(tmp_path, form):
    (saved,) = save_baselines(tmp_path, [make_result()], None, "no git")
    saved.path.write_text(json.dumps(json.loads(saved.path.read_text()), **form))
    assert len(find_baselines(tmp_path)) == len(load_rated([tmp_path])) == 1
    saved.path.write_text("")
    with pytest.raises(ResultError, match="is no baseline"):
        find_baselines(tmp_path)


def test_baselines_among_results_are_nothing_that_was_measured(tmp_path):
    save_baselines(tmp_path / "energy-baseline", [make_result("org/kept")], None, "no git")
    with pytest.raises(ResultError, match="baselines only"):
        load_rated([tmp_path], baselines=False)
    (tmp_path / "new.json").write_text(TEXT)
    assert [one.name for one in load_rated([tmp_path], baselines=False)] == ["org/model"]


def test_a_named_file_that_is_set_aside_is_told(tmp_path):
    files = []
    for day in (1, 2):
        files.append(tmp_path / f"{3 - day}.json")
        files[-1].write_text(result_to_json(make_result(created_at=f"2026-01-0{day}T00:00:00Z")))
    said = []
    (one,) = load_rated(files, note=said.append)
    assert one.file == str(files[1])
    assert said == [f"{files[0]} is set aside: {files[1]} is the same measurement, made later"]
    load_rated([tmp_path], note=said.append)
    load_rated(files, note=said.append, every=True)
    assert len(said) == 1


def test_many_files_are_read_by_several_processes_as_by_one(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "good.json").write_text(TEXT)
    for number in range(600):
        file = tmp_path / f"results/{number:03d}.json"
        if number % 100 == 7:
            file.write_text(TEXT[: 100 + number])
        elif number % 100 == 8:
            file.write_text('{"another": "program"}')
        elif number % 100 == 9:
            file.symlink_to(tmp_path / "good.json")
        else:
            os.link(tmp_path / "good.json", file)
    code = """
import sys
from pathlib import Path
from energyscore.results.lean import without_details
from energyscore.results.store import load_results
folders, told, again = [Path(one) for one in sys.path[-1:]], [], []
found = load_results(folders, lambda error: told.append(str(error)), details=False)
whole = load_results(folders, lambda error: again.append(str(error)))
assert found == [(path, without_details(result)) for path, result in whole]
assert told == again
print(len(found), len(told))
load_results(folders, details=False)
"""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        python(f"import sys; sys.path.append({str(tmp_path / 'results')!r})\n{code}")
    assert refused.value.stdout.split() == ["583", "6"]
    assert f"ResultError: {tmp_path}/results/007.json is not valid JSON" in refused.value.stderr


def test_a_duplicate_key_is_refused(tmp_path):
    (saved,) = save_baselines(tmp_path, [make_result()], None, "no git")
    (tmp_path / "a.json").write_text(TEXT)
    for path, load in ((tmp_path / "a.json", load_results), (saved.path, load_rated)):
        twice = path.read_text().replace('"valid": true', '"valid": false, "valid": true', 1)
        path.write_text(twice)
        with pytest.raises(ResultError, match="duplicate key 'valid'"):
            load([path])


def test_a_result_whose_kind_was_misspelt_counts_as_broken(tmp_path):
    file = tmp_path / "a.json"
    file.write_text(TEXT.replace('"kind": "result"', '"kind": "reslt"'))
    assert kind_of(file) == "broken"
    file.write_text(json.dumps({"kind": "Deployment", "runs": 1}))
    assert kind_of(file) == "other"


def test_the_bundled_scale_is_no_broken_result():
    (scale,) = (ROOT / "energyscore/protocol/scales").glob("*.json")
    assert kind_of(scale) == "other"
