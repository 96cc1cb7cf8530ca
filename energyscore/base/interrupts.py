"""Being asked to end: by Ctrl-C, and by other signals, which are treated as Ctrl-C is.

Schedulers and containers send SIGTERM, a terminal that is closed sends SIGHUP.
"""

import signal
import threading
from types import FrameType

from energyscore.base.errors import EnergyScoreError

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


def interrupted_status() -> int:
    """The exit status of a process that was asked to end, as shells have it: 128 + the signal."""
    return _status


def _terminate(number: int, frame: FrameType | None) -> None:
    global _status
    _status = 128 + number
    raise Terminated
