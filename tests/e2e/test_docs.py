"""Every command of the README and of docs/ runs, and every example is read."""

import re
import shlex

import pytest
from support.commands import ROOT, energyscore

README = (ROOT / "README.md").read_text()
PAGES = {
    "README.md": README,
    **{f"docs/{file.name}": file.read_text() for file in sorted((ROOT / "docs").glob("*.md"))},
}


def blocks(kind):
    """(page, text) of all fenced blocks of a kind."""
    return [
        (page, block)
        for page, text in PAGES.items()
        for block in re.findall(rf"```{kind}\n(.*?)```", text, flags=re.S)
    ]


LINES = [(page, line) for page, block in blocks("bash") for line in block.splitlines() if line]
COMMANDS = [(page, shlex.split(line, comments=True)) for page, line in LINES]
WORKED = "docs/replacing.md"  # test_worked_example runs its commands, on the models that it makes
ENERGYSCORE = [
    (page, words) for page, words in COMMANDS if words[:1] == ["energyscore"] and page != WORKED
]
HUB_MODELS = {"openai-community/gpt2", "Qwen/Qwen3-0.6B"}
INSTALLING = [line for _, line in LINES if line.startswith("python3 -m venv")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a newcomer stands, after the README's first command: the demonstration is run.

    With a query instead of three: they are the same work thrice, and what costs time.
    """
    folder = tmp_path_factory.mktemp("newcomer")
    for _, text in blocks("yaml"):
        file = folder / re.match(r"# (\S+\.ya?ml)\n", text)[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    ((_, table),) = blocks("csv")
    (folder / "text_generation.csv").write_text(table)
    one_query = (
        "from energyscore.cli import run; assert run.DEMO_QUERIES == 3; run.DEMO_QUERIES = 1"
    )
    done = energyscore("run", cwd=folder, first=one_query)
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


def test_the_readme_is_a_newcomers_page():
    assert len(README.splitlines()) <= 200
    assert COMMANDS[0][1][-2:] == [".venv/bin/energyscore", "run"]


def test_the_example_for_pytest_passes_after_the_first_command(folder, monkeypatch):
    example = {}
    (code,) = (text for _, text in blocks("python") if text.startswith("# test_energy.py"))
    exec(code, example)
    monkeypatch.chdir(folder)
    example["test_saved_results_keep_to_the_budget"]()
    example["SYSTEM_WH"] = 0.1
    with pytest.raises(AssertionError, match="builtin:"):
        example["test_saved_results_keep_to_the_budget"]()


@pytest.mark.parametrize(
    ("page", "command"), ENERGYSCORE, ids=[f"{p}: {' '.join(c[1:])}" for p, c in ENERGYSCORE]
)
def test_a_command_does_what_it_says(folder, page, command):
    done = energyscore(*command[1:], cwd=folder)
    if any(one.startswith(("star=", "gpu_wh")) for one in command if "--until" in command):
        assert done.status == 3  # it is for a GPU's energy, and there is none here
        assert "no GPU is metered here" in done.stderr
        return
    if not HUB_MODELS.isdisjoint(command):  # tests reach no hub: it must say so, and stop
        assert done.status == 2
        assert "cannot be reached" in done.stderr
        return
    if "--launch" in command:  # test_launched does
        assert done.status == 2
        assert "there is no program vllm" in done.stderr
        return
    if "--server" in command:  # there is none here; test_server measures one
        assert done.status == 2
        assert "No server answers" in done.stderr
        return
    assert done.status == 0, done.stderr
    assert done.stdout.strip()


def test_the_table_of_the_readme_is_what_is_printed(folder):
    """Its columns are those of the demonstration; the figures are of another machine."""
    ((_, shown),) = [one for one in blocks("text") if one[0] == "README.md"]
    printed = energyscore("rate", "results", cwd=folder, env={"COLUMNS": "110"}).stdout
    (heading,) = [line for line in shown.splitlines() if line.startswith("model ")]
    assert " ".join(heading.split()) in " ".join(printed.split())
    assert len(re.findall("^builtin:", shown, flags=re.M)) == 3
    for words in ("what was metered: CPU and RAM, estimated; relative to: cohort of 3.", "needs"):
        assert words in shown
        assert words in printed


def test_no_command_is_forgotten():
    """What stands in a bash block is energyscore's, or installs it."""
    others = {(page, words[0]) for page, words in COMMANDS if words[0] != "energyscore"}
    installing = {("README.md", word) for word in ("python3", "source", "pip")}
    assert others == installing | {(WORKED, "pip"), (WORKED, "python")}


HELPING = """
import __main__, os, runpy, sys
sys.argv, sys.path[0] = [{0!r}, "--help"], os.path.dirname({0!r})
try:
    runpy.run_path({0!r}, run_name="__main__")
except SystemExit as ending:
    __main__.end(int(ending.code or 0))
"""


def test_the_scripts_that_are_named_run():
    scripts = {
        name for text in PAGES.values() for name in re.findall(r"`python (bench/\S+\.py)", text)
    }
    assert len(scripts) >= 5
    for script in scripts:
        done = energyscore(first=HELPING.format(str(ROOT / script)))
        assert done.status == 0, (script, done.stderr)
        assert done.stdout.startswith("usage: "), script


def test_links_lead_somewhere():
    for page, text in {**PAGES, "CONTRIBUTING.md": (ROOT / "CONTRIBUTING.md").read_text()}.items():
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if not target.startswith("http"):
                assert (ROOT / page).parent.joinpath(target).exists(), (page, target)


def test_what_contributing_names_is_there():
    """Modules of the tree, of the table of questions, and of what plugs in."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    names = re.findall(r"`((?:\w+/)*\w+\.(?:py|json|yaml|toml|txt|cff))`", text)
    assert len(names) > 20
    for name in names:
        assert any((ROOT / base / name).exists() for base in ("", "energyscore", "tests")), name
    rooms = re.findall(r"^      (\w+)/", text, flags=re.M)
    assert all((ROOT / "energyscore" / room).is_dir() for room in rooms)


def test_the_tasks_of_the_page_are_the_tasks_there_are():
    from energyscore.protocol.task import load_tasks

    text = PAGES["docs/measuring.md"]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| `(.*?)` \| (.*?) \|$", text, flags=re.M)
    specs = {task.spec.id: task.spec for task in load_tasks().values()}
    assert {row[0] for row in rows} == set(specs)
    for name, phases, dataset, precision in rows:
        assert phases.split(", ") == specs[name].phases
        assert dataset == specs[name].dataset.id
        assert precision.split(", ") == specs[name].precision
