"""Threads and processes that a function started, and that are at work after it returned."""

import sys
import threading
from collections.abc import Collection, Iterable

import psutil

from energyscore.base.text import first_of
from energyscore.base.units import counted

_WAITING = {
    ("threading", "wait"),
    ("threading", "join"),
    ("threading", "_wait_for_tstate_lock"),
    ("queue", "get"),
    ("concurrent.futures.thread", "_worker"),
    ("selectors", "select"),
    ("multiprocessing.connection", "_recv"),
}
"""Where a thread that has nothing to do stands, by module and function: in a pool that is kept."""

_MOST_NAMED = 3


def threads_at_work(before: Collection[threading.Thread]) -> str:
    """The threads that were not there before and are at work, in words; empty where none is."""
    alive = threading.enumerate()
    if alive == before:
        return ""
    new = [thread for thread in alive if thread not in before and not _waits(thread)]
    return _said("thread", [thread.name for thread in new])


def children() -> dict[tuple[int, float], str]:
    """The processes that this one started, and those that they did, by id and time of start."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.pid != _resource_tracker():
                found[process.pid, process.create_time()] = process.name()
        except psutil.Error:  # ended meanwhile
            continue
    return found


def children_left(before: Iterable[tuple[int, float]]) -> str:
    """The processes that were not there before, in words; empty where there is none."""
    known = set(before)
    return _said("process", [name for key, name in children().items() if key not in known])


def _waits(thread: threading.Thread) -> bool:
    """Whether a thread has nothing to do, or has ended."""
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is None or (frame.f_globals.get("__name__"), frame.f_code.co_name) in _WAITING


def _resource_tracker() -> int | None:
    """The process by which multiprocessing cleans up: it does no work."""
    module = sys.modules.get("multiprocessing.resource_tracker")
    pid: int | None = getattr(getattr(module, "_resource_tracker", None), "_pid", None)
    return pid


def _said(what: str, names: list[str]) -> str:
    if not names:
        return ""
    many = counted(len(names), what).replace("processs", "processes")
    return f"{many} ({first_of(names, _MOST_NAMED)})"
