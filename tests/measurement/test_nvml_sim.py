"""Tests of the simulated NVML library, through the real pynvml and the real CodeCarbon.

Each child process is started with the simulation's environment and prints one JSON value, so that
`LD_LIBRARY_PATH` is in place before it loads the library. Time bounds come from clock readings
around each call, not from sleeping, so that a slow machine does not fail them.
"""

import json
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.nvml_sim import (
    SOURCE,
    BuildError,
    EventReasons,
    Gpu,
    Process,
    Simulation,
    build,
    env_without_library,
)

SECOND = 1_000_000_000
PRELUDE = """
import json, sys, time
import pynvml as nv

def code(call, *args):
    try:
        return call(*args)
    except nv.NVMLError as error:
        return type(error).__name__

def handle(index=0):
    return nv.nvmlDeviceGetHandleByIndex(index)

def timed(call, *args):
    before = time.monotonic_ns()
    value = call(*args)
    return before, value, time.monotonic_ns()
"""


def start(env: dict[str, str], body: str) -> subprocess.Popen[str]:
    """Starts a Python child that runs `body` after the prelude."""
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(body)],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(child: subprocess.Popen[str]) -> Any:
    """Waits for a child and returns the JSON value in the last line it printed."""
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def run(env: dict[str, str], body: str) -> Any:
    """Runs a child to its end."""
    return finish(start(env, body))


@pytest.fixture(scope="session")
def workshop(sim_dir: Path) -> Path:
    """The directory that holds the library, compiled once, and all configuration files."""
    build(sim_dir)
    return sim_dir


def mj_between(sim: Simulation, index: int, before_ns: int, after_ns: int) -> tuple[int, int]:
    """The least and the greatest counter value a call within these instants can return."""
    gpu = sim.gpus[index]
    period = round(gpu.update_period_ms * 1e6)
    phase = round(gpu.update_phase_ms * 1e6)
    values = []
    for instant in (before_ns, after_ns):
        updated = (instant - sim.origin_ns - phase) // period * period + phase
        joules = sim.true_energy_j(index, sim.origin_ns, sim.origin_ns + max(updated, 0))
        values.append(int(joules * 1e3 * gpu.counter_gain) + gpu.counter_offset_mj)
    return values[0] - 1, values[1] + 1  # The reference is a float: one unit of slack.


