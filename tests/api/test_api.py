"""energyscore from Python: functions and models measured, results read, figures required."""

import asyncio
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import codecarbon  # noqa: F401 - sets its log level when it is imported
import pytest
from support.commands import ROOT, environment, gpu
from support.nvml_sim import Process, env_without_library
from support.results import make_cpu_run, make_result, make_run

import energyscore
from energyscore.api import models
from energyscore.api.gpus import NOT_ASKED
from energyscore.base.errors import (
    DatasetError,
    EnergyScoreError,
    MeterError,
    ModelError,
    ResultError,
    TaskError,
    UnsupportedError,
    UsageError,
)
from energyscore.judge.baseline import Baseline
from energyscore.results.result import result_to_json

QUICK = {"quick": True, "min_window_s": 0.0, "device": "cpu"}
UUID = gpu().uuid


def written(folder, result, name="result.json"):
    path = folder / name
    path.write_text(result_to_json(result))
    return path


# Reading results


def test_a_result_is_read_with_its_figures(tmp_path):
    """3,600 J for 1,000 queries are 1 Wh; of 0.9, 1.0 and 1.1 Wh the interval is e^-/+0.2484."""
    runs = [make_run(index, joules=3600 * wh) for index, wh in enumerate((0.9, 1.0, 1.1))]
    path = written(tmp_path, make_result("org/model", runs))
    for given in (path, str(path)):
        measured = energyscore.load(given)
        assert measured.require_gpu_wh_per_1k_queries() == pytest.approx(1.0)
    assert measured.gpu_wh_per_1k_queries == pytest.approx(1.0)
    assert measured.gpu.ci95 == pytest.approx((0.7800, 1.2820), abs=1e-4)
    assert (measured.gpu.method, measured.gpu.estimated) == ("counter", False)
    assert (measured.runs, measured.queries, measured.duration_s) == (3, 3000, 300.0)
    assert (measured.name, measured.metered_gpus) == ("org/model", ("GPU-0",))
    assert measured.valid
    assert measured.result.task.id == "text_generation"
    assert "1.00 Wh per 1,000 queries (95%: 780 mWh to 1.28 Wh), counter" in str(measured)
    assert "\n  GPU, processor and memory: " in str(measured)
    assert repr(measured).startswith("<Measurement org/model: GPU 1.00 Wh per 1,000 queries")


def test_what_was_not_measured_cannot_be_required(tmp_path):
    path = written(tmp_path, make_result(runs=[make_run(joules=None)]))
    measured = energyscore.load(path)
    assert measured.gpu_wh_per_1k_queries is None
    with pytest.raises(energyscore.NotMeasuredError, match=r"no GPU energy .*: the GPU was lost"):
        measured.require_gpu_wh_per_1k_queries()
    with pytest.raises(TypeError):
        assert measured.gpu_wh_per_1k_queries <= 2.5
    assert "not measured: run 1: gpu:GPU-0: the GPU was lost" in str(measured)


def test_an_invalid_figure_can_be_read_but_not_required(tmp_path):
    measured = energyscore.load(written(tmp_path, make_result(invalid=["thermal slowdown"])))
    assert not measured.valid
    assert measured.gpu_wh_per_1k_queries == pytest.approx(1.0)
    with pytest.raises(energyscore.InvalidResult, match="thermal slowdown"):
        measured.require_gpu_wh_per_1k_queries()
    with pytest.raises(energyscore.InvalidResult):
        measured.require_system_wh_per_1k_queries()
    assert repr(measured).endswith(", invalid>")


def test_estimates_are_called_so_and_are_no_gpu_energy(tmp_path):
    """7,200 J of processor and 3,600 J of memory for 100 queries are 30 Wh per 1,000."""
    result = make_result(runs=[make_cpu_run()], gpu=None, official=False)
    measured = energyscore.load(written(tmp_path, result))
    assert measured.require_system_wh_per_1k_queries() == pytest.approx(30.0)
    assert measured.system.estimated
    with pytest.raises(energyscore.NotMeasuredError, match="no GPU was metered"):
        measured.require_gpu_wh_per_1k_queries()


