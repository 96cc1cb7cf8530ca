"""Weights that are quantized while they are loaded, by the real libraries, and their attention."""

from dataclasses import replace
from functools import partial
from typing import get_args

import pytest
import torch
from transformers import AutoModelForCausalLM, BloomConfig, GPT2Config, LlamaConfig

from energyscore.base.errors import ModelError, UnsupportedError, UsageError
from energyscore.cli import run_options
from energyscore.measurement.backends.compiling import (
    check_compiler,
    compile_model,
    compiled_since,
)
from energyscore.measurement.backends.facts import facts_of_loaded
from energyscore.measurement.backends.loading import Blueprint, load_weights
from energyscore.measurement.backends.memory import memory_of
from energyscore.measurement.backends.quantization import do_without_unfit_kernels
from energyscore.measurement.backends.quantizing import METHODS, take_census
from energyscore.measurement.meters.recompiling import RecompilingMeter
from energyscore.protocol.model import ModelSpec, Quantization
from energyscore.protocol.task import load_tasks
from energyscore.results.compilation import Compilation

TASK = load_tasks()["text_generation"].spec
LLAMA = LlamaConfig(
    hidden_size=64,
    intermediate_size=256,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    vocab_size=128,
)
GPT2 = GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=128, n_positions=64)
RANDOM = ModelSpec("hub", "org/model", random_weights=True)
LINEAR = 2 * 7


def load(config, spec=RANDOM, **how):
    blueprint = Blueprint(replace(spec, **how), TASK, "cpu", config)
    loaded = load_weights(blueprint, AutoModelForCausalLM)
    return loaded.module, facts_of_loaded(blueprint, loaded)


@pytest.fixture(scope="module")
def plain():
    return load(LLAMA)


