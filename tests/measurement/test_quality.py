"""Quality: each metric against its reference library, and what makes a quality null."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, f1_score
from support.results import make_result

from energyscore.base.errors import ModelError, UsageError
from energyscore.measurement.options import RunOptions
from energyscore.measurement.quality.evaluate import evaluate, examine
from energyscore.measurement.quality.labels import Accuracy
from energyscore.measurement.quality.metric import Names, NotJudgedError, interval, ratio, value_of
from energyscore.measurement.quality.similarity import Spearman
from energyscore.measurement.quality.squad import SquadF1
from energyscore.measurement.suite.finished import find_finished
from energyscore.protocol.selection import Selection
from energyscore.protocol.task import load_tasks
from energyscore.results.quality import in_words

PLAIN = Names()
BINARY = ["negative", "positive"]


def labelled(*labels):
    return [{"text": "...", "label": label} for label in labels]


def judged(metric, answers, rows, names=PLAIN):
    result = metric.judge(answers, rows, names)
    return value_of(result, len(rows)), result


class Answers:
    """A loaded model that gives these answers."""

    writes = False

    def __init__(self, answers, labels=None):
        self.given, self.names, self.batches = iter(answers), labels, []

    def answer_as(self, task):
        self.task = task

    def answer(self, queries):
        self.batches.append(len(queries))
        return [next(self.given) for _ in queries]

    def labels(self):
        return self.names


def examined(task, dataset, labels=None, count=1000, **selection):
    return examine(load_tasks()[task], str(dataset), count, Selection(**selection), labels)


def of(answers, examination, labels=None, batch_size=1, random_weights=False):
    backend = answers if isinstance(answers, Answers) else Answers(answers, labels)
    return evaluate(backend, examination, batch_size, None, random_weights=random_weights)


# Metrics


def test_accuracy_and_macro_f1_are_those_of_scikit_learn():
    chance = np.random.default_rng(1)
    gold, said = chance.integers(0, 4, 60), chance.integers(0, 4, 60)
    names = ["World", "Sports", "Business", "Sci/Tech"]
    # The model has them in another order.
    order = [2, 0, 3, 1]
    rows = labelled(*(names[one].upper() for one in gold))
    model = Names([names[one] for one in order])
    value, result = judged(Accuracy(), [order.index(one) for one in said], rows, model)
    assert value == pytest.approx(accuracy_score(gold, said), abs=1e-12)
    macro = f1_score(gold, said, average="macro")
    assert result.beside["macro_f1"] == pytest.approx(macro, abs=1e-12)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("positive", "positive"),
        (" Positive. The food was good", "positive"),
        ("the text is positive", None),
        ("", None),
        ("positively bad", None),
    ],
)
def test_a_written_label_is_the_answer_s_beginning(answer, label):
    value, result = judged(Accuracy(), [answer], labelled("positive"), Names(dataset=BINARY))
    assert value == (label is not None)
    assert result.settings["answers_without_label"] == (label is None)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (["LABEL_0", "LABEL_1"], "have no names"),
        (["0", "1"], "have no names"),
        (["neg", "pos"], "the dataset alone has 'negative', 'positive'"),
        (["negative", "neutral", "positive"], "the model alone has 'neutral'"),
        (["positive", "POSITIVE", "negative"], "have one name"),
    ],
)
def test_labels_that_do_not_match_are_no_accuracy(model, said):
    with pytest.raises(NotJudgedError, match=said) as refusal:
        Accuracy().judge([0], labelled("positive"), Names(model, BINARY))
    assert "--labels FILE" in str(refusal.value)


def test_a_file_says_what_labels_mean():
    mapped = {"LABEL_0": "positive", "LABEL_1": "negative"}
    names = Names(["LABEL_0", "LABEL_1"], BINARY, mapped)
    value, _ = judged(Accuracy(), [0, 1, 1], labelled("positive", "negative", "positive"), names)
    assert value == pytest.approx(2 / 3)
    with pytest.raises(NotJudgedError, match="lacks the model's labels 'LABEL_1'"):
        Accuracy().judge([0], labelled("positive"), replace(names, mapped={"LABEL_0": "positive"}))
    with pytest.raises(NotJudgedError, match="names 'great', which the dataset does not have"):
        wrong = mapped | {"LABEL_1": "great"}
        Accuracy().judge([0], labelled("positive"), replace(names, mapped=wrong))


def test_rows_of_ones_own_need_not_have_every_label_of_the_model():
    names = Names(["cat", "dog", "heron"])
    assert judged(Accuracy(), [0, 2], labelled("cat", "dog"), names)[0] == 0.5


def test_spearman_is_that_of_scipy_with_ties():
    chance = np.random.default_rng(2)
    gold = chance.integers(0, 6, 80) / 2
    said = np.round(gold + chance.normal(0, 1.5, 80), 1)
    rows = [{"score": str(one)} for one in gold]
    value, result = judged(Spearman(), said.tolist(), rows)
    assert value == pytest.approx(spearmanr(said, gold).statistic, abs=1e-12)
    draw = chance.integers(0, 80, 80)
    drawn = spearmanr(said[draw], gold[draw]).statistic
    assert result.of_draws(draw[None, :])[0] == pytest.approx(drawn, abs=1e-12)


@pytest.mark.parametrize(("scores", "said"), [((1, 1), "nothing to rank"), ((1, "x"), "no number")])
def test_scores_that_rank_nothing_are_named(scores, said):
    with pytest.raises(NotJudgedError, match=said):
        Spearman().judge([0.1, 0.2], [{"score": one} for one in scores], PLAIN)


@pytest.mark.parametrize(
    ("said", "right", "f1", "exact"),
    [
        # As SQuAD's evaluation script has it.
        ("the John Goodricke!", "John Goodricke", 1.0, 1),
        ("John", "John Goodricke", 2 / 3, 0),
        ("in 1784 by John", {"text": ["1784", "by John"], "answer_start": [1, 2]}, 2 / 3, 0),
        ("of of of", "of what", 2 * (1 / 3 * 1 / 2) / (1 / 3 + 1 / 2), 0),
        ("", {"text": [], "answer_start": []}, 1.0, 1),
        ("something", {"text": [], "answer_start": []}, 0.0, 0),
        ("", "John", 0.0, 0),
    ],
)
def test_answers_are_compared_as_squad_does(said, right, f1, exact):
    value, result = judged(SquadF1(), [said], [{"answer": right}])
    assert value == pytest.approx(f1, abs=1e-12)
    assert result.beside == {"exact_match": exact}


# Intervals


def test_the_interval_is_the_percentile_bootstrap_of_the_ratio():
    items = [[float(number % 3), 1.0 + number % 4] for number in range(40)]
    result = ratio(items)
    low, high = interval(result, 40, seed=42)
    assert low < value_of(result, 40) < high
    assert interval(result, 40, seed=42) == (low, high)
    parts, weights = np.array(items).T
    chance = np.random.default_rng(7)
    found = [parts[d].sum() / weights[d].sum() for d in chance.integers(0, 40, (4000, 40))]
    assert (low, high) == pytest.approx(np.percentile(found, (2.5, 97.5)), abs=0.03)
    assert interval(ratio(items[:1]), 1, seed=42) is None


# Whole evaluations


def write(folder, rows):
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_quality_says_all_that_it_depends_on():
    rows = examined("text_classification", "bundled")
    gold = [row["label"] == "positive" for row in rows.rows.queries]
    backend = Answers([*map(int, gold[:-26]), *(1 - one for one in gold[-26:])], BINARY)
    quality = of(backend, rows, batch_size=50)
    assert (quality.metric, quality.value, quality.n) == ("accuracy", 0.75, 104)
    assert backend.batches == [50, 50, 4]
    assert backend.task.generation.max_new_tokens == 8
    assert quality.dataset == "bundled:text_classification"
    assert (len(quality.items), len(quality.rows), quality.reason) == (104, 64, "")
    assert quality.settings["batch_size"] == 50
    low, high = quality.ci95
    assert 0.65 < low < 0.75 < high < 0.85
    assert in_words(quality).startswith("quality: accuracy 0.75 (0.6")
    # Another model on the same rows is compared in pairs.
    assert of([0] * 104, rows, BINARY).rows == quality.rows
    fewer = examined("text_classification", "bundled", count=20)
    assert of([0] * 20, fewer, BINARY).rows != quality.rows


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"random_weights": True}, "weights are random"),
        ({"labels": ["LABEL_0", "LABEL_1"]}, "have no names"),
    ],
)
def test_what_cannot_be_judged_is_null_with_its_reason(change, reason):
    rows = examined("text_classification", "bundled")
    quality = of([0] * 104, rows, **{"labels": BINARY, **change})
    assert (quality.value, quality.ci95, quality.items, quality.n) == (None, None, None, 0)
    assert reason in quality.reason
    assert in_words(quality) == f"quality: not known ({quality.reason})"


def test_rows_without_references_are_no_quality(tmp_path):
    path = write(tmp_path, [{"text": "Good."}])
    without = examined("text_classification", path)
    assert "no references: The dataset" in without.reason and "'label'" in without.reason
    assert of([], without).reason == without.reason
    path = write(tmp_path, [{"text": "Good.", "label": "pos"}, {"text": "So so.", "label": None}])
    assert len(examined("text_classification", path).rows.queries) == 1
    path = write(tmp_path, [{"text": "Good.", "feeling": 1}])
    named = examined("text_classification", path, columns={"label": "feeling"})
    assert named.rows.queries[0]["label"] == 1


def test_a_failure_while_answering_is_a_reason_and_no_lost_measurement():
    class Failing(Answers):
        def answer(self, queries):
            raise ModelError("The model broke.")

    quality = of(Failing([], BINARY), examined("text_classification", "bundled"))
    assert quality.reason == "the evaluation failed: The model broke"


@pytest.mark.parametrize("content", ["[1]", '{"a": null}', "{"])
def test_a_file_of_labels_that_is_none_is_refused(content, tmp_path):
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(UsageError, match="--labels") as refusal:
        examined("text_classification", "bundled", labels=str(tmp_path / "labels.json"))
    assert "LABEL_0" in refusal.value.remedy


def test_every_metric_of_a_task_is_known():
    from energyscore.measurement.quality.evaluate import metric_of

    for task in load_tasks().values():
        if task.spec.quality:
            assert metric_of(task.spec.quality.metric).higher_is_better in (True, False)


def test_a_result_without_quality_is_not_what_quality_asks_for():
    task = load_tasks()["text_classification"].spec
    plain = make_result()
    judged_one = plain.model_copy(
        update={"quality": of([0] * 104, examined("text_classification", "bundled"), BINARY)}
    )

    def finished(result, **options):
        return find_finished("key", {"key": [("file", result)]}, RunOptions(**options), task)

    assert finished(plain) and finished(judged_one) and finished(judged_one, quality=True)
    assert finished(plain, quality=True) is None
