"""Choosing a model: the front, the requirements, the saving, and what is refused."""

import csv
import io
import json
import math
from dataclasses import replace
from importlib import resources

import jsonschema
import numpy
import pytest
import scipy.stats
from support.results import (
    make_cpu_run,
    make_performance,
    make_quality,
    make_result,
    make_run,
    make_server_result,
)
from typer.testing import CliRunner

from energyscore.base.errors import EnergyScoreError
from energyscore.cli.app import app
from energyscore.judge import choose as judge
from energyscore.judge.choose import Requirements
from energyscore.judge.contenders import candidates_of
from energyscore.judge.qualities import resampled
from energyscore.judge.rating import rate_files
from energyscore.judge.requirements import requirements_of
from energyscore.publish import choice as publish
from energyscore.publish.choice_words import answer, end_of
from energyscore.results.checks import TOO_BUSY_CODE
from energyscore.results.parts import Caution
from energyscore.results.result import result_to_json

ROWS = 400
GENERATOR = numpy.random.default_rng(7)
HARD = GENERATOR.random(ROWS)
"""How hard each row is: models fail the hard ones alike, so that pairs tell more."""


def right(share):
    return [int(one) for one in share > HARD]


def candidate(model, wh, quality=None, p90_s=0.1, **change):
    """A result of five runs about `wh`."""
    spread = (0.99, 1.01, 1.0, 0.995, 1.005)
    runs = [make_run(index, joules=3600.0 * wh * one) for index, one in enumerate(spread)]
    result = make_result(model, runs, identity=f"{model:0>64}".replace("/", "0"), **change)
    speed = make_performance(p90_s) if p90_s else None
    return result.model_copy(update={"quality": quality, "performance": speed})


SMALL = candidate("org/small", 1.0, make_quality(right(0.9)), 0.05)
LARGE = candidate("org/large", 23.0, make_quality(right(0.95)), 0.8)
WORSE = candidate("org/worse", 5.0, make_quality(right(0.7)), 0.2)
ALL = (LARGE, SMALL, WORSE)


def choose(*results, asked=None, task=None, metric=None):
    entries = rate_files([(f"{one.model.id}.json", one) for one in results])
    return judge.choose(candidates_of(entries, task, metric), asked or Requirements())


def fronts(*results, **options):
    judged = choose(*results, **options).judged
    return {one.candidate.entry.name.partition("/")[2]: one.front for one in judged}


def test_the_front_has_four_words():
    unknown = candidate("org/unknown", 2.0)
    near = candidate("org/near", 1.001, make_quality(right(0.9)))
    assert fronts(*ALL, unknown) == {
        "small": "not dominated",
        "large": "not dominated",
        "worse": "dominated",
        "unknown": "quality not measured",
    }
    assert fronts(SMALL, near) == {"small": "undecided", "near": "undecided"}


def test_a_loss_that_is_allowed_makes_nearly_as_good_as_good():
    asked = Requirements(quality_loss=0.1)
    assert fronts(SMALL, LARGE, asked=asked) == {"small": "not dominated", "large": "dominated"}


