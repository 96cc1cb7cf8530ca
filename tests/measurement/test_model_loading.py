"""What loading a model takes: a process of its own, metered from its start."""

import mmap
import os
import sys

import pytest
from support.commands import energyscore, gpu, only_result

from energyscore.base.errors import MeterError
from energyscore.measurement.loading import READY, _load, _put_out_of_memory, _share_in_memory

DOMAIN = f"gpu:{gpu().uuid}"
SLOW_DISK = """
import time
from energyscore.measurement.backends import loading
load = loading._pretrained
loading._pretrained = lambda *told: (time.sleep(0.6), load(*told))[1]
"""


def test_loading_is_metered_above_the_floor(simulate, tiny_model, prompts_csv, tmp_path):
    """100 W without the model, 500 W while it loads, 120 W with it: from a named GPU.

    The tiny model alone may be loaded in less than 20 updates of the counter.
    """
    sim = simulate(gpu(update_period_ms=3, power_schedule=((0.0, 100.0),)))
    powers = {"loading, metered": 500.0, "idle with the model": 120.0, ": warm-up": 300.0}
    drawn = [(0.0, 100.0)]

    def follow(line):
        for stage, watts in powers.items():
            if stage in line:
                drawn.append((sim.elapsed_s(), watts))
                sim.update(0, power_schedule=tuple(drawn))

    done = energyscore(
        *("run", "text_generation", "--quick", "--model", tiny_model, "--dataset", prompts_csv),
        *("--queries", 20, "--device", "cpu", "--gpu", 0, "--loading", "--idle", 1),
        *("--out", tmp_path),
        env=sim.env(),
        on_line=follow,
        first=SLOW_DISK,
    )
    assert done.status == 0, done.stderr
    loading = only_result(tmp_path)["loading"]
    assert loading["reason"] == ""
    assert loading["methods"][DOMAIN] == "counter"
    assert loading["floor_w"][DOMAIN] == pytest.approx(100, rel=0.03)
    # The driver is told a moment after a stage begins, and on a busy machine a long one.
    seconds = loading["duration_s"]
    assert seconds > 0.6
    assert loading["energy_j"][DOMAIN] == pytest.approx(400 * seconds, rel=0.1)
    assert 115 < loading["idle_w"][DOMAIN] < 200


def test_a_model_that_cannot_be_loaded_there_has_the_reason(tmp_path):
    """The process that loads says why, and the measurement goes on."""
    from energyscore.measurement.loading import measure_loading
    from energyscore.measurement.observer import LineObserver
    from energyscore.measurement.options import Job, RunOptions
    from energyscore.protocol.model import ModelSpec
    from energyscore.protocol.task import load_tasks

    task = load_tasks()["text_generation"].spec
    gone = ModelSpec("local", "gone", tmp_path / "gone")
    job = Job(tasks=("text_generation",), options=RunOptions(device="cpu"), out=tmp_path)
    loading = measure_loading(job, task, gone, "cpu", LineObserver(lambda line: None))
    assert loading.duration_s is None
    assert loading.energy_j == {}
    assert "the process that loads the model failed" in loading.reason
    assert "gone" in loading.reason


def test_a_process_that_says_much_is_heard():
    """More than a pipe holds, and lines of a model's own code before the one that counts."""
    code = (
        "import sys; sys.stderr.write('x' * 300_000); print('hello'); print('loaded it');"
        f"print('{READY}', 'GPU-1', flush=True); sys.stdin.read()"
    )
    occupied, seconds = _load([sys.executable, "-c", code], lambda: None)
    assert occupied == ("GPU-1",)
    assert seconds > 0


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "it was ended by SIGKILL"),
        ("raise SystemExit('no room')", "it ended with status 1: no room"),
        ("import sys; print('error: gone', file=sys.stderr)", "failed: gone"),
    ],
)
def test_a_process_that_ended_tells_why(code, said):
    """Its own words, or the signal."""
    with pytest.raises(MeterError, match=said):
        _load([sys.executable, "-c", code], lambda: None)


def test_files_are_put_out_of_memory(tmp_path):
    """What was just written and flushed lies in memory, until the kernel is asked to forget it."""
    file = tmp_path / "weights.bin"
    file.write_bytes(os.urandom(200 * mmap.PAGESIZE))
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
    assert _share_in_memory(file) == 1
    if not _put_out_of_memory([file]):
        pytest.skip("this file system keeps its files in memory")
    assert _share_in_memory(file) < 0.05


def test_without_files_nothing_is_on_the_disk():
    """A bundled architecture has no files to load."""
    assert not _put_out_of_memory([])
