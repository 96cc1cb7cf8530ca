"""What once broke it: foreign files, odd streams, a recorder that dies, two sessions at once."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support.commands import energyscore, environment, gpu, start
from support.nvml_sim import Process
from support.results import make_cpu_run, make_result

from energyscore.base.errors import ResultError, TaskError
from energyscore.judge.rating import rate
from energyscore.protocol.task import bundled_tasks_dir, load_task
from energyscore.results.result import parse_result, result_to_json
from energyscore.results.store import load_results, result_folder


def changed(**score):
    content = json.loads(result_to_json(make_result()))
    content["score"] |= score
    return json.dumps(content)


@pytest.mark.parametrize("wh", [0.0, -5.0, 1e308])
@pytest.mark.parametrize("name", ["gpu_wh_per_1k_queries", "system_wh_per_1k_queries"])
def test_energies_that_cannot_be_are_refused(wh, name):
    with pytest.raises(ResultError, match=name):
        parse_result(changed(**{name: wh}), "it")


def test_a_score_without_energy_in_its_runs_is_refused():
    content = json.loads(result_to_json(make_result()))
    for run in content["runs"]:
        run["energy_j"] = dict.fromkeys(run["energy_j"])
    with pytest.raises(ResultError, match="stands on runs without GPU energy"):
        parse_result(json.dumps(content), "it")


def test_power_limits_that_are_and_are_not_known_can_be_compared():
    results = [make_result(f"m/{w}", gpu="NVIDIA L4", power_limit_w=w) for w in (None, 72.0)]
    double = results[0].model_copy(
        update={"environment": results[0].environment.model_copy(
            update={"gpus": [*results[0].environment.gpus, *results[1].environment.gpus]}
        )}
    )  # fmt: skip
    assert [rating.stars for rating in rate([*results, double])] == [None] * 3


def test_ten_thousand_results_are_rated_without_comparing_each_with_each():
    one = make_result(runs=[make_cpu_run()], gpu=None)
    many = [
        one.model_copy(
            update={
                "model": one.model.model_copy(update={"id": f"m/{number}"}),
                "score": one.score.model_copy(update={"system_wh_per_1k_queries": number + 1.0}),
            }
        )
        for number in range(10_000)
    ]
    ratings = rate(many, "cohort")
    assert ratings[0].stars == 5
    assert ratings[-1].stars == 1
    assert ratings[0].scale == "cohort of 10000"


@pytest.fixture
def two_results(tmp_path):
    for wh in (1, 2):
        result = make_result(f"m/{wh}", [make_cpu_run(joules=3600.0 * wh)], gpu=None)
        result = result.model_copy(update={"identity": f"{wh:064}"})
        (tmp_path / f"{wh}.json").write_text(result_to_json(result))
    return tmp_path


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_streams_that_know_no_stars_get_plain_ones(two_results, encoding):
    done = energyscore("rate", two_results, env={"PYTHONIOENCODING": encoding})
    assert done.status == 0, done.stderr
    assert ("★★★★★" if encoding == "utf-8" else "*****") in done.stdout


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full", "2>&- >/dev/null"])
def test_streams_that_cannot_be_written(two_results, redirection):
    command = f"{sys.executable} -m energyscore rate {two_results} {redirection}"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, env=environment(), check=False
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == (2 if "full" in redirection else 0)


def test_a_pipe_among_the_results_is_not_waited_for(two_results):
    os.mkfifo(two_results / "pipe.json")
    assert len(load_results([two_results])) == 2
    assert energyscore("rate", two_results).status == 0


def test_hidden_model_folders_get_visible_results(tmp_path):
    assert result_folder(tmp_path, ("local", ".hidden"), "t") == tmp_path / "local/hidden/t"


@pytest.mark.parametrize(
    "line",
    [
        "title: 2026-02-30",
        "title: !!int x",
        "title: !!bool x",
        "title: !!timestamp x",
        'title: !!int ""',
        "title: " + "[" * 1000,
        "sample: {file: " + "a" * 300 + ".jsonl}",
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
        "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\ntitle: [*e,*e,*e,*e,*e,*e,*e,*e,*e]",
    ],
    ids=range(8),
)
def test_hostile_task_files(tmp_path, line):
    text = (bundled_tasks_dir() / "text_classification.yaml").read_text()
    key = line.rpartition("\n")[2].split(":")[0]
    kept = [row for row in text.splitlines() if not row.startswith(f"{key}:")]
    path = tmp_path / "hostile.yaml"
    path.write_text("\n".join([*kept, line]))
    with pytest.raises(TaskError) as caught:
        load_task(path)
    assert len(str(caught.value)) < 5000


def test_a_task_whose_phases_its_modality_does_not_know(tmp_path):
    text = (bundled_tasks_dir() / "text_classification.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(
        text.replace("id: text_classification", "id: mine", 1).replace("forward, ", "")
    )
    done = energyscore("run", "mine", "--task-path", tmp_path, "--quick", "--out", tmp_path / "o")
    assert done.status == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert all("has the phases preprocess, prefill, decode" in line for line in errors)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"n_head": 0}, "tiny"), ({"n_embd": "abc"}, "tiny"), ({"n_layer": -1}, "more layers")],
)
def test_absurd_model_configurations(tmp_path, tiny_model, change, said):
    import shutil

    folder = tmp_path / "tiny"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    done = energyscore(
        "run", "text_generation", "--quick", "--queries", 2, "--model", folder, "--out",
        tmp_path / "out",
    )  # fmt: skip
    assert done.status == 2
    assert said in done.error


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--dataset", "x" * 300),
        ("run", "--model", "x" * 300),
        ("run", "--task-path", "x" * 300),
        ("rate", "x" * 300),
        ("run", "--out", "x" * 300),
    ],
    ids=lambda a: a[1][:12],
)
def test_names_too_long_for_any_file(tmp_path, arguments):
    assert energyscore(*arguments, cwd=tmp_path).status == 2


@pytest.mark.parametrize("address", ["http://me:secret@[::1", "http://a b:99999999/", "nonsense"])
def test_a_hub_address_that_is_none(tmp_path, address):
    done = energyscore(
        "run", "text_generation", "--model", "a/b", "--out", tmp_path,
        env={"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0"},
    )  # fmt: skip
    assert done.status == 2
    assert done.error
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_self_test_that_is_ended_says_so_in_one_line(tmp_path, number):
    process = start("selftest", "--quick", "--out", tmp_path)
    while not process.err.read_text().startswith("Self-test of "):
        time.sleep(0.01)
    process.send_signal(number)
    status, _, stderr = process.wait(300)
    assert status == 128 + number
    assert stderr.splitlines()[-1] == "error: interrupted."
    assert "Traceback" not in stderr
    assert not (tmp_path / "selftest.json").exists()


def test_two_sessions_into_one_folder_lose_no_row(tmp_path, tiny_model, prompts_csv):
    import shutil

    processes = []
    for name in ("first", "second"):
        shutil.copytree(tiny_model, tmp_path / "models" / name)
        process = start(
            "run", "text_generation", "--quick", "--queries", 20, "--dataset", prompts_csv,
            "--model", tmp_path / "models" / name, "--out", tmp_path / "out",
        )  # fmt: skip
        processes.append(process)
    assert [process.wait(300)[0] for process in processes] == [0, 0]
    table = (tmp_path / "out/results.csv").read_text()
    assert ",first," in table
    assert ",second," in table


METER = """
import json, os, signal, subprocess, sys, time
from energyscore.measurement.meters.nvml import NvmlMeter
import energyscore.measurement.meters.nvml as module
module._ANSWER_S = 2.0
meter = NvmlMeter([sys.argv[1]])
meter.open()
seen = []
for window in range(2):
    outer_s = time.monotonic()
    token = meter.start()
    inner_s = time.monotonic()
    time.sleep(0.5)
    if window == 0:
        os.kill(meter._process.pid, getattr(signal, sys.argv[2]))
    time.sleep(0.5)
    least_s = time.monotonic() - inner_s
    measurement = meter.stop(token)
    most_s = time.monotonic() - outer_s
    (reading,) = measurement.readings.values()
    bounds_w = [reading.energy_j / most_s, reading.energy_j / least_s]
    seen.append([bounds_w, [n.code for n in measurement.notices if n.invalidates]])