def test_front_factor_and_difference_are_those_of_an_independent_computation():
    """The bounds by scipy's Welch and by draws of rows written out here."""
    runs = {one.model.id: [run.energy_j["gpu:GPU-0"] for run in one.runs] for one in ALL}
    items = {one.model.id: numpy.array([row[0] for row in one.quality.items]) for one in ALL}
    places = numpy.random.default_rng(0).integers(0, ROWS, (4000, ROWS))  # 2000 x (3 - 1)

    def shown(a, b, alpha):
        """Whether a needs less energy and is no worse than b."""
        first, second = numpy.array(runs[a]), numpy.array(runs[b])
        logs = [one.mean() * (1 + (one / one.mean() - 1)) for one in (first, second)]
        errors = [one.std(ddof=1) / one.mean() / math.sqrt(len(one)) for one in logs]
        error = math.hypot(*errors)
        degrees = error**4 / sum(one**4 / (len(runs[a]) - 1) for one in errors)
        upper = (
            math.log(first.mean() / second.mean()) + scipy.stats.t.ppf(1 - alpha, degrees) * error
        )
        draws = items[a][places].mean(axis=1) - items[b][places].mean(axis=1)
        return upper < 0 and numpy.quantile(draws, alpha) > 0

    alpha = 0.025 / 2
    dominated = {b for b in runs for a in runs if a != b and shown(a, b, alpha)}
    found = choose(*ALL)
    assert (
        {one.candidate.entry.name for one in found.judged if one.by} == dominated == {"org/worse"}
    )
    against = {one.other.candidate.entry.name: one for one in found.others}["org/large"]
    assert against.effect.ratio == pytest.approx(23.0)
    draws = (items["org/small"] - items["org/large"])[places[:2000]].mean(axis=1)
    assert against.quality.better_by == pytest.approx(
        -(items["org/large"] - items["org/small"]).mean()
    )
    assert against.quality.interval() == pytest.approx(tuple(numpy.quantile(draws, [0.025, 0.975])))
    assert against.quality.paired


def test_the_answer_is_a_sentence_with_factor_interval_and_difference():
    lines = answer(choose(*ALL))
    assert lines[0] == "Choose org/small: the least energy."
    worse = 100 * (sum(right(0.95)) - sum(right(0.9))) / ROWS
    assert lines[2].startswith(
        "org/small needs 23.0 (22.7 to 23.3) times less energy than org/large, "
    )
    assert f", {worse:.1f} (" in lines[2]
    assert lines[2].endswith(") points less accurate.")
    assert ") points more accurate." in lines[1]


def test_where_more_energy_is_needed_it_says_for_what():
    found = choose(*ALL, asked=Requirements(quality=0.93))
    assert found.recommended.candidate.entry.name == "org/large"
    lines = answer(found)
    assert lines[0] == "Choose org/large: the least energy that meets the requirements."
    assert (
        "org/large needs 23.0 (22.7 to 23.3) times more energy than org/small, which does not"
        in lines[1]
    )


@pytest.mark.parametrize(
    ("asked", "recommended", "status"),
    [
        (Requirements(), "org/small", 0),
        (Requirements(quality=0.85), "org/small", 0),
        (Requirements(quality_loss=0.08), "org/small", 0),
        (Requirements(quality_loss=0.001), "org/large", 0),
        (Requirements(latency_s=0.05, energy_wh=1.5), "org/small", 0),
        (Requirements(quality=0.99), None, 1),
        (Requirements(quality=0.93, latency_s=0.5), None, 1),
        (Requirements(energy_wh=0.5), None, 1),
    ],
)
def test_the_least_energy_that_meets_the_requirements_is_chosen(asked, recommended, status):
    found = choose(*ALL, asked=asked)
    name = found.recommended and found.recommended.candidate.entry.name
    assert (name, found.exit_status) == (recommended, status)


def alike(count, unlike=()):
    """Two that answer all of so many rows right, but for these of the second."""
    first, second = [1] * count, [int(row not in unlike) for row in range(count)]
    return [
        candidate(f"org/{name}", wh, make_quality(answers))
        for name, wh, answers in (("first", 1.0, first), ("second", 2.0, second))
    ]


def test_few_rows_that_differ_make_nothing_sure():
    """What none of n rows showed may be true of 1 - 0.025^(1/n) of all: 3.6% of them for 100."""
    found = choose(*alike(100), asked=Requirements(quality_loss=0.01))
    assert [one.front for one in found.judged] == ["not dominated", "undecided"]
    assert found.others[0].quality.interval() == pytest.approx((-0.0362, 0.0362), abs=1e-4)
    assert fronts(*alike(100), asked=Requirements(quality_loss=0.05))["second"] == "dominated"
    one = choose(*alike(1, [0])).others[0].quality
    assert one.interval() == (-0.975, 1.0)
    assert fronts(*alike(1, [0]))["second"] == "undecided"
    assert fronts(*alike(100, range(5)))["second"] == "undecided"
    assert fronts(*alike(100, range(12)))["second"] == "dominated"


