"""What is loaded is what was named, and all of it; what cannot be is refused in one line."""

import json
import os
import pickle
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing._internal.two_tensor import TwoTensor
from transformers import (
    AutoTokenizer,
    BartConfig,
    BertConfig,
    BlipConfig,
    DistilBertConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LEDConfig,
    LlamaConfig,
    LlamaForCausalLM,
    WhisperConfig,
)

from energyscore.base.errors import ModelError, UnsupportedError
from energyscore.base.lookup import resolve
from energyscore.measurement.backends.base import ByModel
from energyscore.measurement.backends.failures import loading_errors
from energyscore.measurement.backends.loading import Blueprint
from energyscore.measurement.backends.memory import memory_of
from energyscore.measurement.backends.origin import parent_of
from energyscore.measurement.backends.processors import bundled_tokenizer
from energyscore.measurement.backends.quantization import check_loaded
from energyscore.measurement.catalog import BACKENDS
from energyscore.protocol.model import parse_model
from energyscore.protocol.parentage import Parent
from energyscore.protocol.task import load_tasks

TASKS = load_tasks()


def load(folder, task="text_generation", **options):
    backend = resolve(BACKENDS, task)()
    return backend, backend.load(parse_model(str(folder), **options), TASKS[task].spec, "cpu")


def complaint(folder, task="text_generation", **options):
    with pytest.raises(ModelError) as caught:
        load(folder, task, **options)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.fixture
def folder(tmp_path, tiny_model):
    return shutil.copytree(tiny_model, tmp_path / "model")