def test_a_folder_is_read_whole_and_a_baseline_like_its_result(tmp_path):
    for place, model in enumerate(("org/a", "org/b")):
        written(tmp_path, make_result(model, identity=str(place) * 64), f"{place}.json")
    found = energyscore.load_all(tmp_path)
    assert [measured.name for measured in found] == ["org/a", "org/b"]
    assert all(isinstance(one, energyscore.Measurement) for one in found)
    baseline = Baseline(
        saved_at="2026-01-01T00:00:00Z", commit=None, commit_reason="", result=make_result("org/c")
    )
    path = tmp_path / "baseline.json"
    path.write_text(baseline.model_dump_json(indent=2))
    assert energyscore.load(path).name == "org/c"


def test_of_a_folder_the_latest_of_each_measurement_is_read(tmp_path):
    """Of `a` 3 Wh were measured first and 2 Wh later; a newer invalid one is a caution."""
    for name, identity, day, wh, invalid in (
        ("1", "a", 2, 2.0, []),
        ("2", "a", 1, 3.0, []),
        ("3", "b", 1, 4.0, []),
        ("4", "b", 2, 5.0, ["a GPU was lost"]),
    ):
        runs = [make_run(joules=3600 * wh)]
        when = f"2026-01-0{day}T00:00:00Z"
        result = make_result(runs=runs, identity=identity * 64, created_at=when, invalid=invalid)
        written(tmp_path, result, f"{name}.json")
    latest = energyscore.load_all(tmp_path)
    assert [one.gpu_wh_per_1k_queries for one in latest] == pytest.approx([2.0, 4.0])
    assert [[caution.code for caution in one.cautions] for one in latest] == [
        [],
        ["newer_invalid"],
    ]
    assert latest[1].cautions[0].message == (
        f"{tmp_path}/4.json is newer and invalid (a GPU was lost); {tmp_path}/3.json is used"
    )
    every = energyscore.load_all(tmp_path, every=True)
    assert [one.gpu_wh_per_1k_queries for one in every] == pytest.approx([2.0, 3.0, 4.0, 5.0])


def test_an_interval_can_be_required(tmp_path):
    """Of 0.9, 1.0 and 1.1 Wh it is e^-/+0.2484 Wh; one run has none."""
    runs = [make_run(index, joules=3600 * wh) for index, wh in enumerate((0.9, 1.0, 1.1))]
    measured = energyscore.load(written(tmp_path, make_result(runs=runs)))
    assert measured.require_gpu_ci95() == pytest.approx((0.7800, 1.2820), abs=1e-4)
    once = energyscore.load(written(tmp_path, make_result(runs=runs[:1])))
    with pytest.raises(energyscore.NotMeasuredError, match="one run has no spread"):
        once.require_gpu_ci95()
    spoilt = energyscore.load(written(tmp_path, make_result(runs=runs, invalid=["too hot"])))
    with pytest.raises(energyscore.InvalidResult, match="too hot"):
        spoilt.require_gpu_ci95()
    runs = [make_cpu_run(index, joules=7200 * wh) for index, wh in enumerate((0.9, 1.0, 1.1))]
    on_cpu = make_result(runs=runs, gpu=None, official=False)
    estimated = energyscore.load(written(tmp_path, on_cpu))
    assert estimated.require_system_ci95() == pytest.approx((23.401, 38.460), abs=1e-3)
    with pytest.raises(energyscore.NotMeasuredError, match="no GPU was metered"):
        estimated.require_gpu_ci95()


@pytest.mark.parametrize("path", [None, 3, b"x", ["results"], "a\0b"])
@pytest.mark.parametrize("read", [energyscore.load, energyscore.load_all])
def test_what_is_no_path_is_refused(read, path):
    with pytest.raises(UsageError, match="not one path"):
        read(path)


