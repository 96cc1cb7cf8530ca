"""Every bundled architecture that is small enough loads and does its task."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from support.whole_way import SMALLEST

from energyscore.base.errors import ModelError, UsageError
from energyscore.base.lookup import resolve
from energyscore.measurement.backends.base import ByModel
from energyscore.measurement.backends.facts import count_experts, facts_of
from energyscore.measurement.backends.loading import choose_dtype
from energyscore.measurement.backends.quantization import quantization_of
from energyscore.measurement.benchmark import measure_run
from energyscore.measurement.catalog import BACKENDS
from energyscore.measurement.work import Plan
from energyscore.protocol.bundled import architectures, find_architecture
from energyscore.protocol.model import parse_model
from energyscore.protocol.selection import BUNDLED
from energyscore.protocol.task import Diffusion, load_tasks
from energyscore.protocol.workload import load_workload
from energyscore.results.plausibility import weights_bytes

TASKS = load_tasks()
SLOW = ("yolos-small", "detr-resnet-50")  # few parameters, but seconds an image
SMALL = [a for a in architectures().values() if a.parameters < 100e6 and a.name not in SLOW]
SMALL_AT_TASKS = [(a, task) for a in SMALL for task in a.tasks if (a, task) not in SMALLEST]
"""Those that do not go the whole way in another test."""


class Silent:
    def stage(self, name, total): ...

    def advance(self, done): ...


@pytest.mark.parametrize(
    ("architecture", "task"), SMALL_AT_TASKS, ids=lambda value: getattr(value, "name", value)
)
def test_each_bundled_architecture_does_its_tasks(architecture, task):
    task = TASKS[task]
    if task.spec.diffusion:  # each step costs seconds
        few_steps = task.spec.model_copy(update={"diffusion": Diffusion(steps=3, images=1)})
        task = replace(task, spec=few_steps)
    backend = resolve(BACKENDS, task.spec.modality)()
    facts = backend.load(parse_model(f"builtin:{architecture.name}"), task.spec, "cpu")
    assert facts.parameters == architecture.parameters
    assert (facts.weights, facts.dtype) == ("random", "float32")
    assert set(backend.phases) <= set(task.spec.phases)
    plan = Plan(load_workload(task, BUNDLED, 2), backend.phases, 2, 1, 0, True, 0.0)
    run = measure_run(plan, backend, [], 0, Silent())[0]
    assert set(run.phases) == set(backend.phases)
    assert all(phase.duration_s > 0 for phase in run.phases.values())
    assert run.output_tokens == (20 if "decode" in backend.phases else 0)
    backend.close()


def test_random_weights_are_seeded():
    import torch

    task = TASKS["sentence_similarity"]
    weights = []
    for _ in range(2):
        backend = resolve(BACKENDS, task.spec.modality)()
        backend.load(parse_model("builtin:minilm-l6"), task.spec, "cpu")
        weights.append(torch.cat([p.flatten() for p in backend.model.parameters()]))
    assert torch.equal(*weights)


def on_meta(architecture, task):
    """An architecture's parameters, without memory for them."""
    import torch
    from transformers import AutoConfig

    from energyscore.measurement.backends.pipelines import build_bundled, modules_of

    settings = dict(architecture.config)
    if "pipeline" in settings:
        return modules_of(build_bundled(architecture, torch.float32, "meta")).parameters()
    config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    backend = resolve(BACKENDS, task)
    if issubclass(backend, ByModel):
        backend = backend.choose(config)
    with torch.device("meta"):
        return backend.auto_class.from_config(config).parameters()


def test_the_facts_shipped_match_the_architectures_that_are_too_large_to_load_here():
    large = [a for a in architectures().values() if a not in SMALL]
    for architecture, task in [(a, task) for a in large for task in a.tasks]:
        count = sum(parameter.numel() for parameter in on_meta(architecture, task))
        assert count == architecture.parameters, (architecture.name, task)


def test_generation_batches_give_what_single_prompts_give(tiny_model):
    task = TASKS["text_generation"]
    backend = resolve(BACKENDS, "text_generation")()
    backend.load(parse_model(str(tiny_model)), task.spec, "cpu")
    prompts = [{"text": text} for text in ("A short one.", "A prompt of rather more words.")]
    together = backend.run(backend.prepare(prompts), lambda phase: None).values
    alone = [backend.run(backend.prepare([p]), lambda phase: None).values[0] for p in prompts]
    assert together == alone
    assert all(len(tokens) == 10 for tokens in together)


