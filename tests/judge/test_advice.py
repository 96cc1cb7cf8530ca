"""Advice for one service: the figures of the single commands, and nothing counts twice."""

import json
import math
import shlex
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
from support.results import (
    make_performance,
    make_quality,
    make_result,
    make_run,
    make_server_result,
)
from typer.testing import CliRunner

from energyscore.cli.app import app
from energyscore.judge.advice.advise import ServiceQuestion, advise
from energyscore.judge.advice.states import state_of
from energyscore.judge.choose import Requirements
from energyscore.judge.contenders import candidates_of
from energyscore.judge.rating import rate_files
from energyscore.judge.schedule.arrivals import Demand
from energyscore.protocol.task import load_tasks
from energyscore.publish.advice.form import json_schema, to_json
from energyscore.publish.advice.report import report_of
from energyscore.publish.advice.text import answer_of, to_markdown
from energyscore.results.conformance import with_conformance
from energyscore.results.loading import Loading
from energyscore.results.parts import Idle
from energyscore.results.result import result_to_json
from energyscore.results.score import score_runs

GPU, UUID = "gpu:GPU-0", "GPU-0"
SPREAD = (0.99, 1.01, 1.0, 0.995, 1.005)


def measured(model, wh, *, billions=1.0, batch=1, dtype="float16", loading=True, **change):
    """A result of five runs about `wh`, a second a query; loaded and idle it draws 50 W."""
    idle = Idle(seconds=30.0, without_model_w={GPU: 20.0}, with_model_w={GPU: 50.0})
    runs = [
        make_run(index, joules=3600.0 * wh * one, seconds=1000.0)
        for index, one in enumerate(SPREAD)
    ]
    identity = f"{model}{batch}{dtype}{sorted(change)}".encode().hex()[:64]
    result = make_result(model, runs, dtype=dtype, identity=f"{identity:0>64}", idle=idle)
    part = Loading(duration_s=10.0, energy_j={GPU: 900.0}, reason="", floor_w={GPU: 20.0})
    work = result.workload.model_copy(update={"batch_size": batch})
    own = {name: change.pop(name) for name in ("quantized_on_load", "quantization", "compiled")
           if name in change}  # fmt: skip
    made = result.model_copy(
        update={
            "model": result.model.model_copy(update={"parameters": int(billions * 1e9), **own}),
            "workload": work,
            "loading": part if loading else None,
            "performance": make_performance(0.1),
            "score": score_runs(runs, [UUID], idle, ["NVIDIA H100 80GB HBM3"]),
            **change,
        }
    )
    return with_conformance(load_tasks()[made.task.id].spec, made)


LARGE = measured("org/large", 20.0, billions=7, quality=make_quality([1] * 95 + [0] * 5))
SMALL = measured("org/small", 2.0, quality=make_quality([1] * 93 + [0] * 7))
COMPILED = measured("org/small", 1.0, compiled=True, quality=SMALL.quality)
WORKED = (LARGE, SMALL, COMPILED)
"""Two models, three settings in all."""


def advice(*results, **asked):
    rated = rate_files([(f"{place}.json", one) for place, one in enumerate(results)])
    return advise(candidates_of(rated, None, None), ServiceQuestion(**asked))


def at(per_hour):
    return Demand((float(per_hour),))


def save(folder, *results):
    for place, one in enumerate(results):
        (folder / f"{place}.json").write_text(result_to_json(one))
    return folder


