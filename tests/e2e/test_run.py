"""`energyscore run` as people start it: a process, a real model, real files."""

import json
import shutil
import signal
import time

import jsonschema
import pytest
from support.commands import energyscore, only_result, start

from energyscore.measurement.environment import describe
from energyscore.measurement.selftest.report import make_selftest, save_selftest
from energyscore.results.result import json_schema, parse_result


@pytest.fixture(scope="module")
def measured(tmp_path_factory, tiny_model, prompts_csv):
    """A folder with one result, and what the command printed."""
    out = tmp_path_factory.mktemp("run")
    done = energyscore(
        "run", "text_generation", "--model", tiny_model, "--dataset", prompts_csv, "--queries", 10,
        "--repeats", 2, "--quick", "--country", "fra", "--out", out, "--format", "json",
        "--threads", 2,
    )  # fmt: skip
    assert done.status == 0, done.stderr
    return out, done


def test_the_result_says_what_was_measured_and_how(measured):
    result = only_result(measured[0])
    jsonschema.validate(result, json_schema())
    assert result["task"]["id"] == "text_generation"
    assert result["model"]["weights"] == "pretrained"
    assert result["model"]["revision"].startswith("sha256:")
    assert result["model"]["dtype"] == "float32"
    assert result["workload"]["queries"] == 10
    assert result["workload"]["output_tokens"] == 100
    room = 1024 - 10  # of the context, beside the tokens to generate
    assert result["workload"]["inputs_cut"] == {
        **{"queries": 0, "limit": room, "unit": "tokens", "official_limit": room},
        **{"lost": 0, "total": result["workload"]["input_tokens"]},
    }
    assert [run["queries"] for run in result["runs"]] == [10, 10]
    threads = result["protocol"]["threads"]
    assert (threads["intra_op"], threads["OMP_NUM_THREADS"]) == (2, "2")
    assert threads["inter_op"] >= 1
    for run in result["runs"]:
        assert set(run["phases"]) == {"preprocess", "prefill", "decode"}
        durations = sum(phase["duration_s"] for phase in run["phases"].values())
        assert durations == pytest.approx(run["duration_s"], rel=1e-6)
        for domain, energy_j in run["energy_j"].items():
            split = sum(phase["energy_j"][domain] for phase in run["phases"].values())
            assert split == pytest.approx(energy_j)


def test_without_a_gpu_there_is_no_gpu_figure_but_a_reason(measured):
    score = only_result(measured[0])["score"]
    assert score["gpu_wh_per_1k_queries"] is None
    assert "no GPU was metered" in score["reason"]
    assert score["system_method"] == "estimated"
    assert score["system_wh_per_1k_queries"] > 0


def test_co2_names_country_and_source(measured):
    result = only_result(measured[0])
    assert result["emissions"]["country"] == "FRA"
    assert result["emissions"]["system_co2_g_per_1k_queries"] is None, "derived when shown"
    footprint = json.loads(measured[1].stdout)["results"][0]["footprint"]
    wh = result["score"]["system_wh_per_1k_queries"]
    assert footprint["system_co2_g_per_1k_queries"] == pytest.approx(
        wh / 1000 * footprint["grid_g_per_kwh"]
    )
    assert footprint["gpu_co2_g_per_1k_queries"] is None
    assert "year" in footprint["grid_source"]


def test_stdout_is_json_and_nothing_else(measured):
    report = json.loads(measured[1].stdout)
    assert report["results"][0]["rating"]["stars"] is None  # a model alone has no cohort


def test_the_table_of_all_results_lies_beside_them(measured):
    lines = (measured[0] / "results.csv").read_text().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("csv_version,task,")


