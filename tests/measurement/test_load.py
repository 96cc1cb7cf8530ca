import os
import subprocess
import sys
import time

import psutil
import pytest

from energyscore.base.errors import MeterError
from energyscore.measurement.meters.load import LoadMeter


def window(meter, work):
    meter.open()
    token = meter.start()
    work()
    return meter.stop(token)


def spin(seconds=1.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pass


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A folder in place of /proc, whose `stat` a test writes."""
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    return tmp_path


def write_stat(kernel, busy_s, idle_s=0):
    hertz = os.sysconf("SC_CLK_TCK")
    text = f"cpu  {round(busy_s * hertz)} 0 0 {idle_s} 0 0 0 0 0 0\ncpu0 1 2 3\n"
    (kernel / "stat").write_text(text)


@pytest.mark.parametrize(
    ("foreign_share", "told"),
    [(0.0, []), (0.05, []), (0.2, ["busy_machine"]), (0.3, ["too_busy"]), (0.5, ["too_busy"])],
)
def test_other_processes_are_told_by_the_whole_machines_time(kernel, foreign_share, told):
    write_stat(kernel, 100)

    def work():
        own = time.process_time()
        start = time.monotonic()
        spin(0.7)
        elapsed_s, own_s = time.monotonic() - start, time.process_time() - own
        write_stat(kernel, 100 + own_s + foreign_share * elapsed_s * os.cpu_count())

    measurement = window(LoadMeter(), work)
    assert measurement.readings == {}
    assert [notice.code for notice in measurement.notices] == told


def test_of_a_window_too_short_to_tell_the_time_before_it_tells(kernel):
    meter = LoadMeter()
    write_stat(kernel, 100)
    meter.open()
    time.sleep(0.6)  # no work of ours
    for _ in range(3):
        token = meter.start()
        write_stat(kernel, 100 + 0.6 * 0.8 * os.cpu_count())
        (notice,) = meter.stop(token).notices
        assert notice.code == "too_busy"
        assert notice.message.endswith("of the processor shortly before and meanwhile")


def test_a_busy_neighbour_is_seen_on_this_machine():
    code = "import time\nend = time.monotonic() + 2.5\nwhile time.monotonic() < end: pass"
    neighbours = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(os.cpu_count())]
    measurement = window(LoadMeter(), lambda: time.sleep(1.5))
    for neighbour in neighbours:
        neighbour.wait()
    (notice,) = measurement.notices
    assert not notice.invalidates
    assert "of the processor" in notice.message


@pytest.mark.parametrize("content", [None, "", "cpu 1 2\n", "cpu a b c d e f g\n"])
def test_a_machine_that_does_not_tell(kernel, content):
    if content is not None:
        (kernel / "stat").write_text(content)
    with pytest.raises(MeterError):
        LoadMeter().open()
