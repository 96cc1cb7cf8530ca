"""Models and datasets by hub id, through the real loading code, from a hub on this machine."""

import json

import pytest
from support.commands import energyscore, only_result
from support.fake_hub import COMMIT, FakeHub


@pytest.fixture(scope="module")
def dataset_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    rows = [{"text": f"The lighthouse keeper wrote page {number}."} for number in range(1000)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def hub(tiny_model, dataset_folder):
    hub = FakeHub(
        {"some-org/tiny-gpt2": tiny_model}, {"EnergyStarAI/text_generation": dataset_folder}
    )
    yield hub
    hub.close()


@pytest.fixture(scope="module")
def env(hub, tmp_path_factory):
    return {
        "HF_HUB_OFFLINE": "0",
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path_factory.mktemp("cache")),
        "NO_PROXY": "127.0.0.1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
    }


RUN = ("run", "text_generation", "--quick", "--model", "some-org/tiny-gpt2")


@pytest.fixture(scope="module")
def measured(env, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    done = energyscore(*RUN, "--queries", 20, "--out", out, env=env)
    assert done.status == 0, done.stderr
    return out


def test_a_hub_model_gets_the_official_dataset_at_a_pinned_commit(measured):
    result = only_result(measured)
    assert result["model"]["id"] == "some-org/tiny-gpt2"
    assert result["model"]["revision"] == COMMIT
    assert result["workload"]["dataset"] == "EnergyStarAI/text_generation"
    assert result["workload"]["revision"] == COMMIT
    assert result["workload"]["official"]
    assert (measured / "some-org" / "tiny-gpt2" / "text_generation").is_dir()


def test_once_in_the_cache_a_model_needs_no_hub(measured, env, tmp_path):
    done = energyscore(*RUN, "--queries", 3, "--out", tmp_path, env=env | {"HF_HUB_OFFLINE": "1"})
    assert done.status == 0, done.stderr
    result = only_result(tmp_path)
    assert result["workload"]["dataset"] == "bundled:text_generation"
    assert "bundled_sample" in [caution["code"] for caution in result["cautions"]]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--model", "some-org/nothing"), "is not on the hub"),
        (("--model", "some-org/tiny-gpt2", "--revision", "v9"), "has no revision 'v9'"),
        (("--model", "some-org/tiny-gpt2", "--dataset", "some-org/nothing"), "HTTP 401"),
    ],
)
def test_what_the_hub_does_not_have(env, tmp_path, more, said):
    done = energyscore(
        "run", "text_generation", "--quick", "--queries", 3, *more, "--out", tmp_path, env=env
    )
    assert done.status == 2
    assert said in done.error


def test_a_bundled_model_asks_nobody(hub, env, tmp_path, tiny_model):
    before = len(hub.requests)
    done = energyscore(
        "run", "text_generation", "--quick", "--queries", 2, "--model", tiny_model, "--out",
        tmp_path, env=env,
    )  # fmt: skip
    assert done.status == 0, done.stderr
    assert hub.requests[before:] == []
