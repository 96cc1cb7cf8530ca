"""CLIPScore: against transformers' own cosines, and where there is no CLIP model."""

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from energyscore.base.errors import UsageError
from energyscore.measurement.quality.evaluate import evaluate, examine
from energyscore.protocol.selection import Selection
from energyscore.protocol.task import load_tasks

TASK = load_tasks()["image_generation"]
COUNT = 8


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A folder with a small random CLIP, whose cosines have both signs."""
    letters = [*"abcdefghijklmnopqrstuvwxyz,"]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    numbers = {token: place for place, token in enumerate(tokens)}
    tokenizer = transformers.CLIPTokenizer(vocab=numbers, merges=[], model_max_length=24)
    width = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    width |= {"num_attention_heads": 2, "projection_dim": 8}
    text = {"vocab_size": len(tokens), "max_position_embeddings": 24, "bos_token_id": 54}
    text |= {"eos_token_id": 55, "pad_token_id": 55}
    config = transformers.CLIPConfig(
        text_config=width | text,
        vision_config=width | {"image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    torch.manual_seed(8)
    model = transformers.CLIPModel(config).eval()
    for weights in model.parameters():
        if weights.dim() > 1:
            torch.nn.init.normal_(weights, std=0.5)
    folder = tmp_path_factory.mktemp("clip")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    transformers.CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)
    return folder


class Painter:
    """Makes the same two noisy images of a prompt each time."""

    writes = False

    def answer_as(self, task): ...

    def labels(self):
        return None

    def answer(self, queries):
        return [[painted(query["prompt"], number) for number in (0, 1)] for query in queries]


def painted(prompt, number):
    chance = np.random.default_rng([len(prompt), number])
    pixels = chance.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((80, 60))


def examined(judge=None):
    return examine(TASK, "bundled", COUNT, Selection(), judge=judge)


def test_clip_scores_are_transformers_own_cosines(clip):
    examination = examined(str(clip))
    quality = evaluate(Painter(), examination, 3, None, random_weights=False)
    model = transformers.CLIPModel.from_pretrained(clip)
    processor = transformers.CLIPImageProcessorPil.from_pretrained(clip)
    tokenizer = transformers.CLIPTokenizer.from_pretrained(clip)
    cosines = []
    for query in examination.rows.queries:
        prompt = query["prompt"]
        images = processor([painted(prompt, n) for n in (0, 1)], return_tensors="pt")
        texts = tokenizer([prompt], truncation=True, return_tensors="pt")
        with torch.inference_mode():
            said = model(**images, **texts)
            own = said.logits_per_image / model.logit_scale.exp()
        cosines.append(own[:, 0].tolist())
    assert min(map(min, cosines)) < -0.05 and max(map(max, cosines)) > 0.05
    scores = [sum(max(0.0, 100 * one) for one in two) / 2 for two in cosines]
    assert [part for part, _ in quality.items] == pytest.approx(scores, abs=1e-4)
    assert quality.value == pytest.approx(sum(scores) / COUNT, abs=1e-5)
    assert quality.settings["clip"] == clip.name
    assert quality.settings["clip_revision"].startswith("sha256:")
    assert quality.settings["prompt_tokens_at_most"] == 24


def test_without_a_clip_model_there_is_no_score_and_a_reason():
    examination = examined()
    assert examination.reason == (
        "no CLIP model is at hand: openai/clip-vit-large-patch14 is neither a folder nor in the "
        "hub's cache. Name one with --clip; `hf download ID` fetches one"
    )
    quality = evaluate(Painter(), examination, 1, None, random_weights=False)
    assert (quality.metric, quality.value, quality.reason) == (
        *("clip_score", None),
        examination.reason,
    )


def test_a_clip_model_that_is_named_must_be_there(tmp_path, tiny_model):
    for name, said in (
        ("no/such-clip", "no CLIP model is at hand"),
        (str(tmp_path), "holds no model"),
        ("~nobody/clip", "no CLIP model is at hand"),
    ):
        with pytest.raises(UsageError, match=said) as refusal:
            examined(name)
        assert refusal.value.message.startswith(f"--clip {name}: ")


def test_a_model_of_another_kind_judges_nothing(tiny_model):
    quality = evaluate(Painter(), examined(str(tiny_model)), 4, None, random_weights=False)
    assert quality.value is None and "no CLIP model" in quality.reason
