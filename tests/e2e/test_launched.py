"""Servers that energyscore starts itself, by the whole command: measured, and ended in any case."""

import json
import os
import shlex
import signal
import sys
import time

import psutil
import pytest
from support import api_server
from support.api_server import KEY
from support.commands import energyscore, gpu, start

UUID = gpu().uuid


def launch(out, *more, words=(), **ways):
    """A command that starts the server that does as it is told."""
    told = json.dumps({"token_s": 0.01, "worker": True, **ways})
    program = shlex.join([sys.executable, api_server.__file__, told, *words])
    return (
        *("run", "text_generation", "--quick", "--model", "org/model", "--queries", 20),
        *("--launch", program, "--idle", 1, "--out", out, *more),
    )


def results_in(out):
    return [json.loads(file.read_text()) for file in sorted(out.rglob("*_*.json"))]


def workers():
    """What such servers started: it begins with them, and outlives them."""
    found = psutil.process_iter(["cmdline"])
    return [one for one in found if one.info["cmdline"] == ["sleep", "1000"]]


def test_it_is_started_metered_from_there_on_and_ended(simulate, tmp_path):
    sim = simulate(gpu(update_period_ms=10, power_schedule=((0.0, 100.0),)))

    def load_it(line):
        if "loading, metered" in line:
            sim.update(0, power_schedule=((0.0, 100.0), (sim.elapsed_s(), 300.0)))

    asked = launch(
        *(tmp_path, "--gpu", 0, "--concurrency", "1,4", "-v"),
        words=("--api-key", KEY),
        **{"loads_s": 2.0, "prints": f"it takes {KEY}"},
    )
    done = energyscore(*asked, env=sim.env(), on_line=load_it)
    assert done.status == 0, done.stderr
    assert not workers()
    assert "caution: the server" not in done.stderr
    one, four = results_in(tmp_path)
    assert one["loading"] == four["loading"]
    assert {one["load"]["concurrency"], four["load"]["concurrency"]} == {1, 4}
    loading = one["loading"]
    seconds = loading["duration_s"]
    assert seconds > 1
    # Above the floor of 100 W it takes 200 W, from when the driver follows: a busy machine is late.
    assert 80 * seconds < loading["energy_j"][f"gpu:{UUID}"] < 202 * seconds
    assert loading["floor_w"][f"gpu:{UUID}"] == pytest.approx(100, rel=0.01)
    assert loading["idle_w"][f"gpu:{UUID}"] == pytest.approx(300, rel=0.01)
    assert one["idle"]["without_model_w"][f"gpu:{UUID}"] == pytest.approx(100, rel=0.01)
    assert one["load"]["launched"].endswith("--api-key '***'")
    assert "server_not_seen" in [caution["code"] for caution in one["cautions"]]
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert "server.log" in [file.name for file in written]
    assert not any(KEY.encode() in file.read_bytes() for file in written)
    assert KEY not in done.stderr + done.stdout


def test_one_that_is_killed_loses_nothing_and_the_same_command_goes_on(tmp_path):
    asked = launch(tmp_path, "--device", "cpu", "--repeats", 2, prints="it is there")

    def kill(line):
        if "run 2 of 2" in line:
            (worker,) = workers()
            worker.parent().kill()

    done = energyscore(*asked, on_line=kill)
    assert done.status == 2
    assert "takes no connections any more" in done.error
    assert "the server ended by itself: SIGKILL ended it. What it said is in" in done.stderr
    assert "  it is there" in done.stderr.splitlines()
    assert not workers()
    again = energyscore(*asked)
    assert again.status == 0, again.stderr
    assert "1 run measured before an interruption" in again.stderr
    (result,) = results_in(tmp_path)
    assert len(result["runs"]) == 2
    third = energyscore(*asked)
    assert (third.status, "starting" in third.stderr) == (0, False)
    assert "The server is not started: its command" in third.stderr
    assert "measured before" in third.stderr
    other = energyscore(*launch(tmp_path, "--device", "cpu", "--repeats", 2, token_s=0.011))
    assert "measured before" not in other.stderr  # another command is another server


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_energyscore_nothing_is_left(tmp_path, number):
    running = start(*launch(tmp_path, "--device", "cpu"))
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("server.log")) or not workers():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(running.pid, number)
    status, _, stderr = running.wait(60, None)
    assert status == (-number if number == signal.SIGKILL else 128 + number), stderr
    while workers():
        assert time.monotonic() < deadline
        time.sleep(0.05)
