"""The whole protocol on a real GPU: idle baselines, warm-up, a phase alone, runs of a minute."""

import pytest
from support.commands import energyscore, only_result
from support.submissions import bundle

from energyscore.verify.checker import verify

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def measured_in(tmp_path_factory):
    """A folder with GPT-2's architecture at text generation: two runs by the protocol."""
    out = tmp_path_factory.mktemp("gpu")
    done = energyscore(
        "run", "text_generation", "--model", "builtin:gpt2", "--device", "cuda",
        "--repeats", 2, "--idle", 10, "--out", out, timeout=800,
    )  # fmt: skip
    assert done.status == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def measured(measured_in):
    """That result."""
    return only_result(measured_in)


def test_runs_last_a_minute(measured):
    assert all(run["duration_s"] >= 60 for run in measured["runs"])


def test_idle_power_is_below_that_of_the_work(measured):
    (uuid,) = measured["protocol"]["metered_gpus"]
    idle = measured["idle"]
    without, loaded = (idle[name][f"gpu:{uuid}"] for name in ("without_model_w", "with_model_w"))
    run = measured["runs"][0]
    assert without <= loaded * 1.05
    assert loaded < run["energy_j"][f"gpu:{uuid}"] / run["duration_s"]
    score = measured["score"]
    assert 0 < score["net_gpu_wh_per_1k_queries"] < score["gpu_wh_per_1k_queries"]


def test_phases_are_told_apart_and_agree_between_runs(measured):
    (uuid,) = measured["protocol"]["metered_gpus"]
    domain = f"gpu:{uuid}"
    shares = []
    for run in measured["runs"]:
        print(run["phase_methods"], run["phase_facts"], run["phase_reasons"])
        assert run["phase_methods"][domain] in ("tick_regression", "phase_block")
        part = run["phases"]["prefill"]
        assert part["se_j"][domain] < 0.05 * part["energy_j"][domain]
        shares.append(part["energy_j"][domain] / run["energy_j"][domain])
    assert shares[0] == pytest.approx(shares[1], rel=0.05)


def test_its_submission_is_accepted_by_the_checker(measured_in):
    (path,) = measured_in.rglob("*_*.json")
    findings = verify(bundle(path)).findings
    print(*(one for one in findings if one.level != "ok"), sep="\n")
    assert [one for one in findings if one.level == "failed"] == []