meter.close()
print(json.dumps(seen))
"""


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
def test_a_recorder_that_dies_or_hangs_spoils_its_window_only(simulate, how):
    sim = simulate(gpu(process=(Process(1),)))
    done = subprocess.run(
        [sys.executable, "-c", METER, gpu().uuid, how],
        capture_output=True,
        text=True,
        env=environment(sim.env()),
        timeout=300,
        check=True,
    )
    first, second = json.loads(done.stdout)
    assert first[0][0] < 330 and first[0][1] > 270
    assert first[1] == ["recorder_failed"]
    assert second[0][0] < 330 and second[0][1] > 270
    assert second[1] == []


GUARDS = """
import json, sys, time
from energyscore.measurement.meters.nvml import NvmlMeter
meter = NvmlMeter([sys.argv[1]], shared=True)
meter.open()
meter.idle_power_w = {f"gpu:{sys.argv[1]}": 400.0}
token = meter.start()
print("started", flush=True)
time.sleep(3.5)
measurement = meter.stop(token)
meter.close()
(reading,) = measurement.readings.values()
notices = {n.code: [n.message, n.invalidates] for n in measurement.notices}
print(json.dumps([reading.facts, notices]))
"""


def test_what_the_meter_is_told_and_what_it_sees_reaches_its_notices(simulate):
    sim = simulate(gpu(process=(Process(1),)))
    process = subprocess.Popen(
        [sys.executable, "-c", GUARDS, gpu().uuid],
        env=environment(sim.env()),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "started\n"
    time.sleep(1.2)
    now_s = sim.elapsed_s()
    sim.update(
        0,
        sm_clock_mhz=1200,
        power_limit_change=((now_s, 500.0),),
        process=(Process(1), Process(2, from_s=now_s)),
    )
    facts, notices = json.loads(process.communicate(timeout=300)[0].splitlines()[-1])
    assert {code: invalidates for code, (_, invalidates) in notices.items()} == {
        "contention": False,  # it was allowed
        "power_limit_changed": True,
        "clocks_changed": False,
        "implausible_power": True,
    }
    assert "500 W, 700 W" in notices["power_limit_changed"][0]
    assert "from 1980 MHz" in notices["clocks_changed"][0]
    assert "less than the 400.0 W of its idling" in notices["implausible_power"][0]
    assert facts["median_sm_clock_mhz"] == 1200.0


def test_the_recorder_does_not_outlive_its_benchmark(simulate):
    code = METER.replace("time.sleep(0.5)", "print(meter._process.pid, flush=True); time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-c", code, gpu().uuid, "SIGKILL"],
        env=environment(simulate().env()),
        stdout=subprocess.PIPE,
        text=True,
    )
    recorder = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and _alive(recorder):
        time.sleep(0.05)
    assert not _alive(recorder)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
