"""The raw record of one run, as it was metered; its form is `energyscore.results.raw`. Pure."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from energyscore.measurement.meter import MeterRecord, Reading, Window
from energyscore.measurement.phases.split import BlockPower, PhaseTimes
from energyscore.results.parts import Domain
from energyscore.results.raw import RawRun

NO_TICKS = "the source gives one figure for the window"


def record_run(
    index: int,
    window: Window,
    times: PhaseTimes,
    readings: Mapping[Domain, Reading],
    lone: Mapping[Domain, BlockPower],
) -> RawRun:
    """The raw record of one run.

    The window is from before the first meter was started to after the last was stopped; `lone` is
    one phase done alone, which the split may have used.
    """
    begin_ns = window.start_ns
    return {
        "index": index,
        "begin_us": begin_ns // 1000,
        "end_us": _us(window.end_ns, begin_ns),
        "phases": {
            "names": list(times.names),
            "entered": list(times.entered),
            "starts_us": deltas([_us(t_ns, begin_ns) for t_ns in times.starts_ns]),
            "end_us": _us(times.end_ns, begin_ns),
        },
        "domains": {
            domain: _domain(reading, begin_ns, lone.get(domain))
            for domain, reading in readings.items()
        },
    }


def _domain(reading: Reading, begin_ns: int, block: BlockPower | None) -> dict[str, Any]:
    content: dict[str, Any] = {
        "method": reading.method,
        "energy_j": reading.energy_j,
        "reason": reading.reason,
    }
    if reading.record is None:
        return content | {"ticks": None, "ticks_reason": NO_TICKS}
    return content | _recorded(reading.record, begin_ns) | {"lone": _lone(block)}


def _recorded(record: MeterRecord, begin_ns: int) -> dict[str, Any]:
    start_ns, end_ns = record.window.start_ns, record.window.end_ns
    ticks, power = _within(record.window, record.counter), _within(record.window, record.power)
    return {
        "window_us": [_us(start_ns, begin_ns), _us(end_ns, begin_ns)],
        "counter_mj": [record.start_mj, record.end_mj],
        "ticks": {
            "t_us": deltas(_us(t_ns, begin_ns) for t_ns, _ in ticks),
            "mj": deltas(round(mj) for _, mj in ticks),
        },
        "still_us": [
            [_us(max(a, start_ns), begin_ns), _us(min(b, end_ns), begin_ns)]
            for a, b in record.still
            if a < end_ns and b > start_ns
        ],
        "power": {
            "source": record.power_source,
            "t_us": deltas(_us(t_ns, begin_ns) for t_ns, _ in power),
            "mw": deltas(round(power_w * 1000) for _, power_w in power),
        },
    }


def _within(window: Window, readings: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    """Those in the window, and the last before it: the state at its beginning."""
    before = [one for one in readings if one[0] <= window.start_ns][-1:]
    return before + [one for one in readings if window.start_ns < one[0] <= window.end_ns]


def _lone(block: BlockPower | None) -> dict[str, Any] | None:
    """The stretch of one phase done alone: its energy is the counter's difference."""
    if block is None or block.counter_mj is None:
        return None
    return {
        "phase": block.phase,
        "duration_us": round(block.duration_s * 1e6),
        "counter_mj": list(block.counter_mj),
        "se_w": block.se_w,
    }


def _us(t_ns: int, begin_ns: int) -> int:
    return (t_ns - begin_ns + 500) // 1000


def deltas(values: Iterable[int]) -> list[int]:
    """The first number, and each one's difference from the one before."""
    numbers = list(values)
    return numbers[:1] + [now - before for before, now in itertools.pairwise(numbers)]
