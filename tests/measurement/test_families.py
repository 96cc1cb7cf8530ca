"""The leaderboard's families of models load from folders and do their tasks, in batches too."""

import pytest

from energyscore.base.lookup import resolve
from energyscore.measurement.backends.processors import bundled_tokenizer
from energyscore.measurement.catalog import BACKENDS
from energyscore.protocol.model import parse_model
from energyscore.protocol.task import load_tasks

TASKS = load_tasks()
SPECIAL = {"vocab_size": 8192, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
# Large random weights, so that outputs differ from query to query.
ENCODER = {
    **SPECIAL,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 80,
    "initializer_range": 0.3,
}
DISTILBERT = {
    **SPECIAL,
    "dim": 32,
    "n_layers": 2,
    "n_heads": 2,
    "hidden_dim": 64,
    "max_position_embeddings": 80,
    "initializer_range": 0.3,
}
BART = {
    **SPECIAL,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 80,
    "init_std": 0.3,
    "decoder_start_token_id": 2,
}
LED = {
    **BART,
    "max_encoder_position_embeddings": 80,
    "max_decoder_position_embeddings": 80,
    "attention_window": 8,
}
BIGBIRD = {**BART, "max_position_embeddings": 512, "block_size": 4, "num_random_blocks": 1}
T5 = {
    **SPECIAL,
    "d_model": 32,
    "d_kv": 16,
    "d_ff": 64,
    "num_layers": 2,
    "num_heads": 2,
    "initializer_factor": 5.0,
    "decoder_start_token_id": 0,
}
GPT2 = {
    **SPECIAL,
    "n_layer": 2,
    "n_embd": 32,
    "n_head": 2,
    "n_positions": 80,
    "initializer_range": 0.3,
}
MOBILEBERT = {**ENCODER, "embedding_size": 32, "intra_bottleneck_size": 32}
LONGFORMER = {**ENCODER, "attention_window": 8, "sep_token_id": 2}
ELECTRA = {**ENCODER, "embedding_size": 32}
DEBERTA_V3 = {
    **ENCODER,
    "type_vocab_size": 0,
    "relative_attention": True,
    "position_buckets": 16,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
}
BLOOM = {**SPECIAL, "hidden_size": 32, "n_layer": 2, "n_head": 2, "initializer_range": 0.3}
MISTRAL = {**ENCODER, "num_key_value_heads": 1}

FNET = {
    **SPECIAL,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 80,
    "initializer_range": 0.3,
}

FAMILIES = [
    ("text_generation", "gpt2", GPT2, "AutoModelForCausalLM"),
    ("text_generation", "mistral", MISTRAL, "AutoModelForCausalLM"),
    ("text_generation", "t5", T5, "AutoModelForSeq2SeqLM"),
    ("text_generation", "bart", BART, "AutoModelForSeq2SeqLM"),
    ("summarization", "t5", T5, "AutoModelForSeq2SeqLM"),
    ("summarization", "bart", BART, "AutoModelForSeq2SeqLM"),
    ("summarization", "pegasus", BART, "AutoModelForSeq2SeqLM"),
    ("summarization", "bigbird_pegasus", BIGBIRD, "AutoModelForSeq2SeqLM"),
    ("summarization", "led", LED, "AutoModelForSeq2SeqLM"),
    ("summarization", "gpt2", GPT2, "AutoModelForCausalLM"),
    ("text_classification", "t5", T5, "AutoModelForSeq2SeqLM"),
    ("text_classification", "bart", BART, "AutoModelForSequenceClassification"),
    ("text_classification", "bert", ENCODER, "AutoModelForSequenceClassification"),
    ("text_classification", "distilbert", DISTILBERT, "AutoModelForSequenceClassification"),
    ("text_classification", "electra", ELECTRA, "AutoModelForSequenceClassification"),
    ("text_classification", "gpt2", GPT2, "AutoModelForSequenceClassification"),
    ("text_classification", "roberta", ENCODER, "AutoModelForSequenceClassification"),
    ("sentence_similarity", "bert", ENCODER, "AutoModel"),
    ("sentence_similarity", "mpnet", ENCODER, "AutoModel"),
    ("sentence_similarity", "xlm-roberta", ENCODER, "AutoModel"),
    ("sentence_similarity", "bloom", BLOOM, "AutoModel"),
    ("sentence_similarity", "mistral", MISTRAL, "AutoModel"),
    ("sentence_similarity", "nomic_bert", ENCODER, "AutoModel"),
    ("sentence_similarity", "t5", T5, "T5EncoderModel"),
    ("sentence_similarity", "bart", BART, "AutoModel"),
    ("question_answering", "t5", T5, "AutoModelForSeq2SeqLM"),
    ("question_answering", "bart", BART, "AutoModelForQuestionAnswering"),
    ("question_answering", "bert", ENCODER, "AutoModelForQuestionAnswering"),
    ("question_answering", "distilbert", DISTILBERT, "AutoModelForQuestionAnswering"),
    ("question_answering", "mobilebert", MOBILEBERT, "AutoModelForQuestionAnswering"),
    ("question_answering", "electra", ELECTRA, "AutoModelForQuestionAnswering"),
    ("question_answering", "roberta", ENCODER, "AutoModelForQuestionAnswering"),
    ("question_answering", "longformer", LONGFORMER, "AutoModelForQuestionAnswering"),
    ("question_answering", "deberta-v2", DEBERTA_V3, "AutoModelForQuestionAnswering"),
]

SHORT = "Snow closed the airport of Oslo."
LONGER = "Heavy snow closed the airport of Oslo on Monday, and trains through Norway ran late."
TOO_LONG = " ".join([LONGER] * 20)
QUERIES = {
    "text_generation": [{"text": text} for text in (SHORT, LONGER, TOO_LONG)],
    "summarization": [{"text": text} for text in (SHORT, LONGER, TOO_LONG)],
    "text_classification": [{"text": text} for text in (SHORT, LONGER, TOO_LONG)],
    "sentence_similarity": [
        {"sentence1": SHORT, "sentence2": text} for text in ("It rained.", LONGER, TOO_LONG)
    ],
    "question_answering": [
        {"question": "What closed the airport?", "context": text}
        for text in (SHORT, LONGER, TOO_LONG)
    ],
}


def save(folder, auto_class, family, settings, tokenizer=None):
    """A random model of that family as `save_pretrained` writes it, with a tokenizer."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(family, **settings)
    made = getattr(transformers, auto_class)
    (made.from_config if auto_class.startswith("Auto") else made)(config).save_pretrained(folder)
    tokenizer = tokenizer or bundled_tokenizer(padding_side="left", framed=True, longest=10**30)
    tokenizer.save_pretrained(folder)


def longformer_tokenizer():
    """Longformer finds the question by the three separators that RoBERTa's tokenizer puts."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = bundled_tokenizer(padding_side="right", framed=True, longest=10**30)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 1), ("</s>", 2)],
    )
    return tokenizer