def test_an_interval_without_width_is_none():
    first, second = (
        one.model_copy(
            update={"quality": one.quality.model_copy(update={"rows": rows, "ci95": (1.0, 1.0)})}
        )
        for one, rows in zip(alike(50), ("a" * 64, "b" * 64), strict=True)
    )
    (against,) = choose(first, second, asked=Requirements(quality_loss=0.01)).others
    assert against.quality.interval() is None
    assert against.other.front == "undecided"


def test_less_is_better_where_the_metric_says_so():
    change = {"metric": "wer", "higher_is_better": False}
    good = candidate("org/good", 2.0, make_quality(right(0.1), **change))
    bad = candidate("org/bad", 1.0, make_quality(right(0.4), **change))
    found = choose(good, bad, asked=Requirements(quality=0.2))
    assert found.recommended.candidate.entry.name == "org/good"
    assert "org/good needs 2.00 (1.98 to 2.02) times more energy than org/bad" in answer(found)[1]
    assert ", wer 0." in answer(found)[1]
    assert answer(found)[1].endswith(" lower.")
    assert fronts(good, bad) == {"good": "not dominated", "bad": "not dominated"}


def estimated(one):
    """The same, metered by no meter: as on a processor."""
    runs = [
        make_cpu_run(index, joules=joules, queries=1000)
        for index, (joules,) in enumerate(run.energy_j.values() for run in one.runs)
    ]
    made = make_result(one.model.id, runs, gpu=None, identity=one.identity)
    change = {"quality": one.quality, "performance": one.performance}
    return made.model_copy(update=change)


def test_what_is_estimated_is_the_energy_and_not_the_quality():
    lines = answer(choose(estimated(SMALL), estimated(LARGE)))
    assert "times less energy than org/large (estimated), " in lines[1]
    assert lines[1].endswith(" points less accurate.")


def test_what_an_estimate_is_worth_is_told_once_and_not_in_each_row():
    busy = Caution(code=TOO_BUSY_CODE, message="others used 80% of the processor.")
    small, large = (
        estimated(one).model_copy(update={"cautions": [busy]}) for one in (SMALL, LARGE)
    )
    found = choose(small, large, asked=Requirements(quality=0.5))
    assert end_of(found).shared == [
        "no stars; estimated while others used over 25% of the processor.",
        "estimated by the load and the memory size of the machine (CodeCarbon), not by a meter: "
        "it follows time, and is no GPU energy.",
    ]
    assert publish.columns_of(found)[1] == "estimated energy / 1,000 queries"
    assert all(row[1].endswith(") Wh") for row in publish.rows_of(found))
    metered = choose(SMALL, LARGE, asked=Requirements(quality=0.5))
    assert end_of(metered).shared == []
    assert publish.columns_of(metered)[1] == "energy / 1,000 queries"


def test_undecided_is_a_sentence_of_its_own():
    near = estimated(candidate("org/near", 1.001, make_quality(right(0.92))))
    (_, line) = answer(choose(estimated(SMALL), near))
    assert line.startswith(
        "It is undecided whether org/small needs less energy than org/near: 1.00 (0.99 to 1.01)"
    )
    assert " times (estimated), and the interval contains 1, 3.0 (" in line


def test_what_is_undecided_is_told_in_the_direction_of_its_factor():
    worse = candidate("org/worse", 0.999, make_quality(right(0.7)))
    (_, line) = answer(choose(SMALL, worse, asked=Requirements(quality=0.8)))
    assert line.startswith(
        "It is undecided whether org/small needs more energy than org/worse, which does not meet "
        "the requirements: 1.00 (0.99 to 1.01) times, and the interval contains 1, "
    )


