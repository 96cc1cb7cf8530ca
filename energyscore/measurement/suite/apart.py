"""One measurement in a process of its own, and the result that it wrote."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from energyscore.measurement.child import Ended, FreshProcess, run_child
from energyscore.measurement.launcher import Launcher
from energyscore.results.result import Result
from energyscore.results.store import KnownResults

LOCK_NAME = ".suite.lock"
LOCK_WAIT_S = 20.0
"""The process of a suite that was killed may take a while to end."""


@dataclass(frozen=True)
class Apart:
    """How its process ended, and the result with its file; None where it wrote none."""

    ended: Ended
    written: tuple[Path, Result] | None

    @property
    def interrupted(self) -> bool:
        """Whether it was ended by Ctrl-C, or SIGTERM, before it was done."""
        return self.ended.interrupted and self.written is None

    @property
    def why_interrupted(self) -> str:
        """What it said then."""
        error = self.ended.error
        return error if error.startswith("interrupted") else "interrupted"


def measure_apart(
    key: str,
    folder: Path,
    known: KnownResults,
    command: Sequence[str],
    on_line: Callable[[str], None],
    *,
    timeout_s: float | None,
    lock: int | None = None,
    launcher: Launcher | None = None,
) -> Apart:
    """Run the command that measures what the key asks for into a folder.

    However its process ended, a result that it wrote stands. `lock` is passed on: it ends when
    both processes have ended. Without a launcher the process is a fresh one.
    """
    before = dict(known.load(folder))
    start = launcher.start if launcher else FreshProcess
    keep_open = [] if lock is None else [lock]
    ended = run_child(command, on_line, timeout_s=timeout_s, keep_open=keep_open, start=start)
    written = [
        (path, result)
        for path, result in known.load(folder)
        if result.request == key and before.get(path) is not result
    ]
    # What is newest by its name may be older: clocks are set back, and folders copied.
    newest = max(written, key=lambda one: known.changed_ns(one[0]), default=None)
    return Apart(ended, newest)
