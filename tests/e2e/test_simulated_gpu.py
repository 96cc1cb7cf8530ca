"""The whole command against a simulated driver: real pynvml, real CodeCarbon, known power.

Totals are right, and every fault ends in the fallback or in an invalid result with its reason;
none ends in 0.
"""

import json
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import pytest
from support.commands import energyscore, environment, gpu, only_result, start
from support.nvml_sim import EventReasons, Process
from support.submissions import bundle

from energyscore.verify.checker import verify

UUID = gpu().uuid
DOMAIN = f"gpu:{UUID}"


@pytest.fixture
def measure(tmp_path, tiny_model, prompts_csv):
    """Run the command on a simulated driver; faults may strike once the run has begun.

    `midway` has what changes of a GPU from that moment on, by the GPU's index.
    """

    def run(sim, *more, midway=None, status=0):
        queries = 120 if midway else 40  # a fault has to strike within the run

        def strike(line):
            if midway is not None and ": run 1 of 1" in line:
                at = sim.elapsed_s() + 0.4
                for index, change in midway.items():
                    sim.update(index, **change(at))

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


def several(faults):
    """A GPU for each of these faults, by name, and the options that meter them all.

    A fault is what the GPU is like, or what becomes of it once the run has begun.
    """
    gpus, midway, named = [], {}, []
    for index, fault in enumerate(faults):
        settings = {} if callable(fault) else fault
        gpus.append(gpu(f"GPU-{index}{index}{index}-0000-0000-0000-000000000000", **settings))
        named += ["--gpu", index]
        if callable(fault):
            midway[index] = fault
    return gpus, named, midway


def check_submission(path):
    """Whatever was measured, the checker of submissions finds it consistent, raw data and all."""
    verdict = verify(bundle(path))
    assert [one for one in verdict.findings if one.level == "failed"] == []
    raw = next(one for one in verdict.findings if one.check == "raw runs")
    assert raw.level == "ok"


def codes(result):
    return [caution["code"] for caution in result["cautions"]]


def codes_of(index, result):
    """Of what is noted in the run of the GPU of that index."""
    notices = result["runs"][0]["notices"]
    return [one["code"] for one in notices if f"GPU {index} (" in one["message"]]


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
from energyscore.measurement import loaded, warmup
loaded.BLOCK_S = 0.5
warmup.WARMUP_BLOCK_S, warmup.WARMUP_LIMIT_S = 0.4, 2.0
"""


def test_a_screen_tells_the_energy_of_all_queries(tmp_path, simulate, tiny_model, prompts_csv):
    """Of 300 W whatever is done: so of all queries it is 300 W times the time of one on average."""
    sim = simulate(gpu(update_period_ms=10))
    arguments = [
        "run", "text_generation", "--screen", "--until", "half-width=40%", "--model", tiny_model,
        "--dataset", prompts_csv, "--device", "cpu", "--gpu", "0", "--out", tmp_path,
    ]  # fmt: skip
    done = energyscore(*arguments, env=sim.env(), first=SHORT_BLOCKS)
    assert done.status == 0, done.stderr
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


COUNTER_FAULTS = {
    "counter_unsupported": NO_COUNTER,
    "counter_frozen": {"counter": "frozen"},
    "counter_frozen midway": lambda at: {"counter_frozen_after_s": at},
    "counter_reset": lambda at: {"counter_reset_after_s": at},
}


def test_counters_that_fail_give_way_to_integrated_power(simulate, measure):
    """Each GPU's in a way of its own."""
    gpus, named, midway = several(COUNTER_FAULTS.values())
    sim = simulate(*(replace(one, update_period_ms=10) for one in gpus))
    result = measure(sim, *named, midway=midway)
    (run,) = result["runs"]
    for one in gpus:
        assert run["methods"][f"gpu:{one.uuid}"] == "power_integral"
        energy_j = run["energy_j"][f"gpu:{one.uuid}"]
        assert energy_j == pytest.approx(300.0 * run["duration_s"], rel=0.01)
    assert result["score"]["method"] == "power_integral"
    wh = 4 * 300.0 * run["duration_s"] / 3600 * 1000 / run["queries"]
    assert result["score"]["gpu_wh_per_1k_queries"] == pytest.approx(wh, rel=0.01)
    assert result["valid"]
    for index, name in enumerate(COUNTER_FAULTS):
        code = name.split()[0]
        assert code in codes_of(index, result)
        assert code in codes(result)


def test_a_driver_without_the_call_of_the_counter_gives_way_too(simulate, measure):
    result = measure(simulate(gpu(update_period_ms=10), omit=("total_energy",)))
    check_energy(result, method="power_integral")
    assert result["valid"]
    assert "counter_unsupported" in codes(result)


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


