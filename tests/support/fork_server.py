"""Commands in processes of their own that need not import torch and transformers first.

One process imports them once, and our own modules; each command is a fork of it, with its own
arguments, environment, folder and streams, and runs `python -m energyscore` as a fresh process
would; so do processes that it starts and that measure (`forked_popen`). That saves seven seconds of
processor time each. For other variables that libraries read when they are imported, there is
another such process. Each is a fork, too: of one that has imported only what reads none of these
variables. That our modules import each other in any order, and only what they need, other tests
show (`test_imports`, `test_light`).

    python -m support.fork_server      (`forks` speaks to it)
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
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from support.forked_popen import ForkedPopen

SEARCHED, DRIVER = "LD_LIBRARY_PATH", "libnvidia-ml.so.1"

LIBRARIES = (
    "energyscore.measurement.backends",  # it keeps torchao silent
    *("torch", "torch._dynamo", "torchao", "scipy.stats", "pandas"),
)
"""What takes most of the time, and asks neither for the hub nor for a driver."""

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


def reading(pipe: str) -> IO[bytes]:
    """A pipe with a name, without a buffer, once somebody writes to it."""
    return os.fdopen(os.open(pipe, os.O_RDONLY), "rb", 0)


def writing(pipe: str) -> IO[bytes]:
    """The same, once somebody reads."""
    return os.fdopen(os.open(pipe, os.O_WRONLY), "wb", 0)


def _load_driver(env: Mapping[str, str]) -> None:
    if env.get(SEARCHED, "") != os.environ.get(SEARCHED, ""):
        driver = Path(env[SEARCHED].partition(os.pathsep)[0], DRIVER)
        if driver.stat().st_size == 0:  # there is none without it either
            return
        assert ctypes.CDLL(str(driver))._handle == ctypes.CDLL(DRIVER)._handle, "another is loaded"
        # CodeCarbon looks for a driver when it is imported, and there was none then.
        for name in [name for name in sys.modules if name.partition(".")[0] == "codecarbon"]:
            del sys.modules[name]


def serve(requests: IO[bytes], answers: IO[bytes]) -> dict:
    """Answer requests with the pid of a fork, and tell its end; a fork returns its request."""
    running: dict[int, tuple[int, str]] = {}
    while True:
        for ready in select.select([requests, *running], [], [])[0]:
            if ready is not requests:
                pid, told = running.pop(ready)
                os.close(ready)
                _tell(told, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            elif not (line := requests.readline()):
                os._exit(0)
            else:
                request = json.loads(line)
                if (pid := os.fork()) == 0:
                    return request
                running[os.pidfd_open(pid)] = pid, request["ended"]
                answers.write(b"%d\n" % pid)


def _tell(file: str, status: int) -> None:
    with contextlib.suppress(OSError):  # nobody waits for it any more
        descriptor = os.open(file, os.O_WRONLY | os.O_NONBLOCK)
        os.write(descriptor, b"%d" % status)
        os.close(descriptor)


def become_server(request: dict) -> tuple[IO[bytes], IO[bytes]]:
    """Make this fork a server: whence its requests come, and where its answers go."""
    os.setsid()
    _take(request["env"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    requests, answers = request["pipes"]
    pipes = reading(requests), writing(answers)
    prepare()
    stand_alone()
    return pipes


def _take(env: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(env)


def become(request: dict) -> None:
    """Make this fork what a fresh process would be."""
    os.setsid()
    _load_driver(request["env"])
    _take(request["env"])
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
    ForkedPopen.end = staticmethod(end)
    subprocess.Popen = ForkedPopen


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


def set_aside() -> None:
    """What all share, a fork need not look through."""
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    for name in LIBRARIES:
        importlib.import_module(name)
    assert not {"huggingface_hub", "codecarbon"} & sys.modules.keys()
    set_aside()
    request = serve(os.fdopen(0, "rb", 0), os.fdopen(os.dup(1), "wb", 0))
    pipes = become_server(request)
    set_aside()
    request = serve(*pipes)
    become(request)
    exec(request["first"], {})
    end(run())
