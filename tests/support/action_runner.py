"""A composite action as GitHub's runner executes it: expressions, conditions, shells, files.

It knows as much as our action uses; whatever else it meets is an error, so that what cannot be
judged here does not pass.
"""

import os
import re
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|&&|\|\||==|!=|[!()]|[A-Za-z_][\w.-]*)")
_SHELLS = {"bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"]}


@dataclass
class Finished:
    """An action that ended.

    Attributes:
        status: exit status of the step that failed first; 0: none did.
        outputs: those of the action.
        steps: outputs of each step that ran, by id.
        used: what each `uses` step got, by the action's name.
        log: stdout and stderr.
        summary: what the job's summary got.
        environment: what GITHUB_ENV and GITHUB_PATH got.
    """

    status: int = 0
    outputs: dict[str, str] = field(default_factory=dict)
    steps: dict[str, dict[str, str]] = field(default_factory=dict)
    used: dict[str, dict[str, str]] = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    environment: str = ""


class Expressions:
    """The values that expressions reach, and how these are evaluated."""

    def __init__(self, inputs, steps, ids, temp, done):
        self.inputs, self.steps, self.ids, self.temp, self.done = inputs, steps, ids, temp, done

    def fill(self, text: object) -> str:
        """A text with every `${{ }}` replaced by its value."""
        return re.sub(
            r"\$\{\{(.*?)\}\}", lambda found: str(self.value(found[1])), str(text), flags=re.S
        )

    def holds(self, condition: str | None) -> bool:
        """Whether a step runs: unless the condition says otherwise, only after success."""
        condition = condition or "success()"
        if not re.search(r"\b(always|success|failure|cancelled)\(\)", condition):
            condition = f"success() && ({condition})"
        return bool(self.value(condition))

    def value(self, expression: str) -> object:
        self.tokens, at = [], 0
        expression = expression.strip()
        while at < len(expression):
            found = _TOKEN.match(expression, at)
            assert found, f"unknown expression: {expression}"
            self.tokens.append(found[1])
            at = found.end()
        value = self._or()
        assert not self.tokens, f"unknown expression: {expression}"
        return value

    def _taken(self, *tokens):
        return self.tokens.pop(0) if self.tokens and self.tokens[0] in tokens else None

    def _or(self):
        value = self._and()
        while self._taken("||"):
            other = self._and()
            value = value or other
        return value

    def _and(self):
        value = self._equal()
        while self._taken("&&"):
            other = self._equal()
            value = value and other
        return value

    def _equal(self):
        value = self._one()
        if operator := self._taken("==", "!="):
            other = self._one()
            assert isinstance(value, str) and isinstance(other, str)
            return (value.lower() == other.lower()) == (operator == "==")
        return value

    def _one(self):
        token = self.tokens.pop(0)
        if token == "!":
            return not self._one()
        if token == "(":
            value = self._or()
            assert self._taken(")")
            return value
        if token[0] == "'":
            return token[1:-1].replace("''", "'")
        if self._taken("("):
            assert self._taken(")")
            return {"always": True, "success": not self.done.status}[token]
        match token.split("."):
            case ["inputs", name]:
                return self.inputs[name]
            case ["runner", "temp"]:
                return str(self.temp)
            case ["steps", step, "outputs", name] if step in self.ids:
                return self.steps.get(step, {}).get(name, "")
        raise AssertionError(f"unknown value: {token}")


def run_action(action: dict, path: Path, given: dict, workspace: Path, temp: Path, **env: str):
    """Run a composite action.

    Args:
        action: the content of its action.yml.
        path: its folder.
        given: inputs.
        workspace: where the repository is checked out.
        temp: the runner's folder of temporary files.
        env: of the job.
    """
    assert given.keys() <= action["inputs"].keys()
    inputs = {name: str(one.get("default", "")) for name, one in action["inputs"].items()}
    inputs |= {name: str(value) for name, value in given.items()}
    steps = action["runs"]["steps"]
    done = Finished()
    ids = {step["id"] for step in steps if "id" in step}
    expressions = Expressions(inputs, done.steps, ids, temp, done)
    for step in steps:
        if not expressions.holds(step.get("if")):
            continue
        if "uses" in step:
            name = step["uses"].partition("@")[0]
            done.used[name] = {key: expressions.fill(one) for key, one in step["with"].items()}
            continue
        own = {name: expressions.fill(value) for name, value in step.get("env", {}).items()}
        folder = workspace / expressions.fill(step.get("working-directory", "."))
        outputs = _run_shell(step, expressions, env | own, path, folder, workspace, temp, done)
        if "id" in step:
            done.steps[step["id"]] = outputs
    done.outputs = {name: expressions.fill(one["value"]) for name, one in action["outputs"].items()}
    return done


def _run_shell(step, expressions, env, path, folder, workspace, temp, done):
    files = {name: temp / f"{name}_{uuid.uuid4()}" for name in ("OUTPUT", "ENV", "PATH")}
    files["STEP_SUMMARY"] = temp / f"summary_{uuid.uuid4()}"
    for file in files.values():
        file.touch()
    script = temp / f"{uuid.uuid4()}.sh"
    script.write_text(expressions.fill(step["run"]), encoding="utf-8")
    ran = subprocess.run(
        [*_SHELLS[step["shell"]], str(script)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={
            **{"PATH": os.environ["PATH"], "HOME": str(temp), "LANG": "C.UTF-8"},
            **{"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(workspace)},
            **{"GITHUB_ACTION_PATH": str(path), "RUNNER_TEMP": str(temp)},
            **{f"GITHUB_{name}": str(file) for name, file in files.items()},
            **env,
        },
        check=False,
    )
    done.status = done.status or ran.returncode
    done.log += ran.stdout.decode(errors="replace")
    done.summary += files["STEP_SUMMARY"].read_text(encoding="utf-8")
    done.environment += files["ENV"].read_text() + files["PATH"].read_text()
    lines = files["OUTPUT"].read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[\w-]+=.*", line) for line in lines), lines
    return dict(line.split("=", 1) for line in lines)
