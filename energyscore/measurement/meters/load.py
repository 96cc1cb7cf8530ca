"""How busy other processes kept the processor: they slow the work, and estimates count them."""

import os
import time
from pathlib import Path

from energyscore.base.errors import MeterError
from energyscore.measurement.meter import Measurement, Notice

BUSY = 0.10
"""Other processes using more of the processor than this are worth a caution."""

PROC_STAT = Path("/proc/stat")


class LoadMeter:
    """Meters no energy: its measurement only says when other processes were busy."""

    name = "load"

    def __init__(self, stat: Path = PROC_STAT) -> None:
        """Read the whole machine's processor time from `stat`."""
        self._stat = stat

    def open(self) -> None:
        """Find out whether the machine says how busy it is."""
        self._read()

    def start(self) -> tuple[float, float, float]:
        """Begin a window: time, busy seconds of the machine, and of this process."""
        return self._read()

    def stop(self, token: object) -> Measurement:
        """End the window."""
        assert isinstance(token, tuple)
        share = self.others_share(token)
        if share is None or share <= BUSY:
            return Measurement({})
        message = f"other processes used {share:.0%} of the processor meanwhile"
        return Measurement({}, (Notice("busy_machine", message),))

    def others_share(self, token: tuple[float, float, float]) -> float | None:
        """The share of the whole processor that other processes used since `start`.

        None in less than half a second: the clocks count in ticks of 10 ms, and that is all there
        would be to see.
        """
        try:
            now = self._read()
        except MeterError:
            return None
        elapsed_s, machine_s, own_s = (b - a for a, b in zip(token, now, strict=True))
        if elapsed_s < 0.5:
            return None
        return (machine_s - own_s) / (elapsed_s * (os.cpu_count() or 1))

    def close(self) -> None:
        """Nothing is held."""

    def _read(self) -> tuple[float, float, float]:
        try:
            fields = self._stat.read_text().split("\n", 1)[0].split()
            user, nice, system, _idle, _wait, irq, soft_irq = map(int, fields[1:8])
        except (OSError, ValueError) as error:
            raise MeterError(f"{self._stat} does not tell how busy the machine is.") from error
        busy_s = (user + nice + system + irq + soft_irq) / os.sysconf("SC_CLK_TCK")
        own = os.times()
        children = own.children_user + own.children_system
        return time.monotonic(), busy_s, own.user + own.system + children
