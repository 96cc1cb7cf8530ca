"""Being asked to end: SIGTERM, as schedulers and containers send it, is treated as Ctrl-C is."""

import signal
import threading
from types import FrameType

from energyscore.base.errors import EnergyScoreError

_status = 128 + signal.SIGINT


class Terminated(KeyboardInterrupt):
    """SIGTERM: whatever is under way ends as after Ctrl-C."""


class Interrupted(EnergyScoreError):
    """Ctrl-C or SIGTERM in the middle of a command; what was finished is kept."""

    def __init__(self, message: str, remedy: str = "") -> None:
        """Keep the message, and the status of what ended it."""
        super().__init__(message, remedy)
        self.exit_code = interrupted_status()


def heed_sigterm() -> None:
    """From here on SIGTERM ends this process as Ctrl-C does; where it is ignored, it stays so."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def interrupted_status() -> int:
    """The exit status of a process that was asked to end, as shells have it: 128 + the signal."""
    return _status


def _terminate(number: int, frame: FrameType | None) -> None:
    global _status
    _status = 128 + number
    raise Terminated
