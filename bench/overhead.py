"""What metering a GPU costs the work: paired runs with and without, and what a boundary costs.

    python bench/overhead.py [--pairs 2] [--seconds 15] [--threads N] [--real]

Without `--real`: the model computes on the processor, and the simulated driver (it needs a C
compiler) has GPUs whose counters are updated every 10, 20 and 100 ms. With it: model, GPU and
driver of this machine. A pair is four runs with and four without, in turn and of the same queries,
so that a slow minute of the machine strikes both; the ratios are medians of pairs. The recorder is
a process of its own: its share of processor time is given apart. A wake-up is what it pays for, a
call of the driver comes on top; both are printed, as a real driver's calls take longer than the
simulated one's.

The exit status is 1 when a limit is passed: wall time 1.01, the recorder's processor time 1% of
the run's wall time and of its processor time.
"""

import argparse
import dataclasses
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

WALL_LIMIT, SHARE_LIMIT = 1.01, 0.01
PERIODS_MS = (10, 20, 100)
TURNS = 4


class Silent:
    """An observer that shows nothing."""

    def stage(self, name, total):
        """Ignore a stage."""

    def advance(self, done):
        """Ignore progress."""


class WithoutBoundaries:
    """A backend whose phases nobody notes and for which nothing waits."""

    def __init__(self, backend):
        self._backend = backend

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def run(self, batch, enter):
        """Do the work with a boundary that does nothing."""
        return self._backend.run(batch, lambda phase: None)


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one run took; the recorder's part is None where there was none."""

    wall_s: float
    cpu_s: float
    recorder_s: float = 0.0
    wakeups: int = 0

    def __add__(self, other):
        """Both together."""
        return Cost(*(a + b for a, b in zip(*map(dataclasses.astuple, (self, other)), strict=True)))


def recorder_use(pid):
    """Processor seconds and wake-ups of a process so far."""
    running_ns = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    status = Path(f"/proc/{pid}/status").read_text()
    wakeups = int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return running_ns / 1e9, wakeups


def measured(plan, backend, meter, index):
    """One run, with this meter or without one."""
    from energyscore.measurement.benchmark import measure_run

    pid = meter and meter._process.pid
    recorder = recorder_use(pid) if pid else (0.0, 0)
    cpu_s, start = time.process_time(), time.perf_counter()
    measure_run(plan, backend, [meter] if meter else [], index, Silent())
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_s
    after = recorder_use(pid) if pid else (0.0, 0)
    return Cost(wall_s, cpu_s, after[0] - recorder[0], after[1] - recorder[1])


def prepare(model, device, seconds):
    """A backend with the model, and a plan whose run takes about so long or longer."""
    from energyscore.measurement.backends.text_generation import TextGeneration
    from energyscore.measurement.benchmark import Plan, measure_run
    from energyscore.protocol.model import parse_model
    from energyscore.protocol.task import load_tasks
    from energyscore.protocol.workload import load_workload

    task = load_tasks()["text_generation"]
    backend = TextGeneration()
    backend.load(parse_model(f"builtin:{model}"), task.spec, device)
    workload = load_workload(task, "bundled", 50)
    few = dataclasses.replace(workload, queries=workload.queries[:5])
    plan = Plan(few, tuple(task.spec.phases), 1, 1, 42, True, 0.0)
    runs = [measure_run(plan, backend, [], n, Silent())[0] for n in range(4)]
    wanted = math.ceil(1.2 * seconds / min(run.duration_s / run.queries for run in runs))
    queries = (workload.queries * math.ceil(wanted / len(workload.queries)))[:wanted]
    print(f"{wanted} queries a run, {workload.dataset}, {model} on {device}", flush=True)
    return backend, dataclasses.replace(
        plan, workload=dataclasses.replace(workload, queries=queries)
    )


def run_pairs(plan, backend, meters, pairs):
    """Pairs by case, interleaved so that a busy minute of the machine strikes them all."""
    bare = WithoutBoundaries(backend)
    seen = {name: [] for name in [*meters, "boundaries"]}
    for pair in range(pairs):
        for name, costs in seen.items():
            meter = meters.get(name)
            runs = {
                "with": lambda n, meter=meter: measured(plan, backend, meter, n),
                "without": lambda n, base=backend if meter else bare: measured(plan, base, None, n),
            }
            order = sorted(runs, reverse=pair % 2 == 1)
            done = dict.fromkeys(order, Cost(0.0, 0.0))
            for turn in range(TURNS):
                for which in order if turn % 2 else order[::-1]:
                    done[which] += runs[which](pair * TURNS + turn)
            costs.append((done["with"], done["without"]))
            wall, cpu = ratios(*costs[-1])
            print(
                f"  {name}: {order[0]} first; wall {done['with'].wall_s:.2f} s / "
                f"{done['without'].wall_s:.2f} s = {wall:.4f}, processor time {cpu:.4f}",
                flush=True,
            )
    return seen