def test_every_error_that_may_come_is_a_public_name():
    known = EnergyScoreError.__subclasses__() + UsageError.__subclasses__() + [MeterError]
    for error in [error for error in known if error.__module__ == EnergyScoreError.__module__]:
        assert getattr(energyscore, error.__name__) is error
        assert error.__name__ in energyscore.__all__


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is not valid JSON"),
        ("{}", "is not a result of energyscore"),
        ('{"schema_version": 1}', "created_at: it is missing"),
        ('{"schema_version": 99}', "schema version 99"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path, content, said):
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ResultError, match=re.escape(str(path)) + ".*" + said):
        energyscore.load(path)


def test_a_folder_is_no_file_and_an_empty_one_holds_nothing(tmp_path):
    with pytest.raises(ResultError, match="load_all"):
        energyscore.load(tmp_path)
    with pytest.raises(ResultError, match="holds no results"):
        energyscore.load_all(tmp_path)


# Arguments


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"queries": []}, UsageError, "queries is empty"),
        ({"queries": iter(())}, UsageError, "queries is empty"),
        ({"queries": "one text"}, UsageError, "queries is of type str"),
        ({"queries": {"a": 1}}, UsageError, "queries is of type dict"),
        ({"queries": None}, UsageError, "queries is of type NoneType"),
        ({"work": 3}, UsageError, "neither a function nor a model's name"),
        ({"repeats": 0}, UsageError, "repeats: it must be at least 1 (got 0)"),
        ({"repeats": "auto"}, UsageError, "repeats='auto' is for models only"),
        ({"batch_size": 0}, UsageError, "batch_size: it must be at least 1 (got 0)"),
        (
            {"min_window_s": float("nan")},
            UsageError,
            "min_window_s: it must be a finite",
        ),
        ({"idle_s": -1}, UsageError, "idle_s: it must be at least 0.0 (got -1)"),
        ({"device": "cud"}, UsageError, "(got 'cud'; did you mean 'cuda'?)"),
        ({"device": "gpu"}, UsageError, "did you mean 'cuda'? (got 'gpu')"),
        ({"device": "cpu", "gpus": [0]}, UsageError, "device='cpu' meters no GPU, and gpus names"),
        ({"gpus": None}, UsageError, "gpus: it must be a list (got null)"),
        ({"gpus": [0, None]}, UsageError, "gpus: it must be text (got null)"),
        ({"quick": "no"}, UsageError, "quick: it must be true or false (got 'no')"),
        ({"name": 3}, UsageError, "name: it must be text (got 3)"),
        ({"task": "asr"}, UsageError, "task is for a model"),
        ({"work": "builtin:gpt2"}, UsageError, "no task is named"),
        ({"work": "builtin:gpt2", "task": "text_generatio"}, TaskError, "mean 'text_generation'"),
        ({"work": "builtin:gpt", "task": "text_generation"}, ModelError, "Did you mean 'gpt2'"),
        ({"work": "./none", "task": "asr"}, ModelError, "does not exist"),
        ({"work": "a/b", "task": "asr", "name": "x"}, UsageError, "name is for a function"),
        ({"work": "a/b", "task": "asr", "options": {"quik": 1}}, UsageError, "mean 'quick'"),
        ({"work": "a/b", "task": "asr", "repeats": 0}, UsageError, "repeats"),
        (
            {"work": "a/b", "task": "asr", "options": {"out": "x"}},
            UsageError,
            "'out' is not an opt",
        ),
        (
            {"work": "a/b", "task": "asr", "options": "x"},
            UsageError,
            "options: it must be a mapping",
        ),
        ({"work": "a/b", "task": "asr", "options": {"dataset": "x"}}, UsageError, "Both queries"),
        ({"work": "a/b", "task": 3}, UsageError, "task: it must be text (got 3)"),
        (
            {"work": "builtin:minilm-l6", "task": "sentence_similarity"},
            DatasetError,
            "query 1 is one text, but sentence_similarity needs sentence1 and sentence2",
        ),
    ],
    ids=lambda value: None if isinstance(value, type) else str(value)[:40],
)
def test_wrong_arguments_are_named(arguments, error, said):
    with pytest.raises(error, match=re.escape(said)):
        energyscore.measure(**{"work": len, "queries": ["a"], **arguments})


# Functions


