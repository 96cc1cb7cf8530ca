"""Quality: each metric against its reference library, and what makes a quality null."""

import json
import math
import sys
from dataclasses import replace
from datetime import date

import jiwer
import numpy as np
import pyarrow.parquet
import pytest
import torch
from sacrebleu import corpus_chrf
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, f1_score
from support.results import make_result
from transformers import Wav2Vec2CTCTokenizer

from energyscore.base.errors import DatasetError, ModelError, UsageError
from energyscore.measurement.backend import BatchOutput
from energyscore.measurement.backends.asr import ByCtc
from energyscore.measurement.backends.text_generation import TextGeneration
from energyscore.measurement.catalog import METRICS
from energyscore.measurement.options import RunOptions
from energyscore.measurement.quality.evaluate import evaluate, examine
from energyscore.measurement.quality.exact import ExactMatch
from energyscore.measurement.quality.labels import Accuracy
from energyscore.measurement.quality.likelihood import BitsPerByte
from energyscore.measurement.quality.metric import Names, NotJudgedError, interval, ratio, value_of
from energyscore.measurement.quality.overlap import RougeL
from energyscore.measurement.quality.similarity import Spearman
from energyscore.measurement.quality.squad import SquadF1
from energyscore.measurement.quality.words import WordErrors
from energyscore.measurement.suite.finished import find_finished
from energyscore.measurement.suite.where import ANYWHERE
from energyscore.protocol.model import parse_model
from energyscore.protocol.selection import Selection
from energyscore.protocol.task import load_tasks
from energyscore.protocol.workload import load_workload
from energyscore.results.quality import BOUNDS, in_words

PLAIN = Names()
BINARY = ["negative", "positive"]


def labelled(*labels):
    return [{"text": "...", "label": label} for label in labels]


def judged(metric, answers, rows, names=PLAIN):
    result = metric.judge(answers, metric.references(rows), names)
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
        judged(Accuracy(), [0], labelled("positive"), Names(model, BINARY))
    assert "--labels FILE" in str(refusal.value)


def test_a_file_says_what_labels_mean():
    mapped = {"LABEL_0": "positive", "LABEL_1": "negative"}
    names = Names(["LABEL_0", "LABEL_1"], BINARY, mapped)
    value, _ = judged(Accuracy(), [0, 1, 1], labelled("positive", "negative", "positive"), names)
    assert value == pytest.approx(2 / 3)
    with pytest.raises(NotJudgedError, match="lacks the model's labels 'LABEL_1'"):
        judged(
            Accuracy(), [0], labelled("positive"), replace(names, mapped={"LABEL_0": "positive"})
        )
    with pytest.raises(NotJudgedError, match="names 'great', which the dataset does not have"):
        wrong = mapped | {"LABEL_1": "great"}
        judged(Accuracy(), [0], labelled("positive"), replace(names, mapped=wrong))


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
        judged(Spearman(), [0.1, 0.2], [{"score": one} for one in scores], PLAIN)


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


def test_word_errors_are_those_of_jiwer_over_the_corpus():
    right = ["It's the Mediterranean, I think.", "One two three four", "Yes."]
    said = ["its the mediterranean i think", "one three four five six", "Yes"]
    rows = [{"transcript": one} for one in right]
    value, result = judged(WordErrors(), said, rows)
    plain = [
        ["it's the mediterranean i think", "one two three four", "yes"],
        ["its the mediterranean i think", "one three four five six", "yes"],
    ]
    assert value == pytest.approx(jiwer.wer(*plain), abs=1e-12)
    assert result.items == [[1.0, 5.0], [3.0, 4.0], [0.0, 1.0]]
    # Where nothing is said, every word is one too many, and the rate may pass 1.
    more = [*rows, {"transcript": ""}]
    assert judged(WordErrors(), [*said, "um well"], more)[0] == pytest.approx(6 / 10)
    with pytest.raises(NotJudgedError, match="nothing to be compared"):
        judged(WordErrors(), ["um"], [{"transcript": ""}], PLAIN)


def test_what_a_ctc_model_says_twice_is_kept(tmp_path):
    letters = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "a": 5, "l": 6}
    (tmp_path / "vocab.json").write_text(json.dumps(letters))
    backend = ByCtc()
    backend._read_tokenizer = lambda: Wav2Vec2CTCTokenizer(str(tmp_path / "vocab.json"))
    assert backend._said(BatchOutput(0, [[5, 6, 6, 4, 5]])) == ["all a"]


