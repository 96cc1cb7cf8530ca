import csv
import io
import json
import math

import pytest
from support.results import (
    UUID,
    make_cpu_run,
    make_performance,
    make_quality,
    make_result,
    make_run,
    make_server_result,
)

from energyscore.judge.rating import RatedResult, rate
from energyscore.publish.report_csv import to_csv
from energyscore.publish.report_json import to_json
from energyscore.results.parts import Caution, Idle
from energyscore.results.result import Result

HEADER = (
    "csv_version,task,task_version,model,revision,model_class,parameters,dtype,quantization,"
    "weights,reasoning,max_new_tokens,dataset,queries,batch_size,runs,gpu_wh_per_1k_queries,gpu_ci95_low,gpu_ci95_high,"
    "method,gpu_net_wh_per_1k_queries,gpu_preprocess_wh_per_1k_queries,"
    "gpu_prefill_wh_per_1k_queries,gpu_decode_wh_per_1k_queries,gpu_forward_wh_per_1k_queries,"
    "gpu_call_wh_per_1k_queries,system_wh_per_1k_queries,system_ci95_low,system_ci95_high,system_method,stars,stars_relative_to,stars_basis,"
    "stars_estimated,stars_1_probability,stars_2_probability,stars_3_probability,"
    "stars_4_probability,stars_5_probability,mean_input_tokens,mean_output_tokens,mean_thinking_tokens,"
    "reasoning_multiple,reasoning_multiple_of,mean_query_s,gpu_co2_g_per_1k_queries,"
    "system_co2_g_per_1k_queries,country,grid_g_per_kwh,grid_source,pue,"
    "gpu_cost_per_1k_queries,system_cost_per_1k_queries,price_per_kwh,currency,footprint_reason,"
    "hardware,device,quick,official,valid,reason,cautions,created_at,energyscore,file,"
    "base_model,threads,gpu_net_ci95_low,gpu_net_ci95_high,"
    "gpu_wh_per_1m_output_tokens,gpu_joules_per_output_token,"
    "gpu_wh_per_1m_input_tokens,gpu_joules_per_input_token,"
    "system_wh_per_1m_output_tokens,system_joules_per_output_token,"
    "system_wh_per_1m_input_tokens,system_joules_per_input_token,"
    "queries_per_s,output_tokens_per_s,latency_p50_s,latency_p90_s,latency_p99_s,ttft_p50_s,"
    "quality_metric,quality,quality_ci95_low,quality_ci95_high,quantized_on_load,attention,compiled,"
    "load_kind,load_concurrency,load_request_rate,load_completed,load_failed,joules_per_output_token"
)


def report(*results, file=""):
    ratings = rate(results)
    return [RatedResult(r, rating, file) for r, rating in zip(results, ratings, strict=True)]


def rows_of(*results):
    return list(csv.DictReader(io.StringIO(to_csv(report(*results)).decode(), newline="")))


def test_the_columns_are_fixed():
    """Whoever changes this line raises CSV_VERSION."""
    assert to_csv([]) == f"{HEADER}\n".encode()
    assert rows_of(make_result())[0]["csv_version"] == "5"


def test_one_row_says_all():
    text = to_csv(report(make_result(), file="a/b.json")).decode()
    assert text.splitlines()[1] == (
        "5,text_generation,1,org/model,r,A,1000000000,float16,,"
        "pretrained,,10,EnergyStarAI/text_generation,1000,1,10,1.0,1.0,1.0,"
        "counter,,,,,1.0,,,,,,5,aienergyscore-2025-02,gpu,"
        "false,0.0,0.0,0.0,0.0,1.0,369.0,10.0,,,,0.1,,"
        ",,,,,,,,,,NVIDIA H100 80GB HBM3,cuda,false,true,true,,,2026-01-01T00:00:00Z,0,a/b.json,"
        ",,,,100.0,0.36" + "," * 25 + "0.36"
    )


def test_a_task_without_input_tokens_has_no_number_of_them():
    runs = [make_run(input_tokens=0)]
    assert rows_of(make_result(runs=runs))[0]["mean_input_tokens"] == ""