def test_a_function_on_the_processor():
    """Every query is done equally often; what was not metered says why."""
    seen = []
    texts = [f"text {number}" for number in range(7)]
    measured = energyscore.measure(
        seen.append, iter(texts), quick=True, min_window_s=0.02, device="cpu", name="mine"
    )
    counts = {text: seen.count(text) for text in texts}
    runs_and_warmup = {
        text: counts[text] - (text in texts[:3]) - (text == texts[0]) for text in texts
    }
    assert len(set(runs_and_warmup.values())) == 1
    assert measured.queries == sum(runs_and_warmup.values())
    assert (measured.name, measured.runs, measured.valid) == ("mine", 1, True)
    assert measured.duration_s >= 0.02
    assert measured.gpu_wh_per_1k_queries is None
    assert measured.gpu.reason == NOT_ASKED
    with pytest.raises(energyscore.NotMeasuredError, match="device='cpu' was asked for"):
        measured.require_gpu_wh_per_1k_queries()
    assert "short_run" in [caution.code for caution in measured.cautions]
    assert measured.result.of_function


def test_batches_are_lists_of_queries():
    seen = []
    measured = energyscore.measure(seen.append, range(5), batch_size=2, repeats=1, **QUICK)
    assert seen[0] == [0, 1]
    assert {len(batch) for batch in seen} == {1, 2}
    last = seen[-3:]
    assert sorted(query for batch in last for query in batch) == list(range(5))
    assert measured.queries == 5


def at_rest(threads=None):
    """What a measurement may not change: threads, children, handlers, log level, variables.

    Threads that were told to end are waited for.
    """
    deadline = time.monotonic() + 60
    while threads and threading.enumerate() != threads and time.monotonic() < deadline:
        time.sleep(0.01)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
    level = logging.getLogger("codecarbon").level
    return threading.enumerate(), children, handlers, level, dict(os.environ)


@pytest.mark.parametrize("survived", [0, 4, 30], ids=["at-once", "warming-up", "measured"])
def test_a_function_that_fails_leaves_nothing_but_its_error(survived):
    before = at_rest()
    done = []

    def fail(query):
        if len(done) >= survived:
            raise KeyError(f"no {query}")
        done.append(query)

    with pytest.raises(energyscore.WorkError) as caught:
        energyscore.measure(fail, ["abcdefgh"] * 9, **QUICK | {"min_window_s": 60.0})
    assert isinstance(caught.value.__cause__, KeyError)
    number = int(re.search(r"at query (\d+) \('abcdefgh'\): KeyError", str(caught.value))[1])
    assert 1 <= number <= 9
    assert number == 1 or survived
    assert at_rest(before[0]) == before


def test_an_interruption_is_passed_on_and_cleaned_up():
    before = at_rest()

    done = []

    def interrupt(query):
        done.append(query)
        if len(done) > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        energyscore.measure(interrupt, ["a", "b"], **QUICK | {"min_window_s": 60.0})
    assert at_rest(before[0]) == before


async def later(query):
    await asyncio.sleep(0)


async def one_by_one(query):
    yield query


@pytest.mark.parametrize(
    ("lazy", "remedy"),
    [
        (lambda query: (one for one in query), "lambda query: list(f(query))"),
        (lambda query: map(str, query), "lambda query: list(f(query))"),
        (later, "lambda query: asyncio.run(f(query))"),
        (one_by_one, "lambda query: asyncio.run(read(query))"),
    ],
)
def test_work_that_is_not_done_is_no_work(lazy, remedy):
    """That a coroutine was never awaited is an error here as every warning is."""
    with pytest.raises(energyscore.WorkError, match="is not done when it returns") as caught:
        energyscore.measure(lazy, ["ab"], **QUICK)
    assert remedy in caught.value.remedy
    assert ("to_thread(energyscore.measure" in caught.value.remedy) == ("asyncio" in remedy)


