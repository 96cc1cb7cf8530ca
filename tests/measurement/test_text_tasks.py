"""Summaries, answers and labels: what the models are told, and that they do what is asked."""

import json
from dataclasses import replace

import pytest
from test_families import BART, ENCODER, GPT2, T5, save
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from energyscore.base.errors import DatasetError, ModelError
from energyscore.base.lookup import resolve
from energyscore.measurement.backends.written_text import shortened, tokens_of
from energyscore.measurement.catalog import BACKENDS
from energyscore.protocol.model import parse_model
from energyscore.protocol.task import load_tasks

TASKS = load_tasks()
TEXT = "Heavy snow closed the airport of Oslo on Monday, and trains through Norway ran late."
QUESTION = "What closed the airport?"


def load(task, folder):
    backend = resolve(BACKENDS, TASKS[task].spec.modality)()
    backend.load(parse_model(str(folder)), TASKS[task].spec, "cpu")
    return backend


def run(backend, *queries):
    return backend.run(backend.prepare(queries), lambda phase: None)


@pytest.fixture(scope="module")
def t5(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "t5"
    save(folder, "AutoModelForSeq2SeqLM", "t5", T5)
    return folder


@pytest.fixture(scope="module")
def bart(tmp_path_factory):
    """Saved as BART's summarizers were: their wishes for generation stand in the configuration."""
    folder = tmp_path_factory.mktemp("models") / "bart"
    save(folder, "AutoModelForSeq2SeqLM", "bart", BART)
    wishes = {"no_repeat_ngram_size": 3, "min_length": 56, "max_length": 142, "num_beams": 4}
    file = folder / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | wishes | {"early_stopping": True}))
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | wishes))
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "bert"
    save(folder, "AutoModelForQuestionAnswering", "bert", ENCODER)
    return folder


@pytest.mark.parametrize(
    ("task", "query", "told"),
    [
        ("summarization", {"text": TEXT}, f"summarize: {TEXT}"),
        ("text_classification", {"text": TEXT}, f"sst2 sentence: {TEXT}"),
        (
            "question_answering",
            {"question": QUESTION, "context": TEXT},
            f"question: {QUESTION}  context: {TEXT}",
        ),
    ],
)
def test_t5_is_told_what_to_do(t5, task, query, told):
    backend = load(task, t5)
    (ids,) = backend.prepare([query]).inputs["input_ids"]
    assert backend._tokenizer.decode(ids, skip_special_tokens=True) == told
    assert backend.phases == ("preprocess", "prefill", "decode")
    assert run(backend, query).output_tokens == 10


def test_a_model_of_one_task_gets_the_text_alone(bart):
    backend = load("summarization", bart)
    (ids,) = backend.prepare([{"text": TEXT}]).inputs["input_ids"]
    assert backend._tokenizer.decode(ids, skip_special_tokens=True) == TEXT


def test_braces_in_a_text_are_text(t5):
    backend = load("summarization", t5)
    (ids,) = backend.prepare([{"text": "a {text} and {0}"}]).inputs["input_ids"]
    decoded = backend._tokenizer.decode(ids, skip_special_tokens=True)
    assert decoded == "summarize: a {text} and {0}"


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_a_summary_is_the_greedy_one_whatever_the_model_wishes(family, request):
    import torch

    backend = load("summarization", request.getfixturevalue(family))
    batch = backend.prepare([{"text": TEXT}])
    end = 2
    given = [backend.model.config.decoder_start_token_id]
    with torch.inference_mode():
        for _ in range(10):
            decoder_ids = torch.tensor([given])
            logits = backend.model(**batch.inputs, decoder_input_ids=decoder_ids).logits[0, -1]
            logits[end] = -torch.inf
            given.append(int(logits.argmax()))
    made = run(backend, {"text": TEXT})
    forced_end = family == "bart"  # at the last place, by its configuration
    assert made.values[0][:9] == given[1:10]
    assert made.values[0][9] == (end if forced_end else given[10])
    assert made.output_tokens == 10


WISHES = (
    {"prompt_lookup_num_tokens": 3},
    {"guidance_scale": 2.0},
    {"max_time": 0.001},
    {"return_dict_in_generate": True, "output_scores": True},
    {"num_return_sequences": 2, "num_beams": 3},
    {"stop_strings": ["a", "e", "t"]},
    {"use_cache": False},
    {"cache_implementation": "static"},
    {"repetition_penalty": 5.0, "no_repeat_ngram_size": 1},
    {"do_sample": True, "temperature": 9.0},
    {"dola_layers": "low"},
    {"penalty_alpha": 0.6, "top_k": 4},
    {"watermarking_config": {"greenlist_ratio": 0.25, "bias": 20.0}},
    {"sequence_bias": [[[5], 50.0]]},
    {"prefill_chunk_size": 2},
)