def test_rouge_is_the_mean_of_f1_in_any_script():
    rows = [{"reference": one} for one in ("The old cat sat.", "Кошка спит дома", "one two")]
    said = ["the cat sat down", "кошка спит дома", "three"]
    value, result = judged(RougeL(), said, rows)
    # By hand: 3 of 4 words in common in order, all 3, none.
    assert value == pytest.approx((3 / 4 + 1 + 0) / 3, abs=1e-12)
    assert result.beside["rouge1"] == pytest.approx((3 / 4 + 1 + 0) / 3, abs=1e-12)
    assert result.beside["rouge2"] == pytest.approx((1 / 3 + 1 + 0) / 3, abs=1e-12)
    from rouge_score.rouge_scorer import RougeScorer

    library = RougeScorer(["rougeL"]).score(rows[0]["reference"], said[0])["rougeL"].fmeasure
    assert result.items[0] == [pytest.approx(library, abs=1e-12), 1.0]
    right = [row["reference"] for row in rows]
    assert result.beside["chrF"] == pytest.approx(corpus_chrf(said, [right]).score, abs=1e-9)
    assert 20 < result.beside["chrF"] < 80
    assert "nc:6" in result.settings["chrF"]


@pytest.mark.parametrize(
    ("said", "right", "is_it"),
    [
        ("24 + 80 = 104. Answer: 104 euros.", "104", True),
        ("The answer is **2,121.80**.", "2121.8", True),
        (r"so \boxed{104} it is, after 7 steps", "104", True),
        ("Answer: 5\nNo: Answer: 6", "6", True),
        ("First 104,\nthen 105", "104", False),
        ("Answer: Wednesday.", "wednesday", True),
        ("Answer: Thursday", "Wednesday", False),
        ("Answer: 22:43", "22:43", True),
        ("Answer: -5", "5", False),
        ("", "5", False),
    ],
)
def test_the_final_answer_is_compared(said, right, is_it):
    assert judged(ExactMatch(), [said], [{"answer": right}])[0] == is_it


@pytest.mark.parametrize("batch", [1, 3])
def test_bits_per_byte_are_those_of_the_model_s_own_loss(tiny_model, batch):
    spec = load_tasks()["text_generation"].spec
    backend = TextGeneration()
    backend.load(parse_model(str(tiny_model)), spec, "cpu")
    texts = ["Heavy snow closes the airport.", "Größe", "A long text. " * 400]
    rows = [{"text": text} for text in texts]
    found = [
        one for place in range(0, 3, batch) for one in backend.likelihoods(rows[place:][:batch])
    ]
    value, result = judged(BitsPerByte(), found, rows)
    model, tokenizer = backend.model, backend._tokenizer
    first, window = tokenizer.bos_token_id or tokenizer.eos_token_id, found[0].window
    nats = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        parts = [[first, *ids[at : at + window]] for at in range(0, len(ids), window)]
        losses = [model(torch.tensor([p]), labels=torch.tensor([p])).loss.item() for p in parts]
        nats.append(sum(one * (len(p) - 1) for one, p in zip(losses, parts, strict=True)))
    assert len(parts) > 1
    in_bytes = sum(len(text.encode()) for text in texts)
    assert value == pytest.approx(sum(nats) / math.log(2) / in_bytes, rel=1e-6)
    assert [weight for _, weight in result.items] == [30, 7, 5200]


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
    assert in_words(quality).startswith("accuracy 0.75 (0.6")
    # Another model on the same rows is compared in pairs.
    assert of([0] * 104, rows, BINARY).rows == quality.rows
    fewer = examined("text_classification", "bundled", count=20)
    assert of([0] * 20, fewer, BINARY).rows != quality.rows


@pytest.mark.parametrize(
    ("items", "ends"),
    [  # of 20 rows alike 1 - 0.025^(1/20) = 16.8% may be otherwise
        ([[1.0, 1.0]] * 20, (0.832, 1.0)),
        ([[0.0, 1.0]] * 20, (0.0, 0.168)),
        ([[0.0, 3.0], [0.0, 5.0]] * 10, (0.0, 0.168)),  # words, all of them right
        ([[1.0, 1.0]] * 19 + [[0.0, 1.0]], (0.790, 1.0)),
    ],
)
def test_rows_that_are_nearly_all_alike_do_not_make_a_quality_certain(items, ends):
    assert interval(ratio(items), 20, 0) == pytest.approx(ends, abs=1e-3)


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
    assert in_words(quality) == f"not known ({quality.reason})"


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


def test_references_of_another_form_are_a_reason_and_no_crash(tmp_path):
    path = write(tmp_path, [{"text": "Good.", "label": ["positive"]}])
    found = examined("text_classification", path)
    assert found.reason == "a label of the rows is no text: \"['positive']\""
    # It is known before anything is measured; nothing is asked then.
    assert of(Answers([], BINARY), found).reason == found.reason
    pyarrow.parquet.write_table(
        pyarrow.table({"text": ["Good."], "label": [date(2026, 1, 1)]}),
        tmp_path / "rows.parquet",
    )
    reason = examined("text_classification", tmp_path / "rows.parquet").reason
    assert reason.endswith("'label' holds no text, no number and no list of these")


def test_columns_of_references_are_no_part_of_the_measured_work(tmp_path):
    path = write(tmp_path, [{"text": "Good.", "feeling": "positive"}])
    task, selection = load_tasks()["text_classification"], Selection(columns={"label": "feeling"})
    plain = load_workload(task, str(path), 1)
    assert load_workload(task, str(path), 1, selection) == plain
    with pytest.raises(DatasetError, match="no field 'lable'"):
        load_workload(task, str(path), 1, Selection(columns={"lable": "feeling"}))


