"""Our own processes that measure, as forks of the process that asks for them.

A command of `fork_server` has imported what such a process would import first, for seconds.
"""

import atexit
import os
import runpy
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence

PACKAGE = "energyscore.measurement"
MODULES = (PACKAGE, *(f"{PACKAGE}.{name}" for name in ("launcher", "loader", "modes")))


class ForkedPopen(subprocess.Popen):
    """A `Popen` that forks where its command is one of `MODULES` in this environment and folder."""

    end: Callable[[int], None] = staticmethod(os._exit)  # how such a process ends

    def _execute_child(
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *others
    ) -> None:
        words = _words_of(args)
        if not words or cwd is not None or env not in (None, dict(os.environ)):
            super()._execute_child(
                args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *others
            )
            return
        _, _, _, *pipes, _, _, _, _, _, new_session, group = others
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                if new_session:
                    os.setsid()
                if group >= 0:
                    os.setpgid(0, group)
                _take_files(pipes[0], pipes[3], pipes[5], pass_fds)
                self.end(_run(words, preexec_fn))
            finally:
                os._exit(1)
        self._child_created = True
        self._close_pipe_fds(*pipes)


def _words_of(command: Sequence[str]) -> list[str]:
    """The module and its arguments, where the command is a Python with one of ours."""
    first, *words = map(os.fspath, command) if not isinstance(command, str) else [command]
    words = words[1:] if words[:1] == ["-P"] else words
    is_ours = first == sys.executable and words[:1] == ["-m"] and words[1] in MODULES
    return words[1:] if is_ours else []


def _take_files(stdin: int, stdout: int, stderr: int, pass_fds: Sequence[int]) -> None:
    """Have these as the streams (-1: as they are), and none but those that are passed."""
    for place, source in enumerate((stdin, stdout, stderr)):
        if source >= 0:
            os.dup2(source, place)
    for file in map(int, os.listdir("/proc/self/fd")):
        if file > 2 and file not in pass_fds:
            try:
                os.close(file)
            except OSError:
                continue  # that of the list itself
    sys.stdin = os.fdopen(0, "r", closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", errors="backslashreplace", buffering=1, closefd=False)


def _run(words: Sequence[str], preexec_fn: Callable[[], None] | None) -> int:
    """Run the module as a fresh process would; its exit status."""
    atexit._clear()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if preexec_fn is not None:
        preexec_fn()
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = list(words)
    warnings.filterwarnings("ignore", "'.*' found in sys.modules", RuntimeWarning)
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        return int(ending.code or 0) if isinstance(ending.code, int | None) else 1
    return 0
