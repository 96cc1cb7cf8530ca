"""The tables as they are printed, whole, at 80 and 120 columns: see tests/data/golden/README.md."""

import os
from dataclasses import replace

import pytest
from support.commands import ROOT
from support.results import (
    UUID,
    make_cpu_run,
    make_performance,
    make_quality,
    make_result,
    make_run,
)
from typer.testing import CliRunner

from energyscore.cli.app import app
from energyscore.cli.console import show_report
from energyscore.cli.doctor import show_found
from energyscore.cli.suite_view import show_plan, show_summary
from energyscore.cli.tune_view import show_tuning
from energyscore.judge.rating import rate_files
from energyscore.judge.tuning import Tried, judge_tuning
from energyscore.measurement.doctor import Diagnosis
from energyscore.measurement.suite.estimate import Estimate
from energyscore.measurement.suite.report import Record, SuiteReport
from energyscore.protocol.task import load_tasks
from energyscore.publish.answers import answers_by_task
from energyscore.results.conformance import with_conformance
from energyscore.results.parts import Caution, PhasePart
from energyscore.results.result import result_to_json

GOLDEN = ROOT / "tests/data/golden"
BASELINES = ROOT / "tests/data/schema-1/baseline"
GPU = f"gpu:{UUID}"
CUT = Caution(code="answers_cut", message="9 of 10 answers were cut off at 64 tokens")


def made(name, *wh, cautions=(), batch=1, **change):
    """A result on an L4, its energy split into two phases."""
    runs = []
    for index, energy in enumerate(wh):
        parts = {
            phase: PhasePart(
                duration_s=50.0, energy_j={GPU: 3600.0 * energy * share}, se_j={GPU: 1.0}
            )
            for phase, share in (("prefill", 0.3), ("decode", 0.7))
        }
        runs.append(make_run(index, joules=3600.0 * energy, phases=parts))
    identity = f"{len(name) + batch:064x}"
    result = make_result(name, runs, gpu="NVIDIA L4", identity=identity, **change)
    work = result.workload.model_copy(update={"batch_size": batch})
    return whole(result.model_copy(update={"workload": work, "cautions": list(cautions)}))


def estimated(name, joules, busy):
    """A quick result of random weights on a processor."""
    runs = [make_cpu_run(index, joules=joules * (1 + index / 20)) for index in range(3)]
    cautions = [
        Caution(code="random_weights", message="weights are random: the answers mean nothing"),
        Caution(code="busy_machine", message=f"other processes used {busy} of the processor"),
    ]
    identity = f"{len(name):064x}"
    change = {"gpu": None, "official": False, "weights": "random", "quick": True}
    result = make_result(name, runs, identity=identity, dtype="float32", **change)
    return whole(result.model_copy(update={"cautions": cautions}))


def whole(result):
    return with_conformance(load_tasks()["text_generation"].spec, result)


LOST = "run 2: the GPU was lost"
ON_GPU = {
    "small": made("org/small-chat", 1.0, 1.02, 0.98),
    "small-8": made("org/small-chat", 0.5, 0.505, 0.51, batch=8),
    "middle": made("org/middle-1.5b-instruct", 1.7, 1.75, 1.65, cautions=[CUT]),
    "large": made("someone/large-7b", 9.1, 9.2, 9.3),
    "lost": made("org/lost", 3.0, 3.1, invalid=[LOST]),
}
ON_CPU = {
    "distilgpt2": estimated("builtin:distilgpt2", 1800.0, "7%"),
    "opt": estimated("builtin:opt-125m", 1900.0, "65%"),
    "smollm2": estimated("builtin:smollm2-135m", 3600.0, "12%"),
}


def judged(name, wh, right, p90_s):
    """A result with quality and speed; of so many of 200 rows the answer is right."""
    answers = [1] * right + [0] * (200 - right)
    beside = {"quality": make_quality(answers), "performance": make_performance(p90_s)}
    return made(name, *(wh * one for one in (0.99, 1.0, 1.01))).model_copy(update=beside)


WITH_QUALITY = {
    "tiny": judged("org/tiny-head", 0.4, 178, 0.02),
    "small": judged("org/small-chat", 1.0, 150, 0.08),
    "large": judged("someone/large-7b", 9.2, 190, 0.9),
    "plain": made("org/unjudged", 2.0, 2.02, 1.98),
}


def record(model, status="done", wh=None, **change):
    known = {
        "task": "text_generation",
        "model": model,
        "model_class": "A",
        "reasoning": None,
        "status": status,
        "reason": "",
        "exit_code": 0,
        "seconds": 83.0,
        "key": None,
        "result": None,
        "identity": None,
        "wh_per_1k_queries": wh,
        "basis": "gpu" if wh else None,
        "estimated": False,
    }
    return Record(**{**known, **change})