def test_async_work_is_measured_as_the_remedy_says():
    done = []

    async def work(query):
        await asyncio.sleep(0)
        done.append(query)

    async def main():
        return await asyncio.to_thread(
            energyscore.measure, lambda query: asyncio.run(work(query)), ["a"], **QUICK
        )

    measured = asyncio.run(main())
    assert 1 <= measured.queries < len(done)

    def in_the_loop(query):
        raise RuntimeError("asyncio.run() cannot be called from a running event loop")

    with pytest.raises(energyscore.WorkError, match=r"await asyncio\.to_thread\("):
        energyscore.measure(in_the_loop, ["a"], **QUICK)


@pytest.mark.parametrize(
    "other",
    [
        lambda: energyscore.measure(len, ["a"], **QUICK),
        lambda: energyscore.measure("builtin:gpt2", 3, task="text_generation", quick=True),
    ],
    ids=["function", "model"],
)
def test_one_process_measures_one_thing_at_a_time(other):
    """Each of two would be charged with the energy of both; so neither a thread nor the work may.

    Whatever is measured first goes on, and afterwards the next can be.
    """
    refused = []

    def attempt():
        try:
            other()
        except UsageError as error:
            refused.append(str(error))

    def work(query):
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()

    measured = energyscore.measure(work, ["a"], repeats=1, **QUICK)
    assert measured.valid
    assert len(refused) > measured.queries
    assert all("is measuring already" in one and "one after the other" in one for one in refused)
    with pytest.raises(energyscore.WorkError, match="is measuring already") as caught:
        energyscore.measure(lambda query: other(), ["a"], **QUICK)
    assert isinstance(caught.value.__cause__, UsageError)


