"""The bounds of memory and time: no configuration that was published lies beyond one of them."""

import csv
import gzip
import random
from itertools import accumulate

import pytest
from support.commands import ROOT
from support.results import make_result

from energyscore.verify.examined import ExaminedResult, RecordedRun
from energyscore.verify.passes import check_batches, check_order, check_pace
from energyscore.verify.raw_record import RawRun
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
    assert usual_s([1.0] * 10**6) == 1.0, "at once, and not in hours"


def test_32_bits_are_computed_half_as_fast_at_most():
    of = {
        bits: speed_of(["NVIDIA H100 80GB HBM3"], RULES, bits).operations for bits in (16, 32, 64)
    }
    assert of[32] == of[64] == of[16] / 2


def recorded(
    phases, *, passes=1, queries=100, official=True, device="cuda", task=None, answer=None
):
    """A run of so many queries a pass, one by one, in these phases: names and seconds."""
    names = list(dict.fromkeys(name for name, _ in phases))
    starts_us = [0, *accumulate(round(1e6 * seconds) for _, seconds in phases)]
    raw = RawRun.model_validate({
        "index": 0, "begin_us": 0, "end_us": starts_us[-1] + 1, "domains": {},
        "phases": {
            "names": names, "entered": [names.index(name) for name, _ in phases],
            "starts_us": [0, *(round(1e6 * seconds) for _, seconds in phases[:-1])],
            "end_us": starts_us[-1],
        },
    })  # fmt: skip
    own = {"official": official, "queries": queries}
    if task is not None:
        own["generation"] = None
    elif answer is not None:
        own["generation"] = {"max_new_tokens": answer, "min_new_tokens": 1, "strategy": "greedy"}
    result = RESULT.model_copy(update={
        "workload": RESULT.workload.model_copy(update=own),
        "protocol": RESULT.protocol.model_copy(update={"device": device}),
    })  # fmt: skip
    if task is not None:
        rules = RULES.tasks[task]
        named = {"id": task, "digest": rules.digest}
        result = result.model_copy(update={"task": RESULT.task.model_copy(update=named)})
    tokens = queries * passes * (answer or 10)
    run = RESULT.runs[0].model_copy(
        update={"queries": queries * passes, "passes": passes, "output_tokens": tokens}
    )
    it = ExaminedResult(result, None, None, RULES, {}, None, {})
    return RecordedRun(it, run, "run 1", raw)


def generated(prefill_s, decode_s, *, passes=1, queries=100, prepare_s=0.05):
    """Prefills of lengths as they scatter, each with a decode; none does less than read weights."""
    scatter = random.Random(0)
    return [
        part
        for _ in range(passes)
        for part in [
            ("preprocess", prepare_s),
            *[
                one
                for _ in range(queries)
                for one in (
                    ("prefill", prefill_s * max(0.5, scatter.lognormvariate(0, 0.4))),
                    ("decode", decode_s * scatter.gauss(1, 0.03)),
                )
            ],
        ]
    ]


def of_pace(place):
    return [*check_batches(place), *check_order(place), *check_pace(place)]


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize(("prefill_s", "decode_s"), [(0.02, 0.06), (0.014, 0.06), (0.2, 1.2)])
def test_passes_as_they_are_measured_are_plausible(passes, prefill_s, decode_s):
    assert of_pace(recorded(generated(prefill_s, decode_s, passes=passes), passes=passes)) == []


def test_a_prefill_held_up_or_read_late_now_and_then_is_plausible():
    phases = generated(0.02, 0.06)
    for place in (21, 51, 81):
        phases[place] = ("prefill", 0.0025)
        phases[place + 1] = ("decode", 0.0775)
    phases[101] = ("prefill", 5.0)
    assert of_pace(recorded(phases)) == []


def test_long_answers_read_more_with_each_step():
    """Of 2,000 tokens at 20 ms; the steps at the beginning, and the prefill, took 8 ms."""
    scatter = generated(0.009, 40.0, queries=20)
    assert of_pace(recorded(scatter, queries=20, answer=2000)) == []
    scatter = generated(0.003, 40.0, queries=20)
    assert of_pace(recorded(scatter, queries=20, answer=2000)) != []


def divided(phases, parts, prefill_s, *, prepare_s=0.0):
    """Each decode said to be several batches, and the passes to be as many more."""
    found, batches = [], 0
    for name, seconds in phases:
        if name != "decode":
            found.append((name, seconds))
            continue
        for part in range(parts):
            if part:
                if prepare_s and batches % 100 == 0:
                    found.append(("preprocess", prepare_s))
                found.append(("prefill", prefill_s))
            found.append((name, seconds / parts - (prefill_s if part else 0)))
            batches += 1
    return found


@pytest.mark.parametrize(("parts", "share"), [(2, 0.3), (3, 0.3), (9, 0.3), (2, 0.5), (9, 0.9)])
@pytest.mark.parametrize("prepare_s", [0.0, 0.002])
def test_one_decode_is_not_several_with_short_prefills_between(parts, share, prepare_s):
    """With 0.3 of a step as the prefill of each, the score was a half to a ninth."""
    step_s = 0.06 / parts / 9
    phases = divided(generated(0.02, 0.06), parts, share * step_s, prepare_s=prepare_s)
    assert list(check_pace(recorded(phases, passes=parts))) != []


def test_a_pass_begins_with_the_preparation_of_its_queries():
    phases = divided(generated(0.02, 0.06), 2, 0.005)
    found = list(check_order(recorded(phases, passes=2)))
    assert found == ["2 passes over the same queries do not have their phases in one order"]
    phases = generated(0.02, 0.06, passes=2)
    assert list(check_order(recorded(phases, passes=2))) == []
    phases[201] = ("preprocess", 0.002)
    (found,) = check_order(recorded(phases, passes=2))
    assert found == "one pass was prepared in 0.002 s, others over the same queries took 0.05 s"


def test_a_batch_has_its_phases_in_their_order():
    one = [("preprocess", 0.1)]
    one += [("prefill", 0.02)] * 100 + [("decode", 0.06)] * 100
    assert list(check_order(recorded(one))) == ["not each batch has its phases in the same order"]


def forwards(lengths_s, passes=1):
    prepared = [("preprocess", 0.1)]
    return (prepared + [("forward", one_s) for one_s in lengths_s]) * passes


@pytest.mark.parametrize("task", ["image_classification", "text_classification"])
def test_one_forward_is_not_several(task):
    """On a GPU none takes 100 us, nor a tenth of what others take."""
    honest = [0.004 + 0.004 * (n % 7) for n in range(100)]
    assert of_pace(recorded(forwards(honest, 2), passes=2, task=task)) == []
    tiny = [0.0005] * 100
    assert of_pace(recorded(forwards(tiny), task=task)) == []
    assert list(check_batches(recorded(forwards([1e-4] * 100), task=task))) != []
    assert list(check_batches(recorded(forwards([1e-4] * 100), task=task, device="cpu"))) == []
    cut = [part for one_s in honest[:50] for part in (one_s - 0.0005, 0.0005)]
    assert list(check_pace(recorded(forwards(cut), task=task))) != []
    # Of other texts, and on a processor, a short one may take much less than a long one.
    assert list(check_pace(recorded(forwards(cut), task=task, official=False))) == []
