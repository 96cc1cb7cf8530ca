"""The clock that all durations stand on, looked at."""

import itertools
import time

from energyscore.measurement.selftest.judge_machine import Clocks

_READINGS, _SLEEPS = 20_000, 200


class ClockWatch:
    """Watches the monotonic clock against the unadjusted one from its making to `stop`."""

    def __init__(self) -> None:
        """Begin to watch."""
        self._start = _both_ns()

    def stop(self) -> Clocks:
        """End, after a look at the clock's steps and at how late a sleeper wakes (0.3 s)."""
        readings = [time.monotonic_ns() for _ in range(_READINGS)]
        steps = [b - a for a, b in itertools.pairwise(readings)]
        late_ms = tuple(_late_ms() for _ in range(_SLEEPS))
        return Clocks(
            step_ns=min((step for step in steps if step > 0), default=0),
            backward_steps=sum(step < 0 for step in steps),
            against_raw_ppm=self._against_raw_ppm(),
            late_ms=late_ms,
        )

    def _against_raw_ppm(self) -> float | None:
        end = _both_ns()
        if self._start is None or end is None:
            return None
        own_ns, raw_ns = (b - a for a, b in zip(self._start, end, strict=True))
        return (own_ns / raw_ns - 1) * 1e6


def _both_ns() -> tuple[int, int] | None:
    """The monotonic clock and the one that nobody adjusts, where there is one."""
    try:
        return time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    except (AttributeError, OSError):
        return None


def _late_ms() -> float:
    start = time.monotonic_ns()
    time.sleep(0.001)
    return (time.monotonic_ns() - start) / 1e6 - 1.0
