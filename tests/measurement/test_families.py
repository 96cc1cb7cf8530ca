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

FAMILIES = [
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
    getattr(transformers, auto_class).from_config(config).save_pretrained(folder)
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