def test_source_compiles_without_warnings(workshop: Path) -> None:
    """All four variants of the library are clean under -Wall -Wextra."""
    compiler = str(next(filter(None, map(shutil.which, ("cc", "gcc", "clang")))))
    total, values = "-DNVML_SIM_OMIT_TOTAL_ENERGY", "-DNVML_SIM_OMIT_FIELD_VALUES"
    for omit in ([], [total], [values], [total, values]):
        command = [compiler, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *omit, str(SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_build_is_cached_and_needs_a_compiler(
    tmp_path: Path, workshop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that is there is not built again; without a compiler the error says so."""
    library = build(workshop)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build(workshop) == library
    with pytest.raises(BuildError, match="no C compiler"):
        build(tmp_path)


def test_true_energy_by_hand(workshop: Path) -> None:
    """The reference integral agrees with integrals done by hand."""
    steps = Gpu(power_schedule=((1.0, 100.0), (3.0, 250.0), (4.0, 50.0)))
    wave = Gpu(wave=(100.0, 300.0, 0.2, 0.25))
    sim = Simulation(workshop, [steps, wave], origin_ns=7 * SECOND)

    def energy(index: int, start_s: float, end_s: float) -> float:
        zero = sim.origin_ns
        start_ns, end_ns = (zero + round(at_s * SECOND) for at_s in (start_s, end_s))
        return sim.true_energy_j(index, start_ns, end_ns)

    assert energy(0, 0, 10) == pytest.approx(3 * 100 + 250 + 6 * 50, rel=1e-12)
    assert energy(0, -2, 0.5) == pytest.approx(250, rel=1e-12)
    assert energy(0, 3.5, 4.5) == pytest.approx(125 + 25, rel=1e-12)
    assert energy(1, 0, 2) == pytest.approx(2 * 150, rel=1e-12)
    assert energy(1, 0.01, 0.06) == pytest.approx(0.04 * 300 + 0.01 * 100, rel=1e-12)
    assert energy(1, -0.2, 0) == pytest.approx(0.2 * 150, rel=1e-12)


def test_identity_and_static_readings(workshop: Path) -> None:
    """Two GPUs keep their names, UUIDs and settings apart, by whatever way they are looked up."""
    first = Gpu(name="NVIDIA A100-SXM4-80GB", uuid="GPU-aaaa", architecture=8, utilization=37)
    second = Gpu(
        uuid="GPU-bbbb",
        pci_bus_id="00000001:3B:00.0",
        memory_total_mb=1000,
        memory_used_mb=400,
        temperature_c=61,
        sm_clock_mhz=1410,
        mem_clock_mhz=1593,
        persistence=False,
        ecc=0,
        compute_mode=3,
        compute_capability="8.6",
        process=(Process(11, 1.5), Process(12, 3)),
        vgpu=True,
    )
    sim = Simulation(workshop, [first, second])
    body = """
    out = {"before": code(nv.nvmlDeviceGetCount), "shutdown": code(nv.nvmlSystemGetDriverVersion)}
    nv.nvmlInit()
    nv.nvmlInit()
    nv.nvmlShutdown()
    out["count"] = nv.nvmlDeviceGetCount()
    out["names"] = [nv.nvmlDeviceGetName(handle(i)) for i in range(2)]
    out["uuids"] = [nv.nvmlDeviceGetUUID(handle(i)) for i in range(2)]
    h = nv.nvmlDeviceGetHandleByUUID("GPU-bbbb")
    pci = nv.nvmlDeviceGetPciInfo(h)
    out["pci"] = [pci.busId, pci.busIdLegacy, pci.domain, pci.bus, pci.device]
    out["indices"] = [
        nv.nvmlDeviceGetIndex(h),
        nv.nvmlDeviceGetIndex(nv.nvmlDeviceGetHandleByPciBusId("00000001:3b:00.0")),
        nv.nvmlDeviceGetIndex(handle(0)),
    ]
    memory, memory2 = nv.nvmlDeviceGetMemoryInfo(h), nv.nvmlDeviceGetMemoryInfo(h, nv.nvmlMemory_v2)
    out["memory"] = [m // 2**20 for s in (memory, memory2) for m in (s.total, s.used, s.free)]
    out["temperature"] = [nv.nvmlDeviceGetTemperature(h, 0), nv.nvmlDeviceGetTemperatureV(h, 0)]
    out["clocks"] = [nv.nvmlDeviceGetClockInfo(h, 1), nv.nvmlDeviceGetClockInfo(h, 2)]
    out["max_clock"] = nv.nvmlDeviceGetMaxClockInfo(h, 1)
    out["modes"] = [
        nv.nvmlDeviceGetPersistenceMode(h), nv.nvmlDeviceGetEccMode(h),
        nv.nvmlDeviceGetComputeMode(h), nv.nvmlDeviceGetVirtualizationMode(h),
    ]
    out["capability"] = nv.nvmlDeviceGetCudaComputeCapability(h)
    out["arch"] = [nv.nvmlDeviceGetArchitecture(handle(i)) for i in range(2)]
    out["utilization"] = nv.nvmlDeviceGetUtilizationRates(handle(0)).gpu
    processes = nv.nvmlDeviceGetComputeRunningProcesses(h)
    out["processes"] = [[p.pid, p.usedGpuMemory] for p in processes]
    out["graphics"] = nv.nvmlDeviceGetGraphicsRunningProcesses(h)
    out["versions"] = [nv.nvmlSystemGetDriverVersion(), nv.nvmlSystemGetNVMLVersion()]
    out["cuda"] = nv.nvmlSystemGetCudaDriverVersion_v2()
    out["errors"] = [
        code(handle, 2), code(nv.nvmlDeviceGetHandleByUUID, "GPU-cccc"),
        code(nv.nvmlDeviceGetHandleByPciBusId, "0000:99:00.0"), code(nv.nvmlDeviceGetName, None),
        code(nv.nvmlDeviceGetTemperature, h, 7), code(nv.nvmlDeviceGetSamples, h, 0, 0),
        code(nv.nvmlDeviceGetMemoryInfo, h, 0x03000028),
    ]
    out["text"] = nv.nvmlErrorString(7)
    small = nv.create_string_buffer(4)
    out["small"] = nv._nvmlGetFunctionPointer("nvmlDeviceGetName")(h, small, nv.c_uint(4))
    nv.nvmlShutdown()
    out["after"] = code(nv.nvmlDeviceGetName, h)
    print(json.dumps(out))
    """
    assert run(sim.env(), body) == {
        "before": "NVMLError_Uninitialized",
        "shutdown": "NVMLError_Uninitialized",
        "count": 2,
        "names": ["NVIDIA A100-SXM4-80GB", "NVIDIA H100 80GB HBM3"],
        "uuids": ["GPU-aaaa", "GPU-bbbb"],
        "pci": ["00000001:3B:00.0", "0001:3B:00.0", 1, 0x3B, 0],
        "indices": [1, 1, 0],
        "memory": [1000, 400, 600] * 2,
        "temperature": [61, 61],
        "clocks": [1410, 1593],
        "max_clock": 1980,
        "modes": [0, [0, 0], 3, 2],
        "capability": [8, 6],
        "arch": [8, 9],
        "utilization": 37,
        "processes": [[11, 3 * 2**19], [12, 3 * 2**20]],
        "graphics": [],
        "versions": ["570.86.15", "12.570.86.15"],
        "cuda": 12080,
        "errors": [
            "NVMLError_InvalidArgument",
            "NVMLError_NotFound",
            "NVMLError_NotFound",
            "NVMLError_InvalidArgument",
            "NVMLError_InvalidArgument",
            "NVMLError_NotSupported",
            "NVMLError_ArgumentVersionMismatch",
        ],
        "text": "Insufficient Size",
        "small": 7,
        "after": "NVMLError_Uninitialized",
    }


def test_counter_is_the_integral_in_all_processes(workshop: Path) -> None:
    """Two processes at once read the exact counter, over steps, a wave, a gain and an offset."""
    steps = ((0.0, 80.0), (10.3, 612.5), (10.6, 250.25), (11.0, 33.3), (11.4, 700.0))
    gpus = [
        Gpu(power_schedule=steps, update_period_ms=10),
        Gpu(wave=(90.0, 410.0, 0.13, 0.3), update_period_ms=25, update_phase_ms=7),
        Gpu(power_schedule=steps, counter_gain=1.05, counter_offset_mj=10**15 + 7),
    ]
    sim = Simulation(workshop, gpus, origin_ns=time.monotonic_ns() - 10 * SECOND)
    body = """
    nv.nvmlInit()
    handles = [handle(i) for i in range(3)]
    reads, end = [[], [], []], time.monotonic() + 1.02
    while not reads[2] or time.monotonic() < end:
        for h, series in zip(handles, reads):
            series.append(timed(nv.nvmlDeviceGetTotalEnergyConsumption, h))
        time.sleep(0.003)
    print(json.dumps(reads))
    """
    for reads in map(finish, [start(sim.env(), body) for _ in range(2)]):
        for index, series in enumerate(reads):
            for before, counter, after in series:
                low, high = mj_between(sim, index, before, after)
                assert low <= counter <= high
            (first, c0, _), (_, c1, last) = series[0], series[-1]
            assert last - first >= SECOND
            gpu = sim.gpus[index]
            expected = sim.true_energy_j(index, first, last) * gpu.counter_gain
            quantum = 735 * (gpu.update_period_ms + 3) / 1e3  # W times update period and call
            assert abs((c1 - c0) / 1e3 - expected) <= quantum
            assert expected > 5 * quantum, "the tolerance must be small against the energy"


def test_update_period_is_visible(workshop: Path) -> None:
    """The counter stands still between the update instants and moves at them."""
    sim = Simulation(workshop, [Gpu(update_period_ms=50, update_phase_ms=20)])
    body = """
    nv.nvmlInit()
    h, changes, last, end = handle(), [], None, time.monotonic() + 0.6
    while time.monotonic() < end:
        now = timed(nv.nvmlDeviceGetTotalEnergyConsumption, h)
        if last and now[1] != last[1]:
            changes.append((last[0], now[2], now[1] - last[1]))
        last = now
    print(json.dumps(changes))
    """
    changes = run(sim.env(), body)
    assert 2 <= len(changes) <= 14
    tight = 0
    for before, after, step in changes:
        first, last = ((t - sim.origin_ns - 20_000_000) // 50_000_000 for t in (before, after))
        assert last > first, "the counter moved without an update instant"
        assert step in [5000 * n for n in range(1, last - first + 1)] or first < 0
        tight += step == 5000 and after - before < 5_000_000
    assert tight >= 2


def test_power_readings(workshop: Path) -> None:
    """The usage is the mean over the last second, field 186 the value at the last update."""
    ago = 10.0
    gpus = [
        Gpu(power_schedule=((0, 100), (ago - 0.3, 500)), update_period_ms=5, power_gain=1.1),
        Gpu(wave=(50, 350, 0.4, 0.5), update_period_ms=5),
        Gpu(power="unsupported", instant_power="unsupported", counter="unsupported"),
    ]
    sim = Simulation(workshop, gpus, origin_ns=time.monotonic_ns() - int(ago * SECOND))
    body = """
    nv.nvmlInit()
    def fields(h, *ids):
        return [[v.nvmlReturn, v.valueType, v.value.uiVal if v.valueType == 1 else v.value.ullVal]
                for v in nv.nvmlDeviceGetFieldValues(h, ids)]
    out = {"usage": [], "fields": []}
    for _ in range(30):
        out["usage"].append([timed(nv.nvmlDeviceGetPowerUsage, handle(i)) for i in range(2)])
        out["fields"].append([timed(fields, handle(i), (186, 0), 185, 83) for i in range(2)])
        time.sleep(0.02)
    out["scopes"] = fields(handle(), (186, 1), (186, 9), 60000)
    out["none"] = [code(nv.nvmlDeviceGetPowerUsage, handle(2)), fields(handle(2), 83, 185, 186)]
    out["stamp"] = nv.nvmlDeviceGetFieldValues(handle(), [186])[0].timestamp / 1e6 - time.time()
    print(json.dumps(out))
    """
    out = run(sim.env(), body)

    def power(index: int, at_ns: int) -> float:
        return sim.true_energy_j(index, at_ns, at_ns + 1000) * 1e6

    averages: set[int] = set()
    instants: set[int] = set()
    for usage, fields in zip(out["usage"], out["fields"], strict=True):
        for index, gain in ((0, 1.1), (1, 1.0)):
            before, average, after = usage[index]
            slack = (after - before + 5_000_000) / SECOND * 700 * gain  # W: how fast a mean moves
            mean = sim.true_energy_j(index, before - SECOND, before) * gain
            assert average / 1e3 == pytest.approx(mean, abs=slack)
            before, values, after = fields[index]
            (rc, kind, instant), (rc2, _, average2), (rc3, kind3, mj) = values
            assert (rc, rc2, rc3, kind, kind3) == (0, 0, 0, 1, 3)
            possible = {power(index, before - 5_000_000), power(index, before), power(index, after)}
            assert any(instant / 1e3 == pytest.approx(p * gain, rel=1e-6) for p in possible)
            slack = (after - before + 5_000_000) / SECOND * 700 * gain
            mean = sim.true_energy_j(index, before - SECOND, before) * gain
            assert average2 / 1e3 == pytest.approx(mean, abs=slack)
            low, high = mj_between(sim, index, before, after)
            assert low <= mj <= high
            (averages if index == 0 else instants).add(average if index == 0 else instant)
    assert len(averages) > 5, "a mean over a step must ramp"
    assert instants == {50_000, 350_000}, "the instant power must follow the wave"
    assert [rc for rc, _, _ in out["scopes"]] == [3, 2, 3]
    assert out["none"][0] == "NVMLError_NotSupported"
    assert [rc for rc, _, _ in out["none"][1]] == [3, 3, 3]
    assert abs(out["stamp"]) < 1


def test_faults(workshop: Path) -> None:
    """Each fault shows as NVML shows it, and on its own device only."""
    on = Gpu(power_schedule=((0.0, 200.0),), update_period_ms=100.0)
    gpus = [
        on,
        replace(on, counter="unsupported"),
        replace(on, counter="frozen", counter_offset_mj=5),
        replace(on, counter_frozen_after_s=3.05),
        replace(on, counter_offset_mj=10**9, counter_reset_after_s=4.0),
        replace(on, lost_after_s=5.0),
        replace(on, lost_after_s=1e6),
        replace(on, mig=True),
        replace(on, architecture=6, ecc=-1),
        replace(
            on,
            clocks_event_reasons=(
                EventReasons(0x4),
                EventReasons(0x40, 5.0),
                EventReasons(0x80, 5.0, 9.0),
                EventReasons(0x20, 1e6),
            ),
        ),
        replace(on, process=(Process(7, 10, 2.0), Process(8, 10, 2.0, 3.0), Process(9, 10, 1e6))),
        replace(on, power_limit_w=400, power_limit_change=((2.0, 300), (9.0, 250.5), (1e6, 100))),
    ]
    sim = Simulation(workshop, gpus, origin_ns=time.monotonic_ns() - 10 * SECOND)
    body = """
    nv.nvmlInit()
    n = nv.nvmlDeviceGetCount()
    h = [code(handle, i) for i in range(n)]
    out = {"handles": [i for i in range(n) if isinstance(h[i], str)], "lost": [h[5]]}
    out["lost"] += [code(nv.nvmlDeviceGetHandleByUUID, "GPU-00000005-0000-4000-8000-000000000005")]
    h[5] = h[6]
    out["counters"] = [timed(code, nv.nvmlDeviceGetTotalEnergyConsumption, x) for x in h]
    out["mig"] = [code(nv.nvmlDeviceGetMigMode, h[i]) for i in (0, 7, 8)]
    out["mig_use"] = [type(code(nv.nvmlDeviceGetUtilizationRates, h[i])).__name__ for i in (0, 7)]
    out["ecc"] = code(nv.nvmlDeviceGetEccMode, h[8])
    out["reasons"] = [nv.nvmlDeviceGetCurrentClocksEventReasons(h[i]) for i in (0, 9)]
    out["reasons"] += [nv.nvmlDeviceGetCurrentClocksThrottleReasons(h[9])]
    out["pids"] = [p.pid for p in nv.nvmlDeviceGetComputeRunningProcesses(h[10])]
    out["limits"] = [
        nv.nvmlDeviceGetEnforcedPowerLimit(h[11]), nv.nvmlDeviceGetPowerManagementLimit(h[11]),
        nv.nvmlDeviceGetPowerManagementDefaultLimit(h[11]),
        nv.nvmlDeviceGetPowerManagementLimitConstraints(h[11]),
        nv.nvmlDeviceGetEnforcedPowerLimit(h[0]),
    ]
    print(json.dumps(out))
    """
    out = run(sim.env(), body)
    assert out["handles"] == [5]
    assert out["lost"] == ["NVMLError_GpuIsLost"] * 2
    counters = [value for _, value, _ in out["counters"]]
    for index in (0, 6, 7, 8, 9, 10, 11):
        before, counter, after = out["counters"][index]
        low, high = mj_between(sim, index, before, after)
        assert low <= counter <= high
    assert counters[1] == "NVMLError_NotSupported"
    assert counters[2] == 5, "frozen from the start"
    assert counters[3] == 600_000, "frozen at the last update before 3.05 s"
    before, reset, after = out["counters"][4]
    low, high = mj_between(sim, 0, before, after)
    assert low <= reset + 800_000 <= high, "counts from 0 at 4 s, without its offset"
    assert out["mig"] == [[0, 0], [1, 1], "NVMLError_NotSupported"]
    assert out["mig_use"] == ["c_nvmlUtilization_t", "str"]
    assert out["ecc"] == "NVMLError_NotSupported"
    assert out["reasons"] == [0, 0x44, 0x44]
    assert out["pids"] == [7]
    assert out["limits"] == [250_500, 250_500, 400_000, [100_000, 400_000], 700_000]


def test_changes_reach_a_running_process(workshop: Path) -> None:
    """A process that holds a handle sees each rewritten configuration."""
    sim = Simulation(workshop, [Gpu(update_period_ms=1), Gpu()])
    body = """
    nv.nvmlInit()
    h = handle()
    for line in sys.stdin:
        time.sleep(0.006)
        processes = code(nv.nvmlDeviceGetComputeRunningProcesses, h)
        if not isinstance(processes, str):
            processes = [p.pid for p in processes]
        print(json.dumps([
            processes, code(nv.nvmlDeviceGetCurrentClocksEventReasons, h),
            code(nv.nvmlDeviceGetTotalEnergyConsumption, h),
        ]), flush=True)
    """
    child = start(sim.env(), body)
    assert child.stdin is not None and child.stdout is not None

    def ask() -> Any:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write("\n")
        child.stdin.flush()
        return json.loads(child.stdout.readline())

    try:
        idle = ask()
        assert idle[:2] == [[], 0]
        sim.update(0, process=(Process(4242),))
        assert ask()[:2] == [[4242], 0]
        sim.update(0, process=(), clocks_event_reasons=(EventReasons(0x48),))
        assert ask()[:2] == [[], 0x48]
        sim.update(1, lost_after_s=0.0)
        running = ask()
        assert running[2] > idle[2], "the other device is not lost, and its counter ran on"
        sim.update(0, counter="frozen")
        frozen = ask()
        time.sleep(0.01)
        assert ask() == frozen
        assert frozen[2] >= running[2], "freezing keeps the present value"
        sim.config.with_suffix(".bad").write_text("[gpu]\nno_such_key 1\n", encoding="utf-8")
        sim.config.with_suffix(".bad").replace(sim.config)
        assert ask() == frozen, "a file that cannot be parsed must leave the last good one"
        sim.update(0, counter="on")
        assert ask()[2] > frozen[2]
        sim.update(0, lost_after_s=sim.elapsed_s())
        assert ask() == ["NVMLError_GpuIsLost"] * 3
    finally:
        _, err = child.communicate(timeout=300)
    assert "cannot use 'no_such_key'" in err


@pytest.mark.parametrize(
    ("omit", "counter", "fields"),
    [
        (("total_energy",), "NVMLError_FunctionNotFound", "c_nvmlFieldValue_t_Array_1"),
        (("field_values",), "int", "NVMLError_FunctionNotFound"),
        (
            ("total_energy", "field_values"),
            "NVMLError_FunctionNotFound",
            "NVMLError_FunctionNotFound",
        ),
    ],
)
def test_omitted_symbols(workshop: Path, omit: tuple[str, ...], counter: str, fields: str) -> None:
    """An omitted symbol is missing for pynvml, and the other one is not."""
    sim = Simulation(workshop, [Gpu()], omit=omit)
    body = """
    nv.nvmlInit()
    got = [code(nv.nvmlDeviceGetTotalEnergyConsumption, handle()),
           code(nv.nvmlDeviceGetFieldValues, handle(), [83])]
    power = nv.nvmlDeviceGetPowerUsage(handle())
    print(json.dumps([x if isinstance(x, str) else type(x).__name__ for x in got] + [power]))
    """
    assert run(sim.env(), body) == [counter, fields, 100_000]


def test_initialisation_failures(workshop: Path, tmp_path: Path) -> None:
    """No library, an NVML error at initialisation, and no configuration each fail in their way."""
    body = "print(json.dumps(code(nv.nvmlInit)))"
    assert run(env_without_library(tmp_path), body) == "NVMLError_LibraryNotFound"
    broken = Simulation(workshop, [Gpu()], init_error=9)
    assert run(broken.env(), body) == "NVMLError_DriverNotLoaded"
    smi = subprocess.run(
        ["nvidia-smi"], env=broken.env(), capture_output=True, text=True, check=False
    )
    assert smi.returncode == 9
    env = broken.env()
    del env["NVML_SIM_CONFIG"]
    assert run(env, body) == "NVMLError_DriverNotLoaded"


def test_threads_and_speed(workshop: Path) -> None:
    """Threads read through rewrites of the configuration, and a call stays cheap."""
    steps = tuple((i / 100, 100.0 + i % 7) for i in range(2000))
    sim = Simulation(workshop, [Gpu(power_schedule=steps, update_period_ms=1)])
    body = """
    import ctypes, threading
    nv.nvmlInit()
    bad, counts = [], []
    def reader():
        h, last, n = handle(), 0, 0
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            value = code(nv.nvmlDeviceGetTotalEnergyConsumption, h)
            if isinstance(value, str) or value < last or nv.nvmlDeviceGetCount() != 1:
                bad.append([value, last])
            last, n = value, n + 1
        counts.append(n)
    threads = [threading.Thread(target=reader) for _ in range(6)]
    [t.start() for t in threads]
    print("ready", flush=True)
    [t.join() for t in threads]
    call, value = nv._nvmlGetFunctionPointer("nvmlDeviceGetTotalEnergyConsumption"), nv.c_uint64()
    h, out, best = handle(), ctypes.byref(value), 1.0
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(1000):
            call(h, out)
        best = min(best, (time.perf_counter() - start) / 1000)
    print(json.dumps([bad, min(counts), best]))
    """
    child = start(sim.env(), body)
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    for _ in range(60):
        sim.write()
        time.sleep(0.005)
    bad, fewest, best_s = finish(child)
    assert bad == []
    assert fewest > 20
    assert best_s < 10e-6


def test_calls_take_as_long_as_told(workshop: Path) -> None:
    """Spinning takes the processor's time, sleeping does not; one GPU does not wait for another."""
    slow = {"energy_latency_ms": 8.0, "power_latency_ms": 5.0, "status_latency_ms": 3.0}
    gpus = [Gpu(**slow, latency="spin"), Gpu(**slow), Gpu(update_period_ms=1, energy_latency_ms=40)]
    sim = Simulation(workshop, gpus, origin_ns=time.monotonic_ns() - 10 * SECOND)
    body = """
    nv.nvmlInit()
    import threading
    out = {}
    calls = {"energy": nv.nvmlDeviceGetTotalEnergyConsumption, "power": nv.nvmlDeviceGetPowerUsage,
             "status": nv.nvmlDeviceGetComputeRunningProcesses, "free": nv.nvmlDeviceGetName}
    for name, call in calls.items():
        for i in range(2):
            begin, used = time.monotonic(), time.thread_time()
            call(handle(i))
            took = time.monotonic() - begin, time.thread_time() - used
            out[f"{name} {i}"] = [1e3 * seconds for seconds in took]
    fields = lambda: nv.nvmlDeviceGetFieldValues(handle(0), [186])
    begin = time.monotonic()
    fields()
    out["instant"] = (time.monotonic() - begin) * 1e3
    out["middle"] = timed(nv.nvmlDeviceGetTotalEnergyConsumption, handle(2))
    both = [threading.Thread(target=nv.nvmlDeviceGetTotalEnergyConsumption, args=(handle(1),))
            for _ in range(2)]
    begin = time.monotonic()
    [t.start() for t in both]
    [t.join() for t in both]
    out["twice"] = (time.monotonic() - begin) * 1e3
    print(json.dumps(out))
    """
    out = run(sim.env(), body)
    for name, least_ms in (("energy", 8), ("power", 5), ("status", 3)):
        (spun_ms, spun_cpu_ms), (slept_ms, slept_cpu_ms) = (out[f"{name} {i}"] for i in range(2))
        assert min(spun_ms, slept_ms) >= least_ms
        assert slept_cpu_ms < least_ms / 2
        assert spun_cpu_ms > slept_cpu_ms
    assert out["instant"] >= 5
    assert out["twice"] >= 16, "the GPU's lock is held meanwhile"
    before, counter, after = out["middle"]
    low, high = mj_between(sim, 2, before + 18_000_000, after - 18_000_000)
    assert low <= counter <= high, "the state in the middle of the call"


def test_nvidia_smi(workshop: Path) -> None:
    """The stub lists the devices of the simulation."""
    sim = Simulation(workshop, [Gpu(name="NVIDIA L4", uuid="GPU-x"), Gpu(power_limit_w=350)])

    def smi(*arguments: str) -> str:
        return subprocess.run(
            ["nvidia-smi", *arguments], env=sim.env(), capture_output=True, text=True, check=True
        ).stdout

    assert "NVIDIA System Management Interface" in smi("--help")
    assert "570.86.15" in smi()
    assert smi("-L").splitlines()[0] == "GPU 0: NVIDIA L4 (UUID: GPU-x)"
    query = "--query-gpu=index,name,uuid,power.limit,mig.mode.current,power.draw"
    rows = smi(query, "--format=csv,noheader,nounits").splitlines()
    assert rows[0] == "0, NVIDIA L4, GPU-x, 700.00, Disabled, [N/A]"
    assert rows[1].startswith("1, NVIDIA H100 80GB HBM3, ") and ", 350.00, " in rows[1]
    assert smi(query, "--format=csv,noheader", "-i", "1").count("\n") == 1


def test_codecarbon_reads_the_simulated_device(workshop: Path, tmp_path: Path) -> None:
    """The real CodeCarbon, told to watch GPU 0, finds its energy and not its neighbour's."""
    gpus = [
        Gpu(power_schedule=((0.0, 300.0),), uuid="GPU-watched"),
        Gpu(power_schedule=((0.0, 650.0),)),
    ]
    sim = Simulation(workshop, gpus)
    body = """
    import logging
    from codecarbon import OfflineEmissionsTracker  # sets the level of its logger
    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    tracker = OfflineEmissionsTracker(
        country_iso_code="USA", save_to_file=False, gpu_ids=[0], allow_multiple_runs=True,
        log_level="critical", measure_power_secs=1, force_cpu_power=10, force_ram_power=10,
    )
    before = time.monotonic_ns()
    tracker.start()
    started = time.monotonic_ns()
    time.sleep(2.5)
    stopping = time.monotonic_ns()
    tracker.stop()
    after = time.monotonic_ns()
    data = tracker.final_emissions_data
    print(json.dumps([before, started, stopping, after, data.gpu_energy * 3.6e6, data.gpu_model]))
    """
    env = dict(sim.env(), HOME=str(tmp_path))
    env.pop("CUDA_VISIBLE_DEVICES", None)
    before, started, stopping, after, joules, model = run(env, body)
    least = sim.true_energy_j(0, started, stopping)
    most = sim.true_energy_j(0, before, after)
    assert least * 0.97 <= joules <= most * 1.03
    assert joules < sim.true_energy_j(1, started, stopping) * 0.9, "the other GPU was counted"
    assert model == "2 x NVIDIA H100 80GB HBM3"
