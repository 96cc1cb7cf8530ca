"""Results that contradict themselves are not read: rated is only what follows from the runs."""

import json
import re

import pytest
from support.results import make_cpu_run, make_result, make_run, make_server_result

from energyscore.base.errors import ResultError
from energyscore.judge.baseline import load_baseline, save_baselines
from energyscore.results.consistency import contradiction
from energyscore.results.load import ServerCounts
from energyscore.results.result import parse_result, result_to_json
from energyscore.results.score import gpu_summary, least_steps_se_j
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


def quality(**change):
    sound = {
        "metric": "wer",
        "value": 0.5,
        "higher_is_better": False,
        "ci95": [0.2, 1.2],
        "n": 2,
        "dataset": "rows.csv",
        "revision": None,
        "settings": {},
        "reason": "",
        "items": [[1, 4], [2, 2]],
    }
    return put("quality", value=sound | change)


def copied(it):
    first = it["runs"][0]
    it["runs"][4] = first | {"index": 4}


def each_run(*path, value):
    def change(it):
        for run in it["runs"]:
            put(*path, value=value)(run)

    return change


def few_steps(it):
    """At 100 ms of 36 W a counter leaves 1.47 J open."""
    each_run("facts", value={"gpu:GPU-0": {"update_period_ms": 100.0, "window_s": 100.0}})(it)
    each_run("quantization_se_j", value={"gpu:GPU-0": 1.3})(it)


def both(*changes):
    def change(it):
        for one in changes:
            one(it)

    return change


def cut(**change):
    return lambda it: it["workload"]["inputs_cut"].update(change)