@pytest.mark.parametrize(
    ("task", "family", "settings", "auto_class"),
    FAMILIES,
    ids=[f"{one[1]}-{one[0]}" for one in FAMILIES],
)
def test_a_family_does_its_task_in_batches_as_alone(task, family, settings, auto_class, tmp_path):
    if task == "text_classification":
        settings = settings | {"num_labels": 64}
    tokenizer = longformer_tokenizer() if family == "longformer" else None
    save(tmp_path, auto_class, family, settings, tokenizer)
    backend = resolve(BACKENDS, TASKS[task].spec.modality)()
    facts = backend.load(parse_model(str(tmp_path)), TASKS[task].spec, "cpu")
    assert facts.weights == "pretrained"
    entered, outputs = [], []
    backend.model.register_forward_hook(lambda module, given, output: outputs.append(output))

    def values(*queries):
        entered.clear()
        found = list(backend.run(backend.prepare(queries), entered.append).values)
        if "forward" in entered and task == "text_classification":
            # One label is the same by chance too often.
            logits = outputs[-1].logits
            assert found == logits.argmax(dim=-1).tolist()
            return logits.flatten().tolist()
        return found

    short, longer, too_long = QUERIES[task]
    backend.run(backend.prepare([too_long]), entered.append)  # cut where the model needs it
    together = values(short, longer)
    assert entered == list(backend.phases[1:])
    assert set(backend.phases) <= set(TASKS[task].spec.phases)
    alone = values(short) + values(longer)
    if isinstance(alone[0], float):
        assert together == pytest.approx(alone, abs=1e-4)
        assert together[: len(alone) // 2] != pytest.approx(alone[len(alone) // 2 :], abs=1e-2)
    else:
        assert together == alone
        assert together[0] != together[1]


def with_token_types():
    """A tokenizer that tells the first text of a pair from the second, as BERT's does."""
    names = ["input_ids", "token_type_ids", "attention_mask"]
    return bundled_tokenizer(
        padding_side="left", framed=True, longest=10**30, model_input_names=names
    )


@pytest.mark.parametrize(
    ("task", "family", "settings", "auto_class"),
    [
        ("text_generation", "mistral", MISTRAL, "AutoModelForCausalLM"),
        ("text_generation", "gpt2", GPT2, "AutoModelForCausalLM"),
        ("summarization", "bart", BART, "AutoModelForSeq2SeqLM"),
        ("text_classification", "distilbert", DISTILBERT, "AutoModelForSequenceClassification"),
        ("question_answering", "roberta", ENCODER, "AutoModelForQuestionAnswering"),
        ("sentence_similarity", "distilbert", DISTILBERT, "AutoModel"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_model_gets_what_it_takes_of_a_tokenizer_s_inputs(
    task, family, settings, auto_class, tmp_path
):
    def answers(tokenizer):
        save(tmp_path, auto_class, family, settings, tokenizer)
        backend = resolve(BACKENDS, TASKS[task].spec.modality)()
        backend.load(parse_model(str(tmp_path)), TASKS[task].spec, "cpu")
        return backend.run(backend.prepare(QUERIES[task][:2]), lambda phase: None).values

    assert list(answers(with_token_types())) == list(answers(None))


def test_a_bert_still_gets_the_types_of_its_tokens(tmp_path):
    save(tmp_path, "AutoModelForQuestionAnswering", "bert", ENCODER, with_token_types())
    backend = resolve(BACKENDS, "question_answering")()
    backend.load(parse_model(str(tmp_path)), TASKS["question_answering"].spec, "cpu")
    assert "token_type_ids" in backend.prepare(QUERIES["question_answering"][:1]).inputs


def test_a_model_that_takes_no_mask_gets_none(tmp_path):
    tokenizer = bundled_tokenizer(
        padding_side="right", framed=True, longest=10**30, model_input_names=["input_ids"]
    )
    save(tmp_path, "AutoModel", "fnet", FNET, tokenizer)
    backend = resolve(BACKENDS, "sentence_similarity")()
    backend.load(parse_model(str(tmp_path)), TASKS["sentence_similarity"].spec, "cpu")
    (value,) = backend.run(
        backend.prepare([{"sentence1": SHORT, "sentence2": LONGER}]), lambda phase: None
    ).values
    assert -1 <= value < 1


def test_of_a_t5_the_encoder_alone_embeds(tmp_path):
    save(tmp_path, "AutoModelForSeq2SeqLM", "t5", T5)
    backend = resolve(BACKENDS, "sentence_similarity")()
    facts = backend.load(parse_model(str(tmp_path)), TASKS["sentence_similarity"].spec, "cpu")
    assert facts.architecture == "T5EncoderModel"
    assert not any("decoder" in name for name, _ in backend.model.named_parameters())


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_an_encoder_decoder_continues_a_text_within_its_context(family, tmp_path):
    """The prompt is cut to the context less the new tokens, as the official method does it."""
    settings = {"t5": T5 | {"n_positions": 80}, "bart": BART}[family]
    save(tmp_path, "AutoModelForSeq2SeqLM", family, settings)
    backend = resolve(BACKENDS, "text_generation")()
    facts = backend.load(parse_model(str(tmp_path)), TASKS["text_generation"].spec, "cpu")
    assert (facts.context_length, backend.cut_inputs([]).limit) == (80, 70)
    batch = backend.prepare([{"text": TOO_LONG}])
    assert batch.input_tokens == 70
    assert backend.phases == ("preprocess", "prefill", "decode")
    assert backend.run(batch, lambda phase: None).output_tokens == 10
    (ids,) = backend.prepare([{"text": SHORT}]).inputs["input_ids"]
    assert backend._tokenizer.decode(ids, skip_special_tokens=True) == SHORT


def with_sentencepiece(folder, name, tokenizer_class):
    """In place of the saved tokenizer a sentencepiece model alone, as many models come."""
    import io
    import json

    import sentencepiece

    for file in folder.glob("*tokenizer*"):
        file.unlink()
    made = io.BytesIO()
    words = [f"{place} {text}" for place in "abcdefgh" for text in (SHORT, LONGER)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words),
        model_writer=made,
        vocab_size=120,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / name).write_bytes(made.getvalue())
    settings = {"tokenizer_class": tokenizer_class, "extra_ids": 0}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("task", "family", "settings", "auto_class", "name", "tokenizer_class"),
    [
        (
            "text_generation",
            "mistral",
            MISTRAL,
            "AutoModelForCausalLM",
            "tokenizer.model",
            "LlamaTokenizer",
        ),
        ("summarization", "t5", T5, "AutoModelForSeq2SeqLM", "spiece.model", "T5Tokenizer"),
        (
            "sentence_similarity",
            "xlm-roberta",
            ENCODER,
            "AutoModel",
            "sentencepiece.bpe.model",
            "XLMRobertaTokenizer",
        ),
        (
            "sentence_similarity",
            "deberta-v2",
            DEBERTA_V3,
            "AutoModel",
            "spm.model",
            "DebertaV2Tokenizer",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_model_with_a_sentencepiece_model_alone_loads(
    task, family, settings, auto_class, name, tokenizer_class, tmp_path
):
    save(tmp_path, auto_class, family, settings)
    with_sentencepiece(tmp_path, name, tokenizer_class)
    backend = resolve(BACKENDS, TASKS[task].spec.modality)()
    backend.load(parse_model(str(tmp_path)), TASKS[task].spec, "cpu")
    ids = backend._tokenizer(SHORT)["input_ids"]
    assert backend._tokenizer.decode(ids, skip_special_tokens=True).strip() == SHORT
    assert 5 < len(ids) < len(SHORT)
    output = backend.run(backend.prepare(QUERIES[task][:2]), lambda phase: None)
    assert len(output.values) == 2
