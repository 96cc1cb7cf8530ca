"""A reader that leaves early: nothing is said about it, and no exit status changes."""

import json
import os
import subprocess
import sys

import pytest
from support.commands import environment
from support.results import make_result, make_run

from energyscore.results.result import result_to_json

LIMIT = ("--max", "gpu_wh_per_1k_queries<=1.5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for wh in (1, 2):
        runs = [make_run(index, joules=3600.0 * wh) for index in range(2)]
        result = make_result(f"org/{wh}", runs, identity=f"{wh:064d}")
        (folder / f"{wh}.json").write_text(result_to_json(result))
    return folder


def unread(folder, *arguments, streams=("stdout",), env=None):
    """A command whose streams nobody reads: its exit status, and what it says on stderr."""
    read, write = os.pipe()
    os.close(read)
    targets = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        **dict.fromkeys(streams, write),
    }
    done = subprocess.run(
        [sys.executable, "-m", "energyscore", *arguments],
        **targets,
        text=True,
        cwd=folder,
        env=environment({"GITHUB_ACTIONS": "", "GITHUB_STEP_SUMMARY": "", **(env or {})}),
        check=False,
    )
    os.close(write)
    return done.returncode, done.stderr or ""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("rate", "."), 0),
        (("rate", ".", "--format", "csv"), 0),
        (("rate", "--help"), 0),
        (("tasks",), 0),
        (("leaderboard", ".", "--format", "csv"), 0),
        (("gate", "1.json", *LIMIT), 0),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, tuple) else None,
)
def test_a_reader_that_leaves_changes_no_status(folder, arguments, status):
    assert unread(folder, *arguments) == (status, "")


def test_what_is_refused_after_it_was_shown_stays_refused(folder):
    other = json.loads((folder / "2.json").read_text())
    other["workload"]["batch_size"] = 4
    (folder / "batches.json").write_text(json.dumps(other))
    status, said = unread(folder, "compare", "1.json", "batches.json")
    assert status == 2
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1


def test_nobody_who_reads_errors_changes_no_status_either(folder):
    assert unread(folder, "rate", "nowhere", streams=("stderr",))[0] == 2
    on_github = {"GITHUB_ACTIONS": "true"}
    both = ("stdout", "stderr")
    for file, status in (("1.json", 0), ("2.json", 1)):
        assert unread(folder, "gate", file, *LIMIT, streams=both, env=on_github)[0] == status