def test_a_second_model_makes_a_cohort_and_the_stars_say_so(measured, tmp_path):
    out, _ = measured
    file = next(out.rglob("*.json"))
    second = json.loads(file.read_text())
    second["model"]["id"] = "another"
    second["identity"] = "1" * 64
    score = second["score"]
    score["system_wh_per_1k_queries"] *= 2
    score["system_std"] *= 2
    score["system_ci95"] = [2 * bound for bound in score["system_ci95"]]
    per_token = score["per_token"]
    score["per_token"] = {name: wh and 2 * wh for name, wh in per_token.items()}
    score["joules_per_output_token"] *= 2
    for run in second["runs"]:  # a score that does not follow from the runs would not be read
        for part in (run, *run["phases"].values()):
            part["energy_j"] = {
                domain: joules and 2 * joules for domain, joules in part["energy_j"].items()
            }
    costs_j = second["cost"]["energy_j"]
    second["cost"]["energy_j"] = {domain: 2 * joules for domain, joules in costs_j.items()}
    (tmp_path / "a.json").write_text(file.read_text())
    (tmp_path / "b.json").write_text(json.dumps(second))
    done = energyscore("rate", tmp_path)
    assert done.status == 0
    assert "★★★★★ estimated" in done.stdout
    assert "cohort of 2" in done.stdout
    assert "not comparable to the reference" in done.stdout


