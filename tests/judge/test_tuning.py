"""What is told of a tune: the best, what it saves, the front, and in which form it is published."""

import csv
import io
import json
import math
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest
from support.results import (
    make_cpu_run,
    make_performance,
    make_quality,
    make_result,
    make_run,
)

from energyscore.base.errors import NotMeasuredError
from energyscore.judge.tuning import Tried, judge_tuning, quality_lost
from energyscore.publish import tuning as publish
from energyscore.publish.command_line import command_line
from energyscore.publish.tuning_words import answer, notes_of, settings_in_words
from energyscore.results.answers import Answers
from energyscore.results.parts import Caution

PLAIN = {
    "dtype": "auto", "quantization": "none", "attention": None, "compile": False,
    "power_limit": None,
}  # fmt: skip


def settings(batch_size, **change):
    return {"batch_size": batch_size, **PLAIN, **change}


def tried(batch_size, wh=None, latency_s=0.1, *, gpu="NVIDIA L4", spread=0.002, **change):
    """A trial of ten runs that spread a little about its energy."""
    result = None
    if wh is not None:
        shares = [1 + spread * (at - 4.5) for at in range(10)]
        runs = [make_run(at, joules=3600.0 * wh * share) for at, share in enumerate(shares)]
        if gpu is None:
            runs = [make_cpu_run(at, joules=240.0 * wh * share) for at, share in enumerate(shares)]
        result = make_result("org/m", runs, gpu=gpu)
        result = result.model_copy(update={"performance": make_performance(latency_s)})
    fitting = {"status": "measured", "file": f"{batch_size}.json"} if result else {}
    return Tried(
        **{
            "settings": settings(batch_size, **change.pop("options", {})),
            **fitting,
            "result": result,
            **change,
        }
    )


DEFAULT = tried(1, 6.0, 0.1)
FOUR, EIGHT = tried(4, 1.1, 0.15), tried(8, 1.0, 0.21)
FULL = Tried(settings(16), "out_of_memory", "m does not fit into memory.")
BEST = tried(8, 1.02, 0.21, purpose="confirm")


def judged(best=BEST, default=DEFAULT, trials=(DEFAULT, EIGHT, FULL, FOUR), **change):
    return judge_tuning("org/m", "text_generation", default, best, trials, **change)


def test_the_saving_is_that_of_the_best_as_it_was_measured_once_more():
    found = judged()
    assert found.saving.ratio == pytest.approx(1.02 / 6.0)
    low, high = found.saving.ci95
    assert low < found.saving.ratio < high
    assert found.times_latency == pytest.approx(2.1)
    assert answer(found) == [
        "batch 8 in float16 needs 83.0% (82.9 to 83.1) less energy than batch 1 in float16, at "
        "2.1 times the latency of a query."
    ]
    loose = judged(tried(8, 1.02, spread=0.02), tried(1, 6.0, spread=0.02))
    assert answer(loose)[0].startswith("batch 8 in float16 needs 83% (82 to 84) less energy than ")


def test_the_front_has_what_nothing_beats_in_both():
    repeat = tried(2, 0.5, 0.01, purpose="repeat")
    spoilt = tried(32, 0.1, 0.01, status="invalid", reason="shared")
    slow = tried(3, 1.2, 0.16)
    found = judged(trials=(DEFAULT, EIGHT, FULL, FOUR, slow, repeat, spoilt))
    assert [one.settings["batch_size"] for one in found.front] == [8, 4, 1]
    past = [
        tried(64, 0.1, 0.01, status=status)
        for status in ("over_latency", "over_memory", "quality_lost")
    ]
    early = tried(128, 2.0, 0.05, status="beaten")
    within = judged(trials=(DEFAULT, EIGHT, early, *past))
    assert [one.settings["batch_size"] for one in within.front] == [8, 128]