def show_run():
    report = rate_files([(f"{name}.json", result) for name, result in ON_CPU.items()])
    where = "results: results/results.csv, and a JSON file of each beside it."
    show_report(report, files=where, how="energyscore rate results --explain")


def show_suite():
    entries = [
        record("org/small-chat", wh=1.0, setting="batch 1"),
        record("org/small-chat", wh=0.505, setting="batch 8"),
        record("org/middle-1.5b-instruct", wh=1.7),
        record("org/gone", "failed", reason="The model org/gone was not found. Check its name."),
        record("org/lost", "invalid", wh=3.05, reason=LOST),
    ]
    report = SuiteReport(updated_at="2026", source="list.yaml", interrupted=False, entries=entries)
    results = [(f"{name}.json", result) for name, result in ON_GPU.items()]
    show_summary(report, answers_by_task(rate_files(results)))


def show_suite_plan():
    show_plan(
        [
            (record("org/small-chat", "pending"), Estimate(660.0, "at_least", size_bytes=10**9)),
            (record("org/large-7b", "pending"), Estimate()),
            (record("org/done", "skipped", reason="measured before"), Estimate()),
        ]
    )


def show_doctor():
    none = "the NVML library (libnvidia-ml.so.1) was not found: no NVIDIA driver is installed here"
    show_found(
        [
            Diagnosis("machine", "ok", "Python 3.11, Linux, a processor x 2, 24 GiB"),
            Diagnosis("NVML", "missing", none, "In a container, start it with --gpus all."),
            Diagnosis("disk", "ok", "74 GB free at /home/somebody/measurements/results"),
        ]
    )


def show_tune():
    def tried(batch, *wh, latency_s, **change):
        options = {"batch_size": batch, "dtype": "auto", "quantization": "none"}
        options |= {"attention": None, "compile": False, "power_limit": None}
        result = made("org/small-chat", *wh, batch=batch)
        result = result.model_copy(update={"performance": make_performance(latency_s)})
        return Tried(options, "measured", "", "a.json", result, 10**9 * (2 + batch), **change)

    default = tried(1, 1.0, 1.02, 0.98, latency_s=0.4)
    eight = tried(8, 0.21, 0.212, 0.208, latency_s=0.9)
    best = tried(8, 0.213, 0.215, 0.211, latency_s=0.92, purpose="confirm")
    full = Tried({**default.settings, "batch_size": 64}, "out_of_memory", "it does not fit")
    late = replace(tried(16, 0.2, 0.21, 0.19, latency_s=2.5), status="over_latency")
    trials = [default, eight, full, late, best, replace(default, purpose="repeat")]
    left_out = [({**default.settings, "batch_size": 128}, "batch size 64 did not fit in memory")]
    tuning = judge_tuning("org/small-chat", "text_generation", default, best, trials, left_out)
    show_tuning(tuning, "energyscore run text_generation --model org/small-chat --batch-size 8")


SHOWN = {
    "tune": show_tune,
    "run": show_run,
    "suite": show_suite,
    "suite-dry-run": show_suite_plan,
    "doctor": show_doctor,
    "rate": ("rate", "gpu"),
    "rate-explain": ("rate", "cpu", "--explain"),
    "compare": ("compare", "gpu/small.json", "gpu/middle.json", "gpu/large.json"),
    "choose": ("choose", "quality"),
    "choose-none": ("choose", "quality", "--max-energy", "300mWh"),
    "rate-wide": ("rate", "quality", "--wide"),
    "gate": ("gate", "gpu", "cpu", "--max", "gpu_wh_per_1k_queries<=1.7"),
    "leaderboard": ("leaderboard", "gpu", "cpu"),
    "tasks": ("tasks",),
    "baseline-list": ("baseline", "list", "--dir", str(BASELINES)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The results in two folders."""
    folder = tmp_path_factory.mktemp("golden")
    for place, results in (("gpu", ON_GPU), ("cpu", ON_CPU), ("quality", WITH_QUALITY)):
        (folder / place).mkdir()
        for name, result in results.items():
            (folder / place / f"{name}.json").write_text(result_to_json(result))
    return folder


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SHOWN)
def test_a_table_is_printed_as_its_golden_file_has_it(name, width, folder, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.chdir(folder)
    shown = SHOWN[name]
    if callable(shown):
        shown()
        printed = capsys.readouterr().out
    else:
        printed = CliRunner().invoke(app, list(shown)).stdout
    lines = [line.rstrip() for line in printed.splitlines()]
    file = GOLDEN / f"{name}-{width}.txt"
    if os.environ.get("RENEW_GOLDEN"):
        file.write_text("\n".join(lines) + "\n")
    assert lines == file.read_text().splitlines()
    assert max(map(len, lines)) <= width
    assert "None" not in printed
