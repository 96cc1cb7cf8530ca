"""Being asked to end: by Ctrl-C, and by other signals, which are treated as Ctrl-C is.

Schedulers and containers send SIGTERM, a terminal that is closed sends SIGHUP.
"""

import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from energyscore.base.errors import EnergyScoreError

_PR_SET_PDEATHSIG = 1
_status = 128 + signal.SIGINT


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: whatever is under way ends as after Ctrl-C."""


class Interrupted(EnergyScoreError):
    """Ctrl-C or another such signal in the middle of a command; what was finished is kept."""

    def __init__(self, message: str, remedy: str = "") -> None:
        """Keep the message, and the status of what ended it."""
        super().__init__(message, remedy)
        self.exit_code = interrupted_status()


def heed_signals() -> None:
    """From here on these end this process as Ctrl-C does; one that is ignored stays so."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if in_main_thread and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)


def heed_ctrl_c() -> None:
    """From here on Ctrl-C ends this process, also one that was started to ignore it.

    Workers of Ray block it, and so would all that they start.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def end_on(number: signal.Signals) -> None:
    """From here on this signal, too, ends this process as Ctrl-C does."""
    signal.signal(number, _terminate)


@contextlib.contextmanager
def unchanged(number: signal.Signals) -> Iterator[None]:
    """What a signal does stays as it was, whatever a library sets within."""
    before = signal.getsignal(number)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, before)


def interrupted_status() -> int:
    """The exit status of a process that was asked to end, as shells have it: 128 + the signal."""
    return _status


def die_with_parent() -> Callable[[], None]:
    """What a child does before it begins, so that it ends with this process."""
    parent, libc = os.getpid(), ctypes.CDLL(None)

    def prepare() -> None:
        # A suite that was started in the background ignores Ctrl-C, and so would its children.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def _terminate(number: int, frame: FrameType | None) -> None:
    global _status
    _status = 128 + number
    raise Terminated