def test_what_cannot_be_measured_is_null_with_its_reason(simulate, measure):
    """One GPU is lost, of the other nothing can be read."""
    mute = NO_COUNTER | {"instant_power": "unsupported", "power": "unsupported"}
    gpus, named, midway = several([lambda at: {"lost_after_s": at}, mute])
    result = measure(simulate(*gpus), *named, midway=midway, status=3)
    (run,) = result["runs"]
    assert result["score"]["gpu_wh_per_1k_queries"] is None
    assert "was lost" in result["score"]["reason"]
    assert not result["valid"]
    for one, said in zip(gpus, ("was lost", "power cannot be read either"), strict=True):
        domain = f"gpu:{one.uuid}"
        assert run["energy_j"][domain] is None
        assert said in run["reasons"][domain]
        assert any(said in reason for reason in result["invalid_reasons"])


SPOILS = {
    "contention": lambda at: {"process": (Process(4242, from_s=at),)},
    "thermal": lambda at: {"clocks_event_reasons": (EventReasons(0x40, from_s=at),)},
    "power_brake": {"clocks_event_reasons": (EventReasons(0x80),)},
    "mig_or_vgpu": {"mig": True},
    "module_energy": SUPERCHIP | {"instant_power": "unsupported"},
}


def test_what_spoils_a_measurement_makes_it_invalid(simulate, measure):
    """Each GPU's in a way of its own, and each of them is a reason."""
    gpus, named, midway = several(SPOILS.values())
    result = measure(simulate(*gpus), *named, midway=midway, status=3)
    assert not result["valid"]
    for index, (name, one) in enumerate(zip(SPOILS, gpus, strict=True)):
        (code,) = codes_of(index, result)
        assert code.startswith(name)
        assert code in codes(result)
        assert any(f"GPU {index} (" in reason for reason in result["invalid_reasons"])
        assert result["runs"][0]["energy_j"][f"gpu:{one.uuid}"] > 0, "kept for information"


def test_other_processes_may_be_allowed_and_are_told_of(simulate, measure):
    sim = simulate(gpu())
    struck = lambda at: {"process": (Process(4242, from_s=at),)}  # noqa: E731
    result = measure(sim, "--gpu", 0, "--allow-shared", "--idle", 0.3, midway={0: struck})
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


def limited(out, tiny_model, prompts_csv, *more):
    """What limits the GPU; it takes the same limit whichever way it is written."""
    return [
        *("run", "text_generation", "--quick", "--model", tiny_model, "--device", "cpu"),
        *("--dataset", prompts_csv, "--gpu", 0, "--out", out, "--power-limit", *more),
    ]


def when_limited(process, sim, limit_w):
    """Wait until a process has set the limit."""
    deadline = time.monotonic() + 300
    while sim.power_limit_w(0) != limit_w:
        assert time.monotonic() < deadline, process.err.read_text()
        time.sleep(0.01)


def test_a_limit_is_put_back_when_a_measurement_is_ended(
    tmp_path, simulate, tiny_model, prompts_csv
):
    sim = simulate(gpu())
    sim.set_limit(0, 500.0)
    env = sim.env() | {"XDG_STATE_HOME": str(tmp_path / "state")}
    process = start(*limited(tmp_path, tiny_model, prompts_csv, 150), env=env)
    when_limited(process, sim, 150.0)
    process.send_signal(signal.SIGTERM)
    status, _, stderr = process.wait(300)
    assert status == 128 + signal.SIGTERM, stderr
    assert sim.power_limit_w(0) == 500.0, "what was found, and not the driver's own"


def test_a_limit_that_a_killed_measurement_left_is_told_of_and_put_back(
    tmp_path, simulate, tiny_model, prompts_csv
):
    sim = simulate(gpu(update_period_ms=10))
    sim.set_limit(0, 500.0)
    env = sim.env() | {"XDG_STATE_HOME": str(tmp_path / "state")}
    process = start(*limited(tmp_path / "out", tiny_model, prompts_csv, "150"), env=env)
    when_limited(process, sim, 150.0)
    process.send_signal(signal.SIGKILL)
    process.wait(300)
    assert sim.power_limit_w(0) == 150.0
    done = energyscore("doctor", "--format", "json", env=env)
    (found,) = [one for one in json.loads(done.stdout) if one["name"] == "power limit"]
    assert found["status"] == "caution"
    assert "GPU 0: a measurement that was killed left its power limit at 150 W" in found["detail"]
    assert found["remedy"] == f"`sudo nvidia-smi -i {UUID} -pl 500` puts it back."
    arguments = limited(tmp_path / "out", tiny_model, prompts_csv, "150W", "--queries", "40")
    done = energyscore(*arguments, env=env)
    assert done.status == 0, done.stderr
    assert "left its power limit at 150 W; before it was 500 W" in done.stderr
    result = only_result(tmp_path / "out")
    check_energy(result, watts=150.0)
    assert [one["power_limit_w"] for one in result["environment"]["gpus"]] == [150.0]
    assert "power_limit_changed" not in codes(result)
    assert sim.power_limit_w(0) == 500.0
    again = energyscore(*arguments, env=env)
    assert "measured before" in again.stderr, "whatever the limit is now"
    assert "power limit" not in energyscore("doctor", env=env).stdout


def test_doctor_sees_the_gpu_and_its_update_period(simulate):
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
