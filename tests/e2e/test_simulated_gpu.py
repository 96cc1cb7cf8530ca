"""The whole command against a simulated driver: real pynvml, real CodeCarbon, known power.

Totals are right, and every fault ends in the fallback or in an invalid result with its reason;
none ends in 0.
"""

import json
import subprocess
import sys
import textwrap

import pytest
from support.commands import energyscore, environment, gpu, only_result
from support.nvml_sim import EventReasons, Process
from support.submissions import bundle

from energyscore.verify.checker import verify

UUID = gpu().uuid
DOMAIN = f"gpu:{UUID}"


@pytest.fixture
def measure(tmp_path, tiny_model, prompts_csv):
    """Run the command on a simulated driver; a fault may strike once the run has begun."""

    def run(sim, *more, midway=None, status=0):
        queries = 120 if midway else 40  # a fault has to strike within the run

        def strike(line):
            if midway is not None and ": run 1 of 1" in line:
                sim.update(0, **midway(sim.elapsed_s() + 0.4))

        done = energyscore(
            *("run", "text_generation", "--quick", "--model", tiny_model),
            *("--dataset", prompts_csv, "--queries", queries, "--device", "cpu"),
            *("--out", tmp_path, *(more or ("--gpu", 0))),
            env=sim.env(),
            on_line=strike,
        )
        assert done.status == status, done.stderr
        check_submission(next(tmp_path.rglob("*_*.json")))
        return only_result(tmp_path)

    return run


def check_submission(path):
    """Whatever was measured, the checker of submissions finds it consistent, raw data and all."""
    verdict = verify(bundle(path))
    assert [one for one in verdict.findings if one.level == "failed"] == []
    raw = next(one for one in verdict.findings if one.check == "raw runs")
    assert raw.level == "ok"


def codes(result):
    return [caution["code"] for caution in result["cautions"]]


def check_energy(result, watts=300.0, method="counter"):
    """Energy against power x time, as a stranger would check it."""
    (run,) = result["runs"]
    assert run["methods"][DOMAIN] == method
    assert run["energy_j"][DOMAIN] == pytest.approx(watts * run["duration_s"], rel=0.01)
    wh = run["energy_j"][DOMAIN] / 3600 * 1000 / run["queries"]
    assert result["score"]["gpu_wh_per_1k_queries"] == pytest.approx(wh)
    assert result["score"]["method"] == method


def test_energy_by_the_counter(simulate, measure):
    result = measure(simulate(gpu(update_period_ms=10)), "--gpu", 0, "--idle", 1)
    check_energy(result)
    for baseline in ("without_model_w", "with_model_w"):
        assert result["idle"][baseline][DOMAIN] == pytest.approx(300.0, rel=0.02)
    score = result["score"]
    assert score["net_of"] == "idle_without_model"
    assert abs(score["net_gpu_wh_per_1k_queries"]) < 0.02 * score["gpu_wh_per_1k_queries"]
    assert result["valid"]
    assert "gpu_not_of_model" in codes(result)
    (run,) = result["runs"]
    assert run["facts"][DOMAIN]["update_period_ms"] == pytest.approx(10, rel=0.2)
    assert run["facts"][DOMAIN]["power_integral_j"] == pytest.approx(
        run["energy_j"][DOMAIN], rel=0.02
    )
    assert run["second_source"]["name"] == "codecarbon"
    assert run["second_source"]["gpu_energy_j"] == pytest.approx(run["energy_j"][DOMAIN], rel=0.05)
    assert "second_source_disagrees" not in codes(result)
    assert result["environment"]["gpus"][0]["name"] == "NVIDIA H100 80GB HBM3"
    cost = result["cost"]  # of the loading, both idle baselines, the warm-up and the run
    assert cost["energy_j"][DOMAIN] == pytest.approx(300.0 * cost["duration_s"], rel=0.02)
    assert cost["duration_s"] > 2 + run["duration_s"]
    assert cost["methods"][DOMAIN] == "counter"
    device = next(check for check in result["conformance"] if check["name"] == "device")
    assert not device["ok"], "GPUs named by hand are never comparable to the reference"


SHORT_BLOCKS = """
import sys
from energyscore.measurement import loaded, warmup
loaded.BLOCK_S = 0.5
warmup.WARMUP_BLOCK_S, warmup.WARMUP_LIMIT_S = 0.4, 2.0
from energyscore.cli import main
main()
"""