def test_less_quality_that_nobody_asked_for_is_told():
    said = end_of(choose(*ALL)).shared
    assert said == [
        "no quality was asked for, and 1 candidate did better than org/small: --min-quality or "
        "--max-quality-loss says what is enough."
    ]
    assert not end_of(choose(*ALL, asked=Requirements(quality=0.8))).shared
    assert not end_of(choose(SMALL, WORSE)).shared


def test_one_whose_quality_is_not_known_is_not_said_to_fail():
    unknown = candidate("org/unknown", 2.0)
    lines = answer(choose(LARGE, unknown, asked=Requirements(quality=0.93)))
    assert lines[1].endswith("more energy than org/unknown, whose quality is not known.")


def test_a_reported_quality_is_told_in_every_format():
    (one,) = candidates_of(rate_files([("a.json", SMALL)]), None, None)
    found = judge.choose([replace(one, reported="q.csv")], Requirements())
    said = "reported, not measured here (q.csv)"
    assert said in publish.report_of(found).candidates[0].why
    assert said in " ".join(end_of(found).lines(explain=False))
    assert "accuracy, reported" in publish.columns_of(found)


def test_what_fails_says_by_how_much():
    (line,) = answer(choose(*ALL, asked=Requirements(quality=0.99, latency_s=0.5)))
    assert line.startswith("No model to choose: of 3 candidates none meets the requirements. ")
    assert ". org/small fails quality by 0." in line
    assert "org/large fails quality by" in line
    assert "and latency (p90) by 300 ms (800 ms, at most 500 ms)" in line


def test_a_quality_that_is_missing_says_how_to_measure_it():
    found = choose(
        candidate("org/a", 1.0), candidate("org/b", 2.0), asked=Requirements(quality=0.9)
    )
    assert found.exit_status == 3
    assert "energyscore run text_generation --model MODEL --quality" in answer(found)[0]
    told = end_of(choose(candidate("org/a", 1.0), candidate("org/b", 2.0)))
    assert "quality not measured: by energy and speed alone." in told.lines(explain=True)
    told = end_of(choose(candidate("org/a", 1.0), SMALL))
    assert "quality not measured: org/a." in told.lines(explain=True)
    random = make_quality()
    found = choose(candidate("org/a", 1.0, random), SMALL, asked=Requirements(quality=0.5))
    assert found.recommended.candidate.entry.name == "org/small"
    assert "quality not measured: org/a: the weights are random." in end_of(found).lines(
        explain=True
    )


def test_an_unknown_latency_is_never_met():
    old = candidate("org/old", 1.0, p90_s=None)
    assert choose(old, asked=Requirements(latency_s=9.0)).exit_status == 3
    assert choose(old).exit_status == 0
    (said,) = answer(choose(old, asked=Requirements(ttft_s=9.0)))
    assert said.startswith("No model to choose: time to the first token (p90) of org/old is not")


def test_an_interval_that_contains_the_limit_is_told():
    lines = end_of(choose(SMALL, LARGE, asked=Requirements(quality=0.88))).lines(explain=True)
    assert any("meets the limit as measured, but its interval of quality" in line for line in lines)


def with_work(result, **change):
    return result.model_copy(update={"workload": result.workload.model_copy(update=change)})


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (
            (SMALL, candidate("org/x", 2.0, gpu="NVIDIA L4")),
            "hardware: NVIDIA L4 limited to 700 W instead of NVIDIA H100",
        ),
        ((SMALL, with_work(LARGE, fingerprint="e" * 64)), "set of queries"),
        (
            (SMALL, candidate("org/x", 2.0, make_quality(right(0.5), revision="x"))),
            "dataset: org/rows at",
        ),
        ((SMALL, candidate("org/x", 2.0, make_quality([1, 0], metric="wer"))), "--quality-metric"),
        (
            (SMALL, candidate("org/x", 2.0, make_quality([1, 0], higher_is_better=False))),
            "direction: more accuracy is better in one, less in the other",
        ),
    ],
)
def test_unlike_ones_are_refused(results, said):
    with pytest.raises(EnergyScoreError, match=said) as refused:
        choose(*results)
    assert refused.value.exit_code == 2