def test_random_weights_need_the_configuration_only(tmp_path, tiny_model, prompts_csv):
    folder = tmp_path / "config-only"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((tiny_model / name).read_bytes())
    done = energyscore(
        "run", "text_generation", "--model", folder, "--random-weights", "--quick", "--queries", 5,
        "--dataset", prompts_csv, "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.status == 0, done.stderr
    result = only_result(tmp_path / "out")
    assert result["model"]["weights"] == "random"
    assert "random_weights" in [caution["code"] for caution in result["cautions"]]


def test_batches_do_the_same_work(tmp_path, tiny_model, prompts_csv):
    done = energyscore(
        "run", "text_generation", "--model", tiny_model, "--quick", "--queries", 10,
        "--batch-size", 4, "--dataset", prompts_csv, "--out", tmp_path,
    )  # fmt: skip
    assert done.status == 0, done.stderr
    result = only_result(tmp_path)
    assert result["workload"]["batch_size"] == 4
    assert result["runs"][0]["output_tokens"] == 100


def test_fewer_rows_than_queries_is_a_caution_or_refused(tmp_path, tiny_model, prompts_csv):
    small = tmp_path / "small.csv"
    small.write_text("\n".join(prompts_csv.read_text().splitlines()[:6]) + "\n")
    arguments = (
        "run", "text_generation", "--model", tiny_model, "--quick", "--dataset", small,
        "--queries", 9, "--out", tmp_path / "out",
    )  # fmt: skip
    refused = energyscore(*arguments, "--strict")
    assert refused.status == 2
    assert "holds 5 queries, not 9" in refused.error
    done = energyscore(*arguments)
    assert done.status == 0
    result = only_result(tmp_path / "out")
    assert result["workload"]["queries"] == 5
    assert "fewer_queries" in [caution["code"] for caution in result["cautions"]]


RESUMED = ("--queries", 20, "--repeats", 4, "--quick", "--device", "cpu")


def begin(out, tiny_model, prompts_csv):
    return start(
        "run", "text_generation", "--model", tiny_model, "--dataset", prompts_csv, "--out", out,
        *RESUMED,
    )  # fmt: skip


def wait_for_runs(out, count):
    """Until so many runs are in the journal."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        journals = list(out.rglob(".*.journal"))
        if journals and journals[0].read_text().count("\n") >= count:
            return journals[0]
        time.sleep(0.01)
    raise AssertionError("no run was finished in time")


def test_a_killed_measurement_goes_on_where_it_was(tmp_path, tiny_model, prompts_csv):
    process = begin(tmp_path, tiny_model, prompts_csv)
    journal = wait_for_runs(tmp_path, 1)
    process.send_signal(signal.SIGKILL)
    assert process.wait()[0] == -signal.SIGKILL
    kept = [line for line in journal.read_text().splitlines() if line.endswith("}}")]
    assert 1 <= len(kept) < 4
    assert not list(tmp_path.rglob("*.json"))
    selftest = make_selftest(describe(), [], quick=True, duration_s=1.0)
    save_selftest(tmp_path, selftest)  # cited from now on; the runs are the same ones all the same
    done = energyscore(
        "run", "text_generation", "--model", tiny_model, "--dataset", prompts_csv, "--out",
        tmp_path, *RESUMED,
    )  # fmt: skip
    assert done.status == 0, done.stderr
    result = only_result(tmp_path)
    parse_result(json.dumps(result), "the result")
    assert [run["index"] for run in result["runs"]] == [0, 1, 2, 3]
    for line, run in zip(kept, result["runs"], strict=False):
        assert json.loads(line)["run"] == run, "a finished run is not measured again"
    assert result["environment"]["selftest"] == selftest.id
    assert "resumed" in [caution["code"] for caution in result["cautions"]]
    assert result["cost"]["sessions"] == 2
    assert result["cost"]["duration_s"] > sum(run["duration_s"] for run in result["runs"])
    assert "Measuring this took" in done.stderr
    assert not list(tmp_path.rglob(".*.journal"))


KILLED = """
import os, signal
unlink = os.unlink
def killing(path, *arguments, **options):
    if str(path).endswith(".journal"):
        os.kill(os.getpid(), signal.SIGKILL)
    unlink(path, *arguments, **options)
os.unlink = killing
"""


def test_killed_when_the_result_is_written_its_runs_make_no_second_one(
    tmp_path, tiny_model, prompts_csv
):
    arguments = [
        "run", "text_generation", "--model", tiny_model, "--dataset", prompts_csv, "--queries", 5,
        "--quick", "--device", "cpu", "--out", tmp_path,
    ]  # fmt: skip
    done = energyscore(*arguments, first=KILLED)
    assert done.status == -signal.SIGKILL, done.stderr
    assert list(tmp_path.rglob(".*.journal"))
    first = only_result(tmp_path)
    more = energyscore(*arguments, "--repeats", 2)  # which that result does not finish
    assert more.status == 0, more.stderr
    results = [json.loads(file.read_text()) for file in tmp_path.rglob("*.json")]
    assert first in results
    assert len({run["duration_s"] for result in results for run in result["runs"]}) == 3
    assert not list(tmp_path.rglob(".*.journal"))
    again = energyscore(*arguments)
    assert again.status == 0, again.stderr
    assert "measured before" in again.stderr
    assert len(list(tmp_path.rglob("*.json"))) == 2


def test_a_session_goes_on_at_the_model_where_it_was(tmp_path, tiny_model, prompts_csv):
    models = [shutil.copytree(tiny_model, tmp_path / "models" / name) for name in ("a", "b")]
    arguments = [word for model in models for word in ("--model", model)]
    arguments += ["--dataset", prompts_csv, "--out", tmp_path / "out", "--queries", 15]
    arguments += ["--repeats", 4, "--quick", "--device", "cpu"]
    process = start("run", "text_generation", *arguments)
    wait_for_runs(tmp_path / "out/local/b", 1)
    process.send_signal(signal.SIGTERM)
    status, _, stderr = process.wait(300)
    assert status == 128 + signal.SIGTERM, stderr
    assert len([line for line in stderr.splitlines() if line.startswith("error:")]) == 1
    (first,) = (tmp_path / "out").rglob("*.json")
    done = energyscore("run", "text_generation", *arguments)
    assert done.status == 0, done.stderr
    files = sorted((tmp_path / "out").rglob("*.json"))
    assert [file.parent.parent.name for file in files] == ["a", "b"]
    assert first in files
    assert "measured before" in done.stderr
    second = json.loads(files[1].read_text())
    assert "resumed" in [caution["code"] for caution in second["cautions"]]
    anew = energyscore("run", "text_generation", *arguments[2:], "--fresh")
    assert anew.status == 0, anew.stderr
    assert len(list((tmp_path / "out").rglob("*.json"))) == 3


def test_ctrl_c_keeps_the_finished_runs_and_says_how_to_go_on(tmp_path, tiny_model, prompts_csv):
    process = begin(tmp_path, tiny_model, prompts_csv)
    journal = wait_for_runs(tmp_path, 1)
    process.send_signal(signal.SIGINT)
    status, _, stderr = process.wait(300)
    assert status == 130
    assert "Traceback" not in stderr
    assert "of 4 runs" in stderr
    assert "The same command goes on from there" in stderr
    assert journal.exists()