def printed(*words):
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_worked_example_has_the_figures_of_the_single_commands(tmp_path):
    """And the sum is what a script with nothing of ours comes to."""
    folder = save(tmp_path, *WORKED)
    asked = ("--requests", "40/h", "--price", "0.25 EUR", "--country", "FRA")
    found = printed("advise", folder, *asked, "--format", "json")
    chosen = printed("choose", folder, "--format", "json")
    best = found["recommended"]
    assert best["model"] == chosen["recommended"]
    by_file = {one["file"]: one for one in chosen["candidates"]}
    for one in (found["today"], best):
        theirs = by_file[one["file"]]
        assert one["energy_wh_per_1k_queries"] == theirs["energy_wh_per_1k_queries"]
        assert one["ci95"] == theirs["energy_ci95"]
    against = printed("compare", found["today"]["file"], best["file"], "--format", "json",
                      "--allow", "model", "--allow", "compile")  # fmt: skip
    row = next(row for row in against["pairs"][0]["rows"] if row["phase"] == "total")
    assert (found["ratio"], found["ci95"]) == (row["ratio"], row["ratio_ci95"])
    days = {
        file: printed("schedule", file, *asked, "--format", "json")
        for file in (found["today"]["file"], best["file"])
    }
    always = next(p for p in days[found["today"]["file"]]["policies"] if p["name"].startswith("al"))
    policies = {p["name"]: p for p in days[best["file"]]["policies"]}
    least = policies[days[best["file"]]["recommended"]]
    year = found["year"]
    assert year["includes"] == "requests, idling and loading"
    assert year["today_wh"] == always["wh_per_year"]
    assert year["recommended_wh"] == least["wh_per_year"]
    assert year["policy"] == least["name"]
    assert year["saved_cost"] == pytest.approx(always["cost_per_year"] - least["cost_per_year"])
    # From the files alone: a year of requests, a second each, and 50 W in between.
    files = [json.loads(Path(file).read_text()) for file in (found["today"]["file"], best["file"])]
    sums = []
    for one in files:
        joules = math.fsum(run["energy_j"][GPU] for run in one["runs"])
        each_j = joules / math.fsum(run["queries"] for run in one["runs"])
        seconds = math.fsum(run["duration_s"] for run in one["runs"])
        each_s = seconds / math.fsum(run["queries"] for run in one["runs"])
        requests = 40 * 24 * 365
        idle_s = 365 * 86400 - requests * each_s
        sums.append((requests * each_j + 50 * idle_s) / 3600)
    assert year["today_wh"] == pytest.approx(sums[0], rel=0.01)
    bars = [bar["wh"] for bar in found["waterfall"]]
    assert bars[0] == year["today_wh"]
    assert bars[-1] == year["recommended_wh"]
    assert bars[2] == pytest.approx(sums[1], rel=0.01)
    for step, before, after in zip(found["steps"], bars[:-1], bars[1:], strict=True):
        assert step["ratio"] == pytest.approx(after / before)
    assert year["ratio"] == pytest.approx(math.prod(step["ratio"] for step in found["steps"]))
    assert [step["change"] for step in found["steps"]] == ["model", "settings", "when"]


def test_the_steps_multiply_to_the_ratio_that_was_measured():
    found = advice(*WORKED)
    assert [step.changes for step in found.steps] == [("model",), ("settings",)]
    assert [step.effect.ratio for step in found.steps] == pytest.approx([0.1, 0.5])
    report = report_of(found)
    assert report.ratio == pytest.approx(0.05)
    assert [bar.wh for bar in report.waterfall] == pytest.approx([20.0, 2.0, 1.0])
    assert report.unit == "Wh per 1,000 queries"
    assert report.year is None
    assert "Choose org/small (compiled) instead of org/large" in answer_of(report)[0]
    assert "20" in answer_of(report)[0]


def test_a_saving_with_another_model_is_named_and_counts_for_nothing():
    """Compiling halves the large model's energy; the small one was not compiled."""
    found = advice(LARGE, SMALL, measured("org/large", 10.0, billions=7, compiled=True))
    assert found.recommended.entry.result.model.id == "org/small"
    assert report_of(found).ratio == pytest.approx(0.1)
    (one,) = [each for each in found.missing if each.piece == "combination"]
    assert one.promises.ratio == pytest.approx(0.5)
    assert one.command.options["compile"] is True
    (told,) = [each for each in report_of(found).missing if each.piece == "combination"]
    assert "org/small with the settings of org/large (compiled) was not measured" in told.text
    assert "2.00 (1.98 to 2.02) times less" in told.text
    assert "counts for nothing" in told.text
    assert shlex.split(told.command)[:5] == [
        *("energyscore", "run", "text_generation", "--model", "org/small")
    ]
    assert "--compile" in told.command