def ratios(metered, bare):
    """Wall time and processor time, the recorder's included, against those without."""
    return (
        metered.wall_s / bare.wall_s,
        (metered.cpu_s + metered.recorder_s) / bare.cpu_s,
    )


def median_ratios(costs):
    """The medians of the pairs' ratios."""
    return [statistics.median(column) for column in zip(*(ratios(*c) for c in costs), strict=True)]


def report(name, costs):
    """Print a case; whether it keeps the limits."""
    wall, cpu = median_ratios(costs)
    metered = [with_meter for with_meter, _ in costs]
    recorder_s = sum(cost.recorder_s for cost in metered)
    wakeups = sum(cost.wakeups for cost in metered)
    wall_s = sum(cost.wall_s for cost in metered)
    of_wall, of_cpu = recorder_s / wall_s, recorder_s / sum(cost.cpu_s for cost in metered)
    print(
        f"{name}: median wall time ratio {wall:.4f} (limit {WALL_LIMIT}), processor time "
        f"{cpu:.4f}\n  recorder: {of_wall:.2%} of wall time, {of_cpu:.2%} of processor time "
        f"(limit {SHARE_LIMIT:.0%}); {wakeups / wall_s:.0f} wake-ups a second, "
        f"{recorder_s / wakeups * 1e6:.0f} us of processor time each"
    )
    return wall <= WALL_LIMIT and max(of_wall, of_cpu) <= SHARE_LIMIT


def report_calls(uuid):
    """Print what the driver's calls take."""
    from energyscore.measurement.meters import nvml_device as nvml

    session = nvml.NvmlSession()
    device = session.handle(uuid)
    parts = []
    for name, call in (
        ("counter", nvml.read_counter_mj),
        ("power", nvml.read_instant_power_w),
        ("clocks", nvml.read_sm_clock_mhz),
        ("processes", nvml.count_processes),
    ):
        times = []
        for _ in range(200):
            start = time.perf_counter()
            call(device)
            times.append(time.perf_counter() - start)
        parts.append(f"{name} {statistics.median(times) * 1e6:.1f} us")
    session.close()
    print(f"a call of the driver, median: {', '.join(parts)}")


def bench(options, gpus):
    """All of it, in a process that sees the driver; the exit status."""
    import torch

    from energyscore.measurement.meters.nvml import NvmlMeter

    if options.threads:
        torch.set_num_threads(options.threads)
    backend, plan = prepare(options.model, "cuda" if options.real else "cpu", options.seconds)
    if options.real:
        gpus = {"this GPU": backend.gpu_uuids()[0]}
    meters = {}
    try:
        for name, uuid in gpus.items():
            meters[name] = NvmlMeter([uuid])
            meters[name].open()
        report_calls(next(iter(gpus.values())))
        seen = run_pairs(plan, backend, meters, options.pairs)
    finally:
        for meter in meters.values():
            meter.close()
    wall, cpu = median_ratios(seen.pop("boundaries"))
    kept = [report(name, costs) for name, costs in seen.items()]
    print(
        f"phase boundaries, {2 * len(plan.workload.queries)} a run: with them against a boundary "
        f"that does nothing, median wall time ratio {wall:.4f}, processor time {cpu:.4f}"
    )
    return int(not all(kept))


def with_simulated_driver(arguments):
    """This script again, in a process that finds the simulated driver."""
    from support.nvml_sim import Gpu, Simulation

    with tempfile.TemporaryDirectory() as folder:
        gpus = [
            Gpu(power_schedule=((0.0, 300.0),), update_period_ms=ms, update_phase_ms=0.37 * ms)
            for ms in PERIODS_MS
        ]
        simulation = Simulation(Path(folder), gpus)
        named = {
            f"counter every {ms} ms": gpu.uuid
            for ms, gpu in zip(PERIODS_MS, simulation.gpus, strict=True)
        }
        # The recorder finds the package by this too, wherever the script is started.
        env = simulation.env() | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, __file__, *arguments, "--gpus", json.dumps(named)]
        return subprocess.run(command, env=env, check=False).returncode


def main():
    """Measure here, or in a process with the simulated driver."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=15.0, help="of a run, at least")
    parser.add_argument("--model", default="distilgpt2")
    parser.add_argument("--threads", type=int, help="of the model; torch decides by default")
    parser.add_argument("--real", action="store_true", help="this machine's GPU and driver")
    parser.add_argument("--gpus", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.real:
        os.environ["PYTHONPATH"] = str(ROOT)
    elif options.gpus is None:
        return with_simulated_driver(sys.argv[1:])
    return bench(options, options.gpus or {})


if __name__ == "__main__":
    sys.exit(main())