def test_what_is_not_borne_out_leaves_the_default():
    found = judged(best=tried(8, 6.1, purpose="confirm"))
    assert (found.best, found.saving) == (DEFAULT, None)
    assert answer(found) == [
        "Keep the default, batch 1 in float16: measured once more, the best of the trials needed "
        "no less."
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"best": None}, "No best setting: no setting could be measured that keeps to the limits."),
        ({"best": DEFAULT}, "no setting that was tried needs less than the default."),
        (
            {"best": None, "interrupted": True},
            "No best setting: it was interrupted before the best was measured once more.",
        ),
        ({"best": DEFAULT, "trials": (DEFAULT,)}, "batch 1 in float16: nothing else was tried."),
        (
            {"best": DEFAULT, "trials": (DEFAULT, FULL)},
            "nothing else that was tried could be measured within the limits.",
        ),
        (
            {"best": Tried(settings(8), "failed", "it broke")},
            "Keep the default, batch 1 in float16: measured once more, the best of the trials does "
            "not do: it broke.",
        ),
        (
            {
                "best": tried(8, 1.0, status="over_latency", reason="too slow"),
                "default": tried(1, 6.0, status="over_memory"),
            },
            "No best setting: measured once more, the best of the trials does not do: too slow.",
        ),
        (
            {"best": tried(8, 7.2), "default": tried(1, 6.0, status="over_latency")},
            "batch 8 in float16 needs 20% (19 to 21) more energy than batch 1 in float16, "
            "which is over the latency limit, at 1.0 times the latency of a query.",
        ),
        (
            {"default": tried(1, 6.0, status="invalid", reason="it was shared")},
            "Choose batch 8 in float16; what it saves is not known: the default could not be "
            "measured: it was shared.",
        ),
        (
            {"default": Tried(settings(1), "out_of_memory", "it does not fit")},
            "Choose batch 8 in float16; what it saves is not known: the default could not be "
            "measured: it does not fit.",
        ),
        (
            {"best": tried(8, 5.99, spread=0.05, purpose="confirm")},
            "It is undecided whether batch 8 in float16 needs less energy than batch 1 in float16: "
            "0% (-11 to 10) less, and the interval contains 0, at 1.0 times the latency of a "
            "query.",
        ),
    ],
)  # fmt: skip
def test_where_there_is_no_saving_it_says_why(change, said):
    (line,) = answer(judged(**change))
    assert said in line


def test_estimates_others_work_and_what_was_not_tried_are_told():
    busy = Caution(code="too_busy", message="others")
    one = tried(1, 6.0, gpu=None)
    spoilt = one.result.model_copy(update={"cautions": [busy]})
    one = tried(1, 6.0, gpu=None)
    one = Tried(one.settings, "measured", file="f", result=spoilt)
    best = tried(8, 1.0, gpu=None, purpose="confirm")
    left_out = [(settings(16 * 2**at), "too large") for at in range(5)]
    left_out.append((settings(3), "it came later"))
    found = judged(best, one, (one, best), left_out=left_out, ended="the budget of 30 min is spent")
    assert found.estimated
    assert answer(found)[0].endswith("(estimated).")
    notes = notes_of(found)
    assert notes[0].startswith("a recommendation from estimates (no GPU was metered): estimated by")
    assert notes[1].startswith("caution: other processes worked during 1 trial,")
    assert notes[2] == "the search ended early: the budget of 30 min is spent."
    assert notes[3] == (
        "not tried: batch 16; batch 32; batch 64 and 2 more (too large), nor batch 3 (it came "
        "later)."
    )
    assert notes_of(judged()) == []


def test_what_cannot_be_told_from_the_best_is_named():
    tuning = judged(undecided=[settings(16), settings(32)])
    assert notes_of(tuning) == [
        "may need as little as the best, as far as the trials can tell: batch 16; batch 32."
    ]
    assert [one.batch_size for one in publish.report_of(tuning).undecided] == [16, 32]


def test_equal_answers_are_those_of_the_default_and_a_drift_is_told():
    def answering(one, *digests):
        answers = Answers(of="text", batch_size=1, digests=[d * 16 for d in digests], reason="")
        return replace(one, result=one.result.model_copy(update={"answers": answers}))

    later = tried(1, 6.6, purpose="repeat")
    trials = [answering(DEFAULT, "a", "b"), answering(EIGHT, "a", "c"), later, FULL]
    found = judged(trials=trials)
    shares = {(one.settings["batch_size"], one.purpose): one.equal for one in found.trials}
    assert shares[8, "trial"].share == 0.5
    assert shares[1, "trial"].share == 1.0
    assert shares[1, "repeat"].reason == "the answers were not kept"
    assert shares[16, "trial"].reason == "it left no result"
    assert notes_of(found) == [
        "caution: the energy of batch 1 in float16 changed by 10% between its trials: the machine "
        "was not steady meanwhile, which the interval of the saving holds."
    ]
    (kept,) = notes_of(judged(best=DEFAULT, trials=trials))
    assert kept.endswith("the machine was not steady meanwhile.")
    assert "equal answers" in publish.columns_of(found)