FORGED = {
    "rules to come": (
        put("rules_version", value=2),
        r"rules_version: it is 2; this energyscore knows rules up to 1",
    ),
    "a GPU twice": (
        put("protocol", "metered_gpus", value=["GPU-0", "GPU-0"]),
        r"protocol\.metered_gpus: a GPU is in it twice",
    ),
    "a model that is nowhere": (put("protocol", "occupied_gpus", value=[]), "is not on all"),
    "a split GPU": (put("environment", "gpus", 0, "mig", value=True), "split into MIG instances"),
    "runs of one number": (each_run("index", value=0), "numbered 0, 0, 0, 0, 0, ..., and not"),
    "a run left out": (put("runs", 9, "index", value=10), "not from 0 in their order"),
    "a run twice": (copied, r"runs\.4: it is run 0 again"),
    "fewer steps than the counter has": (few_steps, r"is 1\.3, but at least 1\.469694 follows"),
    "no phases": (each_run("phases", value={}), r"runs\.0\.phases: there are none, but the task"),
    "phases that do not sum": (
        put("runs", 3, "phases", "forward", "energy_j", "gpu:GPU-0", value=4000.0),
        r"runs\.3\.phases: they sum to 4000 J of gpu:GPU-0, but the run took 4680",
    ),
    "a phase left out": (
        put(
            *("runs", 3, "phases", "other"),
            value={"duration_s": 0.0, "energy_j": {"gpu:GPU-0": None}, "se_j": {}},
        ),
        r"runs\.3\.phases: only some have an energy of gpu:GPU-0",
    ),
    "more cut off than there is": (
        cut(queries=1000, lost=9e5, total=3e5),
        r"workload\.inputs_cut: 900000 tokens of 300000",
    ),
    "a part of nothing known": (
        cut(queries=1000, lost=9e5, total=None, official_limit=None),
        r"conformance\.inputs: it is true, but false follows",
    ),
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
    "another GPU than the metered": (
        put("environment", "gpus", 0, "uuid", value="GPU-1"),
        r"environment\.gpus: they are not the metered GPUs",
    ),
    "no GPU described": (put("environment", "gpus", value=[]), r"environment\.gpus: they are not"),
    "a date to come": (
        put("created_at", value="9999-01-01T00:00:00Z"),
        r"created_at: 9999-01-01T00:00:00Z is in the future",
    ),
    "a sensor without error": (
        both(put("score", "systematic", value=0.0), put("score", "systematic_range", value=[0, 0])),
        r"score\.systematic: it is 0, but no sensor of these GPUs errs by so little",
    ),
    "no error stated": (put("score", "systematic", value=None), r"score\.systematic: it is 0"),
    "a small error in a wide range": (
        put("score", "systematic", value=0.02),
        r"score\.systematic: it is 0\.02, but 0\.05 follows from its range",
    ),
    "an error the wrong way round": (
        put("score", "systematic_range", value=[0.05, -0.05]),
        r"score\.systematic_range: \[0\.05, -0\.05\] is the wrong way round",
    ),
    "parameters above its class": (
        both(
            put("model", "parameters", value=20 * 10**9 + 1),
            put("model", "model_class", value="A"),
        ),
        r"model\.model_class: it is A, but B follows",
    ),
    "one run": (short, r"conformance\.repeats: it is true, but false"),
    "a better quality": (quality(value=0.1), r"quality\.value: it is 0\.1, but 0\.5 follows"),
    "a quality of none": (quality(items=[[0, 0], [0, 0]]), "but nothing follows"),
    "a quality of fewer": (quality(n=3), "they are not 3 pairs"),
    "an impossible quality": (quality(value=-1.0), r"wer is never -1"),
    "a quality turned round": (
        quality(higher_is_better=True),
        r"quality\.higher_is_better: less is better for wer",
    ),
    "a quality and a reason": (quality(reason="hot"), r"quality\.reason"),
    "no quality and no reason": (quality(value=None), r"quality\.reason"),
    "a null quality with parts": (quality(value=None, reason="hot"), "but there is an interval"),
    "an interval upside down": (quality(ci95=[1.2, 0.2]), "no interval of wer is 1.2 to 0.2"),
    "an interval above": (quality(ci95=[0.6, 1.2]), "it lies above the value"),
    "an interval below": (quality(ci95=[0.1, 0.4]), "it lies below the value"),
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


def test_a_phase_below_nothing_is_named():
    forged = content()
    run = forged["runs"][0]
    for name, joules in (("forward", 4600.0), ("other", -1000.0)):
        part = {"duration_s": 50.0, "energy_j": {"gpu:GPU-0": joules}, "se_j": {}}
        run["phases"] = run["phases"] | {name: part}
    found = contradiction(parse_result(json.dumps(forged), ""))
    assert found == "runs.0.phases: one has a negative energy of gpu:GPU-0"


def test_runs_that_began_in_one_second_are_no_copies():
    """Runs of a function may last for milliseconds."""
    runs = [make_run(n, joules=3600.0 + n, started_at="2026-01-01T00:00:00Z") for n in range(2)]
    assert contradiction(make_result(runs=runs)) == ""


@pytest.mark.parametrize("stated", [{}, {"gpu:other": 9.0}, {"gpu:GPU-0": 3600.0 / 1e3 / 6**0.5}])
def test_alike_runs_are_known_no_better_than_their_counter_steps(stated):
    """What is not stated follows from the period: 0.1 s of 100 s, by the square root of 6."""
    facts = {"gpu:GPU-0": {"update_period_ms": 100.0, "window_s": 100.0}}
    runs = [make_run(n, facts=facts, quantization_se_j=stated) for n in range(2)]
    result = make_result(runs=runs)
    assert contradiction(result) == ""
    spread = gpu_summary(result.score, runs, ["GPU-0"]).spread()
    assert spread.unshown == pytest.approx(1e-3 / 6**0.5)


def test_a_window_that_is_far_too_long_leaves_no_less_open():
    facts = {"gpu:GPU-0": {"update_period_ms": 100.0, "window_s": 1e9}}
    assert least_steps_se_j(make_run(facts=facts), "gpu:GPU-0") == pytest.approx(3 / 6**0.5)


def test_a_file_of_rules_to_come_takes_a_newer_version(tmp_path):
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content() | {"rules_version": 2}))
    with pytest.raises(ResultError) as caught:
        load_result(file)
    assert caught.value.remedy.startswith("Upgrade energyscore")


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


