"""Files that are made to do harm: each is refused in one line, and nothing is unpacked."""

import functools
import gzip
import json
import struct
import tracemalloc
import zlib

import pytest
from support.commands import energyscore
from support.results import make_result
from support.submissions import Opened, bundle, zipped

from energyscore.publish.bundle import MOST_BYTES
from energyscore.results.store import save_result
from energyscore.verify import archive as zips
from energyscore.verify import raw_record
from energyscore.verify.archive import MOST_ENTRIES
from energyscore.verify.checker import verify
from energyscore.verify.strict_json import BadJson, parse_strict, unzip_strict

UNIX, FILE, LINK, FOLDER = 3 << 8 | 20, 0o100644, 0o120777, 0o040755


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A submission of a result made by hand."""
    return bundle(save_result(tmp_path_factory.mktemp("sound"), make_result()))


@functools.cache
def deflated(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def entry(name, data=b"{}", *, method=0, flags=0, mode=FILE, crc=None, size=None, extra=b""):
    """An entry's header with its data, and its line of the directory without its place."""
    packed = deflated(data) if method == 8 else data
    raw = name.encode() if isinstance(name, str) else name
    crc = zlib.crc32(data) if crc is None else crc
    size = len(data) if size is None else size
    common = struct.pack(
        "<HHHHHIIIHH", 20, flags, method, 0, 33, crc, len(packed), size, len(raw), len(extra)
    )
    local = b"PK\3\4" + common + raw + extra + packed
    line = b"PK\1\2" + struct.pack("<H", UNIX) + common + struct.pack("<HHHI", 0, 0, 0, mode << 16)
    return local, line, raw + extra


def archive(*entries, before=b"", comment=b"", places=None, between=b"", count=None):
    """A zip of such entries."""
    data, lines = bytearray(before), bytearray()
    for number, (local, line, name) in enumerate(entries):
        place = len(data) if places is None else places[number]
        lines += line + struct.pack("<I", place) + name
        data += local + between
    count = len(entries) if count is None else count
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(lines), len(data), len(comment))
    return bytes(data + lines) + b"PK\5\6" + end + comment


