"""Dividing a model over GPUs: sizes, accelerate's map, and what is refused. No GPU is needed."""

import gc
import sys
import types
import weakref

import pytest
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig

from energyscore.base.errors import ModelError, UnsupportedError, UsageError
from energyscore.base.lookup import resolve
from energyscore.measurement.backend import Gpus
from energyscore.measurement.backends import loading
from energyscore.measurement.backends.base import ByModel
from energyscore.measurement.backends.devices import gpu_indices, synchronize
from energyscore.measurement.backends.loading import Blueprint, load_weights, read_blueprint
from energyscore.measurement.backends.spreading import check_nothing_left_out, sketch_of
from energyscore.measurement.backends.text_generation import Continuation
from energyscore.measurement.catalog import BACKENDS
from energyscore.protocol.bundled import architectures
from energyscore.protocol.model import parse_model
from energyscore.protocol.task import load_tasks

TASK = load_tasks()["text_generation"].spec
ANY_NUMBER = TASK.model_copy(update={"classes": TASK.classes[2:]})
"""A task that takes every model for one of class C."""

LLAMA_70B = LlamaConfig(
    hidden_size=8192,
    intermediate_size=28672,
    num_hidden_layers=80,
    num_attention_heads=64,
    num_key_value_heads=8,
    vocab_size=128256,
    max_position_embeddings=131072,
)
PARAMETERS_70B = 70_553_706_496
"""As published for Llama 3 70B."""

SMALL = LlamaConfig(
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=6,
    num_attention_heads=4,
    num_key_value_heads=2,
    vocab_size=512,
    bos_token_id=1,
    eos_token_id=2,
)
H100 = 85_000_000_000


@pytest.fixture
def pretend_gpus(monkeypatch):
    """Let torch say that there are so many GPUs of 85 GB."""

    def pretend(count):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda index: 0)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda index: 0)
        monkeypatch.setattr(
            torch.cuda,
            "get_device_properties",
            lambda index: types.SimpleNamespace(
                name="NVIDIA H100 80GB HBM3", total_memory=H100, uuid=f"GPU-{index}"
            ),
        )

    return pretend


def sketch(config, dtype=torch.float16, quantization=(None, None)):
    return sketch_of(AutoModelForCausalLM, config, dtype, "org/large", quantization)


def placed_bytes(module, device_map, index):
    """What lies on a GPU, counted by the names of the parameters."""
    names = [name for name, where in device_map.items() if where == index]
    return sum(
        parameter.numel() * parameter.element_size()
        for key, parameter in module.named_parameters()
        if any(key == name or key.startswith(f"{name}.") for name in names)
    )


def test_a_70b_model_goes_evenly_onto_two_gpus(pretend_gpus):
    pretend_gpus(4)
    large = sketch(LLAMA_70B)
    assert large.weights_bytes == pytest.approx(2 * PARAMETERS_70B, rel=1e-6)
    assert large.piece_bytes == 2 * 128256 * 8192, "the embedding is larger than a layer"
    limits = large.choose_gpus(Gpus(), TASK)
    assert list(limits) == [0, 1]
    device_map = large.divide(limits)
    on_each = [placed_bytes(large.module, device_map, index) for index in (0, 1)]
    assert sum(on_each) == 2 * PARAMETERS_70B, "every parameter has a place"
    assert all(size <= limits[index] for index, size in enumerate(on_each))
    assert min(on_each) > 0.9 * max(on_each)
    layers = [device_map[f"model.layers.{number}"] for number in range(80)]
    assert layers == sorted(layers), "whole layers, each GPU's in one stretch"
    assert device_map["model.embed_tokens"] == 0


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("qwen3-0.6b", "reasoning"),
        ("t5-small", "summarization"),
        ("bert-tiny-squad", "question_answering"),
        ("minilm-l6", "sentence_similarity"),
        ("whisper-tiny", "asr"),
        ("wav2vec2-base-960h", "asr"),
        ("git-base", "image_captioning"),
        ("resnet-18", "image_classification"),
        ("yolos-tiny", "object_detection"),
    ],
)
def test_models_of_all_kinds_are_placed_before_they_are_loaded(pretend_gpus, name, task):
    pretend_gpus(2)
    spec = parse_model(f"builtin:{name}")
    blueprint = read_blueprint(spec, load_tasks()[task].spec, "cuda", Gpus())
    backend = resolve(BACKENDS, task)
    if issubclass(backend, ByModel):
        backend = backend.choose(blueprint.config)
    for quantization in ((None, None), ("fp8", 8)):
        found = sketch_of(backend.auto_class, blueprint.config, torch.float32, name, quantization)
        assert 0 < found.piece_bytes < found.weights_bytes
        assert list(found.choose_gpus(blueprint.gpus, blueprint.task)) == [0]
        if quantization[0] is None:
            parameters = architectures()[name].parameters
            assert found.weights_bytes == pytest.approx(4 * parameters, rel=0.01)


