"""Queries longer than the model takes: as many are told of as lose something when prepared."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from test_families import GPT2, save
from test_reasoning import QWEN35, chat_of
from transformers import Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

from energyscore.base.lookup import resolve
from energyscore.measurement.backends import asr
from energyscore.measurement.backends.image_generation import ImageGeneration
from energyscore.measurement.backends.processors import bundled_tokenizer
from energyscore.measurement.backends.question_answering import BySpan
from energyscore.measurement.backends.reasoning import Reasoning
from energyscore.measurement.backends.sentence_similarity import ByPooling
from energyscore.measurement.backends.text_generation import Continuation
from energyscore.measurement.backends.text_to_text import TextToText
from energyscore.measurement.catalog import BACKENDS as BACKENDS_BY_NAME
from energyscore.protocol.model import parse_model
from energyscore.protocol.task import load_tasks

LIMIT = 48
SENTENCE = "Heavy snow closed the airport of Oslo on Monday, and trains through Norway ran late. "
TEXTS = [(SENTENCE * 9)[:length] for length in range(20, 420, 5)]
"""Of some 5 to 130 tokens, in steps of one or two."""


def with_tokenizer(backend):
    """A backend with the bundled tokenizer, and no model."""
    backend._tokenizer = bundled_tokenizer(
        padding_side=backend.padding_side, framed=True, longest=10**9
    )
    backend._told = False
    return backend


def chatting():
    backend = Reasoning()
    backend._chat = chat_of(QWEN35)
    backend._tokenizer = backend._chat._tokenizer
    return backend


BACKENDS = {
    "text": lambda: with_tokenizer(Continuation()),
    "text to text": lambda: with_tokenizer(TextToText()),
    "two texts": lambda: with_tokenizer(ByPooling()),
    "question": lambda: with_tokenizer(BySpan()),
    "chat": chatting,
}


def queries_of():
    """With the fields of every task; the second sentence is the longer or the shorter one."""
    middle = TEXTS[30]
    return [
        {"text": t, "sentence1": t, "sentence2": middle, "question": "What closed?", "context": t}
        for t in TEXTS
    ]


@pytest.mark.parametrize("make", BACKENDS.values(), ids=BACKENDS.keys())
def test_texts_that_lose_tokens_when_prepared_are_counted(make):
    backend, queries = make(), queries_of()

    def tokens():
        return [backend.prepare([query]).input_tokens for query in queries]

    backend._max_tokens = None
    assert backend.cut_inputs(queries) is None
    whole = tokens()
    for limit in (LIMIT, LIMIT + 1, LIMIT + 2):
        backend._max_tokens = limit
        left = tokens()
        lose = sum(some < all_ for some, all_ in zip(left, whole, strict=True))
        assert 0 < lose < len(queries)
        found = backend.cut_inputs(queries)
        assert (found.queries, found.limit, found.unit) == (lose, limit, "tokens")
        assert found.total == sum(whole)
        # A chat's own words stay whole: now and then a token more than needed is cut of the user's.
        slack = lose if isinstance(backend, Reasoning) else 0
        assert sum(whole) - sum(left) - slack <= found.lost <= sum(whole) - sum(left)


def recording(samples, rate_hz=16_000):
    file = io.BytesIO()
    soundfile.write(file, np.full(samples, 0.1), rate_hz, format="WAV")
    return {"audio": file.getvalue()}


def test_recordings_over_30_seconds_are_counted_for_whispers():
    backend = asr.ByDecoder()
    backend._extractor = WhisperFeatureExtractor()
    queries = [
        recording(16_000),
        recording(480_000),
        recording(480_001),
        recording(240_000, 8_000),
        recording(240_001, 8_000),
        recording(1_323_000, 44_100),
        recording(1_323_001, 44_100),
    ]
    longer = sum(len(asr.read_audio(query["audio"], 16_000)) > 480_000 for query in queries)
    found = backend.cut_inputs(queries)
    assert (found.queries, found.limit, found.unit) == (longer, 30.0, "seconds")
    assert longer == 3
    assert found.lost == pytest.approx(3 / 16_000, rel=0.5)
    assert found.total == pytest.approx(181, abs=0.01)
    assert found.official_limit is None


def test_other_speech_models_take_recordings_whole():
    backend = asr.ByCtc()
    backend._extractor = Wav2Vec2FeatureExtractor()
    assert backend.cut_inputs([recording(960_000)]) is None


def test_prompts_count_as_cut_when_no_text_encoder_takes_them_whole():
    def tokenizer(longest):
        return bundled_tokenizer(padding_side="right", framed=True, longest=longest)

    backend = ImageGeneration()
    prompts = [{"prompt": text} for text in TEXTS]
    backend.model = SimpleNamespace(components={"tokenizer": tokenizer(10), "unet": None})
    assert backend.cut_inputs(prompts).limit == 10
    backend.model.components["tokenizer_2"] = tokenizer(LIMIT)
    whole = tokenizer(10**9)
    longer = sum(len(whole(text)["input_ids"]) > LIMIT for text in TEXTS)
    found = backend.cut_inputs(prompts)
    assert (found.queries, found.limit, found.unit) == (longer, LIMIT, "tokens")
    assert 0 < longer < len(prompts)
    backend.model = SimpleNamespace(components={"vae": object()})
    assert backend.cut_inputs(prompts) is None


@pytest.mark.parametrize(
    ("task", "settings", "longest", "limit", "official"),
    [
        ("text_generation", {"n_positions": 80}, 10**30, 70, 70),
        ("text_generation", {"n_positions": 80}, 40, 30, 70),
        ("text_generation", {"n_positions": 80}, 500, 70, 70),
        ("text_classification", {"n_positions": 80}, 40, 40, 80),
    ],
)
def test_the_official_limit_is_that_of_the_positions_and_not_of_the_tokenizer(
    task, settings, longest, limit, official, tmp_path
):
    heads = {"text_classification": "AutoModelForSequenceClassification"}
    tokenizer = bundled_tokenizer(padding_side="left", framed=True, longest=longest)
    save(tmp_path, heads.get(task, "AutoModelForCausalLM"), "gpt2", GPT2 | settings, tokenizer)
    backend = resolve(BACKENDS_BY_NAME, task)()
    backend.load(parse_model(str(tmp_path)), load_tasks()[task].spec, "cpu")
    found = backend.cut_inputs([{"text": SENTENCE * 9}])
    assert (found.queries, found.limit, found.official_limit) == (1, limit, official)
    assert found.total - found.lost == limit