MANIFEST = entry("manifest.json")
ZEROS = bytes(40 * 2**20)
HOSTILE = {
    "nothing": (b"", "not a zip"),
    "text": (b"GPU energy: 0 Wh\n", "not a zip"),
    "gzip": (gzip.compress(b"{}", mtime=0), "not a zip"),
    "PK only": (b"PK", "cut off"),
    "an empty zip": (archive(), "there is no manifest.json"),
    "another zip": (zipped({"readme.txt": b"hello"}), "there is no manifest.json"),
    "a path that leads out": (archive(entry("../../etc/passwd")), "leads out"),
    "one that leads out later": (archive(entry("a/../../b")), "leads out"),
    "one for Windows": (archive(entry("..\\..\\b")), "leads out"),
    "an absolute path": (archive(entry("/etc/passwd")), "is absolute"),
    "a drive": (archive(entry("C:/windows")), "is absolute"),
    "a hidden file": (archive(entry(".bashrc")), "not one that submissions have"),
    "an empty name": (archive(entry("")), "not one that submissions have"),
    "a folder": (archive(entry("a/", b"", mode=FOLDER)), "not one that submissions have"),
    "a NUL in the name": (archive(entry("a\0b")), "not one that submissions have"),
    "a name of another script": (archive(entry("mänifest.json")), "not one that submissions have"),
    "a terminal's commands": (archive(entry("\x1b[2Jx")), "not one that submissions have"),
    "a long name": (archive(entry("a" * 5000)), "not one that submissions have"),
    "a link": (archive(MANIFEST, entry("a", b"/etc/passwd", mode=LINK)), "is a link"),
    "a device": (archive(entry("a", mode=0o020666)), "its bytes differ"),
    "extra time": (archive(entry("a", extra=b"UT\1\0\0")), "`energyscore bundle`"),
    "twice the same": (archive(MANIFEST, MANIFEST), "there twice"),
    "twice but for the case": (archive(MANIFEST, entry("Manifest.json")), "there twice"),
    "encrypted": (archive(entry("a", flags=1)), "is encrypted"),
    "strongly encrypted": (archive(entry("a", flags=0x41)), "is encrypted"),
    "a data descriptor": (archive(entry("a", flags=8)), "its bytes differ"),
    "extra fields": (archive(entry("a", extra=b"\1\0\0\0")), "its bytes differ"),
    "a bomb": (archive(entry("a", ZEROS, method=8)), "is compressed"),
    "a bomb that lies": (archive(entry("a", ZEROS, method=8, size=9)), "is compressed"),
    "another compression": (archive(entry("a", method=14)), "is compressed"),
    "a size that is none": (archive(entry("a", size=2**32 - 1)), "is compressed"),
    "too many": (archive(*(entry(f"f{n}") for n in range(MOST_ENTRIES + 1))), "entries"),
    "one content under two names": (
        archive(entry("a", b"0" * 9999), (b"", *entry("b", b"0" * 9999)[1:]), places=[0, 0]),
        "overlap",
    ),
    "Zip64": (b"".join((archive()[:-22], b"PK\6\7" + bytes(16), archive()[-22:])), "Zip64"),
    "a directory of more entries than its end says": (
        archive(*((b"", *entry("a" * 50)[1:]) for _ in range(16_000)), count=1), "the limit is",
    ),
    "a wrong CRC": (archive(entry("a", crc=1)), "Bad CRC-32"),
    "one over the other": (archive(MANIFEST, entry("b"), places=[0, 0]), "manifest.json' differ"),
    "a gap": (archive(MANIFEST, entry("b"), between=b"hidden"), "its bytes differ"),
    "something before": (archive(MANIFEST, before=b"#!/bin/sh\n"), "not a zip"),
    "a zip before": (archive(MANIFEST, before=b"PK\3\4"), "its bytes differ"),
    "a comment": (archive(MANIFEST, comment=b"hello"), "behind its end"),
    "something behind": (archive(MANIFEST) + b"x", "behind its end"),
    "another name inside": (
        archive((entry("b")[0], *entry("a")[1:])), "header b'b' differ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_submission_is_refused_in_one_line(name):
    data, said = HOSTILE[name]
    tracemalloc.start()
    verdict = verify(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    last = verdict.findings[-1]
    assert said in last.message, last.message
    assert "\n" not in last.message and "\x1b" not in last.message
    assert (verdict.exit_code, verdict.status) == (2, "not a submission")
    assert most < 2**20


def test_every_cut_of_a_submission_is_refused(sound):
    for length in range(0, len(sound), 37):
        assert verify(sound[:length]).exit_code == 2


def test_every_bit_of_the_zip_counts(sound):
    """Nothing can be changed without its being noticed: not even a date in a header."""
    for place in range(len(sound)):
        changed = bytearray(sound)
        changed[place] ^= 1 << place % 8
        if place % 5 == 0 or place > len(sound) - 600:
            assert verify(bytes(changed)).exit_code == 2, place


def manifest(change):
    """A submission whose manifest is another text."""

    def make(sound):
        files = Opened(sound).files
        return zipped({"manifest.json": change(files["manifest.json"])}, files)

    return make


def edit(**changes):
    def change(text):
        return json.dumps(json.loads(text) | changes).encode()

    return change


MANIFESTS = {
    "no JSON": (lambda text: b"{", "is not valid JSON"),
    "a list": (lambda text: b"[]", "it must be a mapping"),
    "deep": (lambda text: b"[" * 10**6, "nested more than"),
    "deep objects": (lambda text: b'{"a":' * 10**5, "nested more than"),
    "brackets in a text": (edit(kind="[" * 50), "kind"),
    "not a number": (lambda text: text.replace(b'"bundle_version": 1', b'"x": NaN'), "NaN"),
    "no end": (lambda text: text.replace(b'"bundle_version": 1', b'"x": -Infinity'), "Infinity"),
    "1e999": (lambda text: text.replace(b'"bundle_version": 1', b'"x": 1e999'), "out of range"),
    "a long number": (
        lambda text: text.replace(b'"bundle_version": 1', b'"x": ' + b"9" * 10**5), "out of range",
    ),
    "a key twice": (
        lambda text: text.replace(b'"kind"', b'"kind": "submission", "kind"'), "duplicate key",
    ),
    "bytes": (lambda text: b"\xff\xfe" + text, "is not valid JSON"),
    "another kind": (edit(kind="selftest"), "kind"),
    "a newer version": (edit(bundle_version=2), "newer than 1"),
    "version as text": (edit(bundle_version="1"), "bundle_version"),
    "no results": (edit(results=[]), "results"),
    "files as text": (edit(files="all"), "files"),
    "a key more": (edit(colour="red"), "colour"),
    "a folder that leads out": (
        lambda text: text.replace(b'"folder": "', b'"folder": "../'), "folder",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_that_is_none_is_refused(sound, name):
    change, said = MANIFESTS[name]
    verdict = verify(manifest(change)(sound))
    assert verdict.exit_code == 2
    assert verdict.findings[-1].check == "manifest"
    assert said in verdict.findings[-1].message


def test_what_a_stranger_wrote_is_quoted_without_control_codes(sound, tmp_path):
    opened = Opened(sound)
    opened.result["task"] |= {"id": "\x1b[2J[/red]\n\u202evalid", "digest": "e" * 64}
    opened.result["runs"][0]["notices"] = [
        {"code": "\x1b]0;x\x07", "message": "[bold]\r\x1b[31m" * 999, "invalidates": True}
    ]
    data = opened.closed()
    messages = [one.message for one in verify(data).findings if one.message]
    assert any("[/red]" in message for message in messages)
    assert all(message.isprintable() and len(message) <= 500 for message in messages)
    file = tmp_path / "x.zip"
    file.write_bytes(data)
    done = energyscore("verify", file)
    assert done.status == 1
    assert "\x1b" not in done.stdout + done.stderr
    assert "[/red]" in done.stdout


def test_what_is_too_large_is_not_looked_into(sound, monkeypatch):
    assert zips.MOST_BYTES == MOST_BYTES, "what bundle writes, verify reads"
    assert verify(sound).submission
    monkeypatch.setattr(zips, "MOST_BYTES", len(sound) - 1)
    verdict = verify(sound)
    assert verdict.exit_code == 2
    assert "it has over" in verdict.findings[0].message


def test_a_run_of_too_many_readings_is_not_parsed(monkeypatch):
    line = json.dumps({"index": 0, "numbers": list(range(1000))}).encode()
    header = b'{"kind":"raw","raw_version":1,"identity":"x","subject":"s","runs":1}'
    data = gzip.compress(header + b"\n" + line + b"\n", mtime=0)
    with pytest.raises(BadJson, match="is missing"):
        raw_record.read_raw(data)
    monkeypatch.setattr(raw_record, "MOST_READINGS", 999)
    with pytest.raises(BadJson, match="over 999 numbers"):
        raw_record.read_raw(data)


def run_line(**changes):
    """A raw record's header and the one line of a run, with other content."""
    run = {
        "index": 0, "begin_us": 0, "end_us": 10, "domains": {},
        "phases": {"names": ["a"], "entered": [0], "starts_us": [0], "end_us": 9},
    }  # fmt: skip
    header = b'{"kind":"raw","raw_version":1,"identity":"x","subject":"s","runs":1}'
    return header + b"\n" + json.dumps(run | changes).encode() + b"\n"


def phases(names=("a",), entered=(0,)):
    starts_us = [0] * len(entered)
    return {"names": list(names), "entered": list(entered), "starts_us": starts_us, "end_us": 9}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"phases": phases([f"p{n}" for n in range(4000)])}, "phases.names"),
        ({"phases": phases(["p" * 5000])}, "phases.names"),
        ({"phases": phases(entered=[-1])}, "not those that it names"),
        ({"phases": phases(entered=[0.5] * 5000)}, "whole numbers"),
        ({"phases": phases(entered=[True])}, "whole numbers"),
        ({"phases": phases() | {"end_us": 2**61}}, "phases.end_us"),
        ({"phases": phases() | {"starts_us": [2**61]}}, "out of range"),
        ({f"k{n}": 0 for n in range(20_000)}, "over 10,000 names"),
        ({"domains": {"d": [[]] * 10_000}}, "over 10,000 names"),
    ],
    ids=[
        "phases", "a long name", "no phase", "fractions", "truths", "a time", "times", "keys",
        "lists",
    ],
)  # fmt: skip
def test_a_run_of_too_many_or_other_things_than_numbers_is_refused(changes, said):
    assert raw_record.read_raw(gzip.compress(run_line())).runs[0].end_s == 10e-6
    with pytest.raises(BadJson, match=said):
        raw_record.read_raw(gzip.compress(run_line(**changes)))


def test_runs_of_too_many_numbers_or_intervals_are_refused(monkeypatch):
    data = gzip.compress(run_line(phases=phases(entered=[0] * 500)))
    assert raw_record.read_raw(data).runs[0].phases.lengths_s == {"a": [0.0] * 499 + [9e-6]}
    monkeypatch.setattr(raw_record, "MOST_INTERVALS", 499)
    with pytest.raises(BadJson, match="entered over 499 times"):
        raw_record.read_raw(data)
    monkeypatch.setattr(raw_record, "MOST_NUMBERS", 1000)
    with pytest.raises(BadJson, match="over 1,000 numbers"):
        raw_record.read_raw(data)


def test_a_key_that_is_there_twice_among_many_is_found_at_once():
    """Looking for each among all others would take an hour."""
    keys = ",".join(f'"{n:x}":0' for n in range(300_000))
    with pytest.raises(BadJson, match="duplicate key '493df'"):
        parse_strict(f'{{{keys},"493df":0}}'.encode())


def test_a_text_of_too_many_keys_is_not_parsed():
    with pytest.raises(BadJson, match="over 500,000 keys"):
        parse_strict(b'{"":0' + b',"":0' * 500_000 + b"}")


def test_what_takes_more_memory_than_there_is_is_no_submission(sound, monkeypatch):
    def refuse(data):
        raise MemoryError

    monkeypatch.setattr("energyscore.verify.checker.read_raw", refuse)
    monkeypatch.setattr("energyscore.verify.checker.read_archive", refuse)
    verdict = verify(sound)
    assert (verdict.exit_code, len(verdict.findings)) == (2, 1)
    assert "too large" in verdict.findings[0].message


def test_of_a_million_faults_only_the_first_are_told(sound):
    opened = Opened(sound)
    lost = [{"path": f"x/{n}", "bytes": 1, "sha256": "0" * 64} for n in range(5000)]
    opened.manifest["files"] += lost
    data = zipped({"manifest.json": json.dumps(opened.manifest).encode()}, opened.files)
    found = [one for one in verify(data).findings if one.check == "files"]
    assert len(found) == 20


def test_a_giant_text_is_not_parsed():
    with pytest.raises(BadJson, match="the limit is"):
        parse_strict(b" " * (4 * 2**20 + 1))


def test_a_gzip_bomb_is_not_unpacked():
    bomb = gzip.compress(bytes(70 * 2**20), 9)
    tracemalloc.start()
    with pytest.raises(BadJson, match="may be a bomb"):
        unzip_strict(bomb)
    assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "data", [b"", b"text", gzip.compress(b"{}", mtime=0)[:-4], gzip.compress(b"{}", mtime=0) + b"x"]
)
def test_a_damaged_gzip_file_is_no_raw_record(data):
    with pytest.raises(BadJson):
        unzip_strict(data)