def test_what_was_not_measured_is_empty_and_never_zero():
    row = rows_of(make_result(runs=[make_run(joules=None)]))[0]
    empty = [
        "gpu_wh_per_1k_queries", "gpu_ci95_low", "gpu_ci95_high", "method", "stars",
        "system_wh_per_1k_queries", "system_ci95_low", "system_ci95_high", "system_method",
        "stars_relative_to", "stars_basis",
        "stars_estimated", "gpu_co2_g_per_1k_queries",
        *(f"stars_{stars}_probability" for stars in range(1, 6)),
        "system_co2_g_per_1k_queries", "country", "quantization", "cautions",
    ]  # fmt: skip
    assert {name: row[name] for name in empty} == dict.fromkeys(empty, "")
    assert row["reason"] != ""


def test_speed_and_quality_stand_at_the_end():
    speed, quality = make_performance(0.1), make_quality([1, 1, 0, 1])
    result = make_result().model_copy(update={"performance": speed, "quality": quality})
    (row,) = rows_of(result)
    names = HEADER.split(",")[-19:-9]
    assert [row[name] for name in names] == [
        *("10.0", "100.0", "0.05", "0.1", "0.2", "0.01"),
        *("accuracy", "0.75", "0.71", "0.79"),
    ]


def test_how_a_model_ran_stands_behind_it():
    model = make_result().model.model_copy(
        update={"quantized_on_load": "nf4", "attention": "eager", "compiled": True}
    )
    (row,) = rows_of(make_result().model_copy(update={"model": model}))
    assert [row[name] for name in HEADER.split(",")[-9:-6]] == ["nf4", "eager", "true"]


def test_the_load_on_a_server_stands_at_the_end():
    (row,) = rows_of(make_server_result(concurrency=8))
    assert [row[name] for name in HEADER.split(",")[-6:]] == [
        "closed",
        "8",
        "",
        "10000",
        "0",
        "0.36",
    ]
    assert [row[name] for name in ("parameters", "dtype", "weights")] == ["", "", ""]


def test_estimates_are_labelled():
    row = rows_of(make_result(runs=[make_cpu_run()], gpu=None))[0]
    assert (row["gpu_wh_per_1k_queries"], row["system_method"]) == ("", "estimated")
    assert float(row["system_wh_per_1k_queries"]) == pytest.approx(30.0)
    assert row["device"] == "cpu"


def test_the_interval_of_the_system_stands_beside_its_figure():
    result = make_result(runs=[make_cpu_run(0), make_cpu_run(1, joules=7300.0)], gpu=None)
    row = rows_of(result)[0]
    # two runs of 30 Wh and 36500/1200 Wh: Student's factor of one degree of freedom is 12.7062
    mean, half = (30 + 36500 / 1200) / 2, 12.7062 * (36500 / 1200 - 30) / 2
    assert float(row["system_ci95_low"]) == pytest.approx(mean * math.exp(-half / mean), rel=1e-5)
    assert float(row["system_ci95_high"]) == pytest.approx(mean * math.exp(half / mean), rel=1e-5)


def test_the_kinds_of_cautions_are_listed_once_each():
    named = [Caution(code=code, message="m") for code in ("drift", "outlier", "outlier")]
    result = make_result().model_copy(update={"cautions": named})
    assert rows_of(result)[0]["cautions"] == "drift;outlier"
    quick = make_result(quick=True, runs=[make_run(seconds=0.5)])
    assert rows_of(quick)[0]["cautions"] == "quick;brief", "those that no file states"


def test_what_tells_configurations_of_one_model_apart_has_columns():
    idle = Idle(seconds=30.0, without_model_w={f"gpu:{UUID}": 9.0}, with_model_w={})
    result = make_result(idle=idle)
    protocol = result.protocol.model_copy(update={"threads": {"intra_op": 2, "inter_op": 4}})
    model = result.model.model_copy(update={"base_model": "org/base@1"})
    (row,) = rows_of(result.model_copy(update={"protocol": protocol, "model": model}))
    assert (row["threads"], row["base_model"]) == ("2", "org/base@1")
    low, high = (float(row[f"gpu_net_ci95_{end}"]) for end in ("low", "high"))
    assert low <= float(row["gpu_net_wh_per_1k_queries"]) <= high


