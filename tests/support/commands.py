"""The command line as a process of its own, and what it leaves."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.nvml_sim import Gpu

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    """A finished command."""

    status: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """Its one line of complaint."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("error:")]
        assert len(lines) == 1, self.stderr
        return lines[0]


def energyscore(
    *arguments: object, env: dict[str, str] | None = None, cwd=None, timeout=500
) -> Done:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "energyscore", *map(str, arguments)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        env=environment(env),
        cwd=cwd,
        timeout=timeout,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of such a process.

    One thread: the models of tests are too small for two, and two that wait for each other are
    slower many times over as soon as anything else runs on the machine.
    """
    own = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "", "OMP_NUM_THREADS": "1"}
    return os.environ | own | (more or {})


def gpu(uuid: str = "GPU-11111111-2222-3333-4444-555555555555", **settings) -> Gpu:
    """A simulated GPU of constant 300 W."""
    settings.setdefault("power_schedule", ((0.0, 300.0),))
    return Gpu(uuid=uuid, **settings)


def only_result(out: Path) -> dict:
    """The one result in an output folder."""
    files = [file for file in out.rglob("*.json") if file.name != "selftest.json"]
    assert len(files) == 1, files
    return json.loads(files[0].read_text())