def test_what_may_be_chosen_may_differ():
    half = candidate("org/a", 1.0, size="B", dtype="float32")
    assert len(choose(half, with_work(LARGE, batch_size=8)).judged) == 2


def test_a_result_without_energy_is_named_and_no_candidate():
    null = make_result("org/null", [make_run(joules=None)], invalid=("the GPU was lost",))
    found = choose(SMALL, null)
    assert [entry.name for entry, _ in found.without_energy] == ["org/null"]
    assert publish.report_of(found).candidates[1].energy_wh_per_1k_queries is None
    with pytest.raises(EnergyScoreError, match="the GPU was lost") as refused:
        choose(null)
    assert refused.value.exit_code == 3


def test_another_metric_beside_may_be_asked_for():
    both = [
        candidate(name, wh, make_quality(right(0.9), beside={"macro_f1": f1}))
        for name, wh, f1 in (("org/a", 1.0, 0.5), ("org/b", 2.0, 0.8))
    ]
    found = choose(*both, metric="macro_f1", asked=Requirements(quality=0.7))
    assert found.recommended.candidate.entry.name == "org/b"
    assert found.judged[1].front == "undecided"  # no interval


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((None, "2", None, None), "--max-quality-loss '2' is no number with its unit. Units are %"),
        ((None, None, "500", None), "Units are ms or s or m or min or h"),
        ((None, None, None, "2 Wx"), "--max-energy '2 Wx'"),
        ((math.nan, None, None, None), "--min-quality nan"),
        ((None, "100%", None, None), "allows any quality"),
    ],
)
def test_requirements_have_units(options, said):
    with pytest.raises(EnergyScoreError, match=said.replace("(", r"\(")):
        requirements_of(*options)


@pytest.mark.parametrize(
    ("throughput", "field", "value"),
    [("500tokens/s", "tokens_per_s", 500.0), ("2.5 queries/s", "queries_per_s", 2.5)],
)
def test_throughput_is_of_tokens_or_of_queries(throughput, field, value):
    asked = requirements_of(None, None, None, None, throughput)
    assert asked == Requirements(**{field: value})
    with pytest.raises(EnergyScoreError, match="Units are tokens/s or queries/s, as in 500tokens"):
        requirements_of(None, None, None, None, "500")


def test_the_option_of_the_first_token_is_read():
    done = CliRunner().invoke(app, ["choose", "nowhere", "--max-ttft", "200"])
    assert "--max-ttft '200' is no number with its unit" in str(done.exception)
    assert requirements_of(None, None, None, None, ttft="34ms") == Requirements(ttft_s=0.034)


def under_load(model, concurrency, joules, tokens_per_s):
    """A server's result: joules of a token, tokens a second."""
    runs = [make_run(n, joules=10_000 * joules * share) for n, share in enumerate((0.99, 1.01, 1))]
    identity = f"{len(model)}{concurrency:063}"
    return make_server_result(
        model, concurrency, runs=runs, tokens_per_s=tokens_per_s, identity=identity
    )