@pytest.fixture(scope="module")
def plain_gpt2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "gpt2"
    save(folder, "AutoModelForCausalLM", "gpt2", GPT2)
    return folder, (folder / "generation_config.json").read_text()


def passes(folder):
    """The widths of all forward passes of a batch of two, and what they make."""
    backend = load("text_generation", folder)
    seen = []
    backend.model.transformer.wte.register_forward_hook(
        lambda _, given, __: seen.append(tuple(given[0].shape))
    )
    made = run(backend, {"text": TEXT}, {"text": QUESTION * 3})
    return seen, made.values, made.output_tokens


@pytest.mark.parametrize("wishes", WISHES, ids=lambda wishes: next(iter(wishes)))
def test_generation_is_the_plain_one_whatever_a_model_wishes(wishes, plain_gpt2):
    folder, plain = plain_gpt2
    file = folder / "generation_config.json"
    file.write_text(plain)
    expected = passes(folder)
    assert [shape[1] for shape in expected[0][1:]] == [1] * 9
    assert expected[2] == 20
    file.write_text(json.dumps(json.loads(plain) | wishes))
    assert passes(folder) == expected


def test_a_decoder_continues_the_text(tmp_path):
    save(tmp_path, "AutoModelForCausalLM", "gpt2", GPT2)
    backend = load("summarization", tmp_path)
    assert backend.phases == ("preprocess", "prefill", "decode")
    (ids,) = backend.prepare([{"text": TEXT}]).inputs["input_ids"]
    assert backend._tokenizer.decode(ids, skip_special_tokens=True) == TEXT
    assert run(backend, {"text": TEXT}).output_tokens == 10


def test_the_answer_is_the_context_s_span_with_the_best_scores(bert):
    import torch

    backend = load("question_answering", bert)
    tokenizer = backend._tokenizer
    contexts = [TEXT, "Nobody knows.", f"{TEXT} {TEXT}"]
    found = run(backend, *({"question": QUESTION, "context": text} for text in contexts)).values
    for text, answer in zip(contexts, found, strict=True):
        ids = tokenizer(QUESTION, text, return_tensors="pt")["input_ids"]
        first_of_context = 2 + len(tokenizer(QUESTION, add_special_tokens=False)["input_ids"])
        with torch.inference_mode():
            output = backend.model(input_ids=ids)
        starts, ends = output.start_logits[0].tolist(), output.end_logits[0].tolist()
        places = range(first_of_context, ids.shape[1] - 1)
        start = max(places, key=starts.__getitem__)
        end = max((place for place in places if place >= start), key=ends.__getitem__)
        assert answer == tokenizer.decode(ids[0, start : end + 1])
        assert answer in text


def test_only_the_context_is_cut(bert):
    backend = load("question_answering", bert)
    batch = backend.prepare([{"question": QUESTION, "context": "word " * 500}])
    assert batch.input_tokens == 80
    text = backend._tokenizer.decode(batch.inputs["input_ids"][0])
    assert text.startswith(f"<s>{QUESTION}</s>")


def test_a_question_too_long_for_the_model_is_refused(bert):
    backend = load("question_answering", bert)
    with pytest.raises(DatasetError, match="80 tokens"):
        backend.prepare([{"question": "why " * 100, "context": TEXT}])


@pytest.mark.parametrize("task", ["summarization", "question_answering", "text_classification"])
def test_a_model_for_another_task_is_refused(task, tmp_path):
    save(tmp_path, "AutoModel", "bert", ENCODER)
    with pytest.raises(ModelError, match="lacks weights"):
        load(task, tmp_path)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"auto_map": {"AutoConfig": "own.OwnConfig"}}, "--trust-remote-code"),
        ({}, "made_up_family"),
    ],
)
def test_a_family_with_code_of_its_own_says_what_it_needs(bert, tmp_path, more, said):
    for file in bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(
        json.dumps(config | {"model_type": "made_up_family"} | more)
    )
    with pytest.raises(ModelError) as caught:
        load("sentence_similarity", tmp_path)
    assert said in f"{caught.value} {caught.value.remedy}"


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "gpt2"
    save(folder, "AutoModelForCausalLM", "gpt2", GPT2)
    return folder


ASKED = {
    "text_classification": (
        {"text": TEXT},
        f"Text: {TEXT}\nIs the sentiment of the text positive or negative?\nAnswer:",
    ),
    "question_answering": (
        {"question": QUESTION, "context": TEXT},
        f"Context: {TEXT}\nQuestion: {QUESTION}\nAnswer:",
    ),
}


