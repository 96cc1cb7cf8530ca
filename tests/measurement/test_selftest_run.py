"""The self-test on a simulated driver, and on a machine without one."""

import signal
import subprocess
import sys
import textwrap
import time

import pytest
from support.commands import energyscore, environment, gpu, start

from energyscore.measurement.selftest.report import parse_selftest

GOOD, LYING = gpu().uuid, "GPU-22222222-0000-0000-0000-000000000000"


def checks_of(report, subject):
    return {check.name: check for check in report.checks if check.subject == subject}


@pytest.fixture(scope="module")
def cpu_only(tmp_path_factory, no_driver):
    """A folder with the self-test of a machine without a driver, and what was printed."""
    out = tmp_path_factory.mktemp("no-gpu")
    return out, energyscore("selftest", "--quick", "--out", out, "--format", "json", env=no_driver)


def test_without_a_gpu_the_rest_is_tested(cpu_only):
    out, done = cpu_only
    assert done.status == 0, done.stderr
    text = (out / "selftest.json").read_text()
    assert done.stdout == text
    report = parse_selftest(text, "the report")
    assert report.quick
    named = {check.name: check for check in report.checks}
    assert named["gpu"].status == "cannot"
    assert "libnvidia-ml.so.1" in named["gpu"].message
    assert named["cpu_repeatability"].figures["time_ms_per_operation"] > 0
    assert named["continuity"].figures["watched_s"] > 3
    assert {"rapl", "other_processes", "clock"} < set(named)


def test_a_plan_comes_first_and_every_step_is_told(cpu_only):
    lines = cpu_only[1].stderr.splitlines()
    assert "Self-test of no GPUs" in lines[0]
    assert sum("idle power" in line or "fixed load" in line for line in lines) == 2


def test_a_gpu_that_was_named_must_be_there(tmp_path, no_driver):
    done = energyscore("selftest", "--quick", "--gpu", 0, "--out", tmp_path / "out", env=no_driver)
    assert done.status == 3
    assert "libnvidia-ml.so.1" in done.error
    assert not (tmp_path / "out" / "selftest.json").exists()


def test_a_counter_that_contradicts_the_power_is_told_of_one_gpu_and_not_of_the_other(
    simulate, tmp_path
):
    third = gpu("GPU-33333333-0000-0000-0000-000000000000")
    sim = simulate(
        gpu(update_period_ms=20), third, gpu(LYING, update_period_ms=20, counter_gain=1.5)
    )
    done = energyscore(
        "selftest", "--quick", "--out", tmp_path, "--gpu", 0, "--gpu", LYING, env=sim.env()
    )
    assert done.status == 3, done.stderr
    assert "would be invalid: idle_power" in done.stderr
    report = parse_selftest((tmp_path / "selftest.json").read_bytes(), "the report")
    assert [part.uuid for part in report.environment.gpus] == [GOOD, LYING]
    good, lying = checks_of(report, f"gpu:{GOOD}"), checks_of(report, f"gpu:{LYING}")
    assert [check.subject for check in report.invalidating] == [f"gpu:{LYING}"]
    for checks in (good, lying):
        assert checks["exclusive_use"].status == "ok"
        assert checks["counter_period"].figures["median_ms"] == pytest.approx(20, rel=0.1)
        assert checks["idle_power"].figures["power_integral_w"] == pytest.approx(300, rel=0.03)
        for name in ("load_energy", "load_agreement", "wave_50_ms", "meter_overhead"):
            assert checks[name].status == "cannot"
            assert "torch" in checks[name].message
        assert checks["meter_overhead"].figures["recorder_cpu_share"] > 0
    assert good["idle_power"].figures["counter_w"] == pytest.approx(300, rel=0.03)
    assert lying["idle_power"].figures["counter_w"] == pytest.approx(450, rel=0.03)


EIGHT = """
    from energyscore.base.errors import MeterError
    from energyscore.measurement.selftest.gpu import find_gpus
    from energyscore.measurement.selftest.plan import SelfTestPlan
    from energyscore.measurement.selftest.report import selftest_to_json
    from energyscore.measurement.selftest.runner import run_selftest

    class NoLoads:
        def gpu(self, uuid):
            raise MeterError("there is no load here")

        def cpu(self):
            raise MeterError("there is no load here")

    plan = SelfTestPlan(probe_s=1.0, idle_s=4.0, waves=())
    print(selftest_to_json(run_selftest(plan, find_gpus([]), "", NoLoads(), lambda text: None)))
"""


