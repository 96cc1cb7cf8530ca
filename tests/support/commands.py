"""The command line as a process of its own, and what it leaves."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.fork_server import SEARCHED
from support.forks import HUB, ForkServer, Libraries, Running, is_forkable, unlike
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
    *arguments: object,
    env: dict[str, str] | None = None,
    cwd=None,
    timeout=500,
    on_line=None,
    first="",
) -> Done:
    """Run the command line in a process of its own.

    It is a fork of one that has the heavy libraries imported already, where that makes no
    difference. There `on_line` is called with each line of its errors as soon as it is written, and
    the code `first` is run in it before the command.
    """
    words, env = list(map(str, arguments)), environment(env)
    if (server := _server(env)) is not None:
        running = server.start(words, env, str(cwd or os.getcwd()), first)
        done = Done(*running.wait(timeout, on_line))
    else:
        assert on_line is None
        assert not first
        fresh = subprocess.run(
            [sys.executable, "-m", "energyscore", *words],
            capture_output=True,
            text=True,
            errors="replace",
            env=env,
            cwd=cwd,
            timeout=timeout,
            check=False,
        )
        done = Done(fresh.returncode, fresh.stdout, fresh.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def python(code: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own; an error where that fails."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment(env),
        check=True,
    )


def start(*arguments: object, env: dict[str, str] | None = None) -> Running:
    """Start the command line in a process of its own, and go on meanwhile."""
    env = environment(env)
    server = _server(env)
    assert server is not None
    return server.start(list(map(str, arguments)), env, os.getcwd())


_LIBRARIES: list[Libraries] = []
_SERVERS: list[ForkServer] = []
_MOST_SERVERS = 4  # each holds what it imported itself


def _server(env: dict[str, str]) -> ForkServer | None:
    """One that was started in an environment like this one; None for an environment of its own."""
    others = unlike(environment(), env)
    fitting = [server for server in _SERVERS if server.fits(env)]
    if fitting:
        server = fitting[0]
    elif others <= HUB | {SEARCHED} and ("HF_HOME" in env or "HF_ENDPOINT" not in env):
        usual = environment()
        if is_forkable(env, usual):  # a fork adds it: one server is enough for all drivers
            env = {n: v for n, v in env.items() if n != SEARCHED}
            env |= {n: usual[n] for n in {SEARCHED} & usual.keys()}
        server = _libraries(env).serve(env)
    else:
        return None
    _SERVERS[:] = [server, *(other for other in _SERVERS if other is not server)]
    for other in [other for other in _SERVERS[_MOST_SERVERS:] if not other.busy]:
        other.close()
        _SERVERS.remove(other)
    return server


def _libraries(env: dict[str, str]) -> Libraries:
    fitting = [libraries for libraries in _LIBRARIES if libraries.fits(env)]
    if not fitting:
        fitting = [Libraries(env)]
        _LIBRARIES.extend(fitting)
    return fitting[0]


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