def test_what_is_free_decides(pretend_gpus):
    pretend_gpus(4)
    taken = Gpus({"GPU-1": 10 * 10**9})
    assert list(sketch(LLAMA_70B).choose_gpus(taken, TASK)) == [0, 2]
    assert list(sketch(SMALL).choose_gpus(Gpus({"GPU-0": 0}), TASK)) == [1]
    with pytest.raises(UnsupportedError, match=r"takes 141.1 GB .* \(0, .*\) has 85.0 GB free"):
        pretend_gpus(1)
        sketch(LLAMA_70B).choose_gpus(Gpus(), TASK)


def test_the_work_of_a_70b_model_is_mostly_its_cache():
    def work_bytes(config=LLAMA_70B, **change):
        return sketch(config).working_bytes(TASK.model_copy(update=change))

    one = work_bytes(batch_size=1)
    cache = 80 * 2 * 8 * 128 * 2 * (4096 + 10)
    assert cache < one < 2.5 * cache
    assert work_bytes(batch_size=8) == 8 * one
    short = LlamaConfig(**LLAMA_70B.to_dict() | {"max_position_embeddings": 1024})
    assert 0.2 < work_bytes(short, batch_size=1) / one < 0.3


def test_a_large_batch_takes_more_gpus(pretend_gpus):
    pretend_gpus(8)
    batch = TASK.model_copy(update={"batch_size": 64})
    few, many = (len(sketch(LLAMA_70B).choose_gpus(Gpus(), task)) for task in (TASK, batch))
    assert (few, many) == (2, 4)  # a cache of 1.3 GB for each query, and what is beside it


def test_classes_of_the_official_protocol_stay_on_one_gpu(pretend_gpus):
    pretend_gpus(2)
    class_b = LlamaConfig(**LLAMA_70B.to_dict() | {"num_hidden_layers": 70})
    with pytest.raises(UnsupportedError, match="class B is measured on one"):
        sketch(class_b).choose_gpus(Gpus(), TASK)
    with pytest.raises(UsageError, match=r"\(class A\) is measured on one GPU"):
        sketch(SMALL).choose_gpus(Gpus(spread=2), TASK)
    assert list(sketch(SMALL).choose_gpus(Gpus(spread=2), ANY_NUMBER)) == [0, 1]


@pytest.mark.parametrize(
    ("quantization", "share"), [(("gptq-4bit", 4), 0.25), (("fp8", 8), 0.5), (("hqq", None), 0.25)]
)
def test_quantized_weights_take_less(pretend_gpus, quantization, share):
    pretend_gpus(8)
    mixture = AutoConfig.for_model(
        "mixtral", hidden_size=6144, intermediate_size=16384, num_hidden_layers=56,
        num_attention_heads=48, num_key_value_heads=8, vocab_size=32768,
    )  # fmt: skip
    whole, small = sketch(mixture), sketch(mixture, quantization=quantization)
    assert small.weights_bytes == pytest.approx(share * whole.weights_bytes, rel=0.02)
    limits = small.choose_gpus(Gpus(spread=2), TASK)
    device_map = small.divide(limits)
    halves = [placed_bytes(small.module, device_map, index) for index in (0, 1)]
    assert min(halves) > 0.8 * max(halves)
    assert sum(halves) == 2 * sum(p.numel() for p in small.module.parameters())


