"""Nodes whose processes measure by the script of the fake suite, as the model's name says."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from energyscore.base.interrupts import heed_signals
from energyscore.measurement.cluster import driver
from energyscore.measurement.cluster.order import make_order
from energyscore.measurement.cluster.ray_engine import RayEngine
from energyscore.measurement.cluster.slurm import SlurmEngine
from energyscore.protocol.model import parse_model
from energyscore.results.store import result_folder
from support.commands import ROOT, environment
from support.fake_suite import fake_command, fake_plan, known

SITE = """
import sys
THERE = ("default_worker", "submitit", "energyscore.measurement.cluster")
if any(there in word for there in THERE for word in sys.orig_argv):
    from energyscore.measurement.cluster import worker
    from support.fake_nodes import command
    worker.attempt.__kwdefaults__["command"] = command
"""
"""What the nodes' Python does first: nothing, but where entries are measured."""

ONCE = ("oom", "kill worker")
"""What befalls an entry in its first attempt only."""


def pretend_nodes(folder, monkeypatch):
    """Set what makes processes that measure for a cluster do as the script; gives what is set."""
    fake_command(folder, folder / "out")
    (folder / "sitecustomize.py").write_text(SITE)
    paths = os.pathsep.join(map(str, (folder, ROOT, ROOT / "tests")))
    more = {
        "PYTHONPATH": paths,
        "FAKE": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "RAY_worker_niceness": "0",
    }
    for name, value in environment(more).items():
        monkeypatch.setenv(name, value)
    return more


def node_environment(folder, number):
    """What tells a node from others of this machine: a state and a scratch folder of its own."""
    own = folder / f"node-{number}"
    (own / "tmp").mkdir(parents=True, exist_ok=True)
    return {"XDG_STATE_HOME": str(own / "state"), "TMPDIR": str(own / "tmp")}


def processes_of(folder, word):
    """Processes whose command has a word, of those that measure for the nodes of a folder."""
    found, told = [], f"FAKE={folder}".encode()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word.encode() in (path / "cmdline").read_bytes():
                found += [int(path.name)] * (told in (path / "environ").read_bytes().split(b"\0"))
    return found


def attempts_in(folder):
    """What became of the entries, and of each attempt at them."""
    entries = json.loads((folder / "out/suite.json").read_text())["entries"]
    return [(one["status"], [attempt["status"] for attempt in one["attempts"]]) for one in entries]


def await_file(path):
    """Until it is there."""
    await_that(path.exists)


def await_that(is_so):
    """Until it is so."""
    until = time.monotonic() + 180
    while not is_so():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.05)


def command(job):
    """The command that measures a job."""
    folder, name = os.environ["FAKE"], job.models[0]
    how = name.partition("/")[2].replace("-", " ")
    told = os.path.join(folder, name.replace("/", "_"))
    if how in ONCE and os.path.exists(told):
        how = "measure"
    with open(told, "w"):
        pass
    if how in ("kill worker", "poison"):
        return [sys.executable, "-c", "import os; os.kill(os.getppid(), 9)"]
    out = result_folder(job.out, parse_model(name).folder, job.tasks[0])
    script, template = os.path.join(folder, "child.py"), os.path.join(folder, "template.json")
    return [sys.executable, "-I", "-S", script, how, str(out), job.request, template]


class ClusterWatcher:
    """Keeps what it is told."""

    def __init__(self):
        self.lines, self.ended = [], []

    def begin_on(self, node, number, planned, left_s):
        pass

    def line(self, text):
        self.lines.append(text)

    def end(self, number, record):
        self.ended.append(record)


def drive(folder, engine, *names, asked=None, **options):
    """Measure models of these names; gives the report, and who watched it."""
    plan, watcher = fake_plan(*names, **(asked or {})), ClusterWatcher()
    run = driver.Driver(
        plan, "fake", known(folder / "out"), lambda one: make_order(one, online=False),
        engine, watcher, lambda error: None, **options,
    )  # fmt: skip
    return run.run(), watcher


def start_driving(where, folder, *names):
    """The same as a command of its own, on Ray at an address or on `slurm`; gives its process."""
    with (folder / "command.txt").open("ab") as log:
        words = [sys.executable, "-m", "support.fake_nodes", where, str(folder), *names]
        return subprocess.Popen(words, stdout=log, stderr=log)


def main(where, folder, *names):
    """Measure models of these names on the processor; gives the exit status."""
    heed_signals()
    folder, options = Path(folder), {"device": "cpu"}
    keys = [one.key for one in fake_plan(*names, **options)]
    if where == "slurm":
        jobs = folder / "jobs"
        engine = SlurmEngine(jobs, {}, keys=keys, cluster="local", look_every_s=0.05)
    else:
        engine = RayEngine(where, keys=keys, show=lambda nodes: None, shared_node=True)
    report, watcher = drive(folder, engine, *names, asked=options)
    print(*watcher.lines, *(f"{r.label}: {r.status} {r.reason}" for r in report.entries), sep="\n")
    return report.exit_status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
