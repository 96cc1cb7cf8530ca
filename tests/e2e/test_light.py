"""What measures nothing runs with the packages of gate-requirements.txt alone."""

import re
import shutil
import tomllib
from importlib.metadata import packages_distributions

import pytest
from support.commands import ROOT, energyscore

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


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """The environment of a process in which only those packages are installed."""
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
    return {"PYTHONPATH": f"{folder}:{ROOT}"}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
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
    ],
)
def test_commands_that_measure_nothing_need_no_more(tmp_path, light, arguments, status):
    shutil.copytree(OLD, tmp_path / "old")
    done = energyscore(*arguments, env=light, cwd=tmp_path)
    assert done.status == status, done.stderr


def test_a_country_says_what_to_install(tmp_path, light):
    shutil.copytree(OLD / "results", tmp_path / "results")
    done = energyscore("rate", "results", "--country", "FRA", env=light, cwd=tmp_path)
    assert done.status == 3
    assert "not installed. Install it: pip install codecarbon" in done.error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("label", "old/results/org/model", "-o", "label.png"),
            r"needs (reportlab|resvg_py|PIL), which is not installed. Install it: pip install ",
        ),
        (
            ("run", "--quick"),
            r"This command needs \w+, which is not installed. Install it: pip install",
        ),
        (("doctor",), r"This command needs \w+, which is not installed. Install it: pip install"),
    ],
)
def test_what_needs_more_says_what_to_install(tmp_path, light, arguments, said):
    shutil.copytree(OLD, tmp_path / "old")
    done = energyscore(*arguments, env=light, cwd=tmp_path)
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