@pytest.mark.parametrize("random", [False, True], ids=["real", "random"])
@pytest.mark.parametrize("task", ASKED)
def test_a_language_model_writes_the_answer_with_random_weights_too(task, random, gpt2):
    query, told = ASKED[task]
    spec = parse_model(str(gpt2), random_weights=random)
    backend = resolve(BACKENDS, TASKS[task].spec.modality)()
    facts = backend.load(spec, TASKS[task].spec, "cpu")
    assert facts.architecture == "GPT2LMHeadModel"
    assert backend.phases == ("preprocess", "prefill", "decode")
    (ids,) = backend.prepare([query]).inputs["input_ids"]
    assert backend._tokenizer.decode(ids, skip_special_tokens=True) == told
    assert run(backend, query).output_tokens == 10


@pytest.mark.parametrize("task", ASKED)
def test_what_asks_for_the_answer_is_not_cut(task, gpt2):
    backend = load(task, gpt2)
    _, told = ASKED[task]
    longer = {"text": TEXT * 9, "context": TEXT * 9, "question": QUESTION}
    batch = backend.prepare([longer])
    assert 60 < batch.input_tokens <= 70
    (ids,) = batch.inputs["input_ids"]
    end = told[told.index(TEXT) + len(TEXT) :]
    assert backend._tokenizer.decode(ids, skip_special_tokens=True).endswith(end)
    found = backend.cut_inputs([longer])
    assert (found.queries, found.limit) == (1, 70)
    assert 0 <= found.total - found.lost - batch.input_tokens <= 8


@pytest.mark.timeout(60)
def test_cutting_ends_where_half_a_character_is_as_many_tokens_as_were_cut():
    """A byte-level tokenizer reads half of 中 back as three tokens."""
    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    plain.train_from_iterator(
        ["hello world"], BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    )
    plain.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain)
    for limit in (10, 20, 21, 22):
        text = shortened(tokenizer, "中" * 50, lambda text: text, limit)
        assert 1 <= len(tokens_of(tokenizer, text)) <= limit
    with pytest.raises(DatasetError, match="has no room for a text") as caught:
        shortened(tokenizer, "hello", lambda text: f"Say {text}", 3)
    assert caught.value.remedy == "Name a model with a longer context."


@pytest.mark.parametrize("task", ASKED)
def test_a_head_that_a_language_model_lacks_is_refused_with_the_way_to_measure_it(task, gpt2):
    spec = replace(parse_model(str(gpt2)), by="head")
    with pytest.raises(ModelError, match="is a language model and has no head") as caught:
        resolve(BACKENDS, task)().load(spec, TASKS[task].spec, "cpu")
    assert caught.value.remedy == "Let it write its answers: --by generate."


def test_a_model_that_cannot_write_is_refused_writing(bert):
    spec = replace(parse_model(str(bert)), by="generate")
    with pytest.raises(ModelError, match=r"family bert .* cannot write"):
        resolve(BACKENDS, "question_answering")().load(
            spec, TASKS["question_answering"].spec, "cpu"
        )


@pytest.mark.parametrize(
    ("family", "architectures", "by", "chosen"),
    [
        ("gpt2", ["GPT2LMHeadModel"], None, "ContinuedLabel"),
        ("gpt2", ["GPT2Model"], None, "ContinuedLabel"),
        ("gpt2", None, None, "ContinuedLabel"),
        ("gpt2", ["GPT2ForSequenceClassification"], None, "ByHead"),
        ("gpt2", ["GPT2ForSequenceClassification"], "generate", "ContinuedLabel"),
        ("gpt2", ["GPT2LMHeadModel"], "head", "ByHead"),
        ("llama", ["LlamaForCausalLM"], None, "ContinuedLabel"),
        ("t5", ["T5ForConditionalGeneration"], None, "GeneratedLabel"),
        ("t5", ["T5ForConditionalGeneration"], "head", "ByHead"),
        ("bart", ["BartForSequenceClassification"], None, "ByHead"),
        ("bart", ["BartForSequenceClassification"], "generate", "GeneratedLabel"),
        ("bert", ["BertForMaskedLM"], None, "ByHead"),
        ("bert", ["BertLMHeadModel"], None, "ContinuedLabel"),
        ("bert", None, None, "ByHead"),
    ],
)
def test_the_way_is_the_model_s_own_unless_one_is_asked_for(family, architectures, by, chosen):
    from transformers import AutoConfig

    config = AutoConfig.for_model(family, architectures=architectures)
    backend = resolve(BACKENDS, "text_classification")
    assert backend.choose(config, by).__name__ == chosen
