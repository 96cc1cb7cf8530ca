"""`energyscore bundle` and `energyscore verify`: what they write, ask, refuse and say."""

import hashlib
import json
import os
import pty
import shutil
import subprocess
import sys
import zipfile

import pytest
from support.commands import energyscore, environment
from support.results import make_result
from support.submissions import bundle, measure

from energyscore.base.errors import UsageError
from energyscore.cli import bundle as command
from energyscore.judge.rating import rate
from energyscore.publish.bundle import ATTESTATIONS, MOST_RESULTS, Submitted, to_bundle
from energyscore.results.parts import RawPart
from energyscore.results.result import result_to_json
from energyscore.results.store import load_result
from energyscore.verify.archive import read_archive
from energyscore.verify.manifest import read_manifest


@pytest.fixture(scope="module")
def results(official_folder):
    """A folder with one official result."""
    return official_folder


@pytest.fixture(scope="module")
def submission(results, tmp_path_factory):
    """The submission that the command made of it."""
    file = tmp_path_factory.mktemp("out") / "submission.zip"
    done = energyscore("bundle", results, "--attest", "-o", file)
    assert (done.status, done.stdout) == (0, f"{file}\n"), done.stderr
    return file


def read(file):
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_submission_holds_all_that_it_must(results, submission):
    files = read(submission)
    manifest = json.loads(files.pop("manifest.json"))
    (listed,) = manifest["results"]
    folder = listed["folder"]
    (path,) = results.glob("*.json")
    result = load_result(path)
    assert set(files) == {
        f"{folder}/{name}"
        for name in (
            "result.json", "environment.json", "log.txt", "GPU_ENERGY_WH.txt",
            "GPU_ENERGY_SUMMARY.json", result.raw.file,
        )
    }  # fmt: skip
    assert files[f"{folder}/result.json"] == path.read_bytes()
    assert files[f"{folder}/{result.raw.file}"] == (results / result.raw.file).read_bytes()
    assert {file["path"]: file["sha256"] for file in manifest["files"]} == {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items()
    }
    assert manifest["rules_version"] == result.rules_version
    assert manifest["attestations"] == ATTESTATIONS
    assert (listed["official"], listed["stars"], listed["scale"]) == (
        True, 4, "aienergyscore-2025-02",
    )  # fmt: skip
    score = result.score
    assert float(files[f"{folder}/GPU_ENERGY_WH.txt"]) == score.gpu_wh_per_1k_queries
    summary = json.loads(files[f"{folder}/GPU_ENERGY_SUMMARY.json"])
    assert summary["units"] == "Wh"
    assert summary["total"] == score.gpu_wh_per_1k_queries
    assert summary["preprocess_wh"] + summary["prefill_wh"] + summary["decode_wh"] == (
        pytest.approx(summary["total"])
    )
    log = files[f"{folder}/log.txt"].decode()
    assert log.count("\nrun ") == 10
    assert "NVIDIA H100 80GB HBM3" in log


def test_the_same_results_give_the_same_bytes(results, submission):
    (path,) = results.glob("*.json")
    assert bundle(path) == submission.read_bytes()
    with zipfile.ZipFile(submission) as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    names = [entry.filename for entry in entries]
    assert names == ["manifest.json", *sorted(names[1:])]


def test_verify_prints_each_check_and_its_verdict(submission):
    done = energyscore("verify", submission, "--strict")
    assert done.status == 0, done.stdout
    for name in ("phase energy", "counter rises", "attestations", "stars"):
        assert f"\n{name} " in done.stdout
    assert done.stdout.startswith(f"{submission}: valid.")
    report = json.loads(energyscore("verify", submission, "--format", "json").stdout)
    assert report["status"] == "valid"
    assert {finding["level"] for finding in report["findings"]} == {"ok", "not applicable"}


def test_verify_says_what_is_no_submission_and_what_is_no_file(tmp_path):
    file = tmp_path / "x.zip"
    file.write_bytes(b"PK\3\4 no zip")
    done = energyscore("verify", file)
    assert done.status == 2
    assert "not a submission: archive" in done.stdout
    done = energyscore("verify", tmp_path / "nowhere.zip")
    assert (done.status, done.stdout) == (2, "")
    assert "is not a file" in done.error


def test_without_attestations_nothing_is_written_and_it_says_how(results, tmp_path):
    file = tmp_path / "x.zip"
    done = energyscore("bundle", results, "-o", file)
    assert done.status == 2
    assert "--attest" in done.error
    for text in ATTESTATIONS.values():
        assert text in done.error
    assert not file.exists()


