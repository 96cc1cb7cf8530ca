"""Qualities that were measured elsewhere: results of lm-evaluation-harness, and CSV."""

import json

import pytest
from support.results import make_quality, make_result

from energyscore.base.errors import EnergyScoreError
from energyscore.judge.contenders import Contender
from energyscore.judge.rating import rate_files
from energyscore.judge.reported_quality import read_reported, with_reported

TASKS = {
    "gsm8k": {
        "alias": "gsm8k",
        "exact_match,strict-match": 0.5,
        "exact_match_stderr,strict-match": 0.01,
        "exact_match,flexible-extract": 0.6,
        "exact_match_stderr,flexible-extract": "N/A",
    },
    "wikitext": {"word_perplexity,none": 12.5, "word_perplexity_stderr,none": "N/A"},
    "sums": {"score,with,comma": 0.3},
}


def harness(tmp_path, name="org/model", **change):
    """A results file as the harness writes it."""
    content = {
        "results": TASKS,
        "groups": {"all": {"acc,none": 0.7}},
        "higher_is_better": {"gsm8k": {"exact_match": True}, "sums": {"score,with": False}},
        "config": {"model": "hf", "model_args": "pretrained=org/model", "limit": None},
        "model_name": name,
    }
    file = tmp_path / f"{name.replace('/', '__')}.json"
    file.write_text(json.dumps(content | change))
    return file


def candidates(*models):
    entries = rate_files([(f"{name}.json", make_result(name)) for name in models])
    return [Contender(entry, make_quality([1, 0])) for entry in entries]


def test_a_key_is_split_at_its_last_comma_and_others_are_no_metrics(tmp_path):
    found = {one.full: one for one in read_reported(harness(tmp_path))}
    assert {name: one.value for name, one in found.items()} == {
        "gsm8k/exact_match,strict-match": 0.5,
        "gsm8k/exact_match,flexible-extract": 0.6,
        "wikitext/word_perplexity,none": 12.5,
        "sums/score,with,comma": 0.3,
        "all/acc,none": 0.7,
    }
    strict = found["gsm8k/exact_match,strict-match"]
    assert strict.ci95 == pytest.approx((0.5 - 0.0195996, 0.5 + 0.0195996), abs=1e-6)
    assert found["gsm8k/exact_match,flexible-extract"].ci95 is None
    assert strict.higher_is_better
    assert not found["wikitext/word_perplexity,none"].higher_is_better
    assert not found["sums/score,with,comma"].higher_is_better


@pytest.mark.parametrize(
    "name",
    ["gsm8k/exact_match,strict-match", "exact_match,strict-match"],
)
def test_a_metric_is_named_by_as_much_as_tells_it_apart(tmp_path, name):
    (found,) = with_reported(candidates("org/model"), [harness(tmp_path)], name)
    assert found.quality.value == 0.5
    assert found.quality.metric == "gsm8k/exact_match,strict-match"
    assert found.reported.endswith("org__model.json")


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (None, "5 reported metrics could be meant"),
        ("exact_match", "2 reported metrics could be meant"),
        ("gsm8k/exact_mach", "Did you mean"),
    ],
)
def test_which_metric_is_meant_is_asked(tmp_path, metric, said):
    with pytest.raises(EnergyScoreError, match=said) as refused:
        with_reported(candidates("org/model"), [harness(tmp_path)], metric)
    assert refused.value.exit_code == 2


def test_the_model_is_named_by_the_arguments_too_and_an_adapter_is_itself(tmp_path):
    arguments = {"model_args": "pretrained=org/base,peft=org/adapter"}
    (one, *_) = read_reported(harness(tmp_path, model_name=None, config=arguments))
    assert one.model == "org/adapter"
    with pytest.raises(EnergyScoreError, match="does not name its model"):
        read_reported(harness(tmp_path, model_name=None, config={"model_args": ""}))


def test_rows_that_were_left_out_are_told(tmp_path):
    notes = []
    file = harness(tmp_path, config={"limit": 10.0})
    with_reported(candidates("org/model"), [file], "acc", notes.append)
    assert notes == [f"{file}: only some rows were evaluated (limit 10.0)"]


