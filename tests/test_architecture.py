"""Who may not import what: the structure is kept by this test."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from conftest import SLOW
from support.commands import ROOT, environment, python

PACKAGE = ROOT / "energyscore"
HEAVY = {"torch", "transformers", "diffusers", "datasets", "codecarbon", "pynvml", "pandas"}


def modules():
    yield from sorted(PACKAGE.rglob("*.py"))


def test_the_import_contracts_hold():
    """They stand in pyproject.toml: rooms, meters, backends, the checker, and no cycles."""
    linted = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert linted.returncode == 0, linted.stdout + linted.stderr


TAKES_SECONDS = r"^(?:import|from) (?:torch|transformers|energyscore\.measurement\.backends)\b.*"


def test_what_is_not_slow_imports_no_torch():
    """Each worker would, for ten seconds, also where only what is not slow is tested."""
    found = {
        str(file.relative_to(ROOT)): re.findall(TAKES_SECONDS, file.read_text(), flags=re.M)
        for file in (ROOT / "tests").rglob("test_*.py")
        if file.stem not in SLOW and file.parent.name != "gpu"
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_the_top_of_the_package_is_the_architecture():
    entries = {path.name for path in PACKAGE.iterdir()} - {"__pycache__", "py.typed"}
    assert len(entries) <= 12
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    rooms = {room.strip() for layer in layers for room in layer.split("|")}
    assert {name for name in entries if not name.endswith(".py")} == rooms
    assert len(layers) <= 9


LIGHT = [
    ["--help"],
    ["run", "--help"],
    ["tasks"],
    ["rate", "--help"],
    ["leaderboard", "--help"],
    ["label", "--help"],
    ["card", "--help"],
    ["page", "--help"],
    ["selftest", "--help"],
    ["suite", "--help"],
    ["tune", "--help"],
    ["gate", "--help"],
    ["choose", "--help"],
    ["verify", "none.zip"],
    ["bundle", "none.json"],
]
EACH_A_FORK = """
import json, os, sys
import energyscore.cli.app
for place, words in enumerate({commands!r}):
    if os.fork() == 0:
        sys.argv = ["energyscore", *words]
        try:
            energyscore.cli.main()
        except SystemExit:
            pass
        found = sorted({heavy!r} & set(sys.modules))
        print("loaded", json.dumps([words, found]), file=sys.stderr, flush=True)
        os._exit(0)
    os.wait()
"""


def test_light_commands_load_no_heavy_library():
    lines = python(EACH_A_FORK.format(commands=LIGHT, heavy=HEAVY)).stderr.splitlines()
    told = [line.removeprefix("loaded ") for line in lines if line.startswith("loaded ")]
    assert [json.loads(one) for one in told] == [[words, []] for words in LIGHT]


def test_the_help_reads_neither_results_nor_tasks():
    """It is what people wait for most often, and pydantic is half a blink of it."""
    assert loaded_by(["--help"], {"pydantic", "ruamel", "yaml", "numpy"}) == "[]"


def loaded_by(command, modules):
    """Which of these modules a command loads, as a list in text."""
    code = (
        "import sys, energyscore.cli\n"
        f"sys.argv = ['energyscore', *{command!r}]\n"
        "try: energyscore.cli.main()\n"
        "except SystemExit: pass\n"
        f"print(sorted({modules!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = python(code)
    return done.stderr.strip().splitlines()[-1]


def test_importing_the_package_loads_no_library_and_shadows_none_of_its_names():
    """A module named like a function (`measure`) would take its place once it is imported."""
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import energyscore\n"
        "functions = energyscore.measure, energyscore.load, energyscore.load_all\n"
        "found = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "import energyscore.measurement.benchmark, energyscore.measurement.metering\n"
        "import energyscore.results.store\n"
        "assert functions == (energyscore.measure, energyscore.load, energyscore.load_all)\n"
        "assert set(energyscore.__all__) <= set(dir(energyscore))\n"
        "print(*sorted(found - set(sys.stdlib_module_names)))"
    )
    done = python(code)
    assert done.stdout.split() == ["energyscore"]
    for name in ("measure", "load", "load_all"):
        assert not (PACKAGE / f"{name}.py").exists()
        assert not (PACKAGE / name).exists()


def test_a_class_name_stands_for_one_thing():
    names = [
        node.name
        for path in modules()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_functions_stay_small():
    """But for signatures of commands, which declare their options, and docstrings."""
    too_long = {
        f"{path.name}: {node.name}": length
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and (length := node.end_lineno - _first_statement(node).lineno + 1) > 60
    }
    assert not too_long


def _first_statement(function):
    documented = ast.get_docstring(function) is not None and len(function.body) > 1
    return function.body[1] if documented else function.body[0]


def test_modules_stay_small():
    too_long = {
        path.name: lines
        for path in modules()
        if (lines := len(path.read_text().splitlines())) > 350
    }
    assert not too_long


def test_the_project_stands_alone():
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tasks").rglob("*.yaml"), ROOT / "README.md"]:
        assert "../shared" not in path.read_text(), path
