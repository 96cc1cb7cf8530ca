"""Processes that do a server's work: those that it was started as, and all below them."""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil


@dataclass(frozen=True, order=True)
class Member:
    """One process: a number is given again after its end, a number with its start is not."""

    start: int  # clock ticks since the machine was started: no change of its clock moves it
    pid: int

    @classmethod
    def of(cls, pid: int) -> "Member | None":
        """The process that has this number now; None if there is none, or it has ended."""
        try:
            words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            ended = words[0] in (b"Z", b"X")  # it only waits for its parent to notice
            return None if ended else cls(int(words[19]), pid)
        except (OSError, ValueError, IndexError):
            return None

    @property
    def is_there(self) -> bool:
        """Whether it still runs."""
        return Member.of(self.pid) == self


@dataclass(frozen=True)
class ServerFamily:
    """Its eldest, none of them below another, and all that they have started: each once."""

    eldest: tuple[Member, ...]
    # A process that was below one of them stays its own after its parent has ended.
    _known: set[Member] = field(default_factory=set, compare=False, repr=False)

    @classmethod
    def read(cls, text: str) -> "ServerFamily":
        """The one that was written as `text`."""
        pairs = (one.split("@") for one in text.split(","))
        return cls(tuple(Member(int(start), int(pid)) for pid, start in pairs))

    def __str__(self) -> str:
        """It as a text that tells it from every other, on this machine until it is restarted."""
        return ",".join(f"{one.pid}@{one.start}" for one in sorted(self.eldest))

    def members(self) -> set[Member]:
        """All that are there."""
        found = {one for one in self.eldest if one.is_there}
        for one in list(found):
            with contextlib.suppress(psutil.Error):
                below = psutil.Process(one.pid).children(recursive=True)
                found |= set(filter(None, (Member.of(child.pid) for child in below)))
        self._known.update(found)
        return found

    def ever(self) -> set[Member]:
        """All that were seen to be there."""
        return set(self._known)

    def is_there(self) -> bool:
        """Whether all of its eldest still run."""
        return all(one.is_there for one in self.eldest)

    def strangers(self, pids: Iterable[int]) -> set[int]:
        """Those of these processes that are none of its own.

        A process that has ended meanwhile is its own if it ever was.
        """
        known = {one.pid: one for one in tuple(self._known)}
        unknown = {pid for pid in pids if pid not in known or not _may_be(known[pid])}
        return unknown and unknown - {one.pid for one in self.members()}

    def processor_s(self) -> float:
        """Seconds of the processor that its processes have used."""
        total = 0.0
        for one in self.members():
            with contextlib.suppress(psutil.Error):
                total += sum(psutil.Process(one.pid).cpu_times()[:2])
        return total


def eldest_of(pid: int) -> Member | None:
    """What a process was started by as a part of the same job; None if it has ended.

    A server may listen in one process and compute in another one beside it, both below one that
    started them. Those of one job have one process group. Whatever started this process of ours
    is no part of it.
    """
    ours = {os.getpid(), *(one.pid for one in psutil.Process().parents())}
    with contextlib.suppress(psutil.Error, OSError):
        group = os.getpgid(pid)
        for parent in psutil.Process(pid).parents():
            if parent.pid in ours or os.getpgid(parent.pid) != group:
                break
            pid = parent.pid
    return Member.of(pid)


def _may_be(member: Member) -> bool:
    """Whether its number is not another's now."""
    return Member.of(member.pid) in (None, member)
