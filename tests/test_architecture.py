"""Who may not import what: the structure is kept by this test."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, environment

PACKAGE = ROOT / "energyscore"
HEAVY = {"torch", "transformers", "diffusers", "datasets", "codecarbon", "pynvml", "pandas"}
PURE = (
    *("task", "meter", "backend", "result", "rating", "stars", "scales", "statistics"),
    *("checks", "attribution", "scoring", "assemble", "plausibility", "soundness"),
    *("regression", "regression_error", "tick_model"),
    *("modes", "names", "reasoning", "footprint", "grid", "comparable", "placement"),
    *("effect", "measured", "measured_csv", "likeness", "compare"),
    *("policy", "policy_file", "gate_checks", "gate"),
)


def ours(*parts: str) -> set[str]:
    """Parts of the package by name."""
    return {f"energyscore.{part}" for part in parts}


SCHEMA = ("result", "result_parts")
"""All that the checker of submissions shares with the rest, with what these import."""

FORBIDDEN = {
    "units": {"energyscore"},
    "errors": {"energyscore"},
    **dict.fromkeys(
        PURE,
        HEAVY | {"rich", "typer"} | ours("meters", "backends", "store", "cli", "console"),
    ),
    "selftest": {"torch", "transformers", "typer", "rich"}
    | ours("backends", "workload", "benchmark", "cli", "console"),
    **dict.fromkeys(
        (f"selftest.{name}" for name in ("report", "plan", "judge", "judge_gpu", "judge_machine")),
        HEAVY | ours("meters", "store", "selftest.gpu", "selftest.runner", "selftest.file"),
    ),
    "suite": HEAVY
    | {"typer", "rich"}
    | ours("meters", "backends", "benchmark", "cli", "console", "catalog"),
    **dict.fromkeys(
        (
            f"suite.{name}"
            for name in ("options", "listing", "official", "states", "estimate", "report")
        ),
        ours("store", "suite.child", "suite.runner", "suite.key"),
    ),
    "suite.plan": ours("suite.child", "suite.runner", "suite.key"),
    "meters": {"torch", "transformers", "typer", "rich"}
    | ours("backends", "workload", "benchmark", "store", "cli", "console"),
    "backends": {"pynvml", "codecarbon", "typer", "rich"}
    | ours("meters", "benchmark", "store", "cli", "console"),
    "benchmark": HEAVY
    | {"typer", "rich"}
    | ours("meters", "backends", "store", "cli", "console", "catalog"),
    "metering": (HEAVY - {"pynvml"})
    | {"typer", "rich"}
    | ours("backends", "benchmark", "store", "cli", "console"),
    "api": HEAVY | {"typer", "rich"} | ours("meters", "cli", "catalog"),
    "recordings": HEAVY | {"typer", "rich"} | ours("meters", "backends", "store", "cli", "console"),
    "rows": {"torch", "transformers", "typer", "rich"}
    | ours("meters", "backends", "store", "cli", "console"),
    **dict.fromkeys(
        ("baseline", "measured_files"),
        HEAVY | {"typer", "rich"} | ours("meters", "backends", "benchmark", "cli", "console"),
    ),
    "raw": HEAVY | {"rich", "typer"} | ours("meters", "backends", "store", "cli", "console"),
    "store": {"torch", "transformers", "typer", "rich"}
    | ours("meters", "backends", "benchmark", "cli", "console"),
    "export": {"torch", "transformers", "typer", "rich"}
    | ours("meters", "backends", "benchmark", "cli", "console", "store"),
    **dict.fromkeys(
        ("leaderboard", "published"),
        (HEAVY - {"pandas"})
        | {"typer", "rich"}
        | ours("meters", "backends", "benchmark", "cli", "console", "store"),
    ),
    **dict.fromkeys(
        ("sources", "board_folder"),
        HEAVY | {"typer", "rich"} | ours("meters", "backends", "benchmark", "cli", "console"),
    ),
    "output_folder": HEAVY
    | {"rich", "typer"}
    | ours("meters", "backends", "cli", "console", "export"),
    "verify": HEAVY | {"rich", "typer", "scipy"},
    "notes": HEAVY | {"rich", "typer"} | ours("meters", "backends", "store", "cli", "console"),
    "star_table": HEAVY | {"typer"} | ours("meters", "backends", "store", "cli", "console"),
    "console": {"torch", "transformers", "typer", "energyscore.cli", "energyscore.benchmark"},
}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE).with_suffix("")
        yield path, relative.parts[0] if len(relative.parts) > 1 else relative.name


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    found = set()
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize(("path", "part"), modules(), ids=lambda v: getattr(v, "stem", v))
def test_a_module_imports_only_what_it_may(path, part):
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    forbidden = FORBIDDEN.get(part, set()) | FORBIDDEN.get(name, set())
    broken = {
        name
        for name in imports(path)
        for banned in forbidden
        if name == banned or name.startswith(f"{banned}.")
    }
    assert not broken


def test_only_the_command_line_and_metering_resolve_the_catalog():
    users = {part for path, part in modules() if "energyscore.catalog" in imports(path)}
    assert users <= {"cli", "metering"}


def test_the_checker_of_submissions_shares_the_schema_only():
    """What measures and rates may be wrong; a checker that used it would be wrong alike."""

    def used(paths):
        found = {name for path in paths for name in imports(path)}
        return {".".join(n.split(".")[:2]) for n in found if n.startswith("energyscore.")}

    assert used((PACKAGE / "verify").glob("*.py")) == ours("verify", "errors", "result")
    schema = used(PACKAGE / f"{name}.py" for name in SCHEMA)
    assert schema <= ours("errors", "meter", *SCHEMA)


@pytest.mark.parametrize(
    "command",
    [
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
        ["gate", "--help"],
        ["verify", "none.zip"],
        ["bundle", "none.json"],
    ],
)
def test_light_commands_load_no_heavy_library(command):
    assert loaded_by(command, HEAVY) == "[]"


def test_the_help_reads_neither_results_nor_tasks():
    """It is what people wait for most often, and pydantic is half a blink of it."""
    assert loaded_by(["--help"], {"pydantic", "yaml", "numpy"}) == "[]"


def loaded_by(command, modules):
    """Which of these modules a command loads, as a list in text."""
    code = (
        "import sys, energyscore.cli\n"
        f"sys.argv = ['energyscore', *{command!r}]\n"
        "try: energyscore.cli.main()\n"
        "except SystemExit: pass\n"
        f"print(sorted({modules!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    return done.stderr.strip().splitlines()[-1]


def test_importing_the_package_loads_no_library_and_shadows_none_of_its_names():
    """A module named like a function (`measure`) would take its place once it is imported."""
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import energyscore\n"
        "functions = energyscore.measure, energyscore.load, energyscore.load_all\n"
        "found = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "import energyscore.benchmark, energyscore.store, energyscore.metering\n"
        "assert functions == (energyscore.measure, energyscore.load, energyscore.load_all)\n"
        "assert set(energyscore.__all__) <= set(dir(energyscore))\n"
        "print(*sorted(found - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stdout.split() == ["energyscore"]
    for name in ("measure", "load", "load_all"):
        assert not (PACKAGE / f"{name}.py").exists()
        assert not (PACKAGE / name).exists()


def test_modules_stay_small():
    too_long = {
        path.name: lines
        for path, _ in modules()
        if (lines := len(path.read_text().splitlines())) > 350
    }
    assert not too_long


def test_the_project_stands_alone():
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tasks").rglob("*.yaml"), ROOT / "README.md"]:
        assert "../shared" not in path.read_text(), path