def test_drawn_answers_are_the_same_in_every_run_and_not_the_likeliest(tiny_model):
    import torch

    task = TASKS["text_generation"].spec
    drawn = task.model_copy(update={"generation": task.generation.by("v2")})
    greedy, sampling = (resolve(BACKENDS, "text_generation")() for _ in range(2))
    for backend, spec in ((greedy, task), (sampling, drawn)):
        backend.load(parse_model(str(tiny_model)), spec, "cpu")
    queries = [{"text": text} for text in ("A short one.", "A prompt of more words.", "Third")]

    def answers(backend, asked):
        batches = map(backend.prepare, [[query] for query in asked])
        return [backend.run(one, lambda phase: None).values[0] for one in batches]

    first = answers(sampling, queries)
    torch.rand(7)
    again = answers(sampling, queries[::-1])[::-1]
    assert first == again
    assert first != answers(greedy, queries)
    assert all(len(answer) <= 10 for answer in first)
    assert greedy.prepare(queries[:1]).seed is None


def test_prompts_are_cut_to_the_context_less_the_new_tokens(tiny_model):
    task = TASKS["text_generation"]
    backend = resolve(BACKENDS, "text_generation")()
    backend.load(parse_model(str(tiny_model)), task.spec, "cpu")
    batch = backend.prepare([{"text": "word " * 5000}])
    assert batch.input_tokens == 1024 - 10
    assert backend.run(batch, lambda phase: None).output_tokens == 10


@pytest.mark.parametrize(
    ("asked", "device", "own", "expected"),
    [
        ("auto", "cpu", "float16", "float32"),
        ("auto", "cuda", "float32", "float16"),
        ("auto", "cuda", "bfloat16", "bfloat16"),
        ("bfloat16", "cpu", "float32", "bfloat16"),
        ("float32", "cuda", "float16", "float32"),
    ],
)
def test_the_precision_follows_the_protocol_unless_asked_otherwise(asked, device, own, expected):
    import torch
    from transformers import GPT2Config

    spec = parse_model("builtin:gpt2", dtype=asked)
    config = GPT2Config(dtype=getattr(torch, own))
    chosen = choose_dtype(spec, TASKS["text_generation"].spec, device, config)
    assert str(chosen) == f"torch.{expected}"


def test_names_are_taken_in_any_case():
    assert find_architecture("SmolLM2-135M").name == "smollm2-135m"
    with pytest.raises(ModelError, match="Did you mean 'opt-125m'"):
        find_architecture("opt-126m")
    with pytest.raises(UsageError, match="text_generation"):
        resolve(BACKENDS, "text_generatio")


@pytest.mark.parametrize(
    ("name", "settings", "experts"),
    [
        ("mixtral", {}, 8),
        ("qwen2_moe", {"num_experts": 60}, 60),
        ("deepseek_v3", {}, 256),
        ("llama4", {}, 16),  # in its text part
        ("dbrx", {}, 4),  # in the part of its feed-forward layers
        ("gpt2", {}, None),
        ("llama", {}, None),
        ("gemma3", {}, None),
    ],
)
def test_mixtures_of_experts_are_known_by_their_configuration(name, settings, experts):
    from transformers import AutoConfig

    assert count_experts(AutoConfig.for_model(name, **settings).to_dict()) == experts


def test_a_mixture_is_loaded_as_one(tiny_model, tmp_path):
    from transformers import MixtralConfig

    for file in tiny_model.glob("tokenizer*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    MixtralConfig(
        vocab_size=8192,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        num_local_experts=4,
        architectures=["MixtralForCausalLM"],
    ).save_pretrained(tmp_path)
    backend = resolve(BACKENDS, "text_generation")()
    task = TASKS["text_generation"].spec
    mixture = backend.load(parse_model(str(tmp_path), random_weights=True), task, "cpu")
    dense = backend.load(parse_model(str(tiny_model)), task, "cpu")
    assert (mixture.experts, mixture.parameters > 0) == (4, True)
    assert weights_bytes(mixture) is None
    assert weights_bytes(dense) == 4 * dense.parameters


