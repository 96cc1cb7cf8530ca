"""Commands in processes of their own that need not import torch and transformers first.

One process imports them once, and our own modules; each command is a fork of it, with its own
arguments, environment, folder and streams, and runs `python -m energyscore` as a fresh process
would. That saves seven seconds of processor time a command. For other variables that libraries read
when they are imported, another such process is started: see `fits`. That our modules import each
other in any order, and only what they need, other tests show (`test_imports`, `test_light`).

    python -m support.fork_server      (spoken to by `ForkServer` alone)
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

LATE = {
    *("NVML_SIM_CONFIG", "PATH", "COLUMNS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"),
    *("PYTEST_CURRENT_TEST", "TORCHINDUCTOR_CACHE_DIR", "XDG_STATE_HOME"),
}
"""Variables that nothing reads while it is imported, so a fork can have others.

That of inductor is set by torchao itself when it is imported, in the midst of the tests.
"""

SEARCHED, DRIVER = "LD_LIBRARY_PATH", "libnvidia-ml.so.1"

HEAVY = (
    *("torch", "datasets", "scipy.stats", "codecarbon.core.emissions", "requests", "PIL.Image"),
    *("transformers.generation.utils", "transformers.models.auto.modeling_auto"),
    *("transformers.models.auto.tokenization_auto", "transformers.models.gpt2.modeling_gpt2"),
    *("pydantic.main", "rich.progress", "rich.table", "ruamel.yaml", "typer"),
    *("energyscore.cli.app", "energyscore.measurement.session"),
    *("energyscore.measurement.backends.text_generation", "energyscore.publish.results_folder"),
    *("energyscore.measurement.backends.text_to_text", "energyscore.judge.rating"),
    *(f"energyscore.measurement.meters.{name}" for name in ("codecarbon", "continuity", "load")),
    *(f"energyscore.measurement.meters.{name}" for name in ("nvml", "rapl")),
)
"""What most commands import, by which they begin."""


class ForkServer:
    """The process that waits to be forked, started in this environment."""

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
        self._running: Running | None = None

    def fits(self, env: Mapping[str, str]) -> bool:
        """Whether a fresh process in that environment would do the same as a fork of this one."""
        names = self._env.keys() | env.keys()
        unlike = {name for name in names if self._env.get(name) != env.get(name)} - LATE
        return not unlike or (unlike == {SEARCHED} and adds_a_driver(env, self._env))

    @property
    def busy(self) -> bool:
        """Whether a command of it has not ended yet."""
        return self._running is not None and not self._running.ended

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def start(
        self, arguments: Sequence[str], env: Mapping[str, str], cwd: str, first: str = ""
    ) -> "Running":
        """Start a command, after the code `first` in its process; one at a time."""
        assert not self.busy
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._running = running = Running(self._process.stdout)
        streams = [str(running.out), str(running.err)]
        request = {"arguments": arguments, "env": dict(env), "cwd": cwd, "to": streams}
        request["first"] = first
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        running.pid = int(self._process.stdout.readline())
        return running


class Running:
    """A command that was started."""

    def __init__(self, answers: IO[bytes]) -> None:
        self.pid, self.ended, self._answers = 0, False, answers
        self._folder = tempfile.TemporaryDirectory()
        self.out, self.err = (Path(self._folder.name, name) for name in ("out", "err"))
        for file in (self.out, self.err):
            file.touch()

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
                    wait_s = 0.01 if on_line else timeout_s
                    seen = bool(select.select([self._answers], [], [], wait_s)[0])
                    for line in lines if on_line else ():
                        on_line(line)
            if not seen:
                os.killpg(self.pid, signal.SIGKILL)
            status = int(self._answers.readline())
            self.ended = True
            if not seen:
                raise subprocess.TimeoutExpired("energyscore", timeout_s)
            return status, *(file.read_text(errors="replace") for file in (self.out, self.err))


def adds_a_driver(env: Mapping[str, str], usual: Mapping[str, str]) -> bool:
    """Whether its libraries are those of the other environment, after a folder with a driver.

    Where to look for libraries is read when a process begins. One that is loaded already is found
    by its name, wherever it lies: so a fork can load it. One that cannot be loaded takes a process.
    """
    folder, _, rest = env.get(SEARCHED, "").partition(os.pathsep)
    driver = Path(folder, DRIVER)
    return rest == usual.get(SEARCHED, "") and driver.is_file() and driver.stat().st_size > 0


def _load_driver(env: Mapping[str, str]) -> None:
    if env.get(SEARCHED, "") != os.environ.get(SEARCHED, ""):
        driver = Path(env[SEARCHED].partition(os.pathsep)[0], DRIVER)
        assert ctypes.CDLL(str(driver))._handle == ctypes.CDLL(DRIVER)._handle, "another is loaded"
        # CodeCarbon looks for a driver when it is imported, and there was none then.
        for name in [name for name in sys.modules if name.partition(".")[0] == "codecarbon"]:
            del sys.modules[name]


def _paths(env: Mapping[str, str]) -> list[str]:
    tests = str(Path(__file__).resolve().parents[1])
    return [tests, *filter(None, [env.get("PYTHONPATH")])]


def serve() -> dict:
    """Answer requests with the pid and then the status of a fork; a fork returns its request."""
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            return request
        _answer(pid)
        _answer(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    sys.exit()


def _answer(number: int) -> None:
    sys.stdout.buffer.write(b"%d\n" % number)
    sys.stdout.buffer.flush()


def become(request: dict) -> None:
    """Make this fork what a fresh process would be."""
    os.setsid()
    _load_driver(request["env"])
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sources = [os.open(os.devnull, os.O_RDONLY)]
    sources += [os.open(name, os.O_WRONLY | os.O_CREAT) for name in request["to"]]
    for place, source in enumerate(sources):
        os.dup2(source, place)
        os.close(source)
    sys.stdin = os.fdopen(0, "r", closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", errors="backslashreplace", buffering=1, closefd=False)
    sys.argv = ["energyscore", *request["arguments"]]
    sys.path[0] = request["cwd"]  # as `python -m` has it


def run() -> int:
    """The command's exit status."""
    try:
        runpy.run_module("energyscore", run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        return int(ending.code or 0)
    except BaseException:  # noqa: BLE001 - whatever ends a process is shown as it shows it
        traceback.print_exc()
        return 1
    return 0


def end(status: int) -> None:
    """End as a process does, but without taking a million shared objects apart."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def stand_alone() -> None:
    """What other processes do meanwhile counts as idling: tests share a few cores.

    An estimate made beside them would get no stars. `test_load` looks at the real figures.
    """
    import psutil

    real = psutil.cpu_times

    def times() -> tuple[float, ...]:
        found, own_s = real(), sum(os.times()[:4])
        kinds = ("user", "nice", "system", "irq", "softirq")
        busy_s = sum(getattr(found, kind) for kind in kinds)
        ours = dict.fromkeys(kinds, 0.0) | {"user": own_s, "idle": found.idle + busy_s - own_s}
        return found._replace(**ours)

    psutil.cpu_times = times


def prepare() -> None:
    """Import, and make what libraries and ours make once in a process, whatever the command."""
    for name in HEAVY:
        importlib.import_module(name)
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping
    from typer.main import get_command

    from energyscore.cli.app import app
    from energyscore.protocol.task import load_tasks

    get_command(app)
    get_checkpoint_conversion_mapping("gpt2")
    load_tasks()


if __name__ == "__main__":
    prepare()
    stand_alone()
    gc.collect()
    gc.freeze()  # a fork need not look through what all share
    request = serve()
    become(request)
    exec(request["first"], {})
    end(run())