@pytest.fixture(scope="module")
def saved(plain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "llama"
    plain[0].save_pretrained(folder)
    return ModelSpec("local", "llama", path=folder)


def test_the_methods_are_those_of_the_options():
    assert set(METHODS) == set(get_args(Quantization))
    choices, _none = get_args(get_args(run_options.Quantization)[0])
    assert list(get_args(choices)) == ["none", *METHODS]


@pytest.mark.parametrize(
    ("name", "recorded", "kind", "weight"),
    [
        ("int8", "torchao-int8-8bit", "Linear", "Int8Tensor"),
        ("int8-dynamic", "torchao-int8-dynamic-8bit", "Linear", "Int8Tensor"),
        ("fp8-weight-only", "torchao-fp8-weight-only-8bit", "Linear", "Float8Tensor"),
        ("nf4", "bitsandbytes-nf4-4bit", "Linear4bit", "Params4bit"),
        ("fp4", "bitsandbytes-fp4-4bit", "Linear4bit", "Params4bit"),
        ("llm-int8", "bitsandbytes-llm-int8-8bit", "Linear8bitLt", "Int8Params"),
    ],
)
def test_weights_are_quantized_as_the_census_says(name, recorded, kind, weight, plain, saved):
    model, facts = load(LLAMA, saved, quantization=name)
    census, before = facts.census, plain[1]
    assert (facts.quantization, facts.quantized_on_load) == (recorded, name)
    assert facts.quantization_bits == METHODS[name].bits
    assert (facts.parameters, facts.dtype) == (before.parameters, "float32")
    assert facts.parent is None
    (done,) = (layer for layer in census.layers if layer.state == "quantized")
    assert (done.module, done.weight, done.count) == (kind, weight, LINEAR)
    kept = {layer.module: layer.count for layer in census.layers if layer.state == "kept"}
    assert kept == {"Embedding": 1, "LlamaRMSNorm": 5, "Linear": 1}  # the head
    assert census.bytes_before == before.parameters * 4
    scales = 1.25 if facts.quantization_bits == 4 else 1.1
    linear = sum(
        one.weight.numel() for path, one in plain[0].named_modules() if path.endswith("_proj")
    )
    packed = linear * facts.quantization_bits / 8
    assert packed < done.weights_bytes < packed * scales
    buffers = sum(map(torch.Tensor.nelement, model.buffers())) * 4
    assert memory_of([model], []).weights_bytes == census.bytes_after + buffers
    ids = torch.arange(12)[None]
    with torch.inference_mode():
        wanted, got = plain[0](ids).logits, model(ids).logits
    assert 0 < (got - wanted).norm() / wanted.norm() < 0.3


@pytest.mark.parametrize("sizes", [(64, 2), (64, 48), (96, 64), (64, 64)])
def test_layers_that_a_kernel_of_some_processors_cannot_do_work_there(sizes):
    """The kernel for AVX-512 BF16 takes 32 outputs and whole blocks of 64 inputs at a time."""
    import bitsandbytes

    torch.manual_seed(0)
    plain = torch.nn.Linear(*sizes)
    layer = bitsandbytes.nn.LinearNF4(*sizes, compute_dtype=torch.float32)
    layer.load_state_dict(plain.state_dict())
    layer = layer.to("cpu").eval()
    own, layer.support_avx512bf16_for_cpu = layer.support_avx512bf16_for_cpu, True
    do_without_unfit_kernels(layer)
    assert layer.support_avx512bf16_for_cpu is (sizes == (64, 64))
    layer.support_avx512bf16_for_cpu &= own  # elsewhere there is no such kernel
    given = torch.randn(3, sizes[0])
    with torch.inference_mode():
        wanted, got = plain(given), layer(given)
    assert (got - wanted).norm() / wanted.norm() < 0.3


def test_layers_of_4_bits_read_what_lies_across_memory():
    import bitsandbytes

    torch.manual_seed(0)
    plain = torch.nn.Linear(64, 64)
    layer = bitsandbytes.nn.LinearNF4(64, 64, compute_dtype=torch.float32)
    layer.load_state_dict(plain.state_dict())
    layer = layer.to("cpu").eval()
    do_without_unfit_kernels(layer)
    given = torch.randn(64, 2, 5).movedim(0, -1)
    assert not given.is_contiguous()
    with torch.inference_mode():
        wanted, got, named = plain(given), layer(given), layer(x=given.contiguous())
    assert (got - wanted).norm() / wanted.norm() < 0.3
    assert torch.equal(got, named)


def test_random_weights_are_quantized_too(plain):
    model, facts = load(LLAMA, quantization="int8")
    assert (facts.weights, facts.quantization) == ("random", "torchao-int8-8bit")
    ids = torch.arange(12)[None]
    with torch.inference_mode():
        wanted, got = plain[0](ids).logits, model(ids).logits
    assert 0 < (got - wanted).norm() / wanted.norm() < 0.05
    assert LLAMA.to_dict().get("quantization_config") is None


def test_a_model_in_which_nothing_is_quantized_is_refused_with_what_would():
    with pytest.raises(ModelError) as caught:
        load(GPT2, quantization="int8")
    assert "--quantization int8: nothing was quantized in the model org/model" in str(caught.value)
    assert "layers of the class Conv1D, and torchao quantizes Linear." in caught.value.message
    assert caught.value.remedy == "Take nf4 or fp4 or llm-int8, which quantize them."
    _, facts = load(GPT2, quantization="nf4")
    assert facts.census.saved_share > 0.5


def test_what_is_quantized_already_is_refused(saved):
    config = LlamaConfig(**LLAMA.to_dict())
    config.quantization_config = {"quant_method": "gptq", "bits": 4}
    with pytest.raises(ModelError, match=r"llama is quantized already \(gptq-4bit\)"):
        load(config, saved, quantization="nf4")


def test_what_this_machine_cannot_do_is_refused(monkeypatch):
    for name in ("int4", "fp8"):
        with pytest.raises(UnsupportedError, match=f"--quantization {name} needs an NVIDIA GPU"):
            load(LLAMA, quantization=name)
    monkeypatch.setitem(__import__("sys").modules, "torchao", None)
    with pytest.raises(UnsupportedError) as caught:
        load(LLAMA, quantization="int8")
    assert "pip install 'energyscore[quantize]'" in str(caught.value)


def test_a_gpu_that_is_too_old_for_a_precision_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    blueprint = Blueprint(replace(RANDOM, quantization="fp8"), TASK, "cuda", LLAMA)
    with pytest.raises(UnsupportedError, match=r"compute capability 8\.9, and this one has 8\.0"):
        load_weights(blueprint, AutoModelForCausalLM)
    asked = replace(RANDOM, quantization="int4", dtype="float16")
    with pytest.raises(UsageError, match="int4 computes in bfloat16, not in float16"):
        load_weights(Blueprint(asked, TASK, "cuda", LLAMA), AutoModelForCausalLM)


def test_the_attention_that_is_used_is_recorded_beside_the_models_own(plain):
    assert (plain[1].attention, plain[1].attention_default) == ("sdpa", "sdpa")
    _, facts = load(LLAMA, attention="eager")
    assert (facts.attention, facts.attention_default) == ("eager", "sdpa")
    assert (plain[1].compiled, facts.compiled) == (False, False)


def test_a_layer_that_was_left_out_in_silence_is_told(saved):
    model, facts = load(LLAMA, saved, quantization="int8")
    assert facts.census.fell_back == 0
    layer = model.model.layers[1].mlp.up_proj
    layer.weight = torch.nn.Parameter(layer.weight.dequantize(), requires_grad=False)
    census = take_census(model)
    (left,) = (layer for layer in census.layers if layer.state == "fell_back")
    assert (left.module, left.weight, left.count) == ("Linear", "float32", 1)
    assert left.weights_bytes == 64 * 256 * 4
    assert census.fell_back == 1


class Doubling(torch.nn.Module):
    def forward(self, rows):
        return rows * 2


def test_what_was_compiled_is_counted_and_a_new_shape_in_a_window_spoils_it():
    module = Doubling()
    before = compile_model(module, "eager")  # counted as for the compiler, and made at once
    made = partial(compiled_since, before)
    assert made() == Compilation(seconds=0, graphs=0, breaks=0)
    meter = RecompilingMeter(made)
    meter.open()
    for rows, graphs in ((3, 1), (5, 1), (1, 2)):
        token = meter.start()
        was = made().graphs
        module(torch.ones(rows, 4))
        assert made().graphs == graphs
        notices = meter.stop(token).notices
        assert [(one.code, one.invalidates) for one in notices] == (
            [("recompiled", True)] if graphs > was else []
        )
    assert made().seconds > 0
    assert torch._dynamo.config.fail_on_recompile_limit_hit


def test_a_machine_without_a_compiler_is_told_so(monkeypatch):
    monkeypatch.setenv("CXX", "/nowhere/g++")
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("/nowhere/g++",))
    with pytest.raises(UnsupportedError, match=r"--compile needs a C\+\+ compiler"):
        check_compiler("cpu")


def test_an_attention_that_the_model_or_the_machine_lacks_is_refused():
    lacking = BloomConfig(vocab_size=64, hidden_size=8, n_layer=1, n_head=2)
    with pytest.raises(ModelError, match="--attention sdpa: the model org/model does not have it"):
        load(lacking, attention="sdpa")
    flash = replace(RANDOM, attention="flash_attention_2")
    for device, dtype, kind, said in (
        ("cpu", "bfloat16", UnsupportedError, "needs an NVIDIA GPU"),
        ("cuda", "float32", UsageError, "computes in float16 or bfloat16, not in float32"),
        ("cuda", "bfloat16", UnsupportedError, "needs flash-attn, which is not installed"),
    ):
        blueprint = Blueprint(replace(flash, dtype=dtype), TASK, device, LLAMA)
        with pytest.raises(kind, match=f"--attention flash_attention_2 {said}"):
            load_weights(blueprint, AutoModelForCausalLM)
