"""What is not ours stays, whatever happens."""

import errno
import fcntl
import json
import os
import stat

import pytest

from energyscore.base.errors import ResultError, UsageError
from energyscore.base.locks import locked
from energyscore.base.writing import check_folder, is_as_written, write_atomically, write_files

FIRST = {"results/a.html": b"a", "results/b.html": b"b", "index.html": b"1"}
SECOND = {"results/a.html": b"a2", "results/c.html": b"c", "index.html": b"2"}


def write(folder, files, *, force=False):
    write_files(folder, files, kind="page", remedy="Add --force.", force=force)


def write_beside(folder, files):
    write_files(folder, files, kind="board", remedy="Move it away.", alone=False)


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "energyscore-page.json"
    }


def test_it_holds_the_new_files_and_what_others_put_beside_them(tmp_path):
    out = tmp_path / "deep/site"
    write(out, FIRST)
    assert content(out) == FIRST
    (out / "CNAME").write_bytes(b"mine")
    (out / "results/notes.txt").write_bytes(b"mine too")
    write(out, SECOND)
    assert content(out) == SECOND | {"CNAME": b"mine", "results/notes.txt": b"mine too"}


def test_the_same_files_give_the_same_manifest_and_touch_nothing(tmp_path):
    write(tmp_path, FIRST)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.html")}
    manifest = (tmp_path / "energyscore-page.json").read_bytes()
    write(tmp_path, FIRST)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (tmp_path / "energyscore-page.json").read_bytes() == manifest


def test_a_folder_of_others_is_refused_unless_forced(tmp_path):
    (tmp_path / "index.html").write_bytes(b"theirs")
    (tmp_path / "thesis.txt").write_bytes(b"theirs")
    with pytest.raises(UsageError, match=r"is not empty.*--force"):
        write(tmp_path, FIRST)
    assert content(tmp_path) == {"index.html": b"theirs", "thesis.txt": b"theirs"}
    write(tmp_path, FIRST, force=True)
    assert content(tmp_path) == FIRST | {"thesis.txt": b"theirs"}


def test_hidden_files_do_not_make_a_folder_theirs(tmp_path):
    (tmp_path / ".git").mkdir()
    write(tmp_path, FIRST)
    assert content(tmp_path) == FIRST


@pytest.mark.parametrize("name", ["index.html", "results/b.html"])
def test_a_file_that_was_changed_is_neither_replaced_nor_removed(tmp_path, name):
    write(tmp_path, FIRST)
    (tmp_path / name).write_bytes(b"edited by hand")
    with pytest.raises(UsageError, match=r"was changed"):
        write(tmp_path, SECOND)
    assert content(tmp_path) == FIRST | {name: b"edited by hand"}
    write(tmp_path, SECOND, force=True)
    assert content(tmp_path) == SECOND


def test_a_file_of_theirs_with_a_new_name_of_ours_is_refused(tmp_path):
    write(tmp_path, FIRST)
    (tmp_path / "results/c.html").write_bytes(b"theirs")
    with pytest.raises(UsageError, match=r"c\.html was changed or is not"):
        write(tmp_path, SECOND)


class Dying(dict):
    """Files whose writing dies after so many."""

    def __init__(self, files, after):
        super().__init__(files)
        self.after, self.calls = after, 0

    def items(self):
        self.calls += 1
        for place, item in enumerate(super().items()):
            # The digests are taken first; the second time the files are written.
            if self.calls > 1 and place >= self.after:
                raise KeyboardInterrupt
            yield item


@pytest.mark.parametrize("after", [0, 1, 2])
def test_after_a_kill_the_same_call_goes_on(tmp_path, after):
    write(tmp_path, FIRST)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, Dying(SECOND, after))
    assert not list(tmp_path.rglob(".tmp-*"))
    write(tmp_path, SECOND)
    assert content(tmp_path) == SECOND