def run_script(code, folder, env):
    """A user's script, as it stands: without a guard, elsewhere."""
    path = folder / "script.py"
    path.write_text(textwrap.dedent(code))
    return subprocess.run(
        [sys.executable, str(path)],
        env=environment(env),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_energy_of_a_simulated_gpu_is_that_of_the_calls(simulate, tmp_path):
    """Power swings between 100 and 500 W; the truth is integrated over the time of the calls."""
    other = gpu("GPU-22222222-0000-0000-0000-000000000000", update_period_ms=10)
    sim = simulate(gpu(update_period_ms=10, wave=(100.0, 500.0, 0.7, 0.35)), other)
    done = run_script(
        """
        import json, os, sys, threading, time
        import energyscore

        spans = []

        def load(query):
            start_ns = time.monotonic_ns()
            time.sleep(query)
            spans.append((start_ns, time.monotonic_ns()))

        measured = energyscore.measure(
            load, [0.004, 0.006] * 20, gpus=[0], quick=True, min_window_s=1.5
        )
        kept = spans[-measured.queries:]
        constant = energyscore.measure(load, [0.1], gpus=[1], quick=True, idle_s=0.4)
        try:
            energyscore.measure(lambda query: 1 / query, [1, 0], gpus=[0], quick=True)
            failed = None
        except energyscore.WorkError as error:
            failed = repr(error.__cause__)
        print(json.dumps({
            "wh": measured.require_gpu_wh_per_1k_queries(),
            "net_reason": measured.net_gpu.reason,
            "gross_and_net_wh": [
                constant.require_gpu_wh_per_1k_queries(), constant.net_gpu.wh_per_1k_queries
            ],
            "method": measured.gpu.method,
            "gpus": measured.metered_gpus,
            "valid": measured.valid,
            "spans": kept,
            "failed": failed,
            "children": open(f"/proc/self/task/{os.getpid()}/children").read(),
            "threads": threading.active_count(),
        }))
        """,
        tmp_path,
        sim.env(),
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    true_j = sim.true_energy_j(0, found["spans"][0][0], found["spans"][-1][1])
    assert found["wh"] == pytest.approx(true_j / 3600 * 1000 / len(found["spans"]), rel=0.02)
    assert found["net_reason"] == "the idle power was not metered"
    gross_wh, net_wh = found["gross_and_net_wh"]
    assert gross_wh == pytest.approx(300 * 0.1 / 3600 * 1000, rel=0.05)
    assert abs(net_wh) < 0.05 * gross_wh, "it draws as much when nothing is done"
    assert (found["method"], found["gpus"], found["valid"]) == ("counter", [UUID], True)
    assert found["failed"] == "ZeroDivisionError('division by zero')"
    assert (found["children"], found["threads"]) == ("", 1)


def test_the_gpus_that_torch_uses_are_metered_and_waited_for(simulate, tmp_path):
    """A torch of two GPUs: of the second others compute as well, and it comes into use late."""
    second = gpu("GPU-22222222-0000-0000-0000-000000000000", process=(Process(1), Process(2)))
    sim = simulate(gpu(process=(Process(1),)), second)
    done = run_script(
        f"""
        import json, sys, time, types
        import energyscore

        uuids = {[UUID.removeprefix("GPU-"), second.uuid]}
        held, synchronized, seen = [1, 0], [], []
        torch = types.ModuleType("torch")
        torch.device = object
        torch.get_num_threads = torch.get_num_interop_threads = lambda: 1
        torch.cuda = types.SimpleNamespace(
            is_initialized=lambda: True,
            device_count=lambda: 2,
            memory_reserved=lambda index: held[index],
            get_device_properties=lambda index: types.SimpleNamespace(uuid=uuids[index]),
            synchronize=synchronized.append,
        )
        sys.modules["torch"] = torch

        def work(query):
            time.sleep(0.01)
            seen.append(query)
            if query == "late" and len(seen) > 4:
                held[1] = 1

        def measure(query):
            synchronized.clear(), seen.clear()
            measured = energyscore.measure(work, [query] * 2, quick=True, min_window_s=0.6)
            return measured.metered_gpus, measured.invalid_reasons, sorted(set(synchronized))

        print(json.dumps([measure("early"), measure("late"), measure("both")]))
        """,
        tmp_path,
        sim.env(),
    )
    assert (done.returncode, done.stderr) == (0, "")
    early, late, both = json.loads(done.stdout)
    assert early == [[UUID], [], [0]]
    assert late == [[UUID], [f"the model occupies {second.uuid}, which was not metered"], [0, 1]]
    assert both[0] == [UUID, second.uuid]
    (reason,) = both[1]
    assert reason.startswith("1 other process(es) computed on GPU 1")


def test_gpus_that_cannot_be_metered_are_found_out_before_the_work(tmp_path):
    done = run_script(
        """
        import energyscore

        for gpus, device in (((0,), "auto"), ((), "cuda")):
            try:
                energyscore.measure(sorted, ["abc"], gpus=gpus, device=device)
            except energyscore.EnergyScoreError as error:
                print(type(error).__name__, error)
        """,
        tmp_path,
        env_without_library(tmp_path),
    )
    assert (done.returncode, done.stderr) == (0, "")
    named, asked = done.stdout.splitlines()
    assert named.startswith(f"{MeterError.__name__} gpus: 0 cannot be metered")
    assert asked.startswith(f"{UnsupportedError.__name__} device='cuda': ")
    assert "libnvidia-ml.so.1" in asked


# Models


def test_a_model_is_measured_as_the_command_line_does(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    before = at_rest()
    pairs = [{"sentence1": f"text {number}", "sentence2": "another"} for number in range(4)]
    measured = energyscore.measure(
        "builtin:minilm-l6", pairs, task="sentence_similarity", quick=True, repeats=2, device="cpu"
    )
    assert at_rest(before[0]) == before
    result = measured.result
    assert (result.task.id, result.model.id) == ("sentence_similarity", "builtin:minilm-l6")
    assert (result.workload.queries, result.protocol.quick, len(result.runs)) == (4, True, 2)
    assert result.workload.dataset == "queries given to energyscore.measure.jsonl"
    assert measured.runs == 2
    assert measured.system_wh_per_1k_queries == result.score.system_wh_per_1k_queries
    assert measured.gpu.reason == result.score.reason
    assert list(tmp_path.glob("energyscore*")) == [], "nothing is left behind"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("sys.exit('error: the weights are corrupt')", UnsupportedError, "weights are corrupt"),
        ("print('error: no such column', file=sys.stderr); sys.exit(2)", UsageError, "no such col"),
        ("os.kill(os.getpid(), 9)", UnsupportedError, "SIGKILL"),
    ],
)
def test_a_process_that_leaves_no_result_leaves_its_reason(monkeypatch, code, error, said):
    command = [sys.executable, "-c", f"import os, sys; {code}"]
    monkeypatch.setattr(models, "job_command", lambda job: command)
    with pytest.raises(error, match=f"builtin:gpt2 was not measured: .*{said}"):
        energyscore.measure("builtin:gpt2", 3, task="text_generation")


@pytest.mark.parametrize("code", ["sys.exit(130)", "os.kill(os.getpid(), 2)"])
def test_an_interrupted_process_interrupts(monkeypatch, code):
    command = [sys.executable, "-c", f"import os, sys; {code}"]
    monkeypatch.setattr(models, "job_command", lambda job: command)
    with pytest.raises(KeyboardInterrupt):
        energyscore.measure("builtin:gpt2", 3, task="text_generation")


def test_queries_of_a_model_are_written_as_its_dataset(tmp_path, monkeypatch):
    """What the session is told: the data, how many, and the options."""
    seen = {}

    def command(job):
        seen.update(given=job.options.given(), rows=Path(job.options.dataset).read_text())
        return [sys.executable, "-c", "raise SystemExit(2)"]

    monkeypatch.setattr(models, "job_command", command)
    monkeypatch.chdir(tmp_path)
    options = {"dtype": "float32"}
    with pytest.raises(UsageError):
        energyscore.measure(
            "builtin:gpt2", ["ä", "b"], task="text_generation", gpus=[1], options=options
        )
    assert [json.loads(row) for row in seen["rows"].splitlines()] == [{"text": "ä"}, {"text": "b"}]
    asked = {"queries": 2, "gpu": ["1"], "dtype": "float32", "device": "auto"}
    assert asked.items() <= seen["given"].items()
    with pytest.raises(UsageError):
        energyscore.measure("a/b", ({"audio": "x.wav"} for _ in range(1)), task="asr")
    assert json.loads(seen["rows"])["audio"] == str(tmp_path / "x.wav")


# The example of the documentation


def test_the_example_of_the_readme_is_a_test_that_can_fail(tmp_path, monkeypatch):
    """As a team would copy it, with warnings as errors, and on a machine without a GPU."""
    readme = (ROOT / "docs/python.md").read_text()
    (example,) = re.findall(r"```python\n(# test_energy\.py\n.*?)```", readme, flags=re.S)
    (tmp_path / "test_energy.py").write_text(example)
    folder = tmp_path / "results"
    folder.mkdir()
    written(folder, make_result())
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=environment(env_without_library(tmp_path / "none")),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed in" in done.stdout, "no warnings are counted"
    assert done.stderr == ""

    namespace = {}
    exec(example, namespace)
    monkeypatch.chdir(tmp_path)
    check = namespace["test_saved_results_keep_to_the_budget"]
    check()
    # The mean, 2.4 Wh, would be within 2.5 Wh; the interval, 0.5 Wh to either side, is not.
    written(folder, make_result(runs=[make_run(i, joules=3600 * (2.2 + i / 5)) for i in range(3)]))
    with pytest.raises(AssertionError, match=r"GPU: 2\.40 Wh"):
        check()
    written(folder, make_result(runs=[make_run(joules=None)]))
    with pytest.raises(energyscore.NotMeasuredError, match="the GPU was lost"):
        check()
    on_cpu = {"gpu": None, "official": False}
    written(folder, make_result(runs=[make_cpu_run(i) for i in range(3)], **on_cpu))
    namespace["SYSTEM_WH"] = 20
    with pytest.raises(AssertionError, match=r"  processor and memory: 30\.0 Wh"):
        check()
    written(folder, make_result(runs=[make_cpu_run()], **on_cpu))  # one run has no interval
    with pytest.raises(AssertionError, match=r"  processor and memory: 30\.0 Wh"):
        check()
    written(folder, make_result(runs=[make_cpu_run(i, joules=720) for i in range(3)], **on_cpu))
    check()
