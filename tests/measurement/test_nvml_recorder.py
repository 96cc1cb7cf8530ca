"""The recorder's process against the simulated driver: no update is lost, and few wake-ups do."""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from io import FileIO

import pytest
from support.commands import environment, gpu
from support.timing import measured_again

from energyscore.measurement.meters.nvml_recorder import line_within

WINDOWS = """
import json, sys, time
from pathlib import Path
from energyscore.measurement.meters.nvml import NvmlMeter

def wakeups(meter):
    status = Path(f"/proc/{meter._process.pid}/status").read_text()
    return int(status.partition("\\nvoluntary_ctxt_switches:")[2].split()[0])

seen = []
for uuids in json.loads(sys.argv[1]):
    meter = NvmlMeter(uuids)
    meter.open()
    token = meter.start()
    time.sleep(0.5)
    before, begin = wakeups(meter), time.monotonic()
    time.sleep(1.5)
    rate = (wakeups(meter) - before) / (time.monotonic() - begin)
    begin_ns = time.monotonic_ns()
    measurement = meter.stop(token)
    stop_s = (time.monotonic_ns() - begin_ns) / 1e9
    meter.close()
    seen.append({
        "rate": rate,
        "stop_s": stop_s,
        "start_ns": token.start_ns,
        "end_ns": begin_ns,
        "ticks": [[r.ticks.t_ns, r.ticks.energy_j] for r in measurement.readings.values()],
        "power_j": [r.facts["power_integral_j"] for r in measurement.readings.values()],
    })
print(json.dumps(seen))
"""


@measured_again
def test_all_updates_are_noted_soon_whatever_the_periods(simulate):
    wave = (100.0, 300.0, 0.25, 0.4)
    gpus = [
        gpu(f"GPU-{ms:08d}", wave=wave, update_period_ms=ms, update_phase_ms=at)
        for ms, at in ((10, 3.3), (20, 7.1), (100, 41.7))
    ]
    sim = simulate(*gpus)
    uuids = [g.uuid for g in sim.gpus]
    watched = [[uuids[1]], [uuids[0], uuids[2]]]
    done = subprocess.run(
        [sys.executable, "-c", WINDOWS, json.dumps(watched)],
        capture_output=True,
        text=True,
        env=environment(sim.env()),
        timeout=300,
        check=True,
    )
    alone, together = json.loads(done.stdout)
    assert alone["rate"] < 300, "it may not wake up as often as every 2 ms"
    for window, places in ((alone, [1]), (together, [0, 2])):
        assert window["stop_s"] < 2.0
        for place, (times_ns, energies_j), power_j in zip(
            places, window["ticks"], window["power_j"], strict=True
        ):
            late_ms = check_ticks(sim, place, times_ns, energies_j)
            period_ms = sim.gpus[place].update_period_ms
            gaps_ms = [(b - a) / 1e6 for a, b in itertools.pairwise(times_ns)]
            rests_ms = sum(gap for gap in gaps_ms if gap > 2.9 * period_ms)
            watched_ms = (window["end_ns"] - window["start_ns"]) / 1e6 - rests_ms
            assert len(late_ms) >= 0.85 * watched_ms / period_ms - 1, "all but those in rests"
            assert rests_ms < 1500 if period_ms < 100 else rests_ms == 0, "learning comes first"
            assert sorted(late_ms)[len(late_ms) // 2] < 2.0
            true_j = sim.true_energy_j(place, window["start_ns"], window["end_ns"])
            assert power_j == pytest.approx(true_j, rel=0.03)


def check_ticks(sim, place, times_ns, energies_j):
    """How late each update was noted in ms; every value must be that of the latest update."""
    device, late_ms = sim.gpus[place], []
    for t_ns, energy_j in list(zip(times_ns, energies_j, strict=True))[1:]:
        since_ms = (t_ns - sim.origin_ns) / 1e6 - device.update_phase_ms
        late_ms.append(since_ms % device.update_period_ms)
        updated_ns = t_ns - round(late_ms[-1] * 1e6)
        true_j = sim.true_energy_j(place, sim.origin_ns, updated_ns)
        assert energy_j == pytest.approx(true_j, abs=0.0021)
    return late_ms


def test_a_command_ends_a_wait_at_once():
    pipe, end = os.pipe()
    commands = FileIO(pipe)
    assert not line_within(commands, 0.001)
    timer = threading.Timer(0.05, os.write, (end, b"stop\nsta"))
    timer.start()
    start = time.monotonic()
    assert line_within(commands, 20)
    assert time.monotonic() - start < 15
    assert commands.readline() == b"stop\n"
    timer.join()
    os.write(end, b"rt\nstop\n")
    assert commands.readline() == b"start\n"
    assert line_within(commands, 20), "a line that came along with another counts"
    assert commands.readline() == b"stop\n"
    os.close(end)
    assert line_within(commands, 20), "so does the end of the input"
    assert commands.readline() == b""
    commands.close()