def quantized_folder(tiny_model, folder, settings):
    """A folder with a tokenizer and a tiny Llama whose configuration says it is quantized."""
    from transformers import LlamaConfig

    for file in tiny_model.glob("tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())
    config = LlamaConfig(
        vocab_size=8192,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        architectures=["LlamaForCausalLM"],
    )
    config.quantization_config = settings
    config.save_pretrained(folder)
    return config


PARAMETERS_OF_LLAMA = 2 * 8192 * 32 + 2 * (4 * 32 * 32 + 3 * 32 * 64 + 2 * 32) + 32
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128}
BITSANDBYTES = {"quant_method": "bitsandbytes", "load_in_4bit": True}


@pytest.mark.parametrize("part", ["", "text_config"])
def test_random_weights_of_a_quantized_configuration_would_be_of_another_model(
    tiny_model, tmp_path, part
):
    quantized_folder(tiny_model, tmp_path, GPTQ)
    file = tmp_path / "config.json"
    settings = json.loads(file.read_text())
    if part:
        settings = {"model_type": "gemma3", part: {"quantization_config": GPTQ}}
        file.write_text(json.dumps(settings))
    spec = parse_model(str(tmp_path), random_weights=True)
    with pytest.raises(ModelError, match=r"gptq-4bit.*random weights are not.*--random-weights"):
        resolve(BACKENDS, "text_generation")().load(spec, TASKS["text_generation"].spec, "cpu")


def test_a_quantization_has_the_name_that_its_configuration_gives_it():
    """As the library leaves it in the configuration of a model that it has loaded."""
    from transformers.utils.quantization_config import QuantizationMethod

    loaded = SimpleNamespace(
        quantization_config=BITSANDBYTES | {"quant_method": QuantizationMethod.BITS_AND_BYTES}
    )
    saved = SimpleNamespace(quantization_config=BITSANDBYTES)
    assert quantization_of(loaded) == quantization_of(saved) == ("bitsandbytes-4bit", 4)


def packed_as_parameters(linear):
    """Two 4-bit weights in a byte, as bitsandbytes keeps them."""
    import torch

    packed = torch.zeros(linear.weight.numel() // 2, 1, dtype=torch.uint8)
    linear.weight = torch.nn.Parameter(packed, requires_grad=False)


def packed_as_buffers(linear):
    """Eight 4-bit weights in an integer, with zeros and scales, as GPTQ and AWQ keep them."""
    import torch

    rows, columns = linear.weight.shape
    del linear.weight
    linear.register_buffer("qweight", torch.zeros(columns // 8, rows, dtype=torch.int32))
    linear.register_buffer("qzeros", torch.zeros(1, rows // 8, dtype=torch.int32))
    linear.register_buffer("scales", torch.zeros(1, rows, dtype=torch.float16))


@pytest.mark.parametrize(
    ("settings", "pack", "label"),
    [
        (GPTQ, packed_as_buffers, "gptq-4bit"),
        (GPTQ | {"quant_method": "awq"}, packed_as_buffers, "awq-4bit"),
        (BITSANDBYTES, packed_as_parameters, "bitsandbytes-4bit"),
    ],
    ids=["gptq", "awq", "bitsandbytes"],
)
def test_packed_weights_count_as_the_parameters_that_they_are(
    tiny_model, tmp_path, settings, pack, label
):
    import torch
    from transformers import LlamaForCausalLM

    config = quantized_folder(tiny_model, tmp_path, settings)
    model = LlamaForCausalLM(config)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            pack(module)
    facts = facts_of(parse_model(str(tmp_path)), "Llama", [model])
    assert facts.parameters == PARAMETERS_OF_LLAMA
    assert (facts.quantization, facts.quantization_bits) == (label, 4)
    assert hasattr(model.config, "quantization_config")


def test_no_progress_of_the_library_is_shown_where_there_is_no_terminal(tiny_model, capfd):
    from transformers.utils import logging

    logging.enable_progress_bar()
    backend = resolve(BACKENDS, "text_generation")()
    backend.load(parse_model(str(tiny_model)), TASKS["text_generation"].spec, "cpu")
    assert capfd.readouterr().err == ""