def test_what_lies_between_and_was_not_measured_is_one_step():
    """The small model was measured compiled only: what is the model's part is not known."""
    found = advice(LARGE, COMPILED)
    (step,) = found.steps
    assert step.changes == ("model", "settings")
    (missing,) = [one for one in found.missing if one.piece == "between"]
    assert "compile" not in missing.command.options
    report = report_of(found)
    assert report.steps[0].change == "together"
    assert "Model and settings together" in report.strategies[0].text[0]


def test_what_larger_batches_save_counts_once():
    """Requests come one by one: a batch of 8 is no setting of theirs, but a policy of gathering."""
    batches = measured("org/small", 0.5, batch=8)
    in_bulk = advice(LARGE, SMALL, batches)
    assert in_bulk.recommended.entry.result.workload.batch_size == 8
    one_by_one = advice(LARGE, SMALL, batches, demand=at(40))
    assert one_by_one.recommended.entry.result.workload.batch_size == 1
    assert not any("settings" in step.changes for step in one_by_one.steps)
    text = report_of(one_by_one).strategies[2].text
    assert any("not gathered" in line for line in text)
    waiting = advice(LARGE, SMALL, batches, demand=at(400), max_wait_s=3600.0)
    last = waiting.days[-1]
    assert last.best.policy.gathers
    (when,) = [one for one in report_of(waiting).steps if one.change == "when"]
    assert when.ratio == pytest.approx(last.best.wh_per_day / last.always.wh_per_day)


def test_without_idling_a_year_is_that_of_requests_alone_and_says_so():
    found = advice(LARGE, measured("org/small", 2.0, loading=False), demand=at(40))
    assert found.days is None
    report = report_of(found)
    assert report.year.includes == "requests alone"
    assert report.year.today_wh == pytest.approx(20.0 * 40 * 24 * 365 / 1000)
    assert report.year.saved_wh == pytest.approx(18.0 * 40 * 24 * 365 / 1000)
    (told,) = [one for one in report.missing if one.piece == "days"]
    assert "--loading --idle 30" in told.command
    assert any("Idling and loading are not in it" in line for line in answer_of(report))


def idling_on(result, watts):
    """The same, drawing so much when loaded and idle."""
    idle = Idle(seconds=30.0, without_model_w={GPU: 20.0}, with_model_w={GPU: watts})
    score = score_runs(result.runs, [UUID], idle, ["NVIDIA H100 80GB HBM3"])
    return result.model_copy(update={"idle": idle, "score": score})


def test_who_takes_less_for_a_query_and_more_for_a_year_is_told():
    """40 requests an hour leave the machine idle: 45 W more of it outweigh any query."""
    thirsty = idling_on(measured("org/a", 1.0, quality=SMALL.quality), 95.0)
    report = report_of(advice(LARGE, thirsty, SMALL, demand=at(40), max_wait_s=5.0))
    assert report.recommended.model == "org/a"
    least = report.year.least
    assert (least.model, least.policy) == ("org/small", "always loaded")
    # A second a request of 7.2 J, and 50 W else.
    requests = 40 * 24 * 365
    by_hand = (requests * 7.2 + 50 * (365 * 86400 - requests)) / 3600
    assert least.wh == pytest.approx(by_hand, rel=0.01)
    saved = report.year.recommended_wh - least.wh
    assert saved == pytest.approx(45 * (365 * 86400 - requests) / 3600, rel=0.02)
    assert answer_of(report)[-1].startswith("For these requests org/small is better")


