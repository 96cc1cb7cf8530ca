"""The bounds of memory and time: no configuration that was published lies beyond one of them."""

import csv
import gzip

import pytest
from support.commands import ROOT
from support.results import make_result

from energyscore.verify.rules import load_rules
from energyscore.verify.work import (
    MIB,
    active_share,
    least_pass_s,
    least_tokens_s,
    room_bytes,
    speed_of,
    usual_s,
    weights_bytes,
)

RULES = load_rules(1)
RESULT = make_result()
PRECISIONS = {
    "bfloat16": ("bfloat16", None, None),
    "fp8": ("bfloat16", "fp8-8bit", 8),
    "mxfp4": ("bfloat16", "mxfp4-4bit", 4),
}
NAMES = {"H100": "NVIDIA H100 80GB HBM3", "B200": "NVIDIA B200"}
DENSE = {"Llama": "LlamaForCausalLM", "Qwen3": "Qwen3ForCausalLM", "gemma-3": "Gemma3ForCausalLM"}


def configurations():
    with gzip.open(ROOT / "tests/data/mlenergy/configurations.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


def model_of(row):
    """The model of a configuration, as a result would name it."""
    name = row["model_id"].partition("/")[2]
    dense = row["architecture"] == "Dense Transformer"
    families = [known for family, known in DENSE.items() if dense and name.startswith(family)]
    dtype, quantization, bits = PRECISIONS[row["weight_precision"]]
    parameters = round(float(row["total_params_billions"]) * 1e9)
    return RESULT.model.model_copy(
        update={
            "architecture": families[0] if families else "Net",
            "parameters": parameters,
            "dtype": dtype,
            "quantization": quantization,
            "quantization_bits": bits,
        }
    )


def gpus_of(row):
    gpu = RESULT.environment.gpus[0].model_copy(
        update={"name": NAMES[row["gpu_model"]], "memory_total_mb": None}
    )
    return [gpu] * int(row["num_gpus"])


def test_no_published_configuration_is_beyond_a_bound():
    """1,858 of them: each has room, and takes the time that its bounds ask, with some to spare."""
    nearest = {"memory": 0.0, "reading": 0.0, "computing": 0.0}
    rows = configurations()
    for row in rows:
        model, gpus = model_of(row), gpus_of(row)
        size, active = weights_bytes(model), active_share(model, RULES)
        room = size / room_bytes(gpus, RULES)
        speed = speed_of([gpu.name for gpu in gpus], RULES, 8 * size / model.parameters)
        watts, batch = float(row["avg_power_watts"]), row["avg_batch_size"] or row["batch_size"]
        if row["energy_per_token_joules"]:
            step_s = float(batch) * float(row["energy_per_token_joules"]) / watts
            computing = least_tokens_s(float(batch), model.parameters, active, speed) / step_s
        else:
            joules = row["energy_per_image_joules"] or row["energy_per_video_joules"]
            step_s = float(batch) * float(joules) / watts / float(row["inference_steps"])
            computing = 0.0
        reading = least_pass_s(size, active, speed) / step_s
        for name, share in (("memory", room), ("reading", reading), ("computing", computing)):
            nearest[name] = max(nearest[name], share)
    assert len(rows) == 1858
    assert nearest == {
        "memory": pytest.approx(0.75, abs=0.05),  # 32 billion parameters on one H100
        "reading": pytest.approx(0.27, abs=0.03),
        "computing": pytest.approx(0.13, abs=0.03),
    }


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("NVIDIA RTX A6000", "A6000"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000"),
        ("NVIDIA GeForce RTX 7090", ""),
        ("", ""),
    ],
)
def test_a_gpu_is_known_by_the_words_of_its_name(name, known):
    assert RULES.gpu_of(name).name == known


def test_an_unknown_gpu_is_faster_than_all_that_are_known():
    fastest = RULES.any_gpu
    assert all(one.operations_per_s < fastest.operations_per_s for one in RULES.gpus)
    assert all(one.bytes_per_s < fastest.bytes_per_s for one in RULES.gpus)


def test_memory_is_what_is_stated_and_no_more_than_the_name_allows():
    (gpu,) = RESULT.environment.gpus
    assert room_bytes([gpu, gpu], RULES) == 2 * 81559 * MIB
    boast = gpu.model_copy(update={"memory_total_mb": 1e6})
    assert room_bytes([boast], RULES) == pytest.approx(80 * 1024 * MIB * 1.05)
    unknown = gpu.model_copy(update={"memory_total_mb": None, "name": "NVIDIA B200"})
    assert room_bytes([unknown], RULES) == 300000 * MIB


def test_weights_take_their_bits():
    model = RESULT.model
    assert weights_bytes(model) == 2e9
    four = {"quantization": "awq-4bit", "quantization_bits": 4}
    assert weights_bytes(model.model_copy(update=four)) == 0.5e9
    unknown = {"quantization": "own", "quantization_bits": None}
    assert weights_bytes(model.model_copy(update=unknown)) == 0.125e9


def test_half_of_all_time_is_spent_in_usual_stretches_or_longer():
    assert usual_s([1.0] * 3 + [0.001] * 1000) == 1.0
    assert usual_s([]) == 0.0
