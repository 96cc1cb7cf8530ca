"""The Slurm path by submitit's local executor: jobs in processes of their own, as on a cluster."""

import json
import os
import signal

import pytest
from support.fake_nodes import (
    attempts_in,
    await_file,
    await_that,
    drive,
    pretend_nodes,
    processes_of,
    start_driving,
)

from energyscore.base.errors import UsageError
from energyscore.measurement.cluster import slurm
from energyscore.results.store import load_results

pytestmark = pytest.mark.slow


@pytest.fixture
def engine(tmp_path, monkeypatch):
    pretend_nodes(tmp_path, monkeypatch)
    return slurm.SlurmEngine(tmp_path / "jobs", {}, cluster="local", look_every_s=0.05)


def test_entries_are_measured_by_jobs_and_what_failed_is_tried_again(tmp_path, engine):
    names = ("a/measure", "b/oom", "c/error", "d/exit")
    report, watcher = drive(tmp_path, engine, *names, retries=1)
    assert [one.status for one in report.entries] == ["done", "done", "failed", "failed"]
    told = [[attempt.status for attempt in one.attempts] for one in report.entries]
    assert told == [["done"], ["failed", "done"], ["failed"], ["failed", "failed"]]
    assert "SIGKILL" in report.entries[1].attempts[0].reason
    assert sum("it is tried again" in line for line in watcher.lines) == 2
    assert len(load_results([tmp_path / "out"])) == 2
    written = json.loads((tmp_path / "out/suite.json").read_text())
    assert [one["status"] for one in written["entries"]] == [one.status for one in report.entries]
    again, _ = drive(tmp_path, engine, *names[:2])
    assert [one.status for one in again.entries] == ["skipped", "skipped"]


def test_without_sbatch_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="There is no sbatch here"):
        slurm.SlurmEngine(tmp_path, {})


def test_who_ends_the_command_ends_its_jobs_and_the_next_one_goes_on(tmp_path, monkeypatch):
    pretend_nodes(tmp_path, monkeypatch)
    command = start_driving("slurm", tmp_path, "a/measure", "b/journal")
    await_file(tmp_path / "template.json.waiting")
    await_that(lambda: list(tmp_path.glob("out/.attempts/*.json")))
    command.send_signal(signal.SIGINT)
    assert command.wait(60) == 128 + signal.SIGINT
    assert processes_of(tmp_path, "child.py") == []
    assert attempts_in(tmp_path) == [("done", ["done"]), ("pending", ["interrupted"])]
    assert start_driving("slurm", tmp_path, "a/measure", "b/journal").wait(60) == 0
    assert attempts_in(tmp_path) == [("skipped", ["done"]), ("done", ["interrupted", "done"])]
    assert any("going on from a run" in log.read_text() for log in tmp_path.glob("out/logs/*"))
    assert list(tmp_path.glob("jobs/undelivered/*")) == []


def test_a_job_that_is_warned_of_its_time_limit_goes_on_in_the_next_attempt(tmp_path, monkeypatch):
    pretend_nodes(tmp_path, monkeypatch)
    command = start_driving("slurm", tmp_path, "a/journal")
    await_file(tmp_path / "template.json.waiting")
    (job,) = processes_of(tmp_path, "submitit.core._submit")
    os.kill(job, signal.SIGUSR2)
    assert command.wait(60) == 0
    assert attempts_in(tmp_path) == [("done", ["interrupted", "done"])]
    assert any("going on from a run" in log.read_text() for log in tmp_path.glob("out/logs/*"))


def test_what_jobs_of_a_killed_command_finish_is_taken_by_the_next(tmp_path, monkeypatch):
    pretend_nodes(tmp_path, monkeypatch)
    command = start_driving("slurm", tmp_path, "a/sleep-1")
    await_file(tmp_path / "a_sleep-1")
    command.kill()
    command.wait()
    kept = tmp_path / "jobs/undelivered"
    await_that(lambda: list(kept.glob("*.zip")))
    (tmp_path / "a_sleep-1").unlink()
    assert start_driving("slurm", tmp_path, "a/sleep-1").wait(60) == 0
    assert not (tmp_path / "a_sleep-1").exists(), "it is not measured again"
    assert attempts_in(tmp_path) == [("done", ["done"])]
    assert list(kept.glob("*")) == []
