"""Energy by tokens: of the output where text is generated, else of the input; null with reason."""

import json
import shutil

import pytest
from pydantic import ValidationError
from support.commands import ROOT
from support.results import UUID, make_cpu_run, make_result, make_run, make_server_result

from energyscore.base.errors import ResultError
from energyscore.judge.figures import figure_of
from energyscore.results.consistency import contradiction
from energyscore.results.lean import read_again, without_details
from energyscore.results.per_token import (
    NO_COUNT,
    NO_TEXT,
    NO_TOKENS,
    TOKEN_METRICS,
    with_per_token,
)
from energyscore.results.result import result_to_json
from energyscore.results.score import NO_GPU
from energyscore.results.store import load_lean, load_result, save_result

WH, J = "gpu_wh_per_1m_output_tokens", "gpu_joules_per_output_token"
READ_WH, READ_J = "gpu_wh_per_1m_input_tokens", "gpu_joules_per_input_token"


def known(result):
    return {name: value for name, value in result.score.per_token.items() if value is not None}


def test_where_text_is_generated_its_tokens_count():
    """3,600 J for 1,000 queries of 10 tokens each: 0.36 J, or 100 Wh a million."""
    result = make_result(runs=[make_run()])
    assert known(result) == {WH: pytest.approx(100.0), J: pytest.approx(0.36)}
    reasons = result.score.per_token_reasons
    assert reasons[READ_J] == NO_TEXT["input"]
    assert reasons["system_joules_per_output_token"] == result.score.system_reason != ""
    assert reasons.keys() == TOKEN_METRICS.keys() - {WH, J}


def test_in_one_pass_the_tokens_that_are_read_count():
    result = make_result(runs=[make_run(output_tokens=0, input_tokens=50_000)])
    assert known(result) == {READ_WH: pytest.approx(20.0), READ_J: pytest.approx(0.072)}
    assert result.score.per_token_reasons[J] == NO_TEXT["output"]


@pytest.mark.parametrize("tokens", [(0, 0), (10, 0)], ids=["none", "none in one run"])
def test_work_without_tokens_has_none_and_says_so(tokens):
    runs = [make_run(n, output_tokens=count, input_tokens=0) for n, count in enumerate(tokens)]
    result = make_result(runs=runs)
    assert known(result) == {}
    assert result.score.per_token_reasons[WH] == NO_TOKENS
    assert figure_of(result, WH).reason == NO_TOKENS


def test_tokens_that_a_server_does_not_tell_are_unknown_and_not_none():
    """Its energy still stands; what it read is no token figure where it may have written."""
    made = make_server_result(runs=[make_run()])
    unknown = {"input_tokens": None, "output_tokens": None}
    runs = [made.runs[0].model_copy(update=unknown)]
    score = made.score.model_copy(update={"per_token": {}})
    result = with_per_token(made.model_copy(update={"runs": runs, "score": score}))
    assert result.score.gpu_wh_per_1k_queries == pytest.approx(1.0)
    assert known(result) == {}
    assert result.score.joules_per_output_token is None
    assert result.score.per_token_reasons[WH] == NO_COUNT
    read_only = make_run(output_tokens=0, input_tokens=50_000)
    assert known(make_server_result(runs=[read_only])) == {
        READ_WH: pytest.approx(20.0),
        READ_J: pytest.approx(0.072),
    }
    with pytest.raises(ValidationError, match="tokens is null, and the result is of no server"):
        make_result(runs=[make_run(**unknown)])


def test_the_prompt_of_an_image_is_not_what_takes_its_energy():
    run = make_run(output_tokens=0)
    result = make_result(runs=[run.model_copy(update={"phases": {"call": run.phases["forward"]}})])
    assert known(result) == {}
    assert result.score.per_token_reasons[READ_J] == NO_TOKENS


def test_on_the_processor_it_is_the_systems_energy():
    result = make_result(runs=[make_cpu_run()], gpu=None)
    assert known(result) == {
        "system_wh_per_1m_output_tokens": pytest.approx(10_800 / 3600 / 1000 * 1e6),
        "system_joules_per_output_token": pytest.approx(10.8),
    }
    assert result.score.per_token_reasons[J] == NO_GPU
    assert figure_of(result, "system_joules_per_output_token").estimated


def test_it_is_the_mean_of_the_runs_with_an_interval_as_wide_as_that_of_the_whole():
    runs = [make_run(index, joules=3600.0 * wh) for index, wh in enumerate((1.0, 1.1, 1.2))]
    domain = f"gpu:{UUID}"
    runs = [run.model_copy(update={"quantization_se_j": {domain: 36.0}}) for run in runs]
    result = make_result(runs=runs)
    whole = figure_of(result, "gpu_wh_per_1k_queries").summary
    for name, factor in ((WH, 100), (J, 0.36)):
        found = figure_of(result, name).summary
        assert found.mean == pytest.approx(result.score.per_token[name])
        assert found.mean == pytest.approx(factor * whole.mean)
        assert found.ci95 == pytest.approx([factor * end for end in whole.ci95])


def test_longer_answers_take_less_a_token():
    """Each run by its own tokens: 0.36 and 0.18 J."""
    result = make_result(runs=[make_run(0), make_run(1, output_tokens=20_000)])
    assert result.score.per_token[J] == pytest.approx(0.27)


def test_older_files_have_it_as_soon_as_they_are_read(tmp_path):
    folder = shutil.copytree(ROOT / "tests/data/schema-1/results", tmp_path / "old")
    for path in folder.rglob("*_*.json"):
        result = load_result(path)
        assert "per_token" not in path.read_text()
        assert len(known(result)) in (2, 4), "on a GPU and in the system, or there alone"
        lean = load_lean(path)
        assert lean.score == result.score
        assert read_again(path, lean) == result


def test_the_details_of_runs_are_not_needed():
    for result in (make_result(), make_result(runs=[make_run(joules=None)], invalid=["lost"])):
        bare = result.model_copy(
            update={"score": result.score.model_copy(update={"per_token": {}})}
        )
        lean = with_per_token(without_details(bare))
        assert lean.score == result.score
        assert [figure_of(lean, name) for name in TOKEN_METRICS] == [
            figure_of(result, name) for name in TOKEN_METRICS
        ]


def test_a_figure_that_does_not_follow_from_the_runs_is_refused(tmp_path):
    path = save_result(tmp_path, make_result())
    content = json.loads(path.read_text())
    assert result_to_json(load_result(path)) == path.read_text()
    for value, said in ((0.2, "is 0.2, but 0.36"), (None, "is null, but 0.36")):
        content["score"]["per_token"][J] = value
        path.write_text(json.dumps(content))
        with pytest.raises(ResultError, match=f"score.per_token.{J}: it {said} follows"):
            load_result(path)
    assert contradiction(make_result()) == ""
