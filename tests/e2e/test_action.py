"""The GitHub action and the examples of CI: what they declare, and what their shell does."""

import json
import os
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest
import typer
import yaml
from support.action_runner import run_action
from support.commands import ROOT
from support.results import make_result, make_run

from energyscore.results.result import result_to_json

FOLDER = ROOT / ".github/actions/energy-gate"
TEXT = (FOLDER / "action.yml").read_text(encoding="utf-8")
ACTION = yaml.safe_load(TEXT)
STEPS = ACTION["runs"]["steps"]
EXAMPLE = ROOT / ".github/examples/energy-gate.yml"
OWN = ROOT / ".github/workflows/ci.yml"
NAMED = dict(
    re.findall(r"```yaml\n# (\S+\.yml)\n(.*?)```", (ROOT / "docs/gate.md").read_text(), flags=re.S)
)
WORKFLOWS = {
    "docs": yaml.safe_load(NAMED[".github/workflows/energy.yml"]),
    "example": yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")),
    "own": yaml.safe_load(OWN.read_text(encoding="utf-8")),
}
USES = [
    pytest.param(step, id=f"{name}-{key}")
    for name, workflow in WORKFLOWS.items()
    for key, one in workflow["jobs"].items()
    for step in one["steps"]
    if "energy-gate" in step.get("uses", "")
]
UPLOAD = "actions/upload-artifact"

STAND_IN = """#!{python}
# energyscore as it is, but that results made by hand take the place of measuring.
import json, os, shutil, sys
from pathlib import Path
sys.path.insert(0, {root!r})
arguments = sys.argv[1:]
log = Path({log!r})
log.write_text((log.read_text() if log.exists() else "") + json.dumps(arguments) + "\\n")
if arguments[0] == "gate":
    from energyscore.cli import main
    main()
given = [one.removeprefix("--out=") for one in arguments if one.startswith("--out=")]
if given:
    shutil.copy({result!r}, given[0])
sys.exit(int(os.environ.get("MEASURING_ENDS_WITH", "0")))
"""


def result_of(wh, **change):
    runs = [make_run(n, joules=3600.0 * wh * (1 + n / 1000)) for n in range(10)]
    return make_result(runs=runs, **change)


@pytest.fixture
def job(tmp_path):
    """A job of a workflow: call it with the action's inputs."""
    return Job(tmp_path)