def test_the_one_error_of_older_versions_agrees():
    """They had 5% for every GPU, and no range of it."""
    for gpu in ("NVIDIA H100 80GB HBM3", "NVIDIA L4", "NVIDIA GeForce GTX 1080"):
        older = make_result(gpu=gpu)
        change = {"systematic": 0.05, "systematic_range": None}
        older = older.model_copy(update={"score": older.score.model_copy(update=change)})
        assert contradiction(older) == ""


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


def test_a_sound_quality_agrees_with_itself():
    sound = content()
    quality()(sound)
    assert contradiction(parse_result(json.dumps(sound), "a.json")) == ""
    sound["model"]["weights"] = "random"
    assert "weights are random" in contradiction(parse_result(json.dumps(sound), "a.json"))


def test_an_open_loop_has_a_rate_and_one_that_grows_spoils_its_run():
    sound = make_server_result(request_rate=2.5)
    assert sound.load.words == "2.5 a second"
    assert contradiction(sound) == ""
    for changed in ({"kind": "closed"}, {"concurrency": 3}, {"request_rate": None}):
        load = sound.load.model_copy(update=changed)
        assert "load: it is" in contradiction(sound.model_copy(update={"load": load}))
    first = sound.runs[0]
    for outstanding, named in (
        (first.load.outstanding.model_copy(update={"last": 80.0}), "it grows"),
        (None, "only an open loop has it"),
    ):
        part = first.load.model_copy(update={"outstanding": outstanding})
        runs = [first.model_copy(update={"load": part}), *sound.runs[1:]]
        assert named in contradiction(sound.model_copy(update={"runs": runs}))


def test_a_load_is_that_of_its_runs_and_what_spoils_one_is_told():
    sound = make_server_result()
    assert contradiction(sound) == ""
    counts = dict.fromkeys(ServerCounts.model_fields) | {"other_requests": 0}
    first = sound.runs[0]
    for changed, named in (
        ({"completed": 99}, r"load\.completed: it is \d+, but the runs have \d+"),
        ({"failed": 1}, r"load\.failed: it is 0, but the runs have 1"),
        ({"requests": first.queries + 0.6}, r"runs\[0\]\.queries: \d+, of [\d.]+ requests"),
        ({"server": ServerCounts(**counts | {"other_requests": 3})}, "others asked it"),
        ({"server": ServerCounts(**counts | {"other_output_tokens": 3})}, "others asked it"),
        ({"server": ServerCounts(**counts)}, "^$"),
    ):
        run = first.model_copy(update={"load": first.load.model_copy(update=changed)})
        found = contradiction(sound.model_copy(update={"runs": [run, *sound.runs[1:]]}))
        assert re.search(named, found)
    failed = first.model_copy(update={"load": first.load.model_copy(update={"failed": 1})})
    load = sound.load.model_copy(update={"failed": 1})
    runs = [failed, *sound.runs[1:]]
    found = contradiction(sound.model_copy(update={"runs": runs, "load": load}))
    assert "its run not invalid" in found


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"bound": 0.001}, r"runs\[0\]\.load\.bound: it is 0\.001, and not 0\.016"),
        ({"straddling": 8, "completed": 1009, "bound": 0.008}, "1000 are not the 1009 that ended"),
        ({"other_lengths": 1001}, "it is 1001 of 1000"),
    ],
)
def test_the_requests_of_a_run_are_those_that_ended_and_known_as_it_says(changed, named):
    sound = make_server_result()
    first, *others = sound.runs
    runs = [first.model_copy(update={"load": first.load.model_copy(update=changed)}), *others]
    completed = sum(run.load.completed for run in runs)
    load = sound.load.model_copy(update={"completed": completed})
    assert re.search(named, contradiction(sound.model_copy(update={"runs": runs, "load": load})))
