"""Phases through the whole measuring side: real clock, real recorder, a driver of known power."""

import itertools
import json
import subprocess
import sys

import pytest
from support.commands import environment, gpu

from energyscore.results.parts import Run

# Prefill 31.5 ms at 600 W, decode 73.5 ms at 200 W, kept in step with the driver's wave.
PERIOD_S, DUTY, WATTS = 0.105, 0.3, {"prefill": 600.0, "decode": 200.0}
SCRIPT = """
import json, sys, time
from energyscore.measurement.backend import Batch, BatchOutput
from energyscore.measurement.benchmark import measure_run
from energyscore.measurement.meters.nvml import NvmlMeter
from energyscore.measurement.work import Plan
from energyscore.protocol.workload import Workload

uuid, origin_ns, period_s, duty, queries = sys.argv[1], *map(float, sys.argv[2:])


entered = []


def sleep_until(share):
    now_s = (time.monotonic_ns() - origin_ns) / 1e9
    time.sleep((share - now_s / period_s) % 1 * period_s)


class InStep:
    prepare_ahead, lone_phase = 4096, None

    def prepare(self, queries):
        return Batch(None, len(queries), 10)

    def run(self, batch, enter):
        sleep_until(0.0)
        entered.append(["prefill", time.monotonic_ns()])
        enter("prefill")
        sleep_until(duty)
        entered.append(["decode", time.monotonic_ns()])
        enter("decode")
        sleep_until(0.9)  # the rest of decode is waited for before the next prefill
        return BatchOutput(10)

    def synchronize(self):
        pass


class Silent:
    def stage(self, name, total): pass
    def advance(self, done): pass


def noted_s(run):
    return run.duration_s - run.phases["preprocess"].duration_s


data = Workload(({"text": "x"},) * int(queries), "none", None, False, int(queries))
meter = NvmlMeter([uuid])
meter.open()
plan = Plan(data, ("preprocess", "prefill", "decode"), 1, 1, 1, True, 0.0)
run = measure_run(plan, InStep(), [meter], 0, Silent())[0]
meter.close()
print(run.model_dump_json())
print(json.dumps([*entered, ["end", entered[0][1] + round(noted_s(run) * 1e9)]]))
"""


TRIES, QUERIES = 3, 100


def measured(sim):
    """A run in step with the driver's wave, and the phases in it: name, beginning and end."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", SCRIPT, sim.gpus[0].uuid),
            *map(str, (sim.origin_ns, PERIOD_S, DUTY, QUERIES)),
        ],
        env=environment(sim.env()),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run, entered = done.stdout.splitlines()
    phases = [
        (name, start, end) for (name, start), (_, end) in itertools.pairwise(json.loads(entered))
    ]
    return Run.model_validate_json(run), phases


def test_prefill_and_decode_as_the_driver_drew_them(simulate):
    """On a busy machine phases may be refused, for good reason; where they are told, they hold."""
    sim = simulate(gpu(wave=(200.0, 600.0, PERIOD_S, DUTY), update_period_ms=20.0))
    domain = f"gpu:{sim.gpus[0].uuid}"
    for _ in range(TRIES):
        run, phases = measured(sim)
        if run.phase_methods:
            break
        assert run.phase_reasons[domain]
    assert run.phase_methods == {domain: "tick_regression"}, run.phase_reasons
    truth_j, slipped_j = {"prefill": 0.0, "decode": 0.0}, 0.0
    for name, start_ns, end_ns in phases:
        joules = sim.true_energy_j(0, start_ns, end_ns)
        truth_j[name] += joules
        slipped_j += abs(joules - WATTS[name] * (end_ns - start_ns) / 1e9)
    # Woken late, a phase has the other one's power: on a busy machine the phases are less alike.
    within = 0.05 + 5 * slipped_j / sum(truth_j.values())
    for name, joules in truth_j.items():
        part = run.phases[name]
        assert part.energy_j[domain] == pytest.approx(joules, rel=within)
        assert 0 < part.se_j[domain] < within * part.energy_j[domain]
    assert sum(part.energy_j[domain] for part in run.phases.values()) == pytest.approx(
        run.energy_j[domain]
    )
