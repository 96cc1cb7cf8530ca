"""A command in a process of its own: how long it takes, and how much memory."""

import os
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def timed(command: list[str], out: Path) -> tuple[float, float, float, int]:
    """Run a command with stdout into a file.

    Returns:
        Seconds, seconds of a processor, MiB at the peak, and the exit status.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    actions = [
        (os.POSIX_SPAWN_OPEN, 1, str(out), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0o644),
    ]
    begin = time.monotonic()
    child = os.posix_spawn(command[0], command, environment, file_actions=actions)
    _, status, usage = os.wait4(child, 0)
    seconds = time.monotonic() - begin
    busy_s = usage.ru_utime + usage.ru_stime
    return seconds, busy_s, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)
