"""One process for one measurement: what it does to itself, it does to nobody else.

While it measures, the parent sleeps in the kernel: it is woken by a line on the child's stderr,
by the child's end, or by the time limit, and by nothing else.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from energyscore.base.interrupts import die_with_parent
from energyscore.base.text import without_passwords

if TYPE_CHECKING:
    from energyscore.measurement.options import Job

GRACE_S = 30.0
"""How long a process that was asked to end may take to write down what it has."""

ERROR_CODE = "energyscore-error: "
"""What a line begins with that tells the next error's code, for the parent only."""

_LONGEST_S = 1e8
"""Three years: the system's calls take no time limit of centuries."""

_LONGEST_LINE = 10_000
_MOST_LEFTOVERS = 100
_HINTS = {
    "SIGKILL": "; the kernel does that when memory runs out",
    "SIGSEGV": "; native code crashed",
    "SIGABRT": "; native code gave up",
}


@dataclass
class Ended:
    """A process that has ended."""

    exit_code: int  # negative: the signal that ended it
    seconds: float
    error: str  # the last line in which it named an error; empty if none
    last_line: str
    timed_out: bool
    interrupted: bool  # by Ctrl-C or SIGTERM here
    code: str = ""  # of that error (`EnergyScoreError.code`); empty if it has none

    @property
    def reason(self) -> str:
        """Why it ended as it did, for people."""
        if self.timed_out:
            return f"ended after {self.seconds:.0f} s, which was its time limit (--timeout)"
        if self.exit_code < 0:
            names = {number.value: number.name for number in signal.Signals}
            name = names.get(-self.exit_code, f"signal {-self.exit_code}")
            return f"its process was ended by {name}{_HINTS.get(name, '')}"
        if self.error:
            return self.error
        said = f": {self.last_line}" if self.last_line else ""
        return f"its process ended with status {self.exit_code} and left no result{said}"


@dataclass
class _Lines:
    """Cuts what a process writes into lines, and keeps the last ones only."""

    on_line: Callable[[str], None]
    error: str = ""
    code: str = ""
    last: str = ""
    _next_code: str = ""
    _open: bytes = field(default=b"")

    def feed(self, data: bytes) -> None:
        """More of what it wrote. What ends with a carriage return is a bar redrawn, no line."""
        *whole, self._open = (self._open + data).split(b"\n")
        self._open = self._open[-_LONGEST_LINE:]
        for raw in whole:
            line = raw.rstrip(b"\r").rpartition(b"\r")[2][-_LONGEST_LINE:]
            text = without_passwords(line.decode(errors="replace").rstrip())
            if text.startswith(ERROR_CODE):
                self._next_code = text.removeprefix(ERROR_CODE)
            elif text:
                self.last = text
                if text.startswith("error: "):
                    self.error, self.code = text.removeprefix("error: "), self._next_code
                    self._next_code = ""
                self.on_line(text)


def python() -> list[str]:
    """The command of a Python that imports what this process imports.

    Where the working directory is no place to import from here, it is none there either.
    """
    return [sys.executable, *([] if {"", os.getcwd()} & set(sys.path) else ["-P"])]


def job_command(job: "Job", module: str = "energyscore.measurement") -> list[str]:
    """The command that does a job in a process of its own, by default all of it (`__main__`)."""
    text = json.dumps(job.model_dump(exclude_unset=True), default=str)
    return [*python(), "-m", module, text]


class Process(Protocol):
    """A process of its own group that was started; `ended` is readable once it has ended."""

    @property
    def stderr(self) -> int:
        """Where its errors can be read."""

    @property
    def ended(self) -> int | None:
        """None on an old kernel: then the end of stderr is its end."""

    def interrupt(self) -> None:
        """What Ctrl-C does."""

    def wait(self) -> None:
        """Wait for its end, where nothing else tells of it."""

    def end(self) -> int:
        """Whatever is left of its group ends now; gives its exit code."""


class FreshProcess:
    """A command as a process that begins with nothing."""

    def __init__(self, command: Sequence[str], keep_open: Sequence[int] = ()) -> None:
        """Start it; it ends with this process."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
            pass_fds=keep_open,
            preexec_fn=die_with_parent(),
        )
        assert self._process.stderr is not None
        self.stderr = self._process.stderr.fileno()
        self.ended: int | None = None
        with contextlib.suppress(OSError):
            self.ended = os.pidfd_open(self._process.pid)

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def wait(self) -> None:
        """Wait for its end."""
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)

    def end(self) -> int:
        """Kill its group, whose number is its own until the process is reaped."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        if self.ended is not None:
            os.close(self.ended)
        assert self._process.stderr is not None
        self._process.stderr.close()
        return status


Start = Callable[[Sequence[str], Sequence[int]], Process]
"""Starts a command that inherits these file descriptors."""


def run_child(
    command: Sequence[str],
    on_line: Callable[[str], None],
    *,
    timeout_s: float | None = None,
    keep_open: Sequence[int] = (),
    start: Start = FreshProcess,
) -> Ended:
    """Run a command to its end, in a process group of its own that ends with this process.

    Ctrl-C (or SIGTERM, where it is heeded) here is passed on, and what came of it returned: a child
    may have written all that it was to write. A second one, or a child that takes over `GRACE_S`,
    ends it at once.

    `on_line` is told every line that it writes to stderr; it inherits the file descriptors
    `keep_open`.
    """
    began_s = time.monotonic()
    process = start(command, keep_open)
    lines = _Lines(on_line)
    timed_out = interrupted = False
    try:
        if not _follow(process, lines, timeout_s):
            timed_out = True
            lines.on_line = lambda text: None  # what it says of being interrupted is ours
            _ask_to_end(process, lines)
    except KeyboardInterrupt:
        interrupted = True
        with contextlib.suppress(KeyboardInterrupt):
            _ask_to_end(process, lines)
    finally:
        exit_code = process.end()
    lines.feed(b"\n")  # what it wrote without an end of line is a line, too
    seconds = time.monotonic() - began_s
    return Ended(exit_code, seconds, lines.error, lines.last, timed_out, interrupted, lines.code)


def _ask_to_end(process: Process, lines: _Lines) -> None:
    process.interrupt()
    _follow(process, lines, GRACE_S)


def _follow(process: Process, lines: _Lines, timeout_s: float | None) -> bool:
    """Wait for its end, passing on its lines; False when it has not ended in time."""
    deadline = None if timeout_s is None else time.monotonic() + min(timeout_s, _LONGEST_S)
    # A process of its own may hold stderr open after the child has ended.
    waiting, leftovers = [process.stderr], 0
    waiting += [] if process.ended is None else [process.ended]
    while waiting:
        left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select(waiting, [], [], left_s)
        if not ready:
            return False
        if process.stderr not in ready or leftovers > _MOST_LEFTOVERS:
            return True
        # What it wrote before its end may still lie in the pipe; another process that has the
        # pipe could fill it for ever.
        leftovers += len(ready) > 1
        if data := os.read(process.stderr, 65536):
            lines.feed(data)
        else:
            waiting.remove(process.stderr)
    process.wait()
    return True
