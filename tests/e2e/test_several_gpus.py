"""A model on several GPUs, from the command line to its result, on a simulated driver."""

import json
from pathlib import Path

import pytest
import yaml
from support.commands import ROOT, energyscore, gpu, only_result
from support.nvml_sim import Process

UUIDS = [f"GPU-{number}{number}{number}-1111-2222-333333333333" for number in range(3)]


@pytest.fixture
def any_number(tmp_path):
    """A folder with a task that allows every model any number of GPUs."""
    task = yaml.safe_load((ROOT / "tasks" / "text_generation.yaml").read_text())
    task |= {"id": "spread", "classes": [task["classes"][2]]}
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "spread.yaml").write_text(yaml.safe_dump(task))
    return folder


@pytest.fixture
def layered(tmp_path, tiny_model):
    """A folder with a small model of which the layers are the larger part."""
    from transformers import LlamaConfig

    folder = tmp_path / "layered"
    LlamaConfig(
        vocab_size=8192,
        hidden_size=64,
        intermediate_size=1024,
        num_hidden_layers=8,
        num_attention_heads=2,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        architectures=["LlamaForCausalLM"],
    ).save_pretrained(folder)
    for file in tiny_model.glob("tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_all_that_the_model_occupies_are_metered_and_waited_for(
    simulate, tmp_path, layered, prompts_csv, any_number
):
    taken = Process(4242)  # on the GPU that is left out: that is no contention
    sim = simulate(
        gpu(UUIDS[0], memory_used_mb=81000, process=(taken,), power_schedule=((0.0, 650.0),)),
        gpu(UUIDS[1], power_schedule=((0.0, 300.0),)),
        gpu(UUIDS[2], power_schedule=((0.0, 120.0),)),
    )
    waits = tmp_path / "waits.json"
    done = energyscore(
        *("run", "spread", "--task-path", any_number, "--model", layered, "--random-weights"),
        *("--dataset", prompts_csv, "--queries", 20, "--quick", "--spread", 2),
        *("--dtype", "float32", "--out", tmp_path / "out"),
        env=sim.env(),
        first=f"from support.pretended_gpus import pretend; pretend({str(waits)!r})",
    )
    assert done.status == 0, done.stderr
    result = only_result(tmp_path / "out")
    protocol = result["protocol"]
    assert protocol["occupied_gpus"] == protocol["metered_gpus"] == UUIDS[1:]
    assert (protocol["device"], protocol["gpus_chosen_by"]) == ("cuda", "model")
    (run,) = result["runs"]
    for uuid, watts in zip(UUIDS[1:], (300.0, 120.0), strict=True):
        assert run["energy_j"][f"gpu:{uuid}"] == pytest.approx(watts * run["duration_s"], rel=0.02)
    joules = 420.0 * run["duration_s"]
    per_1k = joules / 3600 * 1000 / run["queries"]
    assert result["score"]["gpu_wh_per_1k_queries"] == pytest.approx(per_1k, rel=0.02)
    assert result["valid"]
    assert not {"several_gpus", "contention"} & {one["code"] for one in result["cautions"]}
    (point,) = [check for check in result["conformance"] if check["name"] == "gpus"]
    assert (point["required"], point["actual"], point["ok"]) == ("1 or more", "2", True)
    counts = json.loads(waits.read_text())
    assert set(counts) == {"1", "2"}
    assert counts["1"] == counts["2"] > 20 * 2, "at the beginning of each phase of each query"


@pytest.mark.parametrize(
    ("arguments", "said", "status"),
    [
        (("summarization", "--spread", 2), "the task summarization measures every model on one", 2),
        (("text_generation", "--spread", 2, "--device", "cpu"), "--spread 2 is for GPUs", 2),
    ],
)
def test_what_cannot_be_spread_is_said_at_once(tmp_path, arguments, said, status):
    done = energyscore("run", *arguments, "--quick", "--out", tmp_path)
    assert done.status == status
    assert said in done.error
    assert not list(Path(tmp_path).rglob("*.json"))
