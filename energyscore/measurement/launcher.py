"""Jobs as forks of one process that has imported what they need: each starts seconds sooner.

A fork is what a fresh process would be once it has imported the same modules: nothing of them is at
work yet, and no GPU was touched. Where that is not sure, processes are fresh (`FreshProcess`).

`multiprocessing` has such a server, too, and it does not fit: it reaps what ended at once, so that
the number of a group could be another's by the time it is killed; there is one for the whole of a
process, whose main module it imports; and it starts one more process to track resources.

    python -m energyscore.measurement.launcher DESCRIPTOR MODULE ...
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType

from energyscore.base.interrupts import die_with_parent
from energyscore.measurement import catalog
from energyscore.measurement.child import (
    FreshProcess,
    Process,
    python,
)

FRESH = "ENERGYSCORE_FRESH_PROCESSES"
"""Set to 1, each job is a fresh process."""

_MODULE, _JOB = "energyscore.measurement.launcher", "energyscore.measurement.__main__"
_READY_S = 600.0  # importing may take minutes from a slow disk, and no longer
_MOST_BYTES, _MOST_DESCRIPTORS = 2**17, 16
_FRESH_OPTIONS = {"threads"}  # libraries read how many when they are loaded
_DRIVERS = ("/dev/nv", "/dev/dxg", "/dev/kfd", "/dev/dri", "/dev/accel")


def modules_of(modalities: Iterable[str]) -> list[str]:
    """What jobs of these modalities import."""
    backends = {catalog.BACKENDS[one].partition(":")[0] for one in modalities}
    return [_JOB, *sorted(backends)]


class Launcher:
    """Starts jobs, as forks where that makes no difference; the first starts what is forked."""

    def __init__(self, modules: Sequence[str]) -> None:
        """Nothing is started yet. `modules` are what jobs import."""
        self._modules = modules
        self._state: object = None
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._is_fit = os.environ.get(FRESH) != "1"

    def __enter__(self) -> "Launcher":
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process that is forked."""
        self.close()

    def start(self, command: Sequence[str], keep_open: Sequence[int] = ()) -> Process:
        """Start a command. One that is no job is a fresh process, and so is all where none fits."""
        if self._is_fit and _is_plain_job(command):
            with contextlib.suppress(OSError, ValueError):
                return self._fork(command[-1], keep_open)
            self.close()
        return FreshProcess(command, keep_open)

    def close(self) -> None:
        """End the process that is forked, and what of it still runs."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._connection = None

    def _fork(self, job: str, keep_open: Sequence[int]) -> "_ForkedProcess":
        """Raises OSError or ValueError where there is nothing to fork."""
        state = dict(os.environ), os.getcwd()
        if state != self._state or self._process is None or self._process.poll() is not None:
            self.close()
            self._open()
            self._state = state
        assert self._connection is not None
        stderr, theirs = os.pipe()
        try:
            socket.send_fds(self._connection, [job.encode()], [theirs, *keep_open])
            said, (pidfd,), _, _ = socket.recv_fds(self._connection, 100, 1)
        except BaseException:
            os.close(stderr)
            self.close()  # whether it was forked is not known
            raise
        finally:
            os.close(theirs)
        return _ForkedProcess(int(said), pidfd, stderr, self._connection)

    def _open(self) -> None:
        """Start what is forked, and wait until it is ready. One that is unfit stays so."""
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [*python(), "-m", _MODULE, str(theirs.fileno()), *self._modules],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    process_group=0,
                    pass_fds=[theirs.fileno()],
                    preexec_fn=die_with_parent(),
                )
            self._connection.settimeout(_READY_S)
            self._is_fit = self._connection.recv(1) == b"r"
        except BaseException:
            self.close()
            raise
        if not self._is_fit:
            raise OSError("it is unfit to be forked")


class _ForkedProcess:
    """A job that was forked. It is reaped, and its number free, only once `end` was called."""

    def __init__(self, pid: int, pidfd: int, stderr: int, connection: socket.socket) -> None:
        self._pid, self._connection = pid, connection
        self.stderr, self.ended = stderr, pidfd

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.ended, signal.SIGINT)

    def wait(self) -> None:
        """`ended` tells it."""

    def end(self) -> int:
        """Kill its group; gives its exit code, or as if killed where what was forked is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        os.close(self.ended)
        os.close(self.stderr)
        try:
            self._connection.send(b"e")
            return int(self._connection.recv(100))
        except (OSError, ValueError):
            return -signal.SIGKILL


def _is_plain_job(command: Sequence[str]) -> bool:
    """Whether it is all of a job (`job_command`), without options that ask for a fresh process."""
    *words, text = command
    if words != [*python(), "-m", "energyscore.measurement"] or len(text.encode()) > _MOST_BYTES:
        return False
    options = json.loads(text).get("options", {})
    return not any(options.get(name) for name in _FRESH_OPTIONS)


def _why_unfit() -> str:
    """Why this process is not to be forked; empty where nothing is against it."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            file = os.readlink(f"/proc/self/fd/{name}")
            if file.startswith(_DRIVERS):
                return f"{file} is open"  # a driver's state does not outlive a fork
    if (pid := os.fork()) == 0:  # before a fork, those of OpenBLAS end
        os._exit(0)
    os.waitpid(pid, 0)
    threads = len(os.listdir("/proc/self/task"))
    return f"{threads} threads are at work" if threads > 1 else ""


def _serve(connection: socket.socket) -> str:
    """Fork for each job that is asked for; in the fork, give the job."""
    while True:
        job, descriptors, _, _ = socket.recv_fds(connection, _MOST_BYTES, _MOST_DESCRIPTORS)
        if not job:  # who asked has ended
            os._exit(0)
        prepare = die_with_parent()
        if (pid := os.fork()) == 0:
            _become(prepare, connection, descriptors[0])
            return job.decode()
        for one in descriptors:
            os.close(one)
        pidfd = os.pidfd_open(pid)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # whoever is first
        socket.send_fds(connection, [b"%d" % pid], [pidfd])
        os.close(pidfd)
        if not connection.recv(1):
            os._exit(0)
        connection.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _become(prepare: Callable[[], None], connection: socket.socket, stderr: int) -> None:
    """Make this fork what a fresh process would be."""
    os.setpgid(0, 0)
    prepare()
    connection.close()
    os.dup2(stderr, 2)
    os.close(stderr)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()  # each fresh process has one of its own; `random` does it by itself


if __name__ == "__main__":
    for _name in sys.argv[2:]:
        with contextlib.suppress(ImportError):  # the job that needs it says so
            importlib.import_module(_name)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as _connection:
        if _why := _why_unfit():
            sys.exit(_why)
        _connection.send(b"r")
        _job = _serve(_connection)
    sys.exit(importlib.import_module(_JOB).main(_job))
