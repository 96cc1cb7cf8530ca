"""On a real NVIDIA GPU, nothing simulated: `python -m pytest -m gpu -n 0 tests/gpu`."""

import json

import pytest
from support.commands import energyscore, only_result

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """GPT-2's architecture at text generation, three quick runs of 100 queries."""
    out = tmp_path_factory.mktemp("gpu")
    done = energyscore(
        "run", "text_generation", "--model", "builtin:gpt2", "--device", "cuda", "--quick",
        "--queries", 100, "--repeats", 3, "--out", out,
    )  # fmt: skip
    assert done.status == 0, done.stderr
    return only_result(out)


def test_the_gpu_that_the_model_occupies_is_metered_by_its_counter(measured):
    (uuid,) = measured["protocol"]["metered_gpus"]
    assert measured["protocol"]["gpus_chosen_by"] == "model"
    assert measured["score"]["method"] == "counter"
    assert measured["score"]["gpu_wh_per_1k_queries"] > 0
    assert measured["environment"]["gpus"][0]["uuid"] == uuid


def test_power_is_between_nothing_and_the_limit(measured):
    limit_w = measured["environment"]["gpus"][0]["power_limit_w"]
    for run in measured["runs"]:
        (energy_j,) = [e for domain, e in run["energy_j"].items() if domain.startswith("gpu:")]
        assert 10 < energy_j / run["duration_s"] < limit_w


def test_counter_and_integrated_power_agree_within_a_tenth(measured):
    for run in measured["runs"]:
        for domain, facts in run["facts"].items():
            assert facts["power_integral_j"] == pytest.approx(run["energy_j"][domain], rel=0.1)


def test_half_precision_by_the_protocol(measured):
    assert measured["model"]["dtype"] == "float16"


def test_doctor_measures_the_update_period():
    done = energyscore("doctor", "--format", "json")
    gpus = [f for f in json.loads(done.stdout) if f["name"].startswith("GPU ")]
    assert gpus
    assert all(1 <= finding["facts"]["update_period_ms"] <= 200 for finding in gpus)
