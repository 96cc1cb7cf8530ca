"""The recorder's process and the simulated driver: what it notes is true, whatever a read takes.

How late it notes updates is tested in virtual time (`test_nvml_watcher`): here a busy machine may
delay everything. `bench/lateness.py` shows it on a quiet one.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
from support.commands import environment, gpu
from support.nvml_sim import Process

from energyscore.measurement.meters.nvml_recorder import readable_within

WINDOW = """
import json, sys, time
from energyscore.measurement.meters.nvml import NvmlMeter, probe_update_period

meter = NvmlMeter(sys.argv[2:])
meter.open()
token = meter.start()
time.sleep(float(sys.argv[1]))
measured = meter.stop(token)
meter.close()
print(json.dumps({
    domain: {
        "method": r.method,
        "energy_j": r.energy_j,
        "window_ns": [r.record.window.start_ns, r.record.window.end_ns],
        "ticks": [r.ticks.t_ns, r.ticks.energy_j] if r.ticks else None,
        "facts": r.facts,
    }
    for domain, r in measured.readings.items()
} | {"notices": [notice.code for notice in measured.notices]}))
"""


def printed(sim, code, *arguments):
    """What code in a Python of its own prints as JSON, beside the simulated driver."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=environment(sim.env()),
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def window(sim, seconds):
    """What the meter reads of all GPUs in a window, by GPU; and the codes of its notices."""
    found = printed(sim, WINDOW, str(seconds), *(one.uuid for one in sim.gpus))
    notices = found.pop("notices")
    return [found[f"gpu:{one.uuid}"] for one in sim.gpus], notices


def check_ticks(sim, place, ticks):
    """Every value that was noted is that of an update, and was noted after it, before the next.

    Where this machine has other work, a call may be held up: a few stamps may be an update off.
    """
    device, off = sim.gpus[place], 0
    for t_ns, energy_j in list(zip(*ticks, strict=True))[1:]:
        since_ms = (t_ns - sim.origin_ns) / 1e6 - device.update_phase_ms
        late_ms = since_ms % device.update_period_ms
        updated_ns = t_ns - round(late_ms * 1e6)
        period_ns = round(device.update_period_ms * 1e6)
        true_j = [
            sim.true_energy_j(place, sim.origin_ns, updated_ns + updates * period_ns)
            for updates in (0, -1, 1)
        ]
        near = [energy_j == pytest.approx(joules, abs=0.0021) for joules in true_j]
        assert any(near)
        off += not near[0]
    assert off <= 0.1 * len(ticks[0])


def test_what_is_noted_is_true_whatever_the_periods(simulate):
    wave = (100.0, 300.0, 0.25, 0.4)
    sim = simulate(
        *(
            gpu(f"GPU-{ms:08d}", wave=wave, update_period_ms=ms, update_phase_ms=at)
            for ms, at in ((10, 3.3), (20, 7.1), (100, 41.7))
        )
    )
    readings, notices = window(sim, 3.0)
    assert "recorder_failed" not in notices
    for place, reading in enumerate(readings):
        assert reading["method"] == "counter"
        check_ticks(sim, place, reading["ticks"])
        assert len(reading["ticks"][0]) > 10
        true_j = sim.true_energy_j(place, *reading["window_ns"])
        assert reading["facts"]["power_integral_j"] == pytest.approx(true_j, rel=0.1)


@pytest.mark.parametrize("latency", ["sleep", "spin"])
def test_eight_counters_are_all_believed(simulate, latency):
    """Reads take 2.5 ms each: with one schedule for all, "the counter stood still for 1.8 s"."""
    sim = simulate(
        *(
            gpu(
                f"GPU-8888{n:04d}",
                update_period_ms=100.0 if n % 2 else 20.0,
                update_phase_ms=11.0 * n,
                energy_latency_ms=2.5,
                power_latency_ms=2.5,
                status_latency_ms=2.5,
                latency=latency,
            )
            for n in range(8)
        )
    )
    readings, notices = window(sim, 4.0)
    allowed = {"short_window", "counter_unchecked", "counter_power_disagree"}
    if latency == "spin":  # eight want more cores than there may be: few updates are noted then
        allowed |= {"counter_too_slow", "slow_read"}
        readings = [one for one in readings if one["method"] == "counter"]
    assert set(notices) <= allowed
    for reading in readings:
        assert reading["method"] == "counter"
        start_ns, end_ns = reading["window_ns"]
        assert reading["energy_j"] == pytest.approx(300 * (end_ns - start_ns) / 1e9, abs=40)
        assert reading["facts"]["counter_read_ms"] >= 2.5


