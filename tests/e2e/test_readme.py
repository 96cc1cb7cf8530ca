"""Every command of the README runs."""

import re
import shlex
import sys

import pytest
from support.commands import ROOT, energyscore

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", README, flags=re.S)
LINES = [line for block in BLOCKS for line in block.splitlines() if line.strip()]
COMMANDS = [shlex.split(line, comments=True) for line in LINES]
INSTALLING = [line for line in LINES if line.startswith("python3 -m venv")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a newcomer stands, after the README's first command: the demonstration is run."""
    folder = tmp_path_factory.mktemp("newcomer")
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", README, flags=re.S)):
        named = re.match(r"# (\S+\.ya?ml)\n", text)
        file = folder / (named[1] if named else "models.yaml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        assert named or number == 0
    (table,) = re.findall(r"```csv\n(.*?)```", README, flags=re.S)
    (folder / "text_generation.csv").write_text(table)
    done = energyscore("run", cwd=folder)
    assert done.status == 0, done.stderr
    assert done.stdout.count("★") >= 5 + 1
    assert done.stdout.count("estimated") >= 3
    assert "cohort of 3" in done.stdout
    assert len(list((folder / "results").rglob("*.json"))) == 3
    assert len((folder / "results/results.csv").read_text().splitlines()) == 4
    return folder


def test_the_two_first_commands_install_and_run():
    """The gate runs the second one as it stands; here: that they are what they should be."""
    first, second = INSTALLING
    assert first.endswith(".venv/bin/energyscore run")
    assert second.endswith(".venv/bin/python -m pytest")
    gate = (ROOT / ".ci/run").read_text()
    assert re.search(re.search(r'-E "(.*)" README.md', gate)[1], second)
    assert "-c constraints.txt" in first
    assert "-c constraints.txt" in second


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c[0] == "energyscore"], ids=lambda c: " ".join(c[1:])
)
def test_a_command_does_what_it_says(folder, command):
    done = energyscore(*command[1:], cwd=folder)
    if "openai-community/gpt2" in command:  # tests reach no hub: it must say so, and stop
        assert done.status == 2
        assert "cannot be reached" in done.error
        return
    assert done.status == 0, done.stderr
    assert done.stdout.strip()


def test_the_scripts_that_show_what_metering_costs_run():
    import subprocess

    scripts = re.findall(r"`python (tests/bench/\S+\.py)[^`]*`", README)
    assert len(scripts) == 6
    for script in scripts:
        command = [sys.executable, str(ROOT / script), "--help"]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_tasks_of_the_readme_are_the_tasks_there_are():
    from energyscore.protocol.task import load_tasks

    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| `(.*?)` \| (.*?) \|$", README, flags=re.M)
    specs = {task.spec.id: task.spec for task in load_tasks().values()}
    assert {row[0] for row in rows} == set(specs)
    for name, phases, dataset, precision in rows:
        assert phases.split(", ") == specs[name].phases
        assert dataset == specs[name].dataset.id
        assert precision.split(", ") == specs[name].precision