def test_nothing_is_left_to_the_processor_or_the_disk():
    small = sketch(SMALL)
    size = small.weights_bytes
    assert set(small.divide({1: size, 3: size}).values()) == {1, 3}
    with pytest.raises(UnsupportedError, match="cannot be divided so that 2 GPUs hold it") as found:
        small.divide({0: size // 2, 1: size // 2})
    assert "Take more GPUs" in found.value.remedy
    for devices, where in ((("cuda:0", "cpu"), "cpu"), (("meta",), "meta")):
        with pytest.raises(UnsupportedError, match=rf"put elsewhere \({where}\)"):
            check_nothing_left_out(map(torch.device, devices), "org/large")
    check_nothing_left_out(map(torch.device, ("cuda:0", "cuda:1")), "org/large")


def test_a_model_of_few_parts_or_without_rules_is_refused():
    size = sketch(SMALL).weights_bytes
    with pytest.raises(UsageError, match="too few parts for 9 GPUs"):
        sketch(SMALL).divide(dict.fromkeys(range(9), size))
    shapeless = sketch(SMALL)
    shapeless.module._no_split_modules = None
    with pytest.raises(UnsupportedError, match="LlamaForCausalLM does not say which"):
        shapeless.divide({0: size, 1: size})


def test_without_accelerate_there_is_a_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(UnsupportedError) as found:
        sketch(SMALL).divide({0: 10**6, 1: 10**6})
    assert "to divide it needs accelerate, which is not installed" in found.value.message
    assert "pip install accelerate" in found.value.remedy


def test_a_model_of_which_there_is_no_sketch_is_put_on_the_first_gpu(pretend_gpus):
    class Curious:
        @staticmethod
        def from_config(config, **options):
            return torch.ones(1).item()

    pretend_gpus(2)
    blueprint = Blueprint(parse_model("builtin:gpt2"), TASK, "cuda", SMALL, gpus=Gpus())
    assert loading._choose_place(blueprint, Curious, torch.float16) == ("cuda", Curious)
    asked = Blueprint(parse_model("builtin:gpt2"), TASK, "cuda", SMALL, gpus=Gpus(spread=1))
    with pytest.raises(RuntimeError, match="meta"):
        loading._choose_place(asked, Curious, torch.float16)


def test_the_occupied_gpus_are_those_of_the_tensors():
    names = ("cuda:3", "cpu", "cuda:0", "cuda:3", "meta")
    assert gpu_indices(map(torch.device, names)) == (0, 3)
    assert gpu_indices([torch.device("cuda"), torch.device("cuda:1")]) == (0, 1)
    assert gpu_indices([torch.device("cpu")]) == ()


def test_each_occupied_gpu_is_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    synchronize((0, 3))
    assert waited == [0, 3]


def load_onto(monkeypatch, device_map, spec, config):
    """Load by the path of several GPUs, with the processor in their place."""
    transformers.logging.set_verbosity_error()  # as whoever reads the configuration does
    model_class = type(sketch(config).module)
    monkeypatch.setattr(loading, "_choose_place", lambda *_: (device_map, model_class))
    monkeypatch.setattr(loading, "check_nothing_left_out", lambda *_: None)
    blueprint = Blueprint(spec, ANY_NUMBER, "cuda", config, gpus=Gpus())
    return load_weights(blueprint, AutoModelForCausalLM).module


def test_random_weights_over_several_gpus_are_like_those_on_one(monkeypatch, tmp_path):
    SMALL.save_pretrained(tmp_path)
    spec = parse_model(str(tmp_path), random_weights=True, dtype="float32")
    alone = load_weights(Blueprint(spec, ANY_NUMBER, "cpu", SMALL), AutoModelForCausalLM).module
    model = load_onto(monkeypatch, {"": "cpu"}, spec, SMALL)
    assert (model.dtype, model.training) == (torch.float32, False)
    pairs = zip(alone.state_dict().items(), model.state_dict().items(), strict=True)
    for (name, one), (_, other) in pairs:
        assert one.shape == other.shape
        assert other.std() == pytest.approx(float(one.std()), rel=0.1, abs=1e-6), name
        assert other.mean() == pytest.approx(float(one.mean()), abs=5e-3), name
    for (name, one), (_, other) in zip(alone.named_buffers(), model.named_buffers(), strict=True):
        assert torch.equal(one, other), name
    again = load_onto(monkeypatch, {"": "cpu"}, spec, SMALL)
    assert torch.equal(model.lm_head.weight, again.lm_head.weight), "seeded"


def test_published_weights_are_loaded_by_the_map_and_missing_ones_refused(monkeypatch, tmp_path):
    torch.manual_seed(1)
    saved = AutoModelForCausalLM.from_config(SMALL)
    saved.save_pretrained(tmp_path)
    spec = parse_model(str(tmp_path), dtype="float32")
    model = load_onto(monkeypatch, {"": "cpu"}, spec, SMALL)
    assert torch.equal(model.lm_head.weight, saved.lm_head.weight)
    deeper = LlamaConfig(**SMALL.to_dict() | {"num_hidden_layers": 7})
    with pytest.raises(ModelError, match="lacks weights"):
        load_onto(monkeypatch, {"": "cpu"}, spec, deeper)


def test_a_model_with_accelerates_hooks_generates_the_same_and_is_freed(tiny_model):
    from accelerate import dispatch_model

    backend = Continuation()
    backend.load(parse_model(str(tiny_model)), TASK, "cpu")
    batch = backend.prepare([{"text": "A short one."}])
    alone = backend.run(batch, lambda phase: None).values
    dispatch_model(backend.model, {"": "cpu"}, main_device="cpu", force_hooks=True)
    phases = []
    assert backend.run(batch, phases.append).values == alone
    assert phases == ["prefill", "decode"]
    alive = weakref.ref(backend.model)
    backend._gpus = (0, 1)
    gc.disable()
    try:
        backend.close()
        assert alive() is None, "it refers to itself, so that only the collector frees it"
    finally:
        gc.enable()