def test_eight_gpus_at_once(simulate):
    slow = {"energy_latency_ms": 2.5, "power_latency_ms": 2.5, "status_latency_ms": 2.5}
    gpus = [
        gpu(f"GPU-8888{n:04d}", update_period_ms=100.0, update_phase_ms=11.0 * n, **slow)
        for n in range(8)
    ]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(EIGHT)],
        env=environment(simulate(*gpus).env()),
        capture_output=True,
        text=True,
        check=True,
    )
    report = parse_selftest(done.stdout, "the report")
    check = checks_of(report, "machine")["all_gpus"]
    assert check.figures == {"gpus": 8, "counters": 8, "believed": 8}
    assert check.status == "ok"


LOADED = """
    import time
    from energyscore.measurement.selftest.gpu import find_gpus
    from energyscore.measurement.selftest.plan import SelfTestPlan, Wave
    from energyscore.measurement.selftest.report import selftest_to_json
    from energyscore.measurement.selftest.runner import run_selftest

    class Sleeping:
        # The simulated GPU's power follows no work: an operation only has to take its time.
        operation = "5 ms of sleep"

        def work(self, seconds):
            operations = round(seconds / 0.005)
            for _ in range(operations):
                time.sleep(0.005)
            return operations

        def close(self):
            pass

    class Loads:
        def gpu(self, uuid):
            return Sleeping()

        cpu = Sleeping

    plan = SelfTestPlan(
        probe_s=0.2, idle_s=0.6, warmup_s=0.1, repeats=3, repeat_s=0.6, pause_s=0.0,
        waves=(Wave(0.5, 1), Wave(0.05, 6)), pairs=2, pair_s=0.3, cpu_repeats=2, cpu_repeat_s=0.1,
    )
    print(selftest_to_json(run_selftest(plan, find_gpus(["0"]), "", Loads(), lambda text: None)))
"""


def test_a_gpu_under_load(simulate, tmp_path):
    sim = simulate(gpu(update_period_ms=10, temperature_c=50, sm_clock_mhz=1500))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LOADED)],
        env=environment(sim.env()),
        capture_output=True,
        text=True,
        check=True,
    )
    checks = checks_of(parse_selftest(done.stdout, "the report"), f"gpu:{GOOD}")
    energy = checks["load_energy"].figures
    assert energy["energy_j_per_operation"] > 0.95 * 300 * 0.005  # sleep may take longer
    watts = energy["energy_j_per_operation"] * energy["operations_per_s"]
    assert watts == pytest.approx(300, rel=0.05)
    assert len(energy["energy_j_per_operation_of_repeats"]) == 3
    for name in ("load_agreement", "wave_500_ms", "wave_50_ms"):
        figures = checks[name].figures
        assert figures["counter_to_power_ratio"] == pytest.approx(1, abs=0.05)
        assert figures["mean_power_w"] == pytest.approx(300, rel=0.05)
    conditions = checks["load_conditions"].figures
    assert conditions["power_limit_w"] == 700
    assert conditions["power_to_limit_ratio"] == pytest.approx(3 / 7, rel=0.05)
    assert (conditions["temperature_begin_c"], conditions["temperature_end_c"]) == (50, 50)
    assert (conditions["min_sm_clock_mhz"], conditions["max_sm_clock_mhz"]) == (1500, 1500)
    overhead = checks["meter_overhead"].figures
    assert overhead["overhead_ratio"] == pytest.approx(1, abs=0.5)
    assert 0 <= overhead["recorder_cpu_share"] < 1


def test_ctrl_c_writes_nothing(tmp_path, no_driver):
    process = start("selftest", "--out", tmp_path, env=no_driver)
    while "idle power" not in process.err.read_text():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    status, stdout, stderr = process.wait(300)
    assert status == 130
    assert (stdout, "Traceback" in stderr) == ("", False)
    assert not (tmp_path / "selftest.json").exists()