def test_a_manifest_of_others_leads_nowhere_else(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_bytes(b"mine")
    out = tmp_path / "site"
    write(out, FIRST)
    manifest = json.loads((out / "energyscore-page.json").read_bytes())
    for path in ("../outside.txt", str(outside), "results/../../outside.txt"):
        manifest["files"][path] = ["0"]
    (out / "energyscore-page.json").write_text(json.dumps(manifest))
    write(out, SECOND, force=True)
    assert outside.read_bytes() == b"mine"


@pytest.mark.parametrize(
    "text", ["", "[]", '{"files": 3}', '{"kind": "page", "files": []}', "[" * 9999]
)
def test_a_broken_manifest_is_none(tmp_path, text):
    (tmp_path / "energyscore-page.json").write_text(text)
    with pytest.raises(UsageError, match="--force"):
        write(tmp_path, FIRST)


def test_links_are_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    out = tmp_path / "site"
    write(out, {"index.html": b"1"})
    (out / "results").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="leads to another place"):
        write(out, FIRST)
    assert not list((tmp_path / "elsewhere").iterdir())
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    write(tmp_path / "link", FIRST)  # the folder itself may be one: it was named
    assert content(tmp_path / "elsewhere") == FIRST


def test_a_folder_that_is_a_file_is_told(tmp_path):
    from energyscore.base.errors import ResultError

    (tmp_path / "site").write_bytes(b"")
    with pytest.raises(ResultError, match="cannot be written"):
        write(tmp_path / "site", FIRST)


def test_beside_files_of_others_those_of_earlier_calls_stay_and_are_known(tmp_path):
    (tmp_path / "mine.csv").write_bytes(b"mine")
    write_beside(tmp_path, {"x.csv": b"ours"})
    write_beside(tmp_path, {"y.csv": b"more"})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".energyscore-board.json", "mine.csv", "x.csv", "y.csv"]
    assert is_as_written(tmp_path / "x.csv", "board")
    assert is_as_written(tmp_path / "y.csv", "board")
    assert not is_as_written(tmp_path / "mine.csv", "board")
    (tmp_path / "x.csv").write_bytes(b"edited by hand")
    assert not is_as_written(tmp_path / "x.csv", "board")
    write_beside(tmp_path, {"y.csv": b"newer"})
    for name in ("x.csv", "mine.csv"):
        with pytest.raises(UsageError, match=f"{name} was changed or is not of energyscore"):
            write_beside(tmp_path, {"y.csv": b"newest", name: b"ours"})
    assert (tmp_path / "y.csv").read_bytes() == b"newer"


@pytest.fixture(params=[0o022, 0o007, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_have_the_permissions_that_the_umask_leaves(tmp_path, umask):
    write_atomically(tmp_path / "a.txt", "new")
    write(tmp_path / "site", FIRST)
    with locked(tmp_path / "a.lock"):
        pass
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 6
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o666 & ~umask}


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o640])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, mode):
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "a.txt").chmod(mode)
    write_atomically(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode


def test_a_lock_file_keeps_what_is_in_it_and_leads_nowhere(tmp_path):
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "a.lock").symlink_to("precious")
    with (
        pytest.raises(ResultError, match=r"a\.lock is a link.*Remove it"),
        locked(tmp_path / "a.lock"),
    ):
        pass
    with locked(tmp_path / "precious"):
        pass
    assert (tmp_path / "precious").read_text() == "kept"


def test_below_a_regular_file_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError) as caught:
        check_folder(tmp_path / "file" / "results", print)
    assert "cannot be written: Not a directory" in str(caught.value)
    assert "--out" in caught.value.remedy


def test_asking_whether_a_folder_is_writable_leaves_nothing_in_it(tmp_path):
    told = []
    check_folder(tmp_path / "new", told.append)
    assert list((tmp_path / "new").iterdir()) == []
    assert told == []


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EINVAL])
def test_a_folder_without_locks_is_found_before_the_run(tmp_path, monkeypatch, code):
    def refuse(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(ResultError) as caught:
        check_folder(tmp_path, print)
    assert caught.value.message == (
        f"Files in the folder {tmp_path} cannot be locked: {os.strerror(code)}."
    )
    assert "local disk" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_a_folder_that_cannot_be_synced_is_told_and_written_all_the_same(
    tmp_path, monkeypatch, code
):
    fsync = os.fsync

    def refuse_folders(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    told = []
    check_folder(tmp_path, told.append)
    (line,) = told
    assert f"{tmp_path} cannot be synced ({os.strerror(code)})" in line
    write_atomically(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