@pytest.mark.parametrize(("answers", "status"), [("y\ny\ny\n", 0), ("y\nn\n", 2)])
def test_on_a_terminal_each_attestation_is_asked_for(results, tmp_path, answers, status):
    ours, theirs = pty.openpty()
    file = tmp_path / "x.zip"
    command = [sys.executable, "-m", "energyscore", "bundle", str(results), "-o", str(file)]
    os.write(ours, answers.encode())
    done = subprocess.run(
        command, stdin=theirs, capture_output=True, text=True, env=environment(), check=False
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == status, done.stderr
    assert done.stderr.count("Do you attest") == answers.count("\n")
    assert file.exists() == (status == 0)
    assert status == 0 or "model_representation" not in done.stderr
    # What was refused stands there in its words, not by its name.
    assert "data_integrity" not in done.stderr


def test_what_is_not_official_must_be_asked_for_and_is_said_to_be_so(tmp_path):
    measure(tmp_path / "results", device="cpu", queries=60, repeats=2)
    file = tmp_path / "x.zip"
    done = energyscore("bundle", tmp_path / "results", "--attest", "-o", file)
    assert done.status == 2
    assert "not official: hardware, device, gpus" in done.error
    assert not file.exists()
    command = ("bundle", tmp_path / "results", "--attest", "--allow-unofficial", "-o", file)
    done = energyscore(*command)
    assert done.status == 0, done.stderr
    assert "1 of them not official" in done.stderr
    files = read(file)
    assert not any("GPU_ENERGY" in name for name in files), "an estimate is no GPU energy"
    (listed,) = json.loads(files["manifest.json"])["results"]
    assert (listed["official"], listed["stars"]) == (False, None)
    assert "hardware" in listed["not_official"]


def test_a_raw_record_that_was_changed_or_lost_is_found_out(tmp_path):
    path = measure(tmp_path, queries=60, repeats=2)
    raw = tmp_path / load_result(path).raw.file
    raw.write_bytes(raw.read_bytes() + b" ")
    command = ("bundle", path, "--attest", "--allow-unofficial", "-o", tmp_path / "x.zip")
    assert "is not the raw record" in energyscore(*command).error
    raw.unlink()
    done = energyscore(*command)
    assert done.status == 2
    assert "is missing" in done.error and "put the raw record back" in done.error


def again(path):
    """The same measurement a month later, and as it is on file."""
    content = json.loads(path.read_text())
    older = path.with_name(f"older-{path.name}")
    raw = path.parent / content["raw"]["file"]
    older.write_text(path.read_text().replace(content["created_at"], "2026-03-01T23:59:59Z"))
    return older, raw


def test_all_measurements_of_the_same_are_in_it(tmp_path, command):
    """Whoever submits attests that nothing was left out."""
    path = measure(tmp_path / "results", queries=60, repeats=2)
    newer, _ = again(path)
    shutil.copy(path, tmp_path / "results/copy.json")
    done = command("bundle", "results", "--attest", "--allow-unofficial", "-o", "x.zip")
    assert done.status == 0, done.stderr
    assert "note: the submission holds 1 older measurement of the same model" in done.stderr
    contents = [data for name, data in read(tmp_path / "x.zip").items() if "result.json" in name]
    assert sorted(contents) == sorted([path.read_bytes(), newer.read_bytes()])
    assert command("verify", "x.zip").status == 0


def test_older_ones_are_named_before_anything_is_attested(tmp_path, command):
    again(measure(tmp_path / "results", queries=60, repeats=2))
    done = command("bundle", "results", "--allow-unofficial", "-o", "x.zip")
    assert done.status == 2
    assert done.stderr.index("1 older measurement") < done.stderr.index("three attestations")


def test_what_the_checker_refuses_is_not_written(tmp_path, command):
    path = measure(tmp_path / "results", queries=60, repeats=2)
    content = json.loads(path.read_text())
    content["runs"][0]["passes"] += 1
    path.write_text(json.dumps(content))
    done = command("bundle", "results", "--attest", "--allow-unofficial", "-o", "x.zip")
    assert (done.status, done.stdout) == (2, "")
    assert "`energyscore verify` would refuse it: queries of 01-org-model" in done.error
    assert not (tmp_path / "x.zip").exists()


def test_only_a_submission_is_replaced(tmp_path, command):
    measure(tmp_path / "results", queries=60, repeats=2)
    arguments = ("bundle", "results", "--attest", "--allow-unofficial", "-o")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("manifest.json", "{}")
    before = (tmp_path / "x.zip").read_bytes()
    done = command(*arguments, "x.zip")
    assert done.status == 2
    assert "x.zip is there already, and is no submission" in done.error
    assert (tmp_path / "x.zip").read_bytes() == before
    assert command(*arguments, "x.zip", "--force").status == 0
    assert command(*arguments, "x.zip").status == 0  # its own
    (tmp_path / "y.zip").mkdir()
    assert "y.zip is no file" in command(*arguments, "y.zip", "--force").error


@pytest.mark.parametrize("name", ["x.tar", "x", "results/r.json"])
def test_a_submission_ends_in_zip(tmp_path, command, name):
    measure(tmp_path / "results", queries=60, repeats=2)
    done = command("bundle", "results", "--attest", "--allow-unofficial", "--force", "-o", name)
    assert done.status == 2
    assert "does not end in .zip" in done.error
    assert not (tmp_path / name).exists()


def test_what_the_checker_reads_holds_as_many_results_as_a_bundle_may():
    result = make_result().model_copy(
        update={"raw": RawPart(file="a.raw.jsonl.gz", sha256="0" * 64)}
    )
    (stars,) = rate([result])
    entry = Submitted(result, b"{}", b"raw", stars, ())
    files = read_archive(to_bundle([entry] * MOST_RESULTS))
    assert len(files) == 6 * MOST_RESULTS + 1
    assert len(read_manifest(files).results) == MOST_RESULTS


def test_more_results_than_the_checker_reads_are_refused(tmp_path):
    text = result_to_json(make_result())
    for number in range(MOST_RESULTS + 1):
        (tmp_path / f"{number}.json").write_text(text.replace("0" * 64, f"{number:064x}"))
    with pytest.raises(UsageError, match=r"1,001 results; 1,000 are read at most"):
        command.bundle([tmp_path], tmp_path / "a.zip", attest=True, allow_unofficial=True)
    assert not (tmp_path / "a.zip").exists()