SERVED = [
    under_load(model, at_once, factor * joules, tokens_per_s / factor)
    for model, factor in (("org/small", 1), ("org/large", 3))
    for at_once, joules, tokens_per_s in ((1, 2.0, 100.0), (8, 0.5, 600.0), (32, 0.2, 2000.0))
]


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        (Requirements(), "org/small (32 at once)"),
        (Requirements(latency_s=0.17), "org/small (8 at once)"),  # 10 * 8 / 600 * 1.2
        (Requirements(latency_s=0.13), "org/small (1 at once)"),
        (Requirements(ttft_s=0.041), "org/small (32 at once)"),  # 10 * 32 / 2000 / 4
        (Requirements(ttft_s=0.034), "org/small (8 at once)"),
        (Requirements(tokens_per_s=2000.0), "org/small (32 at once)"),
        (Requirements(tokens_per_s=2001.0), None),
        (Requirements(queries_per_s=60.0, latency_s=0.17), "org/small (8 at once)"),
        (Requirements(queries_per_s=61.0, latency_s=0.17), None),
    ],
)
def test_loads_of_servers_are_alternatives(asked, chosen):
    choice = choose(*SERVED, asked=asked)
    assert len(choice.judged) == 6
    best = choice.recommended
    assert (best and best.candidate.entry.label) == chosen
    assert chosen is None or answer(choice)[0].startswith(f"Choose {chosen}: the least energy")
    (row,) = [row for row in publish.rows_of(choice) if row[0] == "org/large (8 at once)"]
    assert row[-3] == "200 tokens/s"
    assert publish.columns_of(choice)[2] == "energy / output token"
    assert row[2] == "1.50 J"
    report = publish.report_of(choice)
    assert report.candidates[0].joules_per_output_token == pytest.approx(0.2)
    assert ("100 ms" in row) is (asked.ttft_s is not None)  # 10 * 8 / 200 / 4
    if asked.tokens_per_s == 2001.0:
        assert (
            "fails throughput by 1.00 tokens/s (2,000 tokens/s, at least 2,001"
            in (answer(choice)[0])
        )


def test_a_server_is_no_alternative_to_a_model_that_is_run_here():
    with pytest.raises(EnergyScoreError, match="load: no server instead of 1 at once"):
        choose(*SERVED, candidate("org/local", 7.0))


@pytest.mark.parametrize("energy", ["2Wh", "2.0 Wh", "2000mWh", "0.002kWh", "7200 J"])
def test_requirements_are_read(energy):
    read = requirements_of(None, "2 %", "500ms", energy)
    assert read == Requirements(None, 0.02, 0.5, pytest.approx(2.0))
    assert requirements_of(0.9, None, None, None) == Requirements(0.9)
    with pytest.raises(EnergyScoreError, match="are given"):
        requirements_of(0.9, "2 %", None, None)


def test_the_json_is_the_contract_and_fits_its_published_schema():
    published = resources.files("energyscore.results") / "schemas" / "choice-1.json"
    schema = json.loads(published.read_text(encoding="utf-8"))
    assert schema == publish.json_schema()
    for asked in (None, Requirements(quality=0.99)):
        content = json.loads(publish.to_json(choose(*ALL, candidate("org/q", 3.0), asked=asked)))
        jsonschema.validate(content, schema)
        assert [*content] == [
            *("schema_version", "candidates", "recommended", "reason", "families")
        ]
        assert [*content["candidates"][0]] == [
            *("model", "file", "energy_wh_per_1k_queries", "energy_ci95", "quality"),
            *("quality_ci95", "latency_p90_s", "pareto", "meets", "why"),
            *("load", "output_tokens_per_s", "queries_per_s", "ttft_p90_s"),
            "joules_per_output_token",
        ]
    by_name = {one["model"]: one for one in content["candidates"]}
    assert [by_name[f"org/{name}"]["pareto"] for name in ("small", "worse", "q")] == [
        True,
        False,
        None,
    ]
    assert [by_name[f"org/{name}"]["meets"] for name in ("small", "worse", "q")] == [
        False,
        False,
        None,
    ]
    assert content["recommended"] is None
    assert by_name["org/worse"]["why"].startswith("dominated by org/small; fails quality by ")


