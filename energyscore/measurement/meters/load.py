"""How busy other processes kept the processor: they slow the work, and estimates count them."""

import os
import time
from collections import deque
from typing import TypeAlias

import psutil

from energyscore.base.errors import MeterError
from energyscore.measurement.family import ServerFamily
from energyscore.measurement.meter import Metered, notice
from energyscore.results.checks import TOO_BUSY, TOO_BUSY_CODE

BUSY = 0.10
"""Other processes using more of the processor than this are worth a caution."""

_LEAST_S = 0.5
"""The clocks count in ticks of 10 ms, too coarse for less."""

Mark: TypeAlias = tuple[float, float, float]
"""A moment: time, busy seconds of the machine and of what does the work until then."""


class LoadMeter:
    """Meters no energy: gives a notice when other processes were busy."""

    name = "load"

    def __init__(self, family: ServerFamily | None = None) -> None:
        """Nothing was looked at yet; `family`: of a server that does the work."""
        self._family = family
        self._marks: deque[Mark] = deque()

    def open(self) -> None:
        """Find out whether the machine says how busy it is."""
        self.start()

    def start(self) -> Mark:
        """Begin a window, or MeterError."""
        mark = self._look()
        self._marks.append(mark)
        while len(self._marks) > 1 and mark[0] - self._marks[1][0] >= _LEAST_S:
            self._marks.popleft()  # the first one is the last that is old enough
        return mark

    def _look(self) -> Mark:
        try:
            machine = psutil.cpu_times()
            busy_s = machine.user + machine.nice + machine.system + machine.irq + machine.softirq
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise MeterError("This system does not say how busy its processor is.") from error
        own_s = sum(os.times()[:4])  # with the child processes that have ended
        own_s += self._family.processor_s() if self._family else 0.0
        return time.monotonic(), busy_s, own_s

    def stop(self, token: object) -> Metered:
        """End the window."""
        assert isinstance(token, tuple)
        share, when = self.others_share(token), "meanwhile"
        if share is None and self._marks:  # too short to tell: the time before it tells
            share, when = self.others_share(self._marks[0]), "shortly before and meanwhile"
        if share is None or share <= BUSY:
            return Metered({})
        message = f"other processes used {share:.0%} of the processor {when}"
        return Metered(
            {}, (notice(TOO_BUSY_CODE if share > TOO_BUSY else "busy_machine", message),)
        )

    def others_share(self, token: Mark) -> float | None:
        """The share of the whole processor that other processes used since `start`.

        None in less than half a second.
        """
        try:
            now = self._look()
        except MeterError:
            return None
        elapsed_s, machine_s, own_s = (b - a for a, b in zip(token, now, strict=True))
        if elapsed_s < _LEAST_S:
            return None
        return (machine_s - own_s) / (elapsed_s * (os.cpu_count() or 1))

    def close(self) -> None:
        """Nothing is held."""