def test_a_screen_tells_the_energy_of_all_queries(tmp_path, simulate, tiny_model, prompts_csv):
    """Of 300 W whatever is done: so of all queries it is 300 W times the time of one on average."""
    sim = simulate(gpu(update_period_ms=10))
    arguments = [
        "run", "text_generation", "--screen", "--until", "half-width=40%", "--model", tiny_model,
        "--dataset", prompts_csv, "--device", "cpu", "--gpu", "0", "--out", tmp_path,
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SHORT_BLOCKS, *map(str, arguments)],
        env=environment(sim.env()), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "The full protocol would have taken about" in done.stderr
    assert "counter, screened" in done.stdout
    result = only_result(tmp_path)
    runs, screen = result["runs"], result["screen"]
    assert (screen["size_in"], screen["queries"], screen["decided"]) == ("tokens", 400, True)
    mean_s = sum(run["duration_s"] for run in runs) / sum(run["queries"] for run in runs)
    expected = 300.0 * mean_s / 3600 * 1000
    score = result["score"]
    assert score["gpu_wh_per_1k_queries"] == pytest.approx(expected, rel=0.1)
    assert score["ci95"][0] < expected < score["ci95"][1]
    assert score["method"] == "counter"
    assert result["cost"]["full"]["energy_j"][DOMAIN] > 5 * result["cost"]["energy_j"][DOMAIN]
    assert ("screened" in codes(result), result["official"]) == (True, False)
    verdict = verify(bundle(next(tmp_path.rglob("*_*.json"))))
    levels = {one.check: one.level for one in verdict.findings}
    assert {
        levels[name] for name in ("screen", "score", "interval", "queries", "phase scores")
    } == {"ok"}


