"""What measures nothing runs with the packages of gate-requirements.txt alone."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from support.commands import ROOT, Done, environment

from energyscore.base.packages import PACKAGES

OLD = ROOT / "tests/data/schema-1"
HIDING = """\
import sys
from importlib.machinery import PathFinder


class Finder:
    find_distributions = PathFinder.find_distributions

    @staticmethod
    def find_spec(name, path=None, target=None):
        hidden = name.partition(".")[0] in {hidden!r}
        return None if hidden else PathFinder.find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
"""


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


NEED_NO_MORE = [
    (("rate", "old/results"), 0),
    (("rate", "old/results", "--price", "0.25 EUR", "--format", "csv"), 0),
    (("compare", "old/results", "old/results"), 2),  # the same measurements
    (("choose", "old/results/org/model"), 0),
    (("gate", "old/results", "--max", "gpu_wh_per_1k_queries<=100", "--format", "json"), 3),
    (("leaderboard", "old/results"), 0),
    (("page", "old/results", "-o", "site"), 0),
    (("label", "old/results/org/model", "-o", "label.svg"), 0),
    (("card", "old/results/org/model"), 0),
    (("verify", "old/submission.zip"), 0),
]
NEED_MORE = [
    (
        ("label", "old/results/org/model", "-o", "label.png"),
        r"needs (reportlab|resvg_py|PIL), which is not installed. Install it: pip install ",
    ),
    (
        ("run", "--quick"),
        r"This command needs \w+, which is not installed. Install it: pip install",
    ),
    (("doctor",), r"This command needs \w+, which is not installed. Install it: pip install"),
    (
        ("rate", "old/results", "--country", "FRA"),
        "not installed. Install it: pip install codecarbon",
    ),
]
EACH_A_FORK = """\
import json, os, runpy, sys
import scipy.stats, energyscore.cli.app, energyscore.cli.console
import energyscore.publish.results_folder
import energyscore.judge.rating, energyscore.judge.choose, energyscore.judge.gate
from energyscore.protocol.task import load_tasks
load_tasks()
for place, words in enumerate(json.loads(sys.argv[1])):
    if os.fork() == 0:
        os.chdir(str(place))
        for stream in (1, 2):
            os.dup2(os.open(str(stream), os.O_WRONLY | os.O_CREAT), stream)
        sys.argv = ["energyscore", *words]
        runpy.run_module("energyscore", run_name="__main__", alter_sys=True)
        raise AssertionError("it ends by itself")
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """What became of commands where only those packages are installed, by their words.

    Each is a fork of one process that has imported what all commands do.
    """
    lines = (ROOT / "gate-requirements.txt").read_text().splitlines()
    pinned = {normal(line.partition("==")[0]) for line in lines if not line.startswith("#")}
    hidden = {
        module
        for module, packages in packages_distributions().items()
        if module != "energyscore" and not pinned & {normal(name) for name in packages}
    }
    assert {"torch", "transformers", "pandas", "codecarbon"} <= hidden
    folder = tmp_path_factory.mktemp("light")
    (folder / "sitecustomize.py").write_text(HIDING.replace("{hidden!r}", repr(hidden)))
    commands = [words for words, _ in [*NEED_NO_MORE, *NEED_MORE]]
    for place in range(len(commands)):
        shutil.copytree(OLD, folder / str(place) / "old")
    ran = subprocess.run(
        [sys.executable, "-c", EACH_A_FORK, json.dumps(commands)],
        env=environment({"PYTHONPATH": f"{folder}:{ROOT}"}),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    statuses = map(int, ran.stdout.split())
    done = {}
    for place, (words, status) in enumerate(zip(commands, statuses, strict=True)):
        said = [(folder / str(place) / stream).read_text() for stream in "12"]
        assert "Traceback" not in said[1], said[1]
        done[words] = Done(status, *said)
    return done


@pytest.mark.parametrize(("arguments", "status"), NEED_NO_MORE)
def test_commands_that_measure_nothing_need_no_more(light, arguments, status):
    assert light[arguments].status == status, light[arguments].stderr


@pytest.mark.parametrize(("arguments", "said"), NEED_MORE)
def test_what_needs_more_says_what_to_install(light, arguments, said):
    done = light[arguments]
    assert done.status == 3, done.stderr
    assert re.search(said, done.error)


def test_every_package_that_may_be_missing_is_known():
    """So that it is named with the line that installs it, and never ends in a crash."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    light_ones = {normal(name) for name in project["tool"]["energyscore"]["light"]}
    wanted = {name: name for name in map(_name, project["project"]["dependencies"])}
    for extra, lines in project["project"]["optional-dependencies"].items():
        if extra != "test":
            wanted |= {_name(line): f"energyscore[{extra}]" for line in lines}
    installed = packages_distributions()
    known = {
        normal(package): PACKAGES[module]
        for module in PACKAGES
        for package in installed.get(module, [])
    }
    needed = {name: by for name, by in wanted.items() if name not in light_ones}
    assert {name: normal(by) if "[" not in by else by for name, by in known.items()} == needed


def _name(requirement):
    return normal(re.match(r"[\w.-]+", requirement)[0])