def test_only_what_meets_the_requirements_is_called_better_by_the_year():
    thirsty = idling_on(measured("org/a", 1.0, quality=LARGE.quality), 95.0)
    strict = Requirements(quality=0.94)
    found = advice(thirsty, SMALL, demand=at(40), max_wait_s=5.0, requirements=strict)
    assert report_of(found).year.least is None
    assert report_of(advice(*WORKED, demand=at(40))).year.least is None


def test_what_the_machine_itself_drew_otherwise_is_no_saving_of_a_model():
    """Without a model it drew 30 W in one measurement and 20 W in the other."""
    part = Loading(duration_s=10.0, energy_j={GPU: 900.0}, reason="", floor_w={GPU: 30.0})
    busy = idling_on(measured("org/a", 1.0), 60.0).model_copy(update={"loading": part})
    report = report_of(advice(LARGE, busy, SMALL, demand=at(40), max_wait_s=5.0))
    assert report.recommended.model == "org/a"
    assert report.year.floor_wh == pytest.approx(10 * 24 * 365)
    assert "Up to 87.6 kWh of difference is no model's" in answer_of(report)[1]
    assert report.year.least is None
    same = report_of(advice(*WORKED, demand=at(40)))
    assert same.year.floor_wh == 0
    assert "no model's" not in answer_of(same)[1]


def test_the_command_that_schedules_shows_the_same_year(tmp_path):
    folder = save(tmp_path, *WORKED)
    asked = ("--requests", "40/h", "--country", "FRA", "--price", "0.25 EUR", "--pue", "1.2")
    found = printed("advise", folder, *asked, "--format", "json")
    year, check = found["year"], found["strategies"][2]["check"]
    shown = printed(*shlex.split(check)[1:], "--format", "json")
    (policy,) = [one for one in shown["policies"] if one["name"] == year["policy"]]
    assert policy["wh_per_year"] == year["recommended_wh"]
    assert policy["cost_per_year"] == pytest.approx(year["today_cost"] - year["saved_cost"])


def test_of_unlike_results_the_largest_group_counts_and_the_others_are_named():
    other = make_result("org/other", gpu="NVIDIA A100-SXM4-80GB", identity="f" * 64)
    found = advice(*WORKED, other)
    ((entry, why),) = found.left_out
    assert entry.result.model.id == "org/other"
    assert "hardware: NVIDIA A100-SXM4-80GB" in why


def test_today_is_what_was_named_as_it_is_by_itself():
    assert advice(*WORKED).today.entry.result is LARGE
    named = advice(*WORKED, now="org/small")
    assert named.today.entry.result is SMALL
    assert [step.changes for step in named.steps] == [("settings",)]
    kept = advice(LARGE, now="org/large")
    assert kept.steps == []
    assert report_of(kept).ratio == pytest.approx(1.0)
    assert answer_of(report_of(kept))[0].startswith("Keep org/large")


def test_none_meets_the_requirements(tmp_path):
    found = advice(*WORKED, requirements=Requirements(quality=0.99))
    assert found.recommended is None
    report = report_of(found)
    assert (report.strategies, report.waterfall, report.ratio) == ([], [], None)
    assert "none meets the requirements" in report.reason
    folder = save(tmp_path, *WORKED)
    done = CliRunner().invoke(app, ["advise", str(folder), "--min-quality", "0.99"])
    assert done.exit_code == 1


def test_a_quality_that_is_missing_is_an_answer():
    """Random weights have none; of others the command measures it."""
    unknown = measured("org/small", 2.0)
    random = measured("org/large", 20.0, billions=7)
    random = random.model_copy(update={"model": random.model.model_copy(
        update={"weights": "random"})})  # fmt: skip
    found = {one.piece: one for one in report_of(advice(random, unknown)).missing}
    assert "--quality" in found["quality"].command
    assert found["no_quality"].command is None
    assert "weights are random" in found["no_quality"].text
    text = report_of(advice(random, unknown)).strategies[4].text
    assert "cannot be told" in text[0]