def test_names_of_other_models_are_named(tmp_path):
    table = tmp_path / "q.csv"
    table.write_text("model,metric,value\norg/a,acc,0.9\norg/other,acc,0.8\n")
    notes = []
    one, other = with_reported(candidates("org/a", "org/b"), [table], None, notes.append)
    assert (one.quality.value, one.quality.ci95, one.quality.higher_is_better) == (0.9, None, True)
    assert other.quality is None  # not the measured one: two kinds are never mixed
    assert other.no_quality == "its quality is not in the reported ones"
    assert notes == ["org/other has a reported quality and is no candidate. Known: org/a, org/b."]
    with pytest.raises(EnergyScoreError, match=r"No candidate is in .* of org/a, org/other\."):
        with_reported(candidates("org/x"), [table], None)


def test_a_csv_has_intervals_and_directions(tmp_path):
    table = tmp_path / "q.csv"
    table.write_text("\ufeffmodel, metric,value,ci_low,ci_high\norg/a,wer,0.1,0.08,0.12\n")
    (one,) = read_reported(table)
    assert (one.ci95, one.higher_is_better) == ((0.08, 0.12), False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model,value\na,1\n", "no column metric"),
        ("model,metric,value\n", "no rows"),
        ("model,metric,value\na,acc,much\n", "line 2: value is no number: 'much'"),
        ("model,metric,value\na,acc,nan\n", "line 2: value is no number"),
        ("model,metric,value\na,,1\n", "line 2: model or metric is blank"),
        ("model,metric,value,ci_low,ci_high\na,acc,1,2,1\n", "line 2: ci_low and ci_high"),
        ("model,metric,value,ci_low,ci_high\na,acc,1,1,\n", "line 2: ci_low and ci_high"),
        ("{", "is not valid JSON"),
        ('{"results": []}', "no `results`"),
        ('{"results": {"a": {"acc": 1.0}}, "model_name": "m"}', "no figure named"),
        ('{"results": {}, "results": {}}', "duplicate key"),
        ("", "no column model"),
    ],
)
def test_what_is_neither_is_refused_in_one_line(tmp_path, text, said):
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(EnergyScoreError, match=said) as refused:
        read_reported(file)
    assert refused.value.exit_code == 2
    assert str(file) in str(refused.value)


def test_one_figure_twice_is_refused(tmp_path):
    table = tmp_path / "q.csv"
    table.write_text("model,metric,value\norg/a,acc,0.9\norg/a,acc,0.8\n")
    with pytest.raises(EnergyScoreError, match="acc of org/a is reported twice"):
        with_reported(candidates("org/a"), [table], None)


@pytest.mark.parametrize(
    ("metric", "less"),
    [
        *((name, True) for name in ("wer", "WER", "eval_wer", "test-cer", "word_perplexity")),
        *((name, True) for name in ("Brier_score", "bits_per_byte", "eval/loss", "ppl")),
        *((name, False) for name in ("accuracy", "answer", "tercile", "f1", "glossary_match")),
    ],
)
def test_of_error_rates_less_is_better_however_they_are_written(tmp_path, metric, less):
    file = tmp_path / "reported.csv"
    file.write_text(f"model,metric,value\norg/model,{metric},0.3\n")
    (one,) = read_reported(file)
    assert one.higher_is_better is not less


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("org/a,accuracy,0.7\norg/b,accuracy,70\n", "in percent by some and as a share by others"),
        ("org/a,accuracy,-3\norg/b,accuracy,0.7\n", "accuracy of org/a is never -3"),
        ("org/a,accuracy,170\norg/b,accuracy,70\n", "accuracy of org/a is never 170"),
        ("org/a,wer,-0.1\norg/b,wer,0.7\n", "wer of org/a is never -0.1"),
        ("org/a,accuracy,0.7,0.8,0.9\n", "no interval around the value"),
        ("org/a,accuracy,0.7,0.8,0.6\n", "no interval around the value"),
    ],
)
def test_figures_that_cannot_be_compared_or_be_true_are_refused(tmp_path, rows, said):
    file = tmp_path / "reported.csv"
    file.write_text(f"model,metric,value,ci_low,ci_high\n{rows}")
    with pytest.raises(EnergyScoreError, match=said):
        with_reported(candidates("org/a", "org/b"), [file], None)


def test_percent_of_all_are_as_good_as_shares(tmp_path):
    file = tmp_path / "reported.csv"
    file.write_text("model,metric,value\norg/a,accuracy,70\norg/b,accuracy,0\n")
    found = with_reported(candidates("org/a", "org/b"), [file], None)
    assert [one.quality.value for one in found] == [70, 0]