def test_classes_of_a_saved_dataset_count_by_their_names(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    rows = {"text": ["Good.", "Bad.", "?"], "label": [1, 0, -1]}
    Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    found = examined("text_classification", tmp_path / "saved").rows.queries
    assert [row["label"] for row in found] == ["pos", "neg"]


def test_classes_within_a_saved_dataset_s_objects_count_by_their_names(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Image, List, Value

    kinds = {"bbox": List(List(Value("float32"))), "category": List(ClassLabel(names=["a", "cat"]))}
    features = Features({"image": Image(), "objects": kinds})
    row = {"bbox": [[1, 2, 3, 4], [5, 6, 7, 8]], "category": [1, 0]}
    picture = str(load_tasks()["object_detection"].sample_path.parent / "images/38_still_life.jpg")
    rows = {"image": [picture], "objects": [row]}
    Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    (things,) = examined("object_detection", tmp_path / "saved").right
    assert [(thing.name, thing.box[0]) for thing in things] == [("cat", 1), ("a", 5)]


def test_a_metric_whose_library_is_missing_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "jiwer", None)
    without = examined("asr", "bundled")
    assert without.reason.endswith("pip install 'energyscore[quality]'")
    assert of([], without).value is None


@pytest.mark.parametrize(
    ("task", "count"),
    [
        ("reasoning", 64),
        ("summarization", 17),
        ("object_detection", 24),
        ("image_classification", 36),
    ],
)
def test_a_task_whose_queries_have_no_references_has_rows_for_its_quality(task, count):
    found = examined(task, "bundled")
    assert len(found.rows.queries) == count and not found.reason


def test_a_reason_names_no_folder_of_this_machine(tmp_path):
    reason = examined("text_classification", write(tmp_path, [{"text": "Good."}])).reason
    assert reason.startswith("no references: The dataset rows.jsonl has no column")
    assert "/" not in reason


def test_labels_that_the_rows_lack_may_have_one_name():
    """As ImageNet's cranes do, and what a detector does not use."""
    names = Names(["crane", "heron", "crane"])
    assert judged(Accuracy(), [1, 2], labelled("heron", "heron"), names)[0] == 0.5
    with pytest.raises(NotJudgedError, match="have one name"):
        judged(Accuracy(), [1], labelled("crane"), names)


@pytest.mark.parametrize(
    ("metric", "cell", "said"),
    [
        (SquadF1(), {"answer": {"text": {"a": 1}}}, "an answer of the rows is no text"),
        (SquadF1(), {"answer": {"answers": ["a"]}}, "an answer of the rows is no text"),
        (SquadF1(), {"answer": [["a"]]}, "an answer of the rows is no text"),
        (WordErrors(), {"transcript": ["a"]}, "a transcript of the rows is no text"),
        (RougeL(), {"reference": ["a"]}, "a reference of the rows is no text"),
        (ExactMatch(), {"answer": {"value": 1}}, "an answer of the rows is no text"),
        (Spearman(), {"score": [1]}, "a score of the rows is no number"),
    ],
)
def test_each_metric_looks_at_its_references_first(metric, cell, said):
    with pytest.raises(NotJudgedError, match=said):
        metric.references([cell, cell])


def test_a_mistake_of_a_metric_is_an_error_and_no_reason(monkeypatch):
    def wrong(*answers):
        raise TypeError("ours")

    monkeypatch.setattr(Accuracy, "judge", wrong)
    with pytest.raises(TypeError, match="ours"):
        of([0] * 104, examined("text_classification", "bundled"), BINARY)


@pytest.mark.parametrize(
    "content", ["[1]", '{"a": null}', "{", '{"LABEL_0": "negative", "LABEL_0": "positive"}']
)
def test_a_file_of_labels_that_is_none_is_refused(content, tmp_path):
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(UsageError, match="--labels") as refusal:
        examined("text_classification", "bundled", labels=str(tmp_path / "labels.json"))
    assert "LABEL_0" in refusal.value.remedy


def test_every_task_has_a_metric_that_is_known_and_every_metric_its_bounds():
    from energyscore.measurement.quality.evaluate import metric_of
    from energyscore.verify.quality import BOUNDS as CHECKED

    for task in load_tasks().values():
        assert metric_of(task.spec.quality.metric).higher_is_better in (True, False)
    assert BOUNDS == CHECKED
    assert set(BOUNDS) == set(METRICS)


def test_a_result_without_quality_is_not_what_quality_asks_for():
    task = load_tasks()["text_classification"].spec
    plain = make_result()
    judged_one = plain.model_copy(
        update={"quality": of([0] * 104, examined("text_classification", "bundled"), BINARY)}
    )

    def finished(result, **options):
        return find_finished(
            "key", {"key": [("file", result)]}, RunOptions(**options), task, ANYWHERE
        )

    assert finished(plain) and finished(judged_one) and finished(judged_one, quality=True)
    assert finished(plain, quality=True) is None
