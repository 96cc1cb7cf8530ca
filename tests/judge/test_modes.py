"""Modes of reasoning in results: told apart, compared, and shown."""

import csv
import io
from typing import get_args

import pytest
from support.results import make_result, make_run
from support.tables import row_of, table_of

from energyscore.judge.comparability import cohort_key
from energyscore.judge.modes import Multiple, multiples_of, tokens_of
from energyscore.judge.rating import rate, rate_files
from energyscore.measurement.observer import describe_estimate
from energyscore.protocol.task import Mode, load_tasks
from energyscore.publish.report_csv import to_csv
from energyscore.results.checks import find_cautions
from energyscore.results.conformance import check_conformance
from energyscore.results.names import label_of
from energyscore.results.store import save_result

TASK = load_tasks()["reasoning"].spec


def result_of(mode, *wh, model="org/model", most=1024, thinking=None, **change):
    runs = [
        make_run(index, joules=3600.0 * energy, thinking_tokens=thinking)
        for index, energy in enumerate(wh)
    ]
    result = make_result(model, runs, gpu="NVIDIA L4", **change)
    generation = TASK.generation.chosen(mode, most).recorded()
    workload = result.workload.model_copy(update={"generation": generation})
    return result.model_copy(update={"workload": workload})


def test_a_cohort_is_of_one_mode_and_one_budget():
    keys = {cohort_key(result_of(mode, 1.0)) for mode in get_args(Mode)}
    assert len(keys) == len(get_args(Mode))
    assert cohort_key(result_of("off", 1.0)) != cohort_key(result_of("off", 1.0, most=8192))
    low, high = result_of("off", 1.0, 1.0), result_of("off", 2.0, 2.0, model="org/b")
    costly = result_of("high", 9.0, 9.0)
    assert [rating.stars for rating in rate([low, high, costly])] == [5, 1, None]


@pytest.mark.parametrize(
    ("modes", "of"),
    [
        (("off", "low", "high"), "off"),
        (("high", "low", "medium"), "low"),
        (("default", "on"), "on"),
        (("default", "off"), "off"),
    ],
)
def test_energy_is_compared_with_the_lowest_mode(modes, of):
    results = [result_of(mode, 2.0 + place) for place, mode in enumerate(modes)]
    base = 2.0 + modes.index(of)
    expected = [
        None if mode == of else Multiple(pytest.approx((2.0 + place) / base), of)
        for place, mode in enumerate(modes)
    ]
    assert multiples_of(results) == expected


def test_only_what_differs_in_the_mode_alone_is_compared():
    off = result_of("off", 1.0)
    for other in (
        result_of("on", 4.0, model="org/another"),
        result_of("on", 4.0, most=8192),
        result_of("on", 4.0, dtype="bfloat16"),
        result_of("on", 4.0, invalid=("the GPU was lost",)),
        make_result(),
    ):
        assert multiples_of([off, other]) == [None, None]
    spoiled = result_of("off", 1.0, invalid=("the GPU was lost",))
    assert multiples_of([spoiled, result_of("on", 4.0)]) == [None, None]


def test_the_table_shows_mode_multiple_and_tokens():
    lines = table_of(
        result_of("off", 2.0, 2.0, thinking=0), result_of("on", 9.0, 9.0, thinking=7500)
    )
    assert row_of("org/model", lines).startswith("org/model A 2.00 Wh")
    place = next(place for place, line in enumerate(lines) if "9.00 Wh" in line)
    assert "4.50 x off" in lines[place]
    assert "reasoning on" in lines[place + 1]
    assert "10.0 tokens" in lines[place + 1]
    assert "7.50 thinking" in lines[place + 2]
    assert sum(" x " in line for line in lines) == 1
    assert "tokens" not in "\n".join(table_of(make_result()))


def test_the_csv_tells_modes_apart():
    results = [result_of("off", 2.0, thinking=0), result_of("high", 9.0, thinking=7500)]
    entries = rate_files([("", result) for result in results])
    first, second = csv.DictReader(io.StringIO(to_csv(entries).decode(), newline=""))
    assert (first["reasoning"], first["max_new_tokens"]) == ("off", "1024")
    assert (first["reasoning_multiple"], first["mean_thinking_tokens"]) == ("", "0.0")
    assert (second["reasoning"], second["reasoning_multiple_of"]) == ("high", "off")
    assert (second["reasoning_multiple"], second["mean_thinking_tokens"]) == ("4.5", "7.5")


def test_thinking_that_is_not_known_in_one_run_is_not_known():
    runs = [make_run(0, thinking_tokens=100), make_run(1, thinking_tokens=None)]
    assert tokens_of(make_result(runs=runs)).thinking is None
    assert tokens_of(make_result(runs=runs[:1])).thinking == pytest.approx(0.1)
    assert label_of(make_result()) == "org/model"


def test_the_mode_stands_in_the_files_name(tmp_path):
    result = result_of("high", 1.0, identity="c" * 64)
    task = result.task.model_copy(update={"digest": "0" * 64})  # one of somebody's own
    name = save_result(tmp_path, result.model_copy(update={"task": task})).name
    assert name == "20260101T000000Z_reasoning-high_cccccccccc.json"


def generation_point(result):
    points = check_conformance(TASK, result)
    return next(point for point in points if point.name == "generation")


def make_facts(weights="pretrained"):
    from energyscore.protocol.model import ModelFacts

    return ModelFacts(None, "Net", 10**9, "float16", None, None, weights, 40960)


FACTS = make_facts()


@pytest.mark.parametrize("mode", get_args(Mode))
def test_every_mode_is_official_and_a_smaller_budget_is_not(mode):
    whole = generation_point(result_of(mode, 1.0, most=8192))
    assert (whole.ok, whole.required) == (True, "1 to 8192 tokens, greedy")
    less = generation_point(result_of(mode, 1.0))
    assert (less.ok, less.actual) == (False, "at most 1024 tokens, 10.0 tokens on average")


def test_answers_that_the_limit_ended_are_a_caution():
    result = result_of("on", 1.0, 1.0)
    first, second = result.runs
    runs = [
        first.model_copy(update={"answers_cut": 0}),
        second.model_copy(update={"answers_cut": 7}),
    ]

    def said(runs, facts=FACTS):
        found = find_cautions(runs, result.protocol, result.workload, 1000, facts, 1)
        return [caution.message for caution in found if caution.code == "answers_cut"]

    assert said(runs) == [
        "7 of 2,000 answers were cut off at 1024 tokens: whole ones take more energy"
    ]
    assert said(runs[:1]) == said(result.runs) == []
    assert "modes hardly differ" in said(runs, make_facts("random"))[0]


def test_the_estimate_says_what_the_whole_budget_would_take():
    assert describe_estimate(10, 60.0, 240.0) == (
        "10 runs to measure, about 10 min 00 s; 40 min 00 s if every answer uses its full budget"
    )
    assert describe_estimate(10, 60.0, 60.0) == describe_estimate(10, 60.0)