def test_the_command_shows_the_answer_in_every_format(tmp_path, monkeypatch):
    for one in ALL:
        (tmp_path / f"{one.model.id.partition('/')[2]}.json").write_text(result_to_json(one))
    monkeypatch.chdir(tmp_path)

    def run(*options):
        return CliRunner().invoke(app, ["choose", ".", *options])

    done = run("--max-quality-loss", "8%")
    assert done.exit_code == 0
    assert "Choose org/small: the least energy that meets the requirements." in done.stdout
    assert "not dominated" in done.stdout
    rows = list(csv.DictReader(io.StringIO(run("--format", "csv").stdout)))
    assert [row["recommended"] for row in rows] == ["true", "false", "false"]
    assert float(rows[0]["energy_ci95_low"]) < 1 < float(rows[0]["energy_ci95_high"])
    done = run("--format", "markdown", "--max-latency", "1ms")
    assert (done.exit_code, done.stdout.count("| no |")) == (1, 3)


REPORTED = "model,metric,value\norg/other,accuracy,0.9\n"
REFUSED = {
    "nothing meets them": (
        (SMALL, LARGE),
        ("--min-quality", 0.99),
        1,
        "No model to choose: of 2 candidates none meets the requirements. org/large fails quality",
    ),
    "no quality": (
        (candidate("org/a", 1.0), candidate("org/b", 2.0)),
        ("--min-quality", 0.9),
        3,
        "quality of org/a, org/b is not known. Measure it: energyscore run text_generation",
    ),
    "two machines": (
        (SMALL, candidate("org/x", 2.0, gpu="NVIDIA L4")),
        (),
        2,
        "not comparable, unlike: hardware: NVIDIA L4",
    ),
    "two datasets": (
        (SMALL, with_work(LARGE, fingerprint="e" * 64)),
        (),
        2,
        "not comparable, unlike: set of queries: ",
    ),
    "judged on two datasets": (
        (SMALL, candidate("org/x", 2.0, make_quality(right(0.5), dataset="org/more"))),
        (),
        2,
        "are not comparable, dataset: org/rows at abc and org/more at abc.",
    ),
    "one of three judged on another dataset": (
        (
            candidate("org/x", 2.0, make_quality(right(0.5), dataset="org/more")),
            *(SMALL, LARGE),
        ),
        (),
        2,
        "Evaluate all on one dataset, or leave out x.json.",
    ),
    "one of three judged by another metric": (
        (candidate("org/x", 2.0, make_quality([1, 0], metric="f1")), SMALL, LARGE),
        (),
        2,
        "Name the metric with --quality-metric, or leave out x.json.",
    ),
    "the reported quality of another": (
        (SMALL, LARGE),
        ("--quality-from", "reported.csv"),
        2,
        "No candidate is in the reported qualities, which are of org/other. Known: org/large, ",
    ),
}


@pytest.mark.parametrize(("results", "options", "status", "said"), REFUSED.values(), ids=REFUSED)
def test_the_command_says_in_one_line_why_it_chooses_nothing(
    command, tmp_path, results, options, status, said
):
    (tmp_path / "reported.csv").write_text(REPORTED)
    files = [f"{one.model.id.partition('/')[2]}.json" for one in results]
    for file, one in zip(files, results, strict=True):
        (tmp_path / file).write_text(result_to_json(one))
    done = command("choose", *files, *options)
    assert done.status == status
    told = done.error if status == 2 else " ".join(done.stdout.split())
    assert said in told
    assert "Choose org/" not in done.stdout


def test_rows_of_unlike_weights_are_drawn_as_a_ratio():
    """As word errors by words: the weights are drawn with the parts."""
    items = tuple((float(part), float(part + 1 + row % 5)) for row, part in enumerate(right(0.3)))
    places = numpy.random.default_rng(0).integers(0, ROWS, (50, ROWS))
    parts, weights = numpy.array(items).T
    expected = parts[places].sum(axis=1) / weights[places].sum(axis=1)
    assert resampled(items, 50) == pytest.approx(expected)
    assert numpy.isnan(resampled(((0.0, 0.0),), 3)).all()


def test_a_metric_that_no_result_has_is_named():
    with pytest.raises(EnergyScoreError, match=r"No result has the metric 'acuracy'.*accuracy"):
        choose(*ALL, metric="acuracy")
