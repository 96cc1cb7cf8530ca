"""The gate's limits on quality and latency: by the interval, in pairs, and never passed unseen."""

import numpy
import pytest
from support.results import make_performance, make_quality, make_result, make_run

from energyscore.base.errors import UsageError
from energyscore.judge.gate import run_gate
from energyscore.judge.policy import Policy, PolicyRule, parse_policy, rule_of_options
from energyscore.judge.rating import rate_files
from energyscore.publish.gate_markdown import to_markdown

HARD = numpy.random.default_rng(3).random(500)
RIGHT = [int(one) for one in HARD < 0.9]
WORSE = [int(one) for one in HARD < 0.85]


def result(quality=None, times=(), created_at="2026-02-01T00:00:00Z", **change):
    runs = [make_run(index) for index in range(5)]
    if times:
        runs = [
            run.model_copy(update={"performance": make_performance(p90_s)})
            for run, p90_s in zip(runs, times, strict=True)
        ]
    made = make_result(runs=runs, created_at=created_at, **change)
    return made.model_copy(update={"quality": quality})


def before(*given, **change):
    return result(*given, created_at="2026-01-01T00:00:00Z", **change)


def verdict_of(one, *, baseline=None, **rule):
    results = rate_files([("now.json", one)])
    baselines = rate_files([("then.json", baseline)]) if baseline else []
    return run_gate(
        results, baselines, Policy(rules=(("options", PolicyRule(**rule)),)), "2026-03-01T00:00:00Z"
    )


def check_of(one, **options):
    (check,) = verdict_of(one, **options).checks
    return check


@pytest.mark.parametrize(
    ("limit", "outcome"),
    [("quality>=0.8", "pass"), ("quality>=0.9", "inconclusive"), ("quality>=0.97", "fail")],
)
def test_a_least_quality_is_decided_by_the_interval(limit, outcome):
    check = check_of(result(make_quality(RIGHT, ci95=(0.87, 0.93))), min=limit)
    assert check.outcome == outcome
    assert (check.value, check.unit, check.limit) == (
        sum(RIGHT) / 500,
        "accuracy",
        float(limit[9:]),
    )


@pytest.mark.parametrize(
    ("limit", "outcome"), [("quality>=0.8", "inconclusive"), ("quality>=0.97", "fail")]
)
def test_without_an_interval_only_what_is_beyond_is_known(limit, outcome):
    assert check_of(result(make_quality(RIGHT, ci95=None)), min=limit).outcome == outcome


def test_a_quality_that_is_missing_is_no_pass():
    for one, said in ((None, "energyscore run --quality"), (make_quality(), "weights are random")):
        check = check_of(result(one), min="quality>=0.1")
        assert (check.outcome, check.counts_as) == ("unsupported", "error")
        assert said in check.reason
    check = check_of(result(make_quality(RIGHT)), min="quality>=-1%")
    assert (check.outcome, "no baseline" in check.reason) == ("unsupported", True)
    check = check_of(result(make_quality(RIGHT)), min="quality>=-1%", baseline=before())
    assert (check.outcome, "baseline has no quality" in check.reason) == ("unsupported", True)


def test_pairs_tell_a_loss_that_two_intervals_do_not():
    now, then = make_quality(WORSE), make_quality(RIGHT)
    paired = check_of(result(now), baseline=before(then), min="quality>=-1%")
    assert (paired.outcome, "by pairs of rows" in paired.reason) == ("fail", True)
    other = then.model_copy(update={"rows": "b" * 64})
    alone = check_of(result(now), baseline=before(other), min="quality>=-1%")
    assert (alone.outcome, "by pairs" in alone.reason) == ("inconclusive", False)
    draws = numpy.random.default_rng(0).integers(0, 500, (2000, 500))
    lost = (numpy.array(WORSE) - numpy.array(RIGHT))[draws].mean(axis=1)
    ends = 1 + numpy.quantile(lost, [0.025, 0.975]) / (sum(RIGHT) / 500)
    assert paired.ratio_ci95 == pytest.approx(tuple(ends))
    assert paired.ratio == pytest.approx(sum(WORSE) / sum(RIGHT))


