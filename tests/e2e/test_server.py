"""Servers under load, measured by the whole command: a real one, and one that does as it is told.

Energy is that of a simulated driver, whose truth is known.
"""

import contextlib
import json
import runpy
import shlex
import signal
import socket
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.api_server import KEY, api_server
from support.commands import energyscore, gpu, start
from support.nvml_sim import Process
from support.submissions import bundle

from energyscore.results.store import load_result
from energyscore.verify.checker import verify

UUID = gpu().uuid
BENCH = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "server_throughput.py"))
WATTS = 300.0


def command(address, out, *more, model="org/model"):
    return (
        *("run", "text_generation", "--quick", "--server", address, "--model", model),
        *("--queries", 20, "--out", out, *more),
    )


def results_in(out):
    found = [json.loads(file.read_text()) for file in sorted(out.rglob("*_*.json"))]
    return sorted(found, key=lambda one: one["load"]["concurrency"] or one["load"]["request_rate"])


def refused(out):
    """What `verify` would refuse of a submission of all these results."""
    findings = verify(bundle(*sorted(out.rglob("*_*.json")))).findings
    return [f"{one.check}: {one.message}" for one in findings if one.level == "failed"]


def test_a_real_server_is_started_and_measured_at_each_load(simulate, tmp_path, tiny_model):
    """`transformers serve`, which loads the model when it is first asked for it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = [Path(sys.executable).with_name("transformers"), "serve", tiny_model]
    serve += ["--device", "cpu", "--host", "127.0.0.1", "--port", port]
    sim = simulate(gpu(update_period_ms=10))
    done = energyscore(
        *("run", "text_generation", "--quick", "--model", tiny_model, "--queries", 20),
        *("--launch", shlex.join(map(str, serve)), "--idle", 1, "--gpu", 0),
        *("--concurrency", "1,4", "--out", tmp_path),
        env=sim.env(),
    )
    assert done.status == 0, done.stderr
    assert "4 at once" in done.stdout
    one, four = results_in(tmp_path)
    assert refused(tmp_path) == []
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
        assert result["load"]["launched"].endswith(f"--port {port}")
        assert result["loading"]["duration_s"] > 0
        assert result["loading"]["floor_w"][f"gpu:{UUID}"] == pytest.approx(WATTS, rel=0.01)
    with socket.socket() as gone:
        assert gone.connect_ex(("127.0.0.1", port)) != 0


def test_the_load_is_as_it_was_asked_for(simulate, tmp_path):
    """Ten steps of 50 ms and the way: what a place does in a second is known.

    So it is by other means, which share nothing with energyscore and ask as much at the same time:
    this server does not mind.
    """
    sim = simulate(gpu(update_period_ms=10))
    loads, asked = (1, 8, 32), []
    with (
        api_server(token_s=0.05, caches=True, salts=True) as (address, _),
        ThreadPoolExecutor(1) as others,
    ):
        requests = BENCH["Requests"]("org/model", ["a b"], 10)

        def ask_too(line):
            if "run 1 of 1" in line:
                what = address, requests, loads[len(asked)], 2.8
                asked.append(others.submit(BENCH["throughput"], *what))

        measuring = command(address, tmp_path, "--gpu", 0, "--concurrency", "1,8,32")
        done = energyscore(*measuring, env=sim.env(), on_line=ask_too)
        theirs = [one.result() for one in asked]
        again = energyscore(*measuring, env=sim.env())
    assert done.status == 0, done.stderr
    assert again.stderr.count("measured before") == 3  # as long as it is the same server
    results = results_in(tmp_path)
    for result, places, (queries_per_s, tokens_per_s) in zip(results, loads, theirs, strict=True):
        (run,) = result["runs"]
        assert run["energy_j"][f"gpu:{UUID}"] == pytest.approx(WATTS * run["duration_s"], rel=0.01)
        speed = run["performance"]
        latency = speed["latency_s"]
        # As far as the machine lets it: a request takes 0.5 s, and what it took longer was lost to
        # other work on the machine, which the others met with at other times.
        most = 1.05 * latency["p99"] / 0.5
        assert 1 / most < speed["queries_per_s"] / queries_per_s < most
        assert 1 / most < speed["output_tokens_per_s"] / tokens_per_s < most
        assert latency["p50"] > 0.5
        # Every place is taken all the time, however long answers take (Little's law); a place is
        # free for as long as the client is late, and requests at an edge count in part.
        late = run["load"]["client_late_s"] / latency["mean"]
        assert speed["queries_per_s"] * latency["mean"] == pytest.approx(
            places,
            rel=0.1 + late + run["load"]["bound"] * (latency["p99"] / latency["p50"] - 1),
        )
        # Of a request at an edge the share of its time counts, of its tokens so many steps: they
        # are written before it ends, by as much as the machine lets the client wait.
        steps = 3 + run["load"]["client_late_s"] / 0.05
        assert run["output_tokens"] == pytest.approx(
            10 * run["load"]["requests"],
            abs=run["load"]["straddling"] * steps,
        )
        assert result["workload"]["output_tokens"] == pytest.approx(
            20 * 10, abs=1 + 20 * steps * run["load"]["bound"]
        )
        assert result["load"]["prompts"] == "cache_salt"
        assert result["load"]["lengths"] == "forced"
        assert run["load"]["cached_tokens"] == 0
        assert run["load"]["other_lengths"] == 0
        assert 0 < run["load"]["client_late_s"] < 1
        found = {c["code"] for c in result["cautions"]}
        assert not {"prefix_cached", "prefix_cache_unknown"} & found


def test_requests_arrive_at_a_rate_whether_or_not_others_have_been_answered(tmp_path):
    """The server takes 0.2 s; where four are let through at once it does 20 a second of 100."""
    with api_server(token_s=0.02, metrics=True) as (address, _):
        asked = command(address, tmp_path, "--repeats", 2, "--max-outstanding", 4)
        done = energyscore(*asked, "--request-rate", "4,100")
    assert done.status == 3
    four, hundred = results_in(tmp_path)
    assert refused(tmp_path) == []
    for result, rate in ((four, 4.0), (hundred, 100.0)):
        load, (run, *_) = result["load"], result["runs"]
        assert (load["kind"], load["concurrency"], load["max_outstanding"]) == ("open", None, 4)
        assert load["request_rate"] == rate
        due = rate * run["duration_s"]
        chance = 4 * due**0.5  # four standard deviations of what arrives by chance
        assert run["load"]["outstanding"]["arrived"] == pytest.approx(due, abs=chance)
    assert len(four["runs"]) == 2
    for run in four["runs"]:
        # The server itself counts the same, over a little more than the window.
        told = run["load"]["server"]
        assert run["load"]["completed"] <= told["requests_finished"] + run["load"]["straddling"]
        assert told["requests_finished"] < 3 * run["load"]["completed"]
        under_way = 4  # at most, at either look
        assert told["output_tokens"] == pytest.approx(
            10 * told["requests_finished"], abs=10 * under_way
        )
        assert (told["other_requests"], told["other_output_tokens"]) == (0, 0)
        assert 0 <= told["running"] <= 4
        hits = (told["prefix_cache_hits"], told["preemptions"], told["waiting"])
        assert hits == (0, None, None)
    assert not {"preempted", "queued"} & {caution["code"] for caution in four["cautions"]}
    assert not any("does not keep up" in one for one in four["invalid_reasons"])
    (run,) = hundred["runs"]  # what is outstanding would only grow in another one
    assert "the server does not keep up" in hundred["invalid_reasons"][0]
    # As many as four at once can be: each of ten tokens, and the server is not faster than told.
    answer_s = 10 * run["load"]["time_per_output_token_s"]
    assert answer_s > 0.2
    assert run["performance"]["queries_per_s"] == pytest.approx(4 / answer_s, rel=0.2)
    assert run["performance"]["latency_s"]["p50"] > 1.0  # from when it was due
    assert "arrivals_held" in {caution["code"] for caution in hundred["cautions"]}
    load_result(next(tmp_path.rglob("*_*.json")))


def test_other_tasks_are_asked_for_and_their_answers_judged(tmp_path):
    """Each query is thought of in one word of three; of a recording no tokens are told."""
    asked = ("run", "reasoning", "asr", "--quick", "--quality", "--queries", 4, "--out", tmp_path)
    with api_server(says="so it is", thinks=1, a_piece=2) as (address, _):
        done = energyscore(*asked, "--server", address, "--model", "org/model")
    assert done.status == 0, done.stderr
    results = {one["task"]["id"]: one for one in results_in(tmp_path)}
    assert refused(tmp_path) == []
    for name, metric in (("reasoning", "exact_match"), ("asr", "wer")):
        assert (results[name]["quality"]["metric"], results[name]["quality"]["n"]) == (metric, 4)
    (run,), load = results["reasoning"]["runs"], results["reasoning"]["load"]
    assert (load["endpoint"], load["lengths"]) == ("chat/completions", "actual")
    straddling = run["load"]["straddling"]
    assert run["thinking_tokens"] == pytest.approx(run["output_tokens"] / 3, abs=1 + straddling)
    assert run["load"]["tokens_per_piece"] == pytest.approx(3 / 2)
    assert (run["answers_cut"], run["load"]["other_lengths"]) == (0, 0)
    (run,), load = results["asr"]["runs"], results["asr"]["load"]
    assert (load["endpoint"], load["tokens_by"]) == ("audio/transcriptions", None)
    assert (run["input_tokens"], run["output_tokens"]) == (None, None)
    assert results["asr"]["performance"]["time_to_first_token_s"] is None
    score = results["asr"]["score"]
    assert score["system_wh_per_1k_queries"] > 0
    assert score["joules_per_output_token"] is None
    assert "does not tell" in score["per_token_reasons"]["system_joules_per_output_token"]
    for file in tmp_path.rglob("*_*.json"):
        load_result(file)  # it agrees with itself


def test_its_gpus_are_those_that_its_processes_compute_on(simulate, tmp_path):
    with api_server(token_s=0.01) as (address, process):
        other = gpu("GPU-99999999-0000-0000-0000-000000000000", process=(Process(pid=1),))
        both = (Process(pid=process.pid), Process(pid=1))  # a stranger, there all along
        sim = simulate(other, gpu(update_period_ms=10, process=both))
        done = energyscore(*command(address, tmp_path, "--allow-shared"), env=sim.env())
        sim.update(1, process=())
        unknown = energyscore(*command(address, tmp_path), env=sim.env())
    assert done.status == 0, done.stderr
    (result,) = results_in(tmp_path)
    assert result["protocol"]["metered_gpus"] == result["protocol"]["occupied_gpus"] == [UUID]
    assert result["protocol"]["gpus_chosen_by"] == "model"
    assert "1 other process(es) computed on GPU 1" in str(result["cautions"])
    told, run = map(done.stderr.index, ("1 other process on GPU 1 (NVIDIA", "run 1 of 1"))
    assert told < run  # before anything is measured
    assert result["valid"]  # as that was allowed
    assert unknown.status == 3  # no process is told: that is no sign that there is none
    assert "which GPUs it computes on cannot be told" in unknown.error


def test_requests_that_fail_spoil_their_run(tmp_path):
    with api_server(fails_after=30, token_s=0.01) as (address, _):
        done = energyscore(*command(address, tmp_path, "--concurrency", 4))
    assert done.status == 3
    (result,) = results_in(tmp_path)
    assert refused(tmp_path) == []
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
    with api_server(token_s=0.02, lies=lies) as (address, _), asked_by_another(address) as theirs:
        done = energyscore(*command(address, tmp_path, "--concurrency", 2))
    assert done.status == 3
    (result,) = results_in(tmp_path)
    assert not result["valid"]
    assert "others asked the server in the window" in result["invalid_reasons"][0]
    (run,) = result["runs"]
    told = run["load"]["server"]
    # Three of the five that are in flight are another's, who is slower on a busy machine.
    assert run["load"]["completed"] / 3 < told["other_requests"] <= len(theirs)
    assert told["other_output_tokens"] == pytest.approx(
        10 * told["other_requests"], abs=10 * (3 + 2 * run["load"]["straddling"])
    )
    assert {"prefix_cached", "preempted", "queued"} <= {c["code"] for c in result["cautions"]}
    more = told["looks"] - 1  # each look adds to what it tells
    assert more >= 2
    assert (told["preemptions"], told["prefix_cache_hits"]) == (2 * more, 50 * more)
    assert told["waiting_most"] - told["waiting"] == 3 * more
    load_result(next(tmp_path.rglob("*_*.json")))


@contextlib.contextmanager
def asked_by_another(address):
    """Another client, with three requests in flight all the time: what has been answered."""
    body = json.dumps({"model": "org/model", "prompt": "b", "max_tokens": 10}).encode()
    over, answered = threading.Event(), []

    def ask():
        while not over.is_set():
            answered.append(
                urllib.request.urlopen(f"{address}/completions", body, timeout=60).read()
            )

    with ThreadPoolExecutor(3) as clients:
        asked = [clients.submit(ask) for _ in range(3)]
        try:
            yield answered
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
    assert refused(tmp_path) == []
    assert len(result["runs"]) == 2
