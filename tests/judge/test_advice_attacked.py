"""Advice on results that do not fit together: what is wrong is told, and counts for nothing."""

import json
import re

import pytest
from support.results import make_performance, make_quality, make_result
from test_advice import GPU, LARGE, SMALL, WORKED, advice, at, measured

from energyscore.base.errors import ResultError, UsageError
from energyscore.judge.choose import Requirements
from energyscore.publish.advice.form import parse_report, to_json
from energyscore.publish.advice.report import report_of
from energyscore.publish.advice.text import answer_of, to_markdown
from energyscore.results.loading import Loading
from energyscore.results.model_part import ParentPart

LATER = "2026-02-01T00:00:00Z"


def with_model(result, **change):
    return result.model_copy(update={"model": result.model.model_copy(update=change)})


def made_from(result, parent):
    origin = ParentPart(id=parent, source="user", relation="quantized", relation_source="user")
    return with_model(result, parent=origin)


def reasoning(result, mode):
    work = result.workload
    made = work.generation | {"reasoning": mode}
    change = {"workload": work.model_copy(update={"generation": made}), "identity": "d" * 64}
    return result.model_copy(update=change)


def pieces(found):
    return {one.piece: one for one in found.missing}


def hurried(result):
    """The same in quick runs, a month later and without quality."""
    protocol = result.protocol.model_copy(update={"quick": True})
    return result.model_copy(
        update={"protocol": protocol, "quality": None, "created_at": LATER, "identity": "8" * 64}
    )


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (hurried(SMALL), "a result that is not quick"),
        (
            with_model(hurried(SMALL), weights="random"),
            "a result of the model's own weights",
        ),
        (SMALL.model_copy(update={"created_at": "2025-01-01T00:00:00Z"}), "a result that is newer"),
    ],
)
def test_what_tells_less_replaces_no_result_of_the_same_settings(other, why):
    found = advice(LARGE, SMALL, other, requirements=Requirements(quality=0.9))
    assert found.recommended.entry.result is SMALL
    ((entry, said),) = found.left_out
    assert entry.result is other
    assert said.startswith(why)


@pytest.mark.parametrize(
    ("small", "asked", "option"),
    [
        (measured("org/small", 2.0), Requirements(quality=0.9), "--quality"),
        (measured("org/small", 2.0, performance=None), Requirements(latency_s=1.0), "--model"),
    ],
)
def test_one_that_may_meet_the_requirements_with_less_is_told(small, asked, option):
    """Its figure is missing: it is no candidate yet, and nobody may say that none needs less."""
    found = advice(LARGE, small, requirements=asked)
    assert found.recommended.entry.result is LARGE
    assert pieces(found)["requirement"].of.entry.result is small
    report = report_of(found)
    assert "Of 1 other result that may need less a figure is missing" in " ".join(answer_of(report))
    (told,) = [one for one in report.missing if one.piece == "requirement"]
    assert option in told.command.split()


def test_a_batch_alone_is_not_held_against_requests_one_by_one():
    """At a batch of 8 the small one takes a fortieth; alone it may take more than the large."""
    in_bulk = measured("org/small", 0.5, batch=8)
    found = advice(LARGE, in_bulk, demand=at(40))
    assert found.recommended.entry.result is LARGE
    assert "in batches of 8 alone" in found.left_out[0][1]
    assert pieces(found)["batch"].command.options["batch_size"] == 1
    assert "model" not in pieces(found)
    both = advice(in_bulk, demand=at(40))
    assert pieces(both)["batch"].of.entry.result is in_bulk
    assert any("counts as a batch of 8" in line for line in report_of(both).strategies[2].text)


def test_what_is_better_and_needs_less_is_no_cost_of_quality():
    """The slow one is better and needs less: it fails the latency, and costs nothing."""
    slow = measured("org/slow", 1.0, quality=make_quality([1] * 97 + [0] * 3),
                    performance=make_performance(5.0))  # fmt: skip
    found = advice(SMALL, slow, requirements=Requirements(latency_s=0.5))
    text = report_of(found).strategies[4].text[0]
    assert "No candidate that needs more answers better" in text


def test_what_lies_between_modes_is_asked_for_in_the_mode_of_before():
    large = reasoning(LARGE, "on")
    small = reasoning(SMALL, "off")
    found = advice(large, small)
    between = pieces(found)["between"]
    assert between.changes == ("model", "mode")
    assert between.command.options["reasoning"] == "on"
    compiled = reasoning(measured("org/large", 2.0, billions=7, compiled=True), "off")
    found = advice(large, compiled)
    assert pieces(found)["between"].changes == ("mode", "settings")
    assert "compile" not in pieces(found)["between"].command.options
    report = report_of(found)
    assert "which the settings' is not known" in report.missing[0].text + report.missing[1].text
    assert all(one.text for one in report.strategies)


def test_how_a_checkpoint_is_quantized_is_no_setting():
    """It cannot be had without: nothing lies between, and there is no command for it."""
    packed = with_model(measured("org/gptq", 3.0), quantization="gptq", quantization_bits=4)
    found = advice(LARGE, made_from(packed, "org/large"))
    assert [step.changes for step in found.steps] == [("model",)]
    assert "between" not in pieces(found)
    assert report_of(found).steps[0].change == "compression"
    plain = measured("org/gptq", 4.0)
    assert len(advice(LARGE, packed, plain).choice.judged) == 3


