"""Servers under load, measured by the whole command: a real one, and one that does as it is told.

Energy is that of a simulated driver, whose truth is known.
"""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.api_server import KEY, api_server
from support.commands import energyscore, environment, gpu, start
from support.nvml_sim import Process

from energyscore.results.store import load_result

UUID = gpu().uuid
WATTS = 300.0


@pytest.fixture(scope="module")
def real_server(tiny_model):
    """`transformers serve` with the tiny model: its address, and what it calls the model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", tiny_model]
    command += ["--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        list(map(str, command)),
        env=environment({"HF_HUB_OFFLINE": "1"}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1", str(tiny_model)
    finally:
        process.kill()
        process.wait()


def command(address, out, *more, model="org/model"):
    return (
        *("run", "text_generation", "--quick", "--server", address, "--model", model),
        *("--queries", 20, "--out", out, *more),
    )


def results_in(out):
    found = [json.loads(file.read_text()) for file in sorted(out.rglob("*_*.json"))]
    return sorted(found, key=lambda one: one["load"]["concurrency"])


def test_a_real_server_is_measured_at_each_load(simulate, tmp_path, real_server):
    address, model = real_server
    sim = simulate(gpu(update_period_ms=10))
    asked = command(address, tmp_path, "--gpu", 0, "--concurrency", "1,4", model=model)
    done = energyscore(*asked, env=sim.env())
    assert done.status == 0, done.stderr
    assert "4 at once" in done.stdout
    one, four = results_in(tmp_path)
    for result, places in ((one, 1), (four, 4)):
        (run,), load = result["runs"], result["load"]
        truth_j = WATTS * run["duration_s"]
        assert run["energy_j"][f"gpu:{UUID}"] == pytest.approx(truth_j, rel=0.01)
        score = result["score"]
        assert score["joules_per_output_token"] == pytest.approx(
            truth_j / run["output_tokens"], rel=0.01
        )
        assert (load["kind"], load["concurrency"]) == ("closed", places)
        assert load["failed"] == 0
        assert load["completed"] == run["load"]["completed"] >= places
        assert load["lengths"] == "actual"  # it refuses to be told
        assert run["load"]["requests"] == pytest.approx(run["queries"], abs=0.5)
        # All but a few random answers are of ten tokens.
        assert 8 < run["output_tokens"] / run["load"]["requests"] <= 10.2
        assert result["model"]["source"] == "server"
        assert result["model"]["parameters"] is None
        assert not result["official"]
        assert "prefix_cache_unknown" in [caution["code"] for caution in result["cautions"]]
    # The same command measures nothing again, as long as it is the same server.
    again = energyscore(*asked, env=sim.env())
    assert again.stderr.count("measured before") == 2
    assert len(results_in(tmp_path)) == 2


def test_the_load_is_as_it_was_asked_for(tmp_path):
    """Ten steps of 20 ms and the way: what a place does in a second is known."""
    with api_server(token_s=0.02, caches=True, salts=True, metrics=True) as (address, _):
        done = energyscore(*command(address, tmp_path, "--concurrency", 8))
    assert done.status == 0, done.stderr
    (result,) = results_in(tmp_path)
    (run,) = result["runs"]
    speed = run["performance"]
    assert speed["latency_s"]["p50"] == pytest.approx(0.2, rel=0.25)
    assert speed["queries_per_s"] * speed["latency_s"]["mean"] == pytest.approx(8, rel=0.05)
    assert run["output_tokens"] == pytest.approx(10 * run["load"]["requests"], rel=0.02)
    assert result["workload"]["output_tokens"] == pytest.approx(200, abs=4)
    assert result["load"]["prompts"] == "cache_salt"
    assert result["load"]["lengths"] == "forced"
    assert run["load"]["cached_tokens"] == 0
    assert run["load"]["other_lengths"] == 0
    found = {c["code"] for c in result["cautions"]}
    assert not {"prefix_cached", "prefix_cache_unknown", "preempted", "queued"} & found
    # The server itself counts the same, over a little more than the window.
    told = run["load"]["server"]
    assert told["requests_finished"] == pytest.approx(run["load"]["completed"], abs=16)
    assert told["output_tokens"] == pytest.approx(run["output_tokens"], abs=160)
    assert (told["other_requests"], told["other_output_tokens"]) == (0, 0)
    assert 4 <= told["running"] <= 8
    assert (told["prefix_cache_hits"], told["preemptions"], told["waiting"]) == (0, None, None)


def test_its_gpus_are_those_that_its_processes_compute_on(simulate, tmp_path):
    with api_server(token_s=0.01) as (address, process):
        other = gpu("GPU-99999999-0000-0000-0000-000000000000", process=(Process(pid=1),))
        sim = simulate(other, gpu(update_period_ms=10, process=(Process(pid=process.pid),)))
        done = energyscore(*command(address, tmp_path), env=sim.env())
        sim.update(1, process=())
        unknown = energyscore(*command(address, tmp_path), env=sim.env())
    assert done.status == 0, done.stderr
    (result,) = results_in(tmp_path)
    assert result["protocol"]["metered_gpus"] == result["protocol"]["occupied_gpus"] == [UUID]
    assert result["protocol"]["gpus_chosen_by"] == "model"
    assert result["valid"]
    assert unknown.status == 3  # no process is told: that is no sign that there is none
    assert "which GPUs it computes on cannot be told" in unknown.error


def test_requests_that_fail_spoil_their_run(tmp_path):
    with api_server(fails_after=30, token_s=0.01) as (address, _):
        done = energyscore(*command(address, tmp_path, "--concurrency", 4))
    assert done.status == 3
    (result,) = results_in(tmp_path)
    assert not result["valid"]
    assert result["load"]["failed"] > 0
    assert "an error came in mid-stream: out of memory" in result["invalid_reasons"][0]
    load_result(next(tmp_path.rglob("*_*.json")))  # it agrees with itself


def test_what_others_ask_and_what_the_server_does_is_seen_in_its_metrics(tmp_path):
    lies = {
        "vllm:num_requests_waiting": 3,
        "vllm:num_preemptions_total": 2,
        "vllm:prefix_cache_hits_total": 50,
    }
    with api_server(token_s=0.02, lies=lies) as (address, _), asked_by_another(address):
        done = energyscore(*command(address, tmp_path, "--concurrency", 2))
    assert done.status == 3
    (result,) = results_in(tmp_path)
    assert not result["valid"]
    assert "others asked the server in the window" in result["invalid_reasons"][0]
    (run,) = result["runs"]
    told = run["load"]["server"]
    # Three of the five that are in flight are another's.
    assert told["other_requests"] == pytest.approx(1.5 * run["load"]["completed"], rel=0.5)
    assert told["other_output_tokens"] == pytest.approx(1.5 * run["output_tokens"], rel=0.5)
    assert {"prefix_cached", "preempted", "queued"} <= {c["code"] for c in result["cautions"]}
    assert (told["preemptions"], told["prefix_cache_hits"], told["waiting"]) == (2, 50, 3)
    load_result(next(tmp_path.rglob("*_*.json")))


@contextlib.contextmanager
def asked_by_another(address):
    """Another client, with three requests in flight all the time."""
    body = json.dumps({"model": "org/model", "prompt": "b", "max_tokens": 10}).encode()
    over = threading.Event()

    def ask():
        while not over.is_set():
            urllib.request.urlopen(f"{address}/completions", body, timeout=5).read()

    with ThreadPoolExecutor(3) as clients:
        asked = [clients.submit(ask) for _ in range(3)]
        try:
            yield
        finally:
            over.set()
            for one in asked:
                one.result()


def test_a_key_is_in_no_file_and_no_line(tmp_path):
    with api_server(key=KEY) as (address, _):
        asked = command(address, tmp_path, "--api-key-env", "THE_KEY", "-v")
        done = energyscore(*asked, env={"THE_KEY": KEY})
        refused = energyscore(*asked, env={"THE_KEY": "sk-another"})
    assert done.status == 0, done.stderr
    assert refused.status == 2
    assert "does not let us in" in refused.error
    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert written
    said = (done.stdout, done.stderr, refused.stdout, refused.stderr)
    assert not any(KEY in text for text in said)
    assert not any(KEY.encode() in content for content in written)


def test_a_server_that_is_killed_ends_in_one_line_and_nothing_is_lost(tmp_path):
    with api_server(token_s=0.01) as (address, process):

        def kill(line):
            if "run 2 of 2" in line:
                process.kill()

        done = energyscore(*command(address, tmp_path, "--repeats", 2), on_line=kill)
    assert done.status == 2
    assert "takes no connections any more" in done.error
    assert next(tmp_path.rglob(".*.journal")).read_text().count('"run"') == 1


def test_ctrl_c_keeps_the_runs_that_are_finished(tmp_path):
    with api_server(token_s=0.01) as (address, _):
        asked = command(address, tmp_path, "--repeats", 2)
        running = start(*asked)
        deadline = time.monotonic() + 60
        while not list(tmp_path.rglob(".*.journal")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        status, _, stderr = running.wait(60, None)
        assert status == 130
        assert "1 of 2 runs" in stderr
        done = energyscore(*asked)
    assert done.status == 0
    assert "1 run measured before an interruption" in done.stderr
    (result,) = results_in(tmp_path)
    assert len(result["runs"]) == 2