class Evil:
    """A pickle that makes a folder when it is opened."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.mark.parametrize("how", ["index", "configuration", "named safetensors"])
def test_no_pickle_is_opened_unasked_however_it_is_named(folder, tmp_path, how):
    evil = pickle.dumps(Evil(tmp_path / "ran"), protocol=2)
    (folder / "model.safetensors").unlink()
    if how == "index":
        (folder / "evil.bin").write_bytes(evil)
        index = {"metadata": {}, "weight_map": {"transformer.wte.weight": "evil.bin"}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        expected = "--allow-pickle"
    elif how == "configuration":
        (folder / "adapter_model.bin").write_bytes(evil)
        settings = json.loads((folder / "config.json").read_text())
        settings["transformers_weights"] = "adapter_model.bin"
        (folder / "config.json").write_text(json.dumps(settings))
        expected = "--allow-pickle"
    else:
        (folder / "model.safetensors").write_bytes(evil)
        expected = "is a pickle and not safetensors"
    assert expected in complaint(folder)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_that_is_allowed_and_holds_code_is_not_run_either(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(tmp_path / "ran"), protocol=2))
    assert "holds code" in complaint(folder, allow_pickle=True)
    assert not (tmp_path / "ran").exists()


def test_torch_opens_no_pickle_that_no_check_foresaw(tmp_path):
    file = tmp_path / "w.bin"
    torch.save({}, file)
    spec = parse_model("org/model")
    with pytest.raises(ModelError, match="--allow-pickle"), loading_errors(spec):
        torch.load(file)
    with loading_errors(parse_model("org/model", allow_pickle=True)):
        assert torch.load(file) == {}
    assert torch.load(file) == {}


def change(file, **settings):
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | settings))


def resave(folder, change_names):
    tensors = load_file(folder / "model.safetensors")
    renamed = {new: one for name, one in tensors.items() if (new := change_names(name))}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("prefix", "wrapper"),
    [
        *(("module.", "DataParallel"), ("_orig_mod.", "torch.compile")),
        *(("_forward_module.", "Lightning or DeepSpeed"), ("base_model.model.", "peft")),
        *(("_fsdp_wrapped_module.", "FSDP"), ("module._orig_mod.", "DataParallel")),
    ],
)
def test_weights_saved_in_a_wrapper_of_training_are_named(folder, prefix, wrapper):
    resave(folder, lambda name: prefix + name)
    said = complaint(folder)
    assert f"({wrapper})" in said
    assert f"as in {prefix}transformer.h.0" in said
    assert "--random-weights" not in said


def test_half_a_checkpoint_is_no_model_for_another_task(folder):
    resave(folder, lambda name: name if ".h.1." not in name else "")
    said = complaint(folder)
    assert "12 of 28 are not in its files, and would be random" in said
    assert "another task" not in said


def test_a_head_that_its_own_class_lacks_is_half_a_checkpoint(folder):
    change(folder / "config.json", tie_word_embeddings=False)
    resave(folder, lambda name: name if "lm_head" not in name else "")
    assert "would be random: lm_head.weight" in complaint(folder)


def add(folder, name, shape=(4, 4)):
    tensors = load_file(folder / "model.safetensors")
    tensors[name] = torch.zeros(shape)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("names", ["whole", "without the prefix"])
def test_layers_that_the_configuration_does_not_count_are_refused(folder, names):
    change(folder / "config.json", n_layer=1)
    if names != "whole":
        resave(folder, lambda name: name.removeprefix("transformer."))
    said = complaint(folder)
    assert "has 1 by it, and there are weights of number 2" in said
    assert "h.1.attn.c_attn.weight" in said
    change(folder / "config.json", num_nextn_predict_layers=1)
    load(folder)


def test_an_adapter_that_was_not_merged_is_refused(folder):
    add(folder, "transformer.h.0.attn.c_attn.lora_A.default.weight")
    assert "not merged (transformer.h.0.attn.c_attn.lora_A.default.weight)" in complaint(folder)


def test_weights_of_layers_that_are_not_taken_are_kept_in_mind_and_heads_are_not(folder):
    for name in ("pooler.dense.weight", "transformer.extra.weight", "score.weight"):
        add(folder, name)
    for name in ("attn.masked_bias", "attn.bias", "attn.rotary_emb.inv_freq"):
        add(folder, f"transformer.h.0.{name}")
    assert load(folder)[1].left_over == ()
    add(folder, "transformer.h.0.attn.q_norm.weight")
    assert load(folder)[1].left_over == ("transformer.h.0.attn.q_norm.weight",)
    assert load(folder, "sentence_similarity")[1].left_over == load(folder)[1].left_over


def test_weights_of_other_shapes_are_named_with_both(folder):
    change(folder / "config.json", vocab_size=9000)
    said = complaint(folder)
    assert "transformer.wte.weight has the shape [8192, 64] in its files, and [9000, 64] by" in said
    assert "ignore_mismatched_sizes" not in said


@pytest.mark.parametrize("options", [{}, {"random_weights": True}])
def test_a_model_that_fills_gaps_does_not_continue_texts(folder, options):
    config = {
        "vocab_size": 8192,
        "hidden_size": 16,
        "num_attention_heads": 1,
        "num_hidden_layers": 1,
    }
    BertConfig(**config, architectures=["BertForMaskedLM"]).save_pretrained(folder)
    said = complaint(folder, **options)
    assert "A model of the family bert, saved as BertForMaskedLM, reads whole texts" in said
    DistilBertConfig(vocab_size=8192, dim=16, n_layers=1, n_heads=1).save_pretrained(folder)
    assert "A model of the family distilbert reads whole texts" in complaint(folder, **options)
    BertConfig(**config, is_decoder=True).save_pretrained(folder)
    assert load(folder, random_weights=True)[1].architecture == "BertLMHeadModel"


GEMMA = {
    "model_type": "gemma3",
    "text_config": {
        **{"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1},
        **{"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16},
        **{"vocab_size": 8192, "max_position_embeddings": 40, "pad_token_id": 0},
    },
    "vision_config": {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 1},
}


def test_the_context_of_a_composite_model_is_its_text_parts(folder):
    (folder / "config.json").write_text(json.dumps(GEMMA))
    backend, facts = load(folder, random_weights=True)
    assert facts.context_length == 40
    batch = backend.prepare([{"text": "word " * 500}])
    assert batch.input_tokens == 40 - 10
    assert backend.cut_inputs([{"text": "word " * 500}, {"text": "word"}]).queries == 1


def test_a_context_without_room_for_the_answer_is_one_line(folder):
    change(folder / "config.json", n_positions=10)
    said = "(10 tokens) has no room for a prompt and the 10 new tokens of an answer"
    assert said in complaint(folder, random_weights=True)
    change(folder / "config.json", n_positions=11)
    assert load(folder, random_weights=True)[1].context_length == 11
    change(folder / "tokenizer_config.json", model_max_length=7)
    said = complaint(folder, random_weights=True)
    assert "(7 tokens) has no room" in said
    assert "model_max_length" in said


@pytest.mark.parametrize(
    ("task", "config"),
    [
        ("summarization", BartConfig(vocab_size=8192, max_position_embeddings=10, d_model=16)),
        ("question_answering", BartConfig(vocab_size=8192, max_position_embeddings=9, d_model=16)),
        ("text_classification", LEDConfig(vocab_size=8192, max_decoder_position_embeddings=10)),
        ("asr", WhisperConfig(max_target_positions=10)),
        ("image_captioning", BlipConfig(text_config={"max_position_embeddings": 10})),
    ],
)
def test_every_task_that_generates_says_so_before_it_loads_anything(folder, task, config):
    config.save_pretrained(folder)
    blueprint = Blueprint(parse_model(str(folder)), TASKS[task].spec, "cpu", config)
    backend = resolve(BACKENDS, task)
    if issubclass(backend, ByModel):
        backend = backend.choose(config)
    with pytest.raises(ModelError, match="has no room for a prompt and the 10 new tokens"):
        backend().load_from(blueprint)


@pytest.mark.parametrize("task", ["sentence_similarity", "question_answering"])
def test_a_limit_that_the_special_tokens_fill_is_refused(folder, task):
    """It would cut every text to nothing, and say that so many tokens are left of it."""
    base = bundled_tokenizer(padding_side="right", framed=True, longest=4)
    base.save_pretrained(folder)
    BertConfig(
        vocab_size=8192, hidden_size=16, num_attention_heads=1, num_hidden_layers=1
    ).save_pretrained(folder)
    special = base.num_special_tokens_to_add(pair=task == "question_answering")
    change(folder / "tokenizer_config.json", model_max_length=special)
    said = complaint(folder, task, random_weights=True)
    assert f"takes {special} tokens of a query, and its tokenizer adds {special} special" in said
    change(folder / "tokenizer_config.json", model_max_length=special + 1)
    load(folder, task, random_weights=True)


@pytest.mark.parametrize("length", [-5, 0, 20.5, "512"])
def test_a_longest_input_that_is_no_number_of_tokens_is_named(folder, length):
    change(folder / "tokenizer_config.json", model_max_length=length)
    said = complaint(folder, random_weights=True)
    assert f"model_max_length in tokenizer_config.json of the model model is {length!r}: no" in said


@pytest.mark.parametrize("part", ["model", "normalizer"])
def test_a_tokenizer_of_an_unknown_kind_is_one_line(folder, part):
    change(folder / "tokenizer.json", **{part: {"type": "Unheard"}})
    said = complaint(folder, random_weights=True)
    assert "The tokenizer files of the model model cannot be read: data did not match" in said


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 499723\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tokenizer.model", POINTER, "tokenizer.model of the model model is a pointer of Git LFS"),
        ("spiece.model", POINTER, "spiece.model of the model model is a pointer of Git LFS"),
        ("tokenizer.json", POINTER, "tokenizer.json of the model model is a pointer of Git LFS"),
        ("spiece.model", b"", "spiece.model of the model model is empty"),
        ("tokenizer.model", b"\n\x0e\n\x05<unk>" * 9, "is no whole sentencepiece model"),
    ],
)
def test_a_vocabulary_that_is_none_is_named(folder, name, content, said):
    kind = "T5Tokenizer" if name == "spiece.model" else "LlamaTokenizer"
    for file in folder.glob("tokenizer*"):
        file.unlink()
    change(folder / "tokenizer_config.json", tokenizer_class=kind)
    (folder / name).write_bytes(content)
    assert said in complaint(folder, random_weights=True)


def test_the_reason_of_a_library_stands_in_its_later_lines(folder):
    change(folder / "config.json", n_layer="two")
    assert "Field 'n_layer' expected int, got str (value: 'two')" in complaint(folder)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_padding_token_outside_the_vocabulary_is_named(folder, file):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if file == "config.json":
        change(folder / file, pad_token_id=8192)
    else:
        tokenizer.add_special_tokens({"pad_token": "[PAD]"})
        tokenizer.save_pretrained(folder)
    said = complaint(folder)
    assert f"by its {file} is number 8192, outside the vocabulary of 8192 tokens" in said


def test_sentences_are_cut_where_sentence_transformers_cuts_them(tmp_path, tiny_model):
    for file in tiny_model.glob("tokenizer*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    BertConfig(
        vocab_size=8192, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=1,
    ).save_pretrained(tmp_path)  # fmt: skip
    pair = {"sentence1": "word " * 300, "sentence2": "word"}

    def cut():
        backend, _ = load(tmp_path, "sentence_similarity", random_weights=True)
        found = backend.cut_inputs([pair])
        return found.limit, found.queries

    assert cut() == (512, 0)
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    assert cut() == (128, 1)
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": null}')
    assert cut() == (512, 0)
    (tmp_path / "sentence_bert_config.json").write_text("{")
    said = complaint(tmp_path, "sentence_similarity", random_weights=True)
    assert "sentence_bert_config.json" in said


FP8 = {"quant_method": "fp8", "weight_block_size": [16, 16], "activation_scheme": "dynamic"}


@pytest.fixture
def llama(tmp_path, tiny_model):
    """A folder with a tiny Llama."""
    folder = tmp_path / "llama"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8192, hidden_size=32, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    for file in tiny_model.glob("tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_a_quantization_that_the_library_does_not_know_is_refused(llama):
    change(llama / "config.json", quantization_config={"quant_method": "modelopt9"})
    for options in ({}, {"dtype": "bfloat16"}):
        said = complaint(llama, **options)
        assert "does not know: 'modelopt9'" in said
    change(llama / "config.json", quantization_config={"bits": 4})
    assert "does not know: 'unknown-4bit'" in complaint(llama)


def quantize(folder):
    """As FP8 models are published: blocks of 16 by 16 share a scale."""
    tensors = load_file(folder / "model.safetensors")
    for name in [name for name in tensors if name.endswith("_proj.weight")]:
        weight = tensors[name]
        blocks = weight.reshape(weight.shape[0] // 16, 16, weight.shape[1] // 16, 16)
        scale = blocks.abs().amax(dim=(1, 3)) / 448
        tensors[name] = (
            (blocks / scale[:, None, :, None]).reshape_as(weight).to(torch.float8_e4m3fn)
        )
        tensors[f"{name}_scale_inv"] = scale
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    change(folder / "config.json", quantization_config=FP8)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU may compute in FP8")
def test_a_quantization_that_the_library_undoes_is_not_named_and_told(llama):
    quantize(llama)
    _, facts = load(llama)
    assert (facts.quantization, facts.quantization_bits) == (None, None)
    assert (facts.dequantized, facts.dtype) == ("fp8-8bit", "float32")
    assert load(llama, dtype="bfloat16")[1].dtype == "bfloat16"


def test_a_quantization_of_which_the_weights_show_nothing_is_refused(llama):
    model = LlamaForCausalLM.from_pretrained(llama)
    model.config.quantization_config = {"quant_method": "torchao"}
    with pytest.raises(ModelError, match=r"says that it is quantized .* none of its weights are"):
        check_loaded(model, parse_model(str(llama)))
    packed = torch.zeros(16 * 32, 1, dtype=torch.uint8)
    model.model.layers[0].mlp.up_proj.weight = torch.nn.Parameter(packed, requires_grad=False)
    check_loaded(model, parse_model(str(llama)))
    with pytest.raises(ModelError, match="computes in float32, whatever --dtype float16 says"):
        check_loaded(model, parse_model(str(llama), dtype="float16"))


LORA = {"r": 4, "target_modules": ["c_attn"], "fan_in_fan_out": True, "init_lora_weights": False}


@pytest.fixture
def adapter(tmp_path, tiny_model):
    """Make a folder with a LoRA for the tiny GPT-2, as peft saves it."""

    def make(name, seed=0):
        import peft  # takes two seconds, in each process that only collects tests too

        torch.manual_seed(seed)
        base = GPT2LMHeadModel.from_pretrained(tiny_model)
        peft.get_peft_model(base, peft.LoraConfig(**LORA)).save_pretrained(tmp_path / name)
        return tmp_path / name

    return make


def test_an_adapter_is_measured_on_its_base_and_told_from_others(adapter, tiny_model):
    base, plain = load(tiny_model)
    one, facts = load(adapter("one"), base_model=str(tiny_model))
    _, other = load(adapter("other", seed=1), base_model=str(tiny_model))
    assert facts.parameters == plain.parameters + 2 * (4 * 64 + 192 * 4)
    assert facts.architecture == plain.architecture
    assert facts.base_model == other.base_model == f"tiny-gpt2@{plain.revision}"
    assert len({plain.revision, facts.revision, other.revision}) == 3
    assert facts.parent == Parent("tiny-gpt2", "user", "adapter", "inferred")
    added = 4 * (facts.parameters - plain.parameters)  # float32
    assert one.memory().weights_bytes == base.memory().weights_bytes + added
    inputs = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        assert not torch.equal(one.model(inputs).logits, base.model(inputs).logits)
    batch = one.prepare([{"text": "A short one."}])
    assert one.run(batch, lambda phase: None).output_tokens == 10


def test_a_models_card_names_its_parent_and_its_weights_have_a_size(folder):
    front = "base_model: org/big\nbase_model_relation: distilled"
    (folder / "README.md").write_text(f"---\n{front}\n---\n")
    backend, facts = load(folder)
    assert facts.parent == Parent("org/big", "card", "distilled", "card")
    weights = sum(tensor.nbytes for tensor in load_file(folder / "model.safetensors").values())
    assert weights <= backend.memory().weights_bytes < 1.01 * weights  # and a mask or two
    assert backend.memory().peak_gpu_bytes is None
    # The user's word counts; how it was made is taken from the card where both name one parent.
    spec = parse_model(str(folder), base_model="org/big")
    assert parent_of(spec, None) == Parent("org/big", "user", "distilled", "card")
    spec = parse_model(str(folder), base_model="org/other")
    assert parent_of(spec, "quantized") == Parent("org/other", "user", "quantized", "inferred")
    assert parent_of(parse_model(str(folder), base_model=str(folder)), None) is None


def test_a_tensor_made_of_others_takes_what_they_take():
    """Quantized tensors state the shape and type of plain ones."""
    module = torch.nn.Module()
    module.weight = torch.nn.Parameter(TwoTensor(torch.zeros(8, 4), torch.zeros(8, 4)))
    module.tied = module.weight
    assert memory_of([module], ()).weights_bytes == 2 * 8 * 4 * 4


def test_an_adapter_that_is_not_for_the_model_is_refused(adapter, llama, tiny_model, tmp_path):
    made = adapter("one")
    assert "does not fit" in complaint(made, base_model=str(llama))
    longer = shutil.copytree(tiny_model, tmp_path / "longer")
    GPT2LMHeadModel(GPT2Config(n_layer=3, n_embd=64, n_head=2, vocab_size=8192)).save_pretrained(
        longer
    )
    assert "does not fit" in complaint(made, base_model=str(longer))


def test_a_pattern_of_an_adapter_that_is_none_is_named(adapter, tiny_model):
    made = adapter("one")
    change(made / "adapter_config.json", target_modules="(c_attn")
    said = complaint(made, base_model=str(tiny_model))
    assert (
        "target_modules in adapter_config.json of the adapter one is no pattern: missing )" in said
    )


def test_an_adapters_pickle_needs_permission_too(adapter, tiny_model, tmp_path):
    made = adapter("one")
    (made / "adapter_model.safetensors").unlink()
    evil = pickle.dumps(Evil(tmp_path / "ran"), protocol=2)
    (made / "adapter_model.bin").write_bytes(evil)
    assert "--allow-pickle" in complaint(made, base_model=str(tiny_model))
    assert "holds code" in complaint(made, base_model=str(tiny_model), allow_pickle=True)
    assert not (tmp_path / "ran").exists()


def test_prompt_tuning_is_no_adapter_that_can_be_put_into_a_model(tiny_model, tmp_path):
    import peft

    base = GPT2LMHeadModel.from_pretrained(tiny_model)
    tuning = peft.PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM")
    peft.get_peft_model(base, tuning).save_pretrained(tmp_path / "prompt")
    assert "PROMPT_TUNING" in complaint(tmp_path / "prompt", base_model=str(tiny_model))


def test_without_peft_it_says_what_to_install(adapter, tiny_model, monkeypatch):
    made = adapter("one")
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'energyscore\[peft\]'"):
        load(made, base_model=str(tiny_model))
