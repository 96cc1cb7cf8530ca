"""Commands as forks of processes that have imported what they need: the side of the tests.

What is forked is `fork_server`.
"""

import atexit
import ctypes.util
import functools
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from support.fork_server import DRIVER, SEARCHED, reading, writing

LATE = {
    *("NVML_SIM_CONFIG", "PATH", "COLUMNS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"),
    *("PYTEST_CURRENT_TEST", "TORCHINDUCTOR_CACHE_DIR", "HF_TOKEN"),
    *("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "ENERGYSCORE_NO_CACHE"),
}
"""Variables that nothing reads while it is imported, so a fork can have others.

That of inductor is set by torchao itself when it is imported, in the midst of the tests.
"""

HUB = {
    *("HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE", "NO_PROXY"),
    *("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_XET"),
}
"""Variables of the hub, which only what stands upon its library reads."""


class Libraries:
    """The process that has imported `LIBRARIES`, and whose forks are servers."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # an answer must not wait in a buffer, where nobody sees that it came
            env=self._env | {"PYTHONPATH": os.pathsep.join(_paths(self._env))},
            start_new_session=True,
        )
        atexit.register(self._process.kill)

    def fits(self, env: Mapping[str, str]) -> bool:
        """Whether a fork of it can import the rest as a fresh process in that environment would."""
        return unlike(self._env, env) <= HUB

    def serve(self, env: Mapping[str, str]) -> "ForkServer":
        """A server in that environment."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            pipes = [str(Path(folder, name)) for name in ("requests", "answers")]
            for pipe in pipes:
                os.mkfifo(pipe)
            request = {"env": dict(env), "pipes": pipes, "ended": ""}
            _ask(request, self._process.stdin, self._process.stdout)
            return ForkServer(env, writing(pipes[0]), reading(pipes[1]))


class ForkServer:
    """A process that waits to be forked in this environment; it ends with who speaks to it."""

    def __init__(self, env: Mapping[str, str], requests: IO[bytes], answers: IO[bytes]) -> None:
        self._env, self._requests, self._answers = dict(env), requests, answers
        self._running: list[Running] = []

    def fits(self, env: Mapping[str, str]) -> bool:
        """Whether a fresh process in that environment would do the same as a fork of this one."""
        others = unlike(self._env, env)
        return not others or (others == {SEARCHED} and is_forkable(env, self._env))

    @property
    def busy(self) -> bool:
        """Whether a command of it has not ended yet."""
        return not all(running.ended for running in self._running)

    def close(self) -> None:
        """End it."""
        self._requests.close()
        self._answers.close()

    def start(
        self, arguments: Sequence[str], env: Mapping[str, str], cwd: str, first: str = ""
    ) -> "Running":
        """Start a command, after the code `first` in its process; others may run meanwhile."""
        running = Running()
        self._running = [*(other for other in self._running if not other.ended), running]
        request = {"arguments": arguments, "env": dict(env), "cwd": cwd, "first": first}
        request |= {"to": [str(running.out), str(running.err)], "ended": str(running.end)}
        running.pid = _ask(request, self._requests, self._answers)
        return running


def _ask(request: Mapping[str, object], requests: IO[bytes], answers: IO[bytes]) -> int:
    """The process that begins to do it."""
    requests.write(json.dumps(request).encode() + b"\n")
    return int(answers.readline())


class Running:
    """A command that was started."""

    def __init__(self) -> None:
        self.pid, self.ended = 0, False
        self._folder = tempfile.TemporaryDirectory()
        self.out, self.err, self.end = (
            Path(self._folder.name, name) for name in ("out", "err", "end")
        )
        for file in (self.out, self.err):
            file.touch()
        os.mkfifo(self.end)
        self._status = os.open(self.end, os.O_RDONLY | os.O_NONBLOCK)

    def send_signal(self, number: int) -> None:
        """As `Popen` does."""
        os.kill(self.pid, number)

    def wait(
        self, timeout_s: float = 500, on_line: Callable[[str], None] | None = None
    ) -> tuple[int, str, str]:
        """The status, output and errors; TimeoutExpired as subprocess has it.

        `on_line` is called with each line of its errors as soon as it is written.
        """
        with self._folder:
            with self.err.open(errors="replace") as lines:
                seen = False
                deadline = time.monotonic() + timeout_s
                while not seen and time.monotonic() < deadline:
                    seen = self._has_ended(0.01 if on_line else timeout_s)
                    for line in lines if on_line else ():
                        on_line(line)
            if not seen:
                os.killpg(self.pid, signal.SIGKILL)
                self._has_ended(60)
            self.ended = True
            status = int(os.read(self._status, 100))
            os.close(self._status)
            if not seen:
                raise subprocess.TimeoutExpired("energyscore", timeout_s)
            return status, *(file.read_text(errors="replace") for file in (self.out, self.err))

    def _has_ended(self, wait_s: float) -> bool:
        return bool(select.select([self._status], [], [], wait_s)[0])


def unlike(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    """The variables that differ, of those that are read early."""
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)} - LATE


def is_forkable(env: Mapping[str, str], usual: Mapping[str, str]) -> bool:
    """Whether its libraries are those of the other environment, after a folder with a driver.

    Where to look for libraries is read when a process begins. One that is loaded already is found
    by its name, wherever it lies: so a fork can load it. One that cannot be loaded, and hides that
    of the machine, takes a process.
    """
    folder, _, rest = env.get(SEARCHED, "").partition(os.pathsep)
    driver = Path(folder, DRIVER)
    if rest != usual.get(SEARCHED, "") or not driver.is_file():
        return False
    return driver.stat().st_size > 0 or not _machine_has_a_driver()


@functools.cache
def _machine_has_a_driver() -> bool:
    return ctypes.util.find_library("nvidia-ml") is not None


def _paths(env: Mapping[str, str]) -> list[str]:
    tests = str(Path(__file__).resolve().parents[1])
    return [tests, *filter(None, [env.get("PYTHONPATH")])]