def test_of_two_models_either_half_precision_counts_as_one():
    found = advice(LARGE, measured("org/small", 2.0, dtype="bfloat16"),
                   measured("org/small", 1.0, dtype="bfloat16", compiled=True))  # fmt: skip
    assert [step.changes for step in found.steps] == [("model",), ("settings",)]
    assert "between" not in pieces(found)


def test_a_model_made_from_itself_or_in_a_circle_has_no_way_through_its_parent():
    alone = advice(LARGE, made_from(SMALL, "org/small"))
    assert [step.changes for step in alone.steps] == [("model",)]
    report_of(alone)
    other = made_from(measured("org/other", 8.0), "org/small")
    found = advice(LARGE, made_from(SMALL, "org/other"), other)
    assert [step.after.entry.name for step in found.steps] == ["org/small"]


def test_compressed_and_compiled_at_once_is_no_compression_alone():
    child = made_from(measured("org/child", 2.0, compiled=True), "org/large")
    assert report_of(advice(LARGE, child)).steps[0].change == "together"


def test_today_that_was_left_out_says_why():
    other = make_result("org/other", gpu="NVIDIA A100-SXM4-80GB", identity="f" * 64)
    with pytest.raises(UsageError, match="org/other was left out: hardware"):
        advice(*WORKED, other, now="org/other")


def test_today_in_larger_batches_says_what_to_do_about_it():
    batches = measured("org/other", 4.0, batch=8)
    with pytest.raises(UsageError, match="in batches of 8 alone") as caught:
        advice(*WORKED, batches, demand=at(40), now="org/other")
    assert caught.value.remedy.startswith("Leave out --requests")


def test_more_requests_than_one_machine_answers_is_told_beside_the_year():
    answer = " ".join(answer_of(report_of(advice(*WORKED, demand=at(10_000)))))
    assert "One server cannot answer 10,000 requests an hour" in answer


def test_a_load_that_seemed_to_take_nothing_is_doubted():
    free = Loading(duration_s=10.0, energy_j={GPU: -900.0}, reason="", floor_w={GPU: 20.0})
    small = SMALL.model_copy(update={"loading": free})
    text = report_of(advice(LARGE, small, demand=at(40))).strategies[2].text
    assert any("loading seemed to take less than the floor" in line for line in text)


def test_a_command_to_check_names_what_was_compared():
    other = make_result("org/other", gpu="NVIDIA A100-SXM4-80GB", identity="f" * 64)
    asked = {"requirements": Requirements(latency_s=0.1234567)}
    whole = report_of(advice(*WORKED, **asked), ["results"]).strategies[0].check
    assert whole.startswith("energyscore choose results --task")
    assert "--max-latency 0.1234567s" in whole
    part = report_of(advice(*WORKED, other), ["results"]).strategies[0].check
    assert part.startswith("energyscore choose 2.json 1.json 0.json --task")
    batches = measured("org/small", 0.5, batch=8)
    waiting = report_of(advice(SMALL, batches, demand=at(400), max_wait_s=3600.0))
    assert waiting.strategies[2].check.endswith("--max-wait 3600s --gather 8")


def test_two_revisions_are_two_models_and_a_command_names_its_own():
    one, other = (with_model(it, id="org/m", revision=rev * 40) for it, rev in
                  ((measured("a", 8.0), "1"), (measured("b", 3.0), "2")))  # fmt: skip
    found = advice(one, other)
    assert "model" not in pieces(found)
    revisions = {it.command.options["revision"] for it in found.missing if it.piece == "quality"}
    assert revisions == {"1" * 40, "2" * 40}


def test_no_name_ends_the_code_of_a_command():
    evil = with_model(SMALL, id="org/``<img src=x onerror=alert(1)>`")
    text = to_markdown(report_of(advice(LARGE, evil))).decode()
    (line,) = [line for line in text.splitlines() if line.startswith("Check: ") and "tune" in line]
    assert line.startswith("Check: ``` energyscore tune")
    assert line.endswith(" ```")


def test_of_hundreds_nobody_asks_who_dominates_whom():
    assert {one.front for one in advice(*WORKED).choice.judged} == {"not asked"}


@pytest.fixture(scope="module")
def written():
    """Advice as it is published."""
    return to_json(report_of(advice(*WORKED, demand=at(40)))).decode()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("year", "saved_wh"), 1e9, "what a year saves is 1e+09"),
        (("year", "ratio"), 0.5, "the ratio of a year is 0.5"),
        (("ratio",), 0.5, "the ratio is 0.5"),
        (("steps", 0, "ratio"), 0.25, "the ratio of the step to org/small is 0.25"),
        (("steps", 0, "ci95"), [2.0, 1.0], "an interval ends before it begins"),
        (("recommended",), None, "and none is recommended"),
    ],
)
def test_figures_that_were_edited_and_do_not_fit_are_refused(path, value, said, written):
    content = json.loads(written)
    parse_report(written, "advice.json")
    *way, last = path
    part = content
    for name in way:
        part = part[name]
    part[last] = value
    with pytest.raises(ResultError, match=re.escape(said)):
        parse_report(json.dumps(content), "advice.json")