class Job:
    def __init__(self, folder):
        self.workspace, self.temp = folder / "work space", folder / "temp"
        self.calls_file = folder / "calls"
        programs = folder / "bin"
        for one in (self.workspace, self.temp, programs):
            one.mkdir()
        self.save("results/org/good.json", result_of(2.0))
        stand_in = programs / "energyscore"
        stand_in.write_text(
            STAND_IN.format(
                python=sys.executable,
                root=str(ROOT),
                log=str(self.calls_file),
                result=str(self.workspace / "results/org/good.json"),
            )
        )
        stand_in.chmod(0o755)
        self.env = {"PATH": f"{programs}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}

    def save(self, name, result):
        file = self.workspace / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(result_to_json(result))

    def __call__(self, *, env=None, **inputs):
        given = {"install": "none"} | {key.replace("_", "-"): one for key, one in inputs.items()}
        env = self.env | (env or {})
        done = run_action(ACTION, FOLDER, given, self.workspace, self.temp, **env)
        assert "Traceback" not in done.log, done.log
        assert done.environment == ""  # nothing of the steps that follow is changed
        assert done.outputs["exit-code"] == str(done.status)
        return done

    @property
    def all_calls(self):
        """Arguments of energyscore, one list a call."""
        return [json.loads(line) for line in self.calls_file.read_text().splitlines()]

    @property
    def calls(self):
        """The same, without the check of the limits that goes before a measurement."""
        return [call for call in self.all_calls if "--check-policy" not in call]


def strings(value):
    """Every string in a YAML value."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        return [text for one in value for text in strings(one)]
    return [str(value)]


# What action.yml declares


def test_the_action_has_the_structure_of_a_composite_action():
    assert set(ACTION) == {"name", "description", "inputs", "outputs", "runs"}
    assert set(ACTION["runs"]) == {"using", "steps"}
    assert ACTION["runs"]["using"] == "composite"
    for name, one in ACTION["inputs"].items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert set(one) == {"description", "required", "default"}
        assert one["description"].endswith(".")
        assert isinstance(one["default"], str) and one["required"] is False
    for one in ACTION["outputs"].values():
        assert set(one) == {"description", "value"}
    for step in STEPS:
        if "run" in step:
            known = {"name", "id", "if", "shell", "working-directory", "env", "run"}
            assert {"name", "id", "shell", "run"} <= set(step) <= known
            assert step["shell"] == "bash"
        else:
            assert {"name", "uses", "with"} <= set(step) <= {"name", "id", "if", "uses", "with"}
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
            assert re.search(rf"{re.escape(step['uses'])} # v\d+\.\d+\.\d+\n", TEXT)
    ids = [step["id"] for step in STEPS if "id" in step]
    assert len(set(ids)) == len(ids)


def test_every_input_is_used_and_every_one_that_is_used_is_declared():
    used = set(re.findall(r"\binputs\.([\w-]+)", " ".join(strings(ACTION["runs"]))))
    assert used == set(ACTION["inputs"])


def test_no_input_gets_into_a_script_but_as_a_variable_of_the_environment():
    for step in STEPS:
        assert "${{" not in step.get("run", "")
        text = step.get("run", "")
        if "add_limits " in text:
            text += script().partition("add_limits()")[2].partition("}")[0]
        taken = set(re.findall(r"\$\{?([A-Z][A-Z_]*)", text))
        said = set(step.get("env", {}))
        provided = {"GITHUB_ACTION_PATH", "GITHUB_OUTPUT", "RUNNER_TEMP"}
        assert said <= taken <= said | provided
        assert step.get("run", "set -euo pipefail\n").startswith("set -euo pipefail\n")
    assert not re.search(r"\beval\b|\bbash -c\b|\bsh -c\b", TEXT + script())


def script():
    return (FOLDER / "common.sh").read_text(encoding="utf-8")


def test_every_output_that_is_referred_to_is_written(job):
    """By the steps as they run: measured and passed, failed, and without a verdict."""
    written = {"install.energyscore"}  # its test is below
    for more in ({}, {"env": {"MEASURING_ENDS_WITH": "3"}}, {"min_stars": "9"}):
        done = job(task="text_generation", max="gpu_wh_per_1k_queries<=2.5", **more)
        written |= {f"{step}.{key}" for step, keys in done.steps.items() for key in keys}
    referred = re.findall(r"\bsteps\.([\w-]+)\.outputs\.([\w-]+)", " ".join(strings(ACTION)))
    assert {".".join(one) for one in referred} <= written


# Saved results


def test_saved_results_that_keep_to_the_limits_pass(job):
    done = job(results="results", max="gpu_wh_per_1k_queries<=2.5\n\n  gpu_wh_per_1k_queries<=3\n")
    assert (done.status, done.outputs["verdict"]) == (0, "pass")
    assert [call[0] for call in job.calls] == ["gate"]
    assert done.summary.startswith("## ✅ Energy gate pass: 2 passed")
    assert done.summary.count("## ") == 1
    assert "::error" not in done.log
    report = json.loads(Path(done.outputs["report"]).read_text())
    assert [check["threshold"] for check in report["checks"]] == [
        "gpu_wh_per_1k_queries<=2.5",
        "gpu_wh_per_1k_queries<=3",
    ]
    artifact = Path(done.used[UPLOAD]["path"])
    assert done.used[UPLOAD]["name"] == "energy-gate"
    assert artifact.parent == job.temp
    assert {str(file.relative_to(artifact)) for file in artifact.rglob("*") if file.is_file()} == {
        "gate.json",
        "gate.xml",
        "gate.md",
        "benchmark.json",
        "results/org/good.json",
    }
    assert Path(done.outputs["results-path"]) == artifact / "results"


def test_a_broken_limit_fails_the_step_after_all_is_said_and_kept(job):
    done = job(results="results/org/good.json", max="gpu_wh_per_1k_queries<=1.5")
    assert (done.status, done.outputs["verdict"]) == (1, "fail")
    assert done.summary.startswith("## ❌ Energy gate fail: 1 failed")
    assert done.summary.count("## ") == 1
    assert done.log.count("::error title=Energy gate%3A fail::") == 1
    assert json.loads(Path(done.outputs["report"]).read_text())["exit_code"] == 1
    artifact = Path(done.used[UPLOAD]["path"])
    assert ET.parse(artifact / "gate.xml").getroot().get("failures") == "1"
    assert (artifact / "results/good.json").is_file()


def test_what_was_not_measured_is_invalid(job):
    job.save("null.json", make_result(runs=[make_run(joules=None)], invalid=("the GPU was lost",)))
    done = job(results="null.json", max="gpu_wh_per_1k_queries<=9")
    assert (done.status, done.outputs["verdict"]) == (3, "invalid")
    assert done.summary.startswith("## ⛔ Energy gate invalid")
    assert done.summary.count("## ") == 1
    assert UPLOAD in done.used


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"results": "results", "policy": "no.yaml"}, "no.yaml cannot be read"),
        ({"results": "nowhere", "max": "gpu_wh_per_1k_queries<=1"}, "nowhere does not exist"),
        ({"results": "results", "min_stars": "6"}, "--min-stars"),
        ({"results": "results", "on_inconclusive": "hope"}, "--on-inconclusive"),
    ],
)
def test_wrong_input_is_an_error_and_no_verdict(job, inputs, said):
    done = job(**inputs)
    assert (done.status, done.outputs["verdict"], done.outputs["report"]) == (2, "error", "")
    assert said in done.log
    assert "::error title=Energy gate%3A error::energyscore gate ended with" in done.log
    assert done.summary.startswith("## ⛔ Energy gate error")
    assert UPLOAD in done.used


def test_every_input_of_the_gate_reaches_it(job):
    job.save("base.json", result_of(2.0, gpu="NVIDIA L4", created_at="2025-12-01T00:00:00Z"))
    job.save("more/other.json", result_of(2.0, identity="1" * 64))
    (job.workspace / "sub").mkdir()
    (job.workspace / "sub/p.yaml").write_text("rules: [{max: gpu_wh_per_1k_queries<=9}]")
    done = job(
        results="../results\n../more/other.json",
        working_directory="sub",
        policy="p.yaml",
        min_stars=5,
        baseline="../base.json",
        max_regression="900%",
        on_inconclusive="fail",
        allow="gpu\nprecision \r\n",
        scale="aienergyscore-2025-02",
        artifact_name="",
    )
    assert (done.status, done.outputs["verdict"]) == (0, "pass"), done.log
    assert job.calls[0][5:] == [
        "--policy=p.yaml",
        "--min-stars=5",
        "--baseline=../base.json",
        "--max-regression=900%",
        "--on-inconclusive=fail",
        "--allow=gpu",
        "--allow=precision",
        "--scale=aienergyscore-2025-02",
        "--",
        "../results",
        "../more/other.json",
    ]
    kept = Path(done.outputs["results-path"])
    assert {str(file.relative_to(kept)) for file in kept.rglob("*.json")} == {
        "1/org/good.json",
        "2/other.json",
    }
    assert done.used == {}


def test_a_gate_that_crashes_is_no_gate_that_failed(job):
    """Python ends with 1, which is the status of a gate that failed."""
    program = Path(job.env["PATH"].partition(":")[0]) / "energyscore"
    program.write_text("#!/bin/sh\nexit 1\n")
    done = job(results="results", max="gpu_wh_per_1k_queries<=2.5")
    assert (done.status, done.outputs["verdict"]) == (2, "error")


HOSTILE = (
    "gpu_wh_per_1k_queries<=9; touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "' ; touch pwned ; '",
    '" && touch pwned && "',
    "${{ github.token }} * ? ~ \\",
    "--json=pwned",
    "| touch pwned",
)


@pytest.mark.parametrize("name", ["max", "min", "allow", "results"])
def test_hostile_lines_are_data(job, name):
    inputs = {"results": "results", "max": "gpu_wh_per_1k_queries<=9"}
    done = job(**inputs | {name: "\r\n".join(HOSTILE)})
    assert (done.status, done.outputs["verdict"]) == (2, "error")
    (call,) = job.calls
    prefix = "" if name == "results" else f"--{name}="
    assert [one for one in call if one.removeprefix(prefix) in HOSTILE] == [
        f"{prefix}{one}" for one in HOSTILE
    ]
    assert not list(job.workspace.rglob("pwned"))
    assert "::set-" not in done.log


@pytest.mark.parametrize(
    "name", ["policy", "baseline", "max_regression", "min_stars", "scale", "on_inconclusive"]
)
def test_hostile_values_are_data(job, name):
    value = "\n".join(HOSTILE)
    done = job(**{"results": "results", "max": "gpu_wh_per_1k_queries<=+9%"} | {name: value})
    assert (done.status, done.outputs["verdict"]) == (2, "error")
    assert f"--{name.replace('_', '-')}={value}" in job.calls[0]
    assert not list(job.workspace.rglob("pwned"))


def test_links_among_saved_results_are_not_followed_into_the_artifact(job, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    (job.workspace / "results/link.txt").symlink_to(secret)
    (job.workspace / "link").symlink_to(job.workspace / "results")
    done = job(results="link", max="gpu_wh_per_1k_queries<=2.5")
    artifact = Path(done.used[UPLOAD]["path"])
    assert (artifact / "results/org/good.json").is_file()
    assert not [file for file in artifact.rglob("*") if file.name == "link.txt"]


# Measuring


def test_what_is_to_be_measured_reaches_energyscore_word_by_word(job):
    done = job(
        task="text_generation\nsummarization",
        models="org/a\n./my model; touch pwned\n$(touch pwned)\n",
        run_args="--quick  --dataset 'my data.csv'\n--country=\"$(touch pwned)\" --gpu * \\\n"
        " --queries \\\\",
        max="gpu_wh_per_1k_queries<=2.5",
    )
    assert (done.status, done.outputs["verdict"]) == (0, "pass"), done.log
    measuring, gate = job.calls
    out = done.outputs["results-path"]
    assert measuring == [
        *("run", "--quick", "--dataset", "my data.csv", "--country=$(touch pwned)", "--gpu", "*"),
        *("--queries", "\\"),
        *("--model=org/a", "--model=./my model; touch pwned", "--model=$(touch pwned)"),
        *(f"--out={out}", "--", "text_generation", "summarization"),
    ]
    assert gate[-2:] == ["--", out]
    assert not list(job.workspace.rglob("pwned"))


def test_a_wrong_limit_is_found_before_anything_is_measured(job):
    done = job(models="org/a", max="gpu_wh_per_1k_queries<=5%25")
    assert (done.status, done.outputs["verdict"], done.outputs["exit-code"]) == (2, "error", "2")
    (call,) = job.all_calls
    assert call[:2] == ["gate", "--check-policy"]
    why = "--max 'gpu_wh_per_1k_queries<=5%25': the limit '5%25' is neither a number above 0"
    assert f"    {why}" in done.summary
    assert (
        f"error::energyscore gate ended with exit status 2: {why.replace('%', '%25')}" in done.log
    )


def test_a_suite_is_measured_as_such(job):
    done = job(suite="my list.yaml", run_args="--timeout 9", max="gpu_wh_per_1k_queries<=2.5")
    assert done.status == 0
    out = f"--out={done.outputs['results-path']}"
    check, measuring, _ = job.all_calls
    assert check == ["gate", "--check-policy", "--max=gpu_wh_per_1k_queries<=2.5"]
    assert measuring == ["suite", "--timeout", "9", out, "--", "my list.yaml"]


@pytest.mark.parametrize(
    ("ends", "status", "verdict"),
    [(3, 3, "invalid"), (2, 2, "error"), (1, 2, "error"), (137, 137, "error")],
)
def test_a_measurement_that_fails_is_held_to_nothing_and_kept(job, ends, status, verdict):
    env = {"MEASURING_ENDS_WITH": f"{ends}"}
    done = job(models="org/a", max="gpu_wh_per_1k_queries<=9", env=env)
    assert (done.status, done.outputs["verdict"]) == (status, verdict)
    assert [call[0] for call in job.calls] == ["run"]
    assert f"energyscore run ended with exit status {ends}" in done.summary
    assert done.summary.count("## ") == 1
    assert (Path(done.used[UPLOAD]["path"]) / "results/good.json").is_file()


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "There is nothing to hold to limits"),
        ({"results": " \n"}, "There is nothing to hold to limits"),
        ({"results": "results", "models": "org/a"}, "With results nothing is measured"),
        ({"suite": "list.yaml", "task": "asr"}, "A suite names tasks and models itself"),
        ({"task": "asr", "run_args": "--dataset 'x"}, "run-args: a quote is not closed"),
    ],
)
def test_what_contradicts_itself_is_refused_before_anything_runs(job, inputs, said):
    done = job(**inputs)
    assert (done.status, done.outputs["verdict"]) == (2, "error")
    assert f"::error title=Energy gate::{said}" in done.log
    assert not job.calls_file.exists()


def test_a_model_is_measured_and_held_to_a_limit(job, tiny_model):
    """The real thing: an estimate of two queries, five times. The hub's token gets into no file."""
    program = Path(job.env["PATH"].partition(":")[0]) / "energyscore"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m energyscore "$@"\n')
    done = job(
        task="text_generation",
        models=tiny_model,
        run_args="--quick --queries 2 --repeats 5",
        max="system_wh_per_1k_queries<=100000",
        env={"HF_TOKEN": "hf_canary", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
    )
    assert (done.status, done.outputs["verdict"]) == (0, "pass"), done.log
    assert "(estimated)" in done.summary
    artifact = Path(done.used[UPLOAD]["path"])
    (result,) = artifact.glob("results/local/tiny-gpt2/text_generation/*.json")
    assert json.loads(result.read_text())["workload"]["queries"] == 2
    kept = [file for folder in (artifact, job.workspace) for file in folder.rglob("*")]
    assert not [file for file in kept if file.is_file() and b"hf_canary" in file.read_bytes()]
    assert list(job.workspace.iterdir()) == [job.workspace / "results"]


# Installing


def test_what_is_named_is_installed_beside_the_callers_python_and_used(job):
    """A wheel made here, whose command is the stand-in of these tests, in a real environment."""
    stand_in = Path(job.env["PATH"].partition(":")[0]) / "energyscore"
    named, info = "my wheels/es-1-py3-none-any.whl", "es-1.dist-info"
    (job.workspace / "my wheels").mkdir()
    with zipfile.ZipFile(job.workspace / named, "w") as wheel:
        wheel.writestr(
            "es.py", f"import os, sys\ndef main(): os.execv({str(stand_in)!r}, sys.argv)"
        )
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\nenergyscore=es:main\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: es\nVersion: 1\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    done = job(
        results="results",
        max="gpu_wh_per_1k_queries<=2.5",
        install=f"--no-index '{named}'",
        python=sys.executable,
        env={"PATH": os.environ["PATH"]},
    )
    assert (done.status, done.outputs["verdict"]) == (0, "pass"), done.log
    assert done.steps["install"] == {
        "energyscore": str(job.temp / "energyscore-venv/bin/energyscore")
    }
    assert [call[0] for call in job.calls] == ["gate"]


LIGHT = [
    f"-m pip install --progress-bar off -r {ROOT / 'gate-requirements.txt'}",
    f"-m pip install --progress-bar off --no-deps {ROOT}",
]
WHOLE = [f"-m pip install --progress-bar off -c {ROOT / 'constraints.txt'} {ROOT}"]


@pytest.mark.parametrize(
    ("inputs", "fails_at", "commands"),
    [
        ({"results": "results"}, "--no-deps", LIGHT),
        ({"results": "results"}, "-r", LIGHT[:1]),
        ({"results": "", "task": "text_generation"}, "-c", WHOLE),
    ],
    ids=["saved results", "saved results, no index", "measured"],
)
def test_the_actions_own_checkout_is_installed(job, tmp_path, inputs, fails_at, commands):
    """With the versions the tests ran with, without torch where nothing is measured.

    Where pip fails, nothing has passed.
    """
    said = 'echo "$@" >>"$RUNNER_TEMP/said"\n'
    pip = f'case " $* " in *" {fails_at} "*) exit 1;; esac\n'
    (tmp_path / "pip").write_text(f"#!/bin/bash\n{said}{pip}")
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/bash\n{said}mkdir -p "$3/bin"\ninstall -m 755 {tmp_path}/pip "$3/bin/python"\n'
    )
    python.chmod(0o755)
    done = job(**inputs, max="gpu_wh_per_1k_queries<=2.5", install="", python=python)
    venv, *installed = (job.temp / "said").read_text().splitlines()
    assert venv == f"-m venv {job.temp / 'energyscore-venv'}"
    assert installed == commands
    assert (done.status, done.outputs["verdict"]) == (2, "error")
    assert "energyscore could not be installed" in done.log
    assert not job.calls_file.exists()


# Examples


def check_that_it_parses(arguments):
    """Refuse arguments of `energyscore run` that it would refuse."""
    from energyscore.cli.app import app

    with typer.main.get_command(app).commands["run"].make_context("run", list(arguments)):
        pass


@pytest.mark.parametrize("step", USES)
def test_an_example_does_what_it_says(job, step):
    """Its inputs exist, energyscore takes them, and a result within the limits passes."""
    path = step["uses"].partition(".github/")[2]
    assert ROOT / ".github" / path == FOLDER
    assert re.match(r"\./(\.energyscore/)?\.github/", step["uses"])
    before = result_of(2.0, identity="1" * 64, created_at="2025-12-01T00:00:00Z")
    job.save("energy-baseline/before.json", before)
    rule = "rules: [{max: gpu_wh_per_1k_queries<=2.5}]"
    (job.workspace / "energy-gate.yaml").write_text(rule)
    # Ours measures without a GPU; the results made by hand here are of one.
    system = {"max": step["with"].get("max", "").replace("system_", "gpu_")}
    done = job(**{"install": "none"} | step["with"] | system)
    assert (done.status, done.outputs["verdict"]) == (0, "pass"), done.log
    assert "inconclusive" not in done.log
    *measuring, _ = job.calls
    assert len(measuring) == ("results" not in step["with"])
    for call in measuring:
        check_that_it_parses(call[1:])


def test_the_examples_fetch_the_action_that_they_use():
    """From a variable that is explained: `uses` takes none itself."""
    for text in (EXAMPLE.read_text(encoding="utf-8"), NAMED[".github/workflows/energy.yml"]):
        for found in yaml.safe_load(text)["jobs"].values():
            _, fetch, use = found["steps"][:3]
            assert fetch["with"]["repository"] == "${{ vars.ENERGYSCORE }}"
            assert use["uses"].startswith(f"./{fetch['with']['path']}/")
    assert "ENERGYSCORE is a variable" in EXAMPLE.read_text(encoding="utf-8")


def test_the_examples_show_a_gpu_and_saved_results():
    jobs = WORKFLOWS["example"]["jobs"]
    assert jobs["measured"]["runs-on"] == ["self-hosted", "gpu"]
    assert jobs["saved"]["runs-on"] == "ubuntu-latest"
    assert len(USES) == 4
    text = EXAMPLE.read_text(encoding="utf-8") + OWN.read_text() + "".join(NAMED.values())
    said = re.findall(r"\bsteps\.energy\.outputs\.([\w-]+)", text)
    assert said and set(said) <= set(ACTION["outputs"])
    assert set(re.findall(r"secrets\.\w+", text)) == {"secrets.HF_TOKEN"}
    assert "pull_request_target" not in text


def test_the_gitlab_job_of_the_readme_runs(job):
    """As a runner does: its lines in one shell that stops at the first that fails."""
    (gitlab,) = yaml.safe_load(NAMED[".gitlab-ci.yml"]).values()
    assert set(gitlab) == {"image", "tags", "script", "artifacts"}
    assert set(gitlab["artifacts"]) == {"when", "paths", "reports"}
    installing, *lines = gitlab["script"]
    assert installing == (
        'pip install -c "$ENERGYSCORE/raw/main/constraints.txt" "git+$ENERGYSCORE"'
    )
    for wh, status in ((2.0, 0), (3.0, 1)):
        job.save("results/org/good.json", result_of(wh))
        ran = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", "\n".join(lines)],
            cwd=job.workspace,
            env=job.env,
            check=False,
        )
        assert ran.returncode == status
        root = ET.parse(job.workspace / gitlab["artifacts"]["reports"]["junit"]).getroot()
        assert int(root.get("failures")) == status
    assert gitlab["artifacts"]["when"] == "always"
    assert all((job.workspace / path).exists() for path in gitlab["artifacts"]["paths"])
    check_that_it_parses(shlex.split(lines[1])[2:])
