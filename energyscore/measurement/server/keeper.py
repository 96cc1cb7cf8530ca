"""Keeps a server that energyscore starts: a small process between the two.

It ends all that the server has started, wherever that has gone, as soon as its input ends: when
energyscore asks it to, and when energyscore has ended in whatever way. What the server leaves
behind without a parent becomes a child of the keeper. What the server says goes into a log, without
secrets. When the server ends by itself, what it has started is ended, too.

    python -m energyscore.measurement.server.keeper

The first line of its input is what to do, as JSON. It answers with lines: `started PID`, or why it
was not; then `ended STATUS`, as soon as that is so. It ends itself when nothing is left.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO

from energyscore.base.interrupts import die_with_parent
from energyscore.base.masking import without
from energyscore.measurement.family import Member, ServerFamily

GRACE_S = 20.0
"""How long a server may take to end when it is asked to; and again when it is killed."""

LAST_LINES = 10
"""So many of the last lines of a long log are kept besides its beginning."""

_MOST_BYTES = 2**23  # of a log: servers may write a line for each request
_MOST_LINE = 2**16
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_S = 0.1


def main() -> None:
    """Start a server, and end it and all that it has started."""
    asked = json.loads(sys.stdin.buffer.readline())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # only the end of its input counts
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        process = subprocess.Popen(
            asked["command"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=die_with_parent(),
        )
    except (OSError, ValueError) as error:
        _say(getattr(error, "strerror", None) or str(error))
        return
    assert process.stdout is not None
    log = asked["log"], asked["secrets"]
    writer = threading.Thread(target=write_log, args=(process.stdout, *log), daemon=True)
    writer.start()
    _say(f"started {process.pid}")
    while process.poll() is None:
        if select.select([sys.stdin], [], [], _LOOK_S)[0]:
            break
    if process.poll() is not None:
        writer.join(1.0)  # its last lines; others may have the pipe still
        _say(f"ended {process.returncode}")
    end_all(process.poll, asked["grace_s"])
    writer.join(1.0)


def write_log(said: IO[bytes], path: str, secrets: Collection[str]) -> None:
    """Copy what a server says into a file, without secrets: its beginning, and its last lines.

    All that it says is read, also when the file cannot be written: else the server would wait.
    """
    with contextlib.suppress(OSError):
        _copy(said, path, secrets)
    while said.read(_MOST_LINE):
        pass


def _copy(said: IO[bytes], path: str, secrets: Collection[str]) -> None:
    last: deque[str] = deque(maxlen=LAST_LINES)
    left, left_out = _MOST_BYTES, 0
    with Path(path).open("w", encoding="utf-8", errors="replace") as log:
        while line := said.readline(_MOST_LINE):
            text = without(secrets, line.decode(errors="replace").rstrip())
            left -= len(line)
            if left > 0:
                log.write(f"{text}\n")
                log.flush()
                continue
            left_out += len(last) == LAST_LINES
            last.append(text)
        if last:
            log.writelines(f"{one}\n" for one in (f"... {left_out:,} lines left out", *last))


def end_all(reap: Callable[[], object], grace_s: float) -> None:
    """Ask all that this process has started to end, and kill what does not in time."""
    own = Member.of(os.getpid())
    assert own is not None
    family = ServerFamily((own,))
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + grace_s
        asked: set[Member] = set()
        while (left := family.members() - {own}) and time.monotonic() < deadline:
            for one in left - asked:  # some may begin only now
                with contextlib.suppress(OSError):
                    os.kill(one.pid, number)
            asked |= left
            time.sleep(_LOOK_S)
            reap()


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody may listen any more
        print(line, flush=True)


if __name__ == "__main__":
    main()
