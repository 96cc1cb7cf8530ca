import os
import signal
import subprocess
import sys
import time

import pytest
from support.commands import environment

from energyscore.base.errors import MeterError
from energyscore.measurement.meters.continuity import (
    ContinuityMeter,
    Heartbeat,
    Instant,
    judge,
    read_clocks,
)

S = 1_000_000_000
START = Instant(wall_ns=1_700_000_000 * S, monotonic_ns=5_000 * S, boot_ns=9_000 * S)


def after(seconds=60.0, *, slept_s=0.0, set_by_s=0.0):
    """The clocks after so many seconds of work, a sleep of the machine, and a setting of UTC."""
    return Instant(
        START.wall_ns + round((seconds + slept_s + set_by_s) * S),
        START.monotonic_ns + round(seconds * S),
        START.boot_ns + round((seconds + slept_s) * S),
    )


@pytest.mark.parametrize(
    ("seconds", "set_by_s", "said"),
    [
        (60.0, 0.0, None),
        (60.0, 0.9, None),
        (60.0, -0.9, None),
        (60.0, 1.1, "forward by 1.1 s"),
        (60.0, -3600.0, "back by 3600.0 s"),
        (7200.0, 3.6, None),  # 500 ppm of two hours: that is adjusting, not setting
        (7200.0, 5.7, "forward by 5.7 s"),
    ],
)
def test_a_time_of_day_that_was_set_is_told(seconds, set_by_s, said):
    notices = judge(START, after(seconds, set_by_s=set_by_s), [])
    assert [notice.code for notice in notices] == ["clock_jump"] * (said is not None)
    for notice in notices:
        assert said in notice.message
        assert not notice.invalidates


@pytest.mark.parametrize(("slept_s", "told"), [(0.0, False), (0.4, False), (0.6, True), (90, True)])
def test_a_machine_that_slept_is_told_and_its_sleep_is_no_setting_of_the_clock(slept_s, told):
    notices = judge(START, after(slept_s=slept_s), [])
    assert [notice.code for notice in notices] == ["suspended"] * told
    for notice in notices:
        assert notice.invalidates
        assert f"slept for {slept_s:.1f} s" in notice.message


def test_the_longest_gap_is_told_and_invalidates():
    (notice,) = judge(START, after(), [2.5, 7.0, 3.0])
    assert (notice.code, notice.invalidates) == ("suspended", True)
    assert "for 7.0 s, the longest of 3 times" in notice.message


class Process:
    """Its clocks move as it is told."""

    def __init__(self):
        self.now_ns, self.cpu_ns = 0, 0
        self.heartbeat = Heartbeat(lambda: self.now_ns, lambda: self.cpu_ns)

    def pass_s(self, seconds, *, busy=0.0):
        self.now_ns += round(seconds * S)
        self.cpu_ns += round(seconds * busy * S)
        self.heartbeat.beat()


@pytest.mark.parametrize(
    ("gap_s", "busy", "found"),
    [
        (0.2, 0.0, False),
        (0.5, 0.0, False),
        (0.7, 0.0, True),
        (2.1, 0.0, True),
        (60.0, 0.02, True),
        (2.1, 1.0, False),  # it computed, with the interpreter's lock in its hand
        (60.0, 0.95, False),
        (3.0, 0.4, True),  # it got a little of a processor: starved
    ],
)
def test_a_gap_counts_when_the_worker_did_not_compute_in_it(gap_s, busy, found):
    process = Process()
    process.pass_s(0.2, busy=1.0)
    process.pass_s(gap_s, busy=busy)
    process.pass_s(0.2, busy=1.0)
    assert process.heartbeat.gaps_s == ([gap_s] if found else [])


@pytest.mark.parametrize(
    ("gaps_s", "told"), [([1.8], False), ([1.8] * 5, True), ([2.1], True), ([0.7] * 4, False)]
)
def test_short_stops_count_when_they_add_up(gaps_s, told):
    """Over a twentieth of the window, which is 60 s long, or one of over 2 s."""
    notices = judge(START, after(60.0), gaps_s)
    assert [notice.code for notice in notices] == (["suspended"] if told else [])


def test_the_machines_clocks_are_read_and_go_together():
    first = read_clocks()
    time.sleep(0.05)
    assert judge(first, read_clocks(), []) == ()


def test_a_window_ends_with_what_the_clocks_tell():
    moments = iter([START, START, after(slept_s=8.0)])
    meter = ContinuityMeter(lambda: next(moments))
    meter.open()
    measurement = meter.stop(meter.start())
    assert measurement.readings == {}
    assert [notice.code for notice in measurement.notices] == ["suspended"]


def test_a_system_without_the_clocks():
    def missing():
        raise OSError("no such clock")

    with pytest.raises(MeterError, match="how long it slept"):
        ContinuityMeter(missing).open()


CODE = """
import json, sys, time
from energyscore.measurement.meters.continuity import ContinuityMeter
meter = ContinuityMeter()
meter.open()
seen = []
for window in range(2):
    token = meter.start()
    print("started", flush=True)
    end = time.monotonic() + (3.0 if window == 0 else 0.3)
    while time.monotonic() < end:
        time.sleep(0.05)
    seen.append([[n.code, n.message, n.invalidates] for n in meter.stop(token).notices])
print(json.dumps(seen))
"""


def test_a_process_that_was_stopped_knows_it():
    import json

    process = subprocess.Popen(
        [sys.executable, "-c", CODE], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "started\n"
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(2.5)
    os.kill(process.pid, signal.SIGCONT)
    first, second = json.loads(process.communicate(timeout=300)[0].splitlines()[-1])
    ((code, message, invalidates),) = first
    assert (code, invalidates) == ("suspended", True)
    assert 2.5 <= float(message.split("for ")[1].split(" s")[0]) < 6
    assert second == []