def test_what_a_machine_changes_by_is_in_the_interval_of_the_saving():
    later = tried(1, 6.6, purpose="repeat")
    low, high = judged(trials=[DEFAULT, EIGHT, later]).saving.ci95
    # 10% between two that spread by far less: 1.96 times as much to either side.
    assert math.log(high / low) / 2 == pytest.approx(1.96 * math.log(1.1), rel=0.01)
    # A difference that their own intervals explain widens nothing.
    alike = [tried(1, 6.0, spread=0.02), EIGHT, tried(1, 6.02, spread=0.02, purpose="repeat")]
    assert judged(trials=alike).saving.ci95 == judged(trials=alike[:2]).saving.ci95
    # A machine that changes by half of its energy leaves a saving of a tenth undecided.
    unsteady = [DEFAULT, tried(1, 9.0, purpose="repeat"), tried(8, 5.4)]
    found = judged(best=tried(8, 5.4, purpose="confirm"), trials=unsteady)
    assert found.saving.significant is False


def test_the_quality_of_the_best_stands_beside_its_saving():
    def of(one, right):
        quality = make_quality(right)
        return replace(one, result=one.result.model_copy(update={"quality": quality}))

    found = judged(of(BEST, [1] * 88 + [0] * 12), of(DEFAULT, [1] * 90 + [0] * 10))
    assert answer(found)[0].endswith("points less accurate.")


def test_quality_is_lost_by_more_than_is_allowed():
    def of(right):
        return make_result().model_copy(update={"quality": make_quality(right)})

    default = of([1] * 90 + [0] * 10)
    assert quality_lost(default, of([1] * 88 + [0] * 12), 0.03) == ""
    said = quality_lost(default, of([1] * 88 + [0] * 12), 0.01)
    assert said == "accuracy 0.880, worse than the default's 0.900 by more than 1% of it"
    assert quality_lost(default, make_result(), 0.01) == "its quality is not known"
    with pytest.raises(NotMeasuredError, match="the weights are random"):
        quality_lost(of([]), default, 0.01)


def test_settings_and_the_command_that_measures_with_them():
    quantized = settings(8, quantization="int8", attention="sdpa", compile=True, power_limit=150.0)
    assert settings_in_words(quantized, "bfloat16") == (
        "batch 8 in bfloat16, int8, sdpa attention, compiled, at most 150 W"
    )
    options = {
        "batch_size": 8, "compile": True, "power_limit": 150.0, "columns": {"text": "a b"},
        "gpu": ["0", "1"], "quick": False,
    }  # fmt: skip
    assert command_line("text_generation", "./my model", options) == (
        "energyscore run text_generation --model './my model' --batch-size 8 --compile "
        "--power-limit 150 --columns 'text=a b' --gpu 0 --gpu 1"
    )


def test_the_json_is_the_contract_and_fits_its_published_schema():
    file = resources.files("energyscore.results") / "schemas" / "tune-1.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    assert schema == publish.json_schema()
    found = judged(left_out=[(settings(32), "batch size 16 did not fit in memory")])
    content = json.loads(publish.to_json(publish.report_of(found, "energyscore run")))
    jsonschema.validate(content, schema)
    assert (content["schema_version"], content["model"]) == (1, "org/m")
    assert content["default"] == settings(1)
    assert content["best"] == settings(8)
    assert [*content["saving"]] == ["ratio", "ci95"]
    first, *_, last = content["trials"]
    contract = {
        *("settings", "file", "energy_wh_per_1k_queries", "ci95", "latency_p90_s"),
        *("memory_bytes", "quality", "status", "reason"),
    }
    assert contract <= first.keys()
    assert (first["settings"]["batch_size"], first["file"]) == (8, "8.json")
    assert first["energy_wh_per_1k_queries"] == pytest.approx(1.0)
    assert (last["status"], last["energy_wh_per_1k_queries"]) == ("out_of_memory", None)
    assert content["left_out"] == [
        {"settings": settings(32), "reason": "batch size 16 did not fit in memory"}
    ]
    nothing = judged(best=None, default=FULL, trials=[FULL])
    empty = json.loads(publish.to_json(publish.report_of(nothing)))
    jsonschema.validate(empty, schema)
    assert (empty["best"], empty["saving"]) == (None, None)


def test_csv_and_markdown_have_a_row_a_trial():
    found = judged()
    text = publish.to_csv(publish.report_of(found)).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["batch_size"] for row in rows] == ["8", "4", "1", "16"]
    assert [row["best"] for row in rows] == ["true", "false", "false", "false"]
    assert float(rows[0]["ci95_low"]) < 1.0 < float(rows[0]["ci95_high"])
    assert rows[3]["energy_wh_per_1k_queries"] == ""
    lines = publish.to_markdown(found, "energyscore run x").decode().splitlines()
    assert lines[0] == "## org/m, text_generation: trials by energy"
    assert sum(line.startswith("| batch") for line in lines) == 4
    assert "- Measure with it: energyscore run x" in lines
    both = publish.to_markdown(found, "energyscore run x", "energyscore run y").decode()
    assert (
        "measure with each of both by the whole protocol: energyscore run x; energyscore run y"
        in both
    )
