"""Results that contradict themselves are not read: rated is only what follows from the runs."""

import json

import pytest
from support.results import make_cpu_run, make_result, make_run

from energyscore.base.errors import ResultError
from energyscore.judge.baseline import load_baseline, save_baselines
from energyscore.results.consistency import contradiction
from energyscore.results.result import parse_result, result_to_json
from energyscore.results.store import load_result, load_results


def official():
    """Ten runs of 1 to 1.9 Wh."""
    return make_result(runs=[make_run(n, joules=3600.0 + 360 * n) for n in range(10)])


def content():
    return json.loads(result_to_json(official()))


def estimated(it):
    for run in it["runs"]:
        run["methods"] = dict.fromkeys(run["methods"], "estimated")
    it["score"]["method"] = "estimated"


def notice(it):
    it["runs"][3]["notices"] = [{"code": "slow", "message": "it was hot", "invalidates": True}]


def short(it):
    it["runs"], it["score"] = it["runs"][:1], make_json(official().runs[:1])["score"]


def make_json(runs):
    return json.loads(result_to_json(make_result(runs=runs)))


def put(*path, value):
    def change(it):
        for part in path[:-1]:
            it = it[part]
        it[path[-1]] = value

    return change


FORGED = {
    "estimates of a GPU": (estimated, r"runs\.0\.methods\.gpu:GPU-0: .*got estimated"),
    "no method": (put("runs", 2, "methods", "gpu:GPU-0", value=None), r"runs\.2\.methods"),
    "another task": (
        put("task", "id", value="asr"),
        r"task\.id: it is asr, but text_generation follows",
    ),
    "a better score": (
        put("score", "gpu_wh_per_1k_queries", value=0.001),
        r"score\.gpu_wh_per_1k_queries: it is 0\.001, but 1\.45 follows",
    ),
    "a score hidden": (
        put("score", "gpu_wh_per_1k_queries", value=None),
        r"it is null, but 1\.45 follows",
    ),
    "no method of the score": (put("score", "method", value=None), r"score\.method: it is null"),
    "another method": (put("score", "method", value="power_integral"), r"but counter follows"),
    "an interval elsewhere": (put("score", "ci95", value=[0.1, 0.2]), r"score\.ci95: it is \[0\.1"),
    "an endless interval": (put("score", "ci95", value=[1e308, -1e308]), r"score\.ci95"),
    "a narrow interval": (put("score", "ci95", value=[1.44, 1.46]), r"but \[1\.24.* follows"),
    "no interval": (put("score", "ci95", value=None), r"score\.ci95: it is null"),
    "energy of a phase": (
        put("score", "phases", "forward", "gpu_wh_per_1k_queries", value=0.5),
        r"score\.phases\.forward\.gpu_wh_per_1k_queries: it is 0\.5, but 1\.45 follows",
    ),
    "a small spread": (put("score", "std", value=0.01), r"score\.std: it is 0\.01"),
    "valid in spite of a notice": (notice, r"valid: it is true, but it was hot"),
    "valid in spite of reasons": (
        put("invalid_reasons", value=["hot"]),
        "valid: it is true, but hot",
    ),
    "a GPU that was not metered": (
        put("protocol", "occupied_gpus", value=["GPU-0", "GPU-1"]),
        "GPU-1, which was not metered",
    ),
    "another size class": (put("model", "model_class", value="C"), r"model\.model_class: it is C"),
    "no points at all": (put("conformance", value=[]), "official: it is true"),
    "a point that does not hold": (put("conformance", 0, "ok", value=False), "official"),
    "fewer queries": (
        put("workload", "queries", value=10),
        r"conformance\.queries: it is true, but false",
    ),
    "another GPU": (
        put("environment", "gpus", 0, "name", value="NVIDIA L4"),
        r"conformance\.hardware: it is true",
    ),
    "one run": (short, r"conformance\.repeats: it is true, but false"),
    "a number of queries beyond floats": (put("runs", 0, "queries", value=10**400), "runs: "),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_no_measurement_has_written_is_named(name, tmp_path):
    change, said = FORGED[name]
    forged = content()
    change(forged)
    file = tmp_path / "a.json"
    file.write_text(json.dumps(forged))
    with pytest.raises(ResultError, match=said) as caught:
        load_result(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert str(caught.value).count("\n") == 0


def test_points_left_out_are_missing():
    forged = content()
    forged["conformance"] = [one for one in forged["conformance"] if one["name"] != "repeats"]
    found = contradiction(parse_result(json.dumps(forged), ""))
    assert found.startswith("conformance.repeats: it is missing, but true")


def test_an_empty_conformance_holds_nothing():
    forged = content() | {"conformance": [], "official": False}
    assert "conformance.hardware: it is missing" in contradiction(
        parse_result(json.dumps(forged), "")
    )
    forged["task"]["digest"] = "0" * 64
    assert "no point" in contradiction(parse_result(json.dumps(forged), ""))


@pytest.mark.parametrize(
    "result",
    [
        official(),
        make_result(runs=[make_run(0)], quick=True),
        make_result(runs=[make_run(n, method="power_integral") for n in range(3)]),
        make_result(runs=[make_run(0), make_run(1, method="power_integral")]),
        make_result(runs=[make_cpu_run(n, joules=7200.0 + n) for n in range(3)], gpu=None),
        make_result(runs=[make_run(0, joules=None)], invalid=["no energy for gpu:GPU-0"]),
        make_result(gpu="NVIDIA L4", dtype="float32", weights="random"),
    ],
    ids=["official", "one run", "power", "both", "estimates of a CPU", "none", "elsewhere"],
)
def test_sound_results_agree_with_themselves(result):
    assert contradiction(result) == ""


def test_figures_may_be_rounded():
    rounded = content()
    score = rounded["score"]
    for name in ("gpu_wh_per_1k_queries", "std"):
        score[name] = round(score[name], 6)
    score["ci95"] = [round(one, 6) for one in score["ci95"]]
    assert contradiction(parse_result(json.dumps(rounded), "")) == ""


def test_the_symmetric_interval_of_older_versions_agrees_too_unless_the_steps_are_told():
    older = content()
    score = older["score"]
    half = 2.262157 * score["std"] / 10**0.5
    mean = score["gpu_wh_per_1k_queries"]
    score["ci95"] = [mean - half, mean + half]
    assert contradiction(parse_result(json.dumps(older), "")) == ""
    older["runs"][0]["quantization_se_j"] = {"gpu:GPU-0": 1e-6}
    assert contradiction(parse_result(json.dumps(older), "")).startswith("score.ci95")


def test_an_estimate_that_calls_itself_measured_is_named():
    result = make_result(runs=[make_cpu_run(n) for n in range(2)], gpu=None)
    score = result.score.model_copy(update={"system_method": "measured"})
    assert contradiction(result.model_copy(update={"score": score})) == (
        "score.system_method: it is measured, but estimated follows from the rest"
    )


def test_in_a_folder_it_is_left_out_and_the_rest_is_read(tmp_path):
    (tmp_path / "good.json").write_text(result_to_json(official()))
    forged = content()
    forged["score"]["gpu_wh_per_1k_queries"] = 0.001
    (tmp_path / "bad.json").write_text(json.dumps(forged))
    told = []
    loaded = load_results([tmp_path], told.append)
    assert [path.name for path, _ in loaded] == ["good.json"]
    assert [error.message.split(":")[0] for error in told] == [str(tmp_path / "bad.json")]
    with pytest.raises(ResultError, match=r"1\.45 follows"):
        load_results([tmp_path / "bad.json"], told.append)


def test_forged_baselines_are_not_read(tmp_path):
    (saved,) = save_baselines(tmp_path, [official()], None, "none")
    forged = json.loads(saved.path.read_text())
    forged["result"]["score"]["gpu_wh_per_1k_queries"] = 9.0
    saved.path.write_text(json.dumps(forged))
    with pytest.raises(ResultError, match=r"result\.score\.gpu_wh_per_1k_queries: it is 9"):
        load_baseline(saved.path)