def test_answers_that_are_the_same_pass():
    check = check_of(
        result(make_quality(RIGHT)), baseline=before(make_quality(RIGHT)), min="quality>=-1%"
    )
    assert check.outcome == "pass"


def test_of_a_metric_of_which_less_is_better_it_is_the_most():
    wer = {"metric": "wer", "higher_is_better": False}
    wrong = make_quality([1 - one for one in RIGHT], **wer)
    check = check_of(result(wrong), min="quality>=0.05")
    assert (check.outcome, check.reason) == (
        "unsupported",
        "less is better for wer: write quality<=",
    )
    assert check_of(result(wrong), max="quality<=0.2").outcome == "pass"
    worse = make_quality([1 - one for one in WORSE], **wer)
    lost = check_of(result(worse), baseline=before(wrong), max="quality<=+5%")
    assert (lost.outcome, lost.ratio > 1.2) == ("fail", True)


def test_qualities_of_unlike_datasets_are_not_compared():
    then = make_quality(RIGHT, revision="other")
    check = check_of(result(make_quality(RIGHT)), baseline=before(then), min="quality>=-1%")
    assert (check.outcome, "dataset" in check.reason) == ("unsupported", True)
    # Nor are scores of two CLIP models, nor by two normalizations.
    for name, said in (("clip_revision", "revision of the CLIP model"), ("normalization",) * 2):
        now, then = (make_quality(RIGHT, settings={name: one}) for one in "ab")
        check = check_of(result(now), baseline=before(then), min="quality>=-1%")
        assert check.outcome == "unsupported"
        assert check.reason == f"its baseline is unlike, {said}: b and a"


@pytest.mark.parametrize(
    ("limit", "outcome"),
    [
        ("latency_p90_s<=0.5", "pass"),
        ("latency_p90_s<=0.1", "inconclusive"),
        ("latency_p90_s<=0.05", "fail"),
        ("ttft_p50_s<=0.02", "pass"),
        ("latency_p90_s<=+20%", "pass"),
        ("latency_p90_s<=-20%", "fail"),
    ],
)
def test_latency_is_limited_as_energies_are(limit, outcome):
    times = (0.1, 0.101, 0.099, 0.1005, 0.0995)
    check = check_of(result(times=times), baseline=before(times=times), max=limit)
    assert check.outcome == outcome
    assert check.unit == "s"


def test_a_speed_that_was_not_recorded_is_no_pass():
    check = check_of(result(), max="latency_p90_s<=9")
    assert (check.outcome, "not recorded" in check.reason) == ("unsupported", True)


def test_the_summary_names_the_unit():
    text = to_markdown(verdict_of(result(make_quality(RIGHT)), min="quality>=0.8")).decode()
    assert " accuracy |" in text
    assert "Energy in accuracy" not in text


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"limits": ["quality>=0.9"]}, "write quality>= as a min"),
        ({"limits": ["latency_p90_s>=1"]}, "not >="),
        ({"leasts": ["quality<=0.9"]}, "--min 'quality<=0.9': a min is the least"),
        ({"leasts": ["latency_p90_s>=1"]}, "write latency_p90_s<= as a max"),
        ({"leasts": ["quality"]}, "expected quality>=LIMIT"),
    ],
)
def test_most_and_least_are_not_confused(option, said):
    with pytest.raises(UsageError, match=said):
        rule_of_options(option.get("limits", ()), None, None, option.get("leasts", ()))


def test_a_policy_holds_them():
    text = "rules: [{max: latency_p90_s<=0.5, min: [quality>=0.9, quality>-1%]}]"
    ((_, rule),) = parse_policy(text, "p").rules
    assert [(one.text, one.least, one.below) for one in rule.limits] == [
        ("latency_p90_s<=0.5", False, False),
        ("quality>=0.9", True, False),
        ("quality>-1%", True, True),
    ]