def test_the_end_of_a_window_ends_a_wait_at_once():
    ended, end = os.pipe()
    assert not readable_within(ended, 0.001)
    timer = threading.Timer(0.05, os.close, (end,))
    timer.start()
    start = time.monotonic()
    assert readable_within(ended, 20)
    assert time.monotonic() - start < 15
    timer.join()
    os.close(ended)


SCOPES = """
import json, sys
from energyscore.measurement.meters.nvml_device import NvmlSession

session = NvmlSession()
print(json.dumps([session.facts(uuid).module for uuid in sys.argv[1:]]))
"""
FLICKERS = {"wave": (200.0, 600.0, 0.004, 0.5), "update_period_ms": 0.5}


@pytest.mark.parametrize(
    ("settings", "module"),
    [
        (FLICKERS | {"module_w": 0.001}, False),  # its module is itself
        (FLICKERS | {"module_w": 900.0}, True),
        ({"name": "NVIDIA GB10", "instant_power": "unsupported"}, None),
        ({"name": "NVIDIA H100 PCIe", "instant_power": "unsupported"}, False),
        (
            {"name": "TITAN V", "compute_capability": "7.0", "instant_power": "unsupported"},
            False,
        ),
    ],
)
def test_whether_a_gpu_is_on_a_module(simulate, settings, module):
    """Power that changes from look to look makes none."""
    sim = simulate(gpu(power_latency_ms=1.4, latency="spin", **settings))
    times = 1 if module else 12
    assert set(printed(sim, SCOPES, *[sim.gpus[0].uuid] * times)) == {module}


OF_A_SERVER = """
import sys
from energyscore.measurement.family import ServerFamily, Member
from energyscore.measurement.meters.nvml import NvmlMeter

for line in sys.stdin:
    pid = int(line)
    meter = NvmlMeter([sys.argv[1]], family=ServerFamily((Member.of(pid),)))
    meter.open()
    token = meter.start()
    print("started", flush=True)
    sys.stdin.readline()
    notices = meter.stop(token).notices
    meter.close()
    print([one.message for one in notices if one.code == "contention"], flush=True)
"""


def test_on_the_gpu_of_a_server_all_are_strangers_but_its_own(simulate):
    """Those that were there before, too; but not a process of its own that begins later."""
    with contextlib.ExitStack() as stack:
        shell = ["sh", "-c", "sleep 60 & sleep 60 & wait"]
        server = stack.enter_context(subprocess.Popen(shell, process_group=0))
        stack.callback(os.killpg, server.pid, signal.SIGKILL)
        deadline = time.monotonic() + 120
        while len(workers := psutil.Process(server.pid).children()) < 2:
            assert time.monotonic() < deadline
        first, second = (Process(worker.pid) for worker in workers)
        sim = simulate(gpu())
        meter = subprocess.Popen(
            [sys.executable, "-c", OF_A_SERVER, sim.gpus[0].uuid],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(sim.env()),
        )
        stack.enter_context(meter)

        def seen(before, meanwhile):
            sim.update(0, process=before)
            meter.stdin.write(f"{server.pid}\n")
            meter.stdin.flush()
            assert meter.stdout.readline() == "started\n"
            sim.update(0, process=meanwhile)
            time.sleep(0.3)
            meter.stdin.write("stop\n")
            meter.stdin.flush()
            return meter.stdout.readline()

        one = "['1 other process(es) computed on GPU 0 (NVIDIA H100 80GB HBM3) meanwhile']\n"
        assert seen((first,), (first, second)) == "[]\n"
        assert seen((first,), (first, Process(1))) == one
        assert seen((first, Process(1)), (first, Process(1))) == one
        # None of its own is told: newcomers are strangers, and no others.
        assert seen((Process(1),), (Process(1),)) == "[]\n"
        assert seen((Process(1),), (Process(1), Process(4242))) == one
        meter.stdin.close()