def test_the_chance_of_each_star_is_exported_as_it_was_rated():
    runs = [make_run(index, joules=3600.0 * (17.8 + index % 3 / 10)) for index in range(10)]
    entries = report(make_result(runs=runs))
    row = next(csv.DictReader(io.StringIO(to_csv(entries).decode(), newline="")))
    chances = [float(row[f"stars_{stars}_probability"]) for stars in range(1, 6)]
    rating = json.loads(to_json(entries))["results"][0]["rating"]
    assert chances == rating["probabilities"] == list(entries[0].rating.probabilities)
    assert 0.2 < chances[3 - 1] < 0.6 < sum(chances[1:3])
    assert rating["uncertainty_wh"] == entries[0].rating.uncertainty_wh
    assert rating["probability_reason"] == ""


def test_one_run_leaves_the_chances_empty_and_says_why():
    entries = report(
        *(make_result(f"m/{wh}", [make_cpu_run(joules=wh)], gpu=None) for wh in (1, 2))
    )
    rows = list(csv.DictReader(io.StringIO(to_csv(entries).decode(), newline="")))
    assert [row["stars"] for row in rows] == ["5", "1"]
    assert {row[f"stars_{stars}_probability"] for row in rows for stars in range(1, 6)} == {""}
    for entry in json.loads(to_json(entries))["results"]:
        assert entry["rating"]["probabilities"] is None
        assert entry["rating"]["probability_reason"] == "one run only"


def test_figures_have_their_full_precision():
    runs = [make_run(0, joules=3600.0 / 7), make_run(1, joules=3600.0 / 3e6)]
    result = make_result(runs=runs)
    row = rows_of(result)[0]
    assert float(row["gpu_wh_per_1k_queries"]) == result.score.gpu_wh_per_1k_queries
    low, high = result.score.ci95
    assert 0 < low < 1e-6, "no energy is negative, however few runs tell"
    assert (float(row["gpu_ci95_low"]), float(row["gpu_ci95_high"])) == (low, high)


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-x", "@SUM(A1)"])
def test_a_name_is_not_taken_for_a_formula(name):
    assert rows_of(make_result(name))[0]["model"] == f"'{name}"


@pytest.mark.parametrize("name", ["a,b", 'say "x"', "模型", "a=b"])
def test_other_names_stay_as_they_are(name):
    assert rows_of(make_result(name), make_result("next"))[0]["model"] == name


def test_a_carriage_return_in_a_name_ends_no_row():
    rows = rows_of(make_result("two\rrows"), make_result("\r=1+1"))
    assert [row["model"] for row in rows] == ["two rows", "'=1+1"]


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def test_the_json_report_is_plain_json_with_a_version():
    results = [make_result(), make_result(runs=[make_run(joules=None)])]
    entries = report(*results, file="a.json")
    content = json.loads(to_json(entries), parse_constant=refuse)
    assert content["report_version"] == 1
    assert [entry["file"] for entry in content["results"]] == ["a.json", "a.json"]
    assert [Result.model_validate(entry["result"]) for entry in content["results"]] == results
    assert [entry["rating"]["stars"] for entry in content["results"]] == [5, None]
    assert content["results"][1]["rating"]["energy_wh"] is None
    assert content["results"][1]["result"]["score"]["gpu_wh_per_1k_queries"] is None


def test_a_result_that_is_in_no_file_says_null():
    assert json.loads(to_json(report(make_result())))["results"][0]["file"] is None
    assert json.loads(to_json([])) == {"report_version": 1, "results": []}


def test_json_is_written_piece_by_piece_in_the_form_that_it_has_at_once():
    strange = make_result("org/\u00e4\u2028")
    for results in ([], [make_result()], [make_result(), strange]):
        data = to_json(report(*results, file="a/b.json"))
        assert data == (json.dumps(json.loads(data), indent=2) + "\n").encode()
        assert len(json.loads(data)["results"]) == len(results)