def test_two_that_are_not_told_apart_say_how_many_runs_would():
    found = advice(SMALL, measured("org/large", 2.004, billions=7))
    (one,) = [each for each in found.missing if each.piece == "undecided"]
    assert one.repeats > 5
    assert one.command.options["repeats"] == one.repeats
    assert "not decided" in answer_of(report_of(found))[0]


def test_the_markdown_holds_all_five_strategies_and_every_command():
    report = report_of(advice(*WORKED, demand=at(40)))
    text = to_markdown(report).decode()
    for number, one in enumerate(report.strategies, start=1):
        assert f"### {number}. {one.title}" in text
        assert not one.check or one.check in text
    assert "\n\n\n" not in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-wait", "5s"), "--requests is not given"),
        (("--now", "org/smal"), "'org/small'"),
        (("--requests", "40"), "--requests"),
        (("--task", "asr"), "No result is of the task 'asr'"),
    ],
)
def test_what_makes_no_sense_is_one_line(words, said, tmp_path):
    folder = save(tmp_path, *WORKED)
    done = CliRunner().invoke(app, ["advise", str(folder), *words])
    assert done.exit_code != 0
    assert said in f"{done.exception} {getattr(done.exception, 'remedy', '')} {done.output}"


def test_a_state_is_of_model_mode_and_settings():
    rated = rate_files([("a", LARGE), ("b", COMPILED)])
    large, compiled = map(state_of, candidates_of(rated, None, None))
    assert large.differs(compiled) == ("model", "settings")
    assert large.moved(["model", "settings"], compiled) == compiled


def test_of_servers_one_load_is_compared_and_the_others_are_named():
    """Nobody picks the load: a model with more requests at once is not a better one."""
    at_once = [
        make_server_result(model, load, runs=[make_run(joules=3600.0 * wh)], identity=identity * 64)
        for model, load, wh, identity in (
            ("org/a", 8, 4.0, "a"),
            ("org/b", 8, 2.0, "b"),
            ("org/b", 32, 1.0, "c"),
        )
    ]
    found = advice(*at_once, demand=at(40))
    assert found.recommended.entry.result.load.concurrency == 8
    ((entry, why),) = found.left_out
    assert entry.result.load.concurrency == 32
    assert "load: 32 at once instead of 8 at once" in why
    assert {one.piece for one in found.missing} >= {"no_days", "undecided"}
    report = report_of(found)
    assert report.year.reason.startswith("not known (0.json is of a server")
    (hardware,) = [one for one in report.strategies if one.strategy == "hardware"]
    assert hardware.check == "energyscore choose results --task text_generation"
    assert "Each load on a server is a choice of its own" in hardware.text[-1]


def test_where_no_policy_keeps_to_the_wait_a_year_is_of_requests_alone():
    found = advice(*WORKED, demand=at(40), max_wait_s=0.0)
    report = report_of(found)
    assert found.days[-1].best is found.days[-1].always  # it never waits for a load, but may queue
    busy = advice(*WORKED, demand=at(2400), max_wait_s=0.001)
    assert busy.days[-1].best is None
    unkept = report_of(busy)
    assert "no policy keeps to a wait" in unkept.year.reason
    assert unkept.unit == "Wh per 1,000 queries", "the year lacks idling, too"
    first, last = unkept.waterfall[0].wh, unkept.waterfall[-1].wh
    assert last / first == pytest.approx(unkept.year.ratio)
    assert report.year.policy == "always loaded"


def test_the_json_is_the_contract_and_fits_its_published_schema():
    published = resources.files("energyscore.results") / "schemas" / "advice-1.json"
    schema = json.loads(published.read_text(encoding="utf-8"))
    assert schema == json_schema()
    strict = Requirements(quality=0.99)
    for asked in ({}, {"demand": at(40)}, {"requirements": strict}):
        content = json.loads(to_json(report_of(advice(*WORKED, **asked))))
        jsonschema.validate(content, schema)
        assert bool(content["recommended"]) == ("requirements" not in asked)