def test_a_lost_gpu_takes_no_other_along(simulate):
    """The first GPU is lost: the second keeps its index, and the first is told of."""
    other = gpu("GPU-22222222-0000-0000-0000-000000000000")
    sim = simulate(gpu(lost_after_s=0.0), other)
    code = """
        import json
        from energyscore.base.errors import MeterError
        from energyscore.measurement.meters.nvml_device import NvmlSession
        session = NvmlSession()
        try:
            refused = session.resolve("0")
        except MeterError as error:
            refused = error.message
        found = session.uuids(), session.unreadable(), session.resolve("1"), refused
        print(json.dumps([*found, session.facts(session.resolve("1")).index]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment(sim.env()),
        capture_output=True,
        text=True,
        check=True,
    )
    uuids, unreadable, second, refused, index = json.loads(done.stdout)
    assert (uuids, second, index) == ([other.uuid], other.uuid, 1)
    assert unreadable == {"0": "GPU is lost"}
    assert refused == "--gpu 0: NVML cannot read this GPU: GPU is lost."


def test_several_gpus_are_summed_and_others_left_out(simulate, measure):
    others = [
        gpu("GPU-22222222-0000-0000-0000-000000000000", power_schedule=((0.0, 900.0),)),
        gpu("GPU-33333333-0000-0000-0000-000000000000", power_schedule=((0.0, 100.0),)),
    ]
    sim = simulate(gpu(update_period_ms=10), *others)
    result = measure(sim, "--gpu", others[1].uuid, "--gpu", 0)
    (run,) = result["runs"]
    energies = [energy for domain, energy in run["energy_j"].items() if domain[:4] == "gpu:"]
    assert len(energies) == 2
    assert sum(energies) == pytest.approx(400.0 * run["duration_s"], rel=0.01)
    assert set(result["protocol"]["metered_gpus"]) == {UUID, others[1].uuid}


NO_COUNTER = {"counter": "unsupported"}
SUPERCHIP = {"name": "NVIDIA GH200 480GB", "module_w": 60.0}


@pytest.mark.parametrize(
    ("settings", "omit", "midway", "code"),
    [
        (NO_COUNTER, (), None, "counter_unsupported"),
        ({}, ("total_energy",), None, "counter_unsupported"),
        ({"counter": "frozen"}, (), None, "counter_frozen"),
        ({}, (), lambda at: {"counter_frozen_after_s": at}, "counter_frozen"),
        ({}, (), lambda at: {"counter_reset_after_s": at}, "counter_reset"),
    ],
    ids=["unsupported", "symbol", "frozen", "frozen-midway", "reset"],
)
def test_a_counter_that_fails_gives_way_to_integrated_power(
    simulate, measure, settings, omit, midway, code
):
    sim = simulate(gpu(update_period_ms=10, **settings), omit=omit)
    result = measure(sim, midway=midway)
    check_energy(result, method="power_integral")
    assert result["valid"]
    assert code in codes(result)


def test_averages_of_power_do_not_tell_the_energy_of_a_short_window(simulate, measure):
    """They are of a second each, and a window takes 20 of them: there is no energy, and why."""
    sim = simulate(gpu(update_period_ms=10, **NO_COUNTER), omit=("field_values",))
    result = measure(sim, status=3)
    (run,) = result["runs"]
    assert run["duration_s"] < 20, "too slow a machine to tell"
    assert (run["energy_j"][DOMAIN], result["valid"]) == (None, False)
    assert "takes windows of 20.0 s" in result["score"]["reason"]
    assert "counter_unsupported" in codes(result)


def test_of_a_superchip_the_gpu_alone_is_measured(simulate, measure):
    """The counter has the 60 W of the processor beside the GPU too."""
    result = measure(simulate(gpu(update_period_ms=10, **SUPERCHIP)), "--gpu", 0, "--idle", 2.5)
    check_energy(result, method="power_integral")
    assert result["idle"]["with_model_w"][DOMAIN] == pytest.approx(300.0, rel=0.02)
    (run,) = result["runs"]
    facts = run["facts"][DOMAIN]
    counted_j = (facts["counter_end_mj"] - facts["counter_start_mj"]) / 1e3
    assert counted_j == pytest.approx(360.0 * run["duration_s"], rel=0.02)
    assert result["valid"]
    assert "module_scope" in codes(result)


@pytest.mark.parametrize(
    ("settings", "midway", "said"),
    [
        ({}, lambda at: {"lost_after_s": at}, "was lost"),
        (
            NO_COUNTER | {"instant_power": "unsupported", "power": "unsupported"},
            None,
            "power cannot be read either",
        ),
    ],
    ids=["lost", "nothing-to-read"],
)
def test_what_cannot_be_measured_is_null_with_its_reason(simulate, measure, settings, midway, said):
    result = measure(simulate(gpu(**settings)), midway=midway, status=3)
    (run,) = result["runs"]
    assert run["energy_j"][DOMAIN] is None
    assert said in run["reasons"][DOMAIN]
    assert result["score"]["gpu_wh_per_1k_queries"] is None
    assert said in result["score"]["reason"]
    assert not result["valid"]
    assert any(said in reason for reason in result["invalid_reasons"])


@pytest.mark.parametrize(
    ("settings", "midway", "code"),
    [
        ({}, lambda at: {"process": (Process(4242, from_s=at),)}, "contention"),
        ({}, lambda at: {"clocks_event_reasons": (EventReasons(0x40, from_s=at),)}, "thermal"),
        ({"clocks_event_reasons": (EventReasons(0x80),)}, None, "power_brake"),
        ({"mig": True}, None, "mig_or_vgpu"),
        (SUPERCHIP | {"instant_power": "unsupported"}, None, "module_energy"),
    ],
    ids=["contention", "thermal", "power-brake", "mig", "module"],
)
def test_what_spoils_a_measurement_makes_it_invalid(simulate, measure, settings, midway, code):
    result = measure(simulate(gpu(**settings)), midway=midway, status=3)
    assert not result["valid"]
    assert any(found.startswith(code) for found in codes(result))
    assert result["runs"][0]["energy_j"][DOMAIN] > 0, "kept for information"


def test_other_processes_may_be_allowed_and_are_told_of(simulate, measure):
    sim = simulate(gpu())
    struck = lambda at: {"process": (Process(4242, from_s=at),)}  # noqa: E731
    result = measure(sim, "--gpu", 0, "--allow-shared", "--idle", 0.3, midway=struck)
    assert (result["valid"], result["invalid_reasons"]) == (True, [])
    assert result["protocol"]["shared"]
    assert {"contention", "no_idle_power"} <= set(codes(result)), "idling was too short to meter"
    (point,) = [check for check in result["conformance"] if check["name"] == "exclusive use"]
    assert (point["ok"], point["actual"]) == (False, "others in 1 of 1 run")


def refused(tmp_path, tiny_model, name, env):
    done = energyscore(
        "run", "text_generation", "--quick", "--model", tiny_model, "--device", "cpu", "--gpu",
        name, "--out", tmp_path, env=env,
    )  # fmt: skip
    assert done.status == 3, done.stderr
    assert not list(tmp_path.rglob("*.json"))
    return done.error


def test_no_driver_is_found_out_before_the_work(tmp_path, tiny_model, no_driver):
    error = refused(tmp_path, tiny_model, 0, no_driver)
    assert "libnvidia-ml.so.1" in error


def test_a_driver_that_does_not_start(tmp_path, tiny_model, simulate):
    error = refused(tmp_path, tiny_model, 0, simulate(init_error=9).env())
    assert "NVML does not start" in error


@pytest.mark.parametrize(("name", "said"), [(7, "only 1 GPU"), ("GPU-9", "no such GPU")])
def test_a_gpu_that_is_not_there(tmp_path, tiny_model, simulate, name, said):
    assert said in refused(tmp_path, tiny_model, name, simulate().env())


def test_doctor_sees_the_gpu_and_its_update_period(simulate):
    import json

    sim = simulate(
        gpu(update_period_ms=50),
        gpu("GPU-2-0000000000", counter="unsupported"),
        gpu("GPU-3-0000000000", module_w=60.0),  # known by its scopes
        gpu("GPU-4-0000000000", name="NVIDIA GB200", instant_power="unsupported"),
    )
    done = energyscore("doctor", "--format", "json", env=sim.env())
    assert done.status == 0, done.stderr
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert findings["GPU 0"]["facts"]["uuid"] == UUID
    assert findings["GPU 0"]["facts"]["update_period_ms"] == pytest.approx(50, rel=0.1)
    assert findings["GPU 0"]["facts"]["power_limit_w"] == 700
    assert findings["GPU 1"]["status"] == "caution"
    assert "no energy counter" in findings["GPU 1"]["detail"]
    modules = [findings[f"GPU {index}"]["facts"]["module"] for index in range(4)]
    assert modules == [False, False, True, True]
    assert "energy is from its own power" in findings["GPU 2"]["detail"]
    assert "only its module's energy can be read" in findings["GPU 3"]["detail"]
