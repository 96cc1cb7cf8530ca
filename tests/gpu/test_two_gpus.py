"""A model divided over two real GPUs; skipped where torch sees only one."""

import pytest
import yaml
from support.commands import ROOT, energyscore, only_result

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def two_gpus():
    import torch

    seen = torch.cuda.device_count()
    if seen < 2:
        pytest.skip(f"needs two NVIDIA GPUs, torch sees {seen}")


@pytest.fixture(scope="module")
def task_path(tmp_path_factory):
    """A task that allows every model any number of GPUs."""
    folder = tmp_path_factory.mktemp("tasks")
    task = yaml.safe_load((ROOT / "tasks" / "text_generation.yaml").read_text())
    task |= {"id": "spread", "classes": [task["classes"][2]]}
    (folder / "spread.yaml").write_text(yaml.safe_dump(task))
    return folder


def test_both_gpus_are_metered_by_their_counters(two_gpus, task_path, tmp_path):
    done = energyscore(
        "run", "spread", "--task-path", task_path, "--model", "builtin:gpt2-xl", "--device",
        "cuda", "--spread", 2, "--quick", "--queries", 100, "--out", tmp_path, timeout=800,
    )  # fmt: skip
    assert done.status == 0, done.stderr
    result = only_result(tmp_path)
    protocol = result["protocol"]
    assert len(protocol["occupied_gpus"]) == 2
    assert set(protocol["metered_gpus"]) == set(protocol["occupied_gpus"])
    assert result["score"]["method"] == "counter"
    (run,) = result["runs"]
    for uuid in protocol["metered_gpus"]:
        power_w = run["energy_j"][f"gpu:{uuid}"] / run["duration_s"]
        print(f"{uuid}: {power_w:.0f} W")
        assert power_w > 10
    assert run["output_tokens"] == 1000


def test_two_gpus_generate_what_one_does(two_gpus, task_path):
    import torch

    from energyscore.measurement.backend import Gpus
    from energyscore.measurement.backends.text_generation import TextGeneration
    from energyscore.protocol.model import parse_model
    from energyscore.protocol.task import load_tasks

    task = load_tasks(task_path)["spread"].spec
    queries = [{"text": "Report from the harbour, in short words."}, {"text": "Two words."}]
    answers = []
    for spread in (1, 2):
        backend = TextGeneration()
        spec = parse_model("builtin:gpt2-large", dtype="float32")
        backend.load(spec, task, "cuda", Gpus(spread=spread))
        assert len(backend.gpu_uuids()) == spread
        source = torch.Generator().manual_seed(0)
        for parameter in backend.model.parameters():  # random ones differ by where they are made
            parameter.data.copy_(0.02 * torch.randn(parameter.shape, generator=source))
        wait = backend.synchronize
        output = backend.run(backend.prepare(queries), lambda phase, wait=wait: wait())
        answers.append(output.values)
        backend.close()
        held = [torch.cuda.memory_allocated(index) for index in range(2)]
        assert max(held) < 2**26, "the model's memory is given back"
    assert answers[0] == answers[1]
