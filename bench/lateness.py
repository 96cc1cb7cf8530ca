"""How late updates of GPU counters are noted, by what a read takes and how many GPUs there are.

    python bench/lateness.py [--seconds 30] [--period 100] [--virtual]

The recorder's own process watches GPUs of the simulated driver (it needs a C compiler), whose reads
take as long as told, sleeping or spinning. Other work on the machine delays it: run it on an idle
one, with a core for each GPU that spins. With `--virtual` the same code runs in virtual time, on
cores of its own: what it can do at best, the same on every machine.

The limit is one read and a millisecond for 95% of the updates; the exit status is 1 beyond it.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

LATENCIES_MS = (0.3, 2.5, 8.0, 21.0)
GPUS = (1, 4, 8)


def in_virtual_time(latency_ms, count, spins, options):
    """Lateness in ms, the share of updates noted, and of a core, all GPUs together."""
    from support.virtual_gpu import VirtualGpu, watch

    period_ms = options.period
    gpus = [
        VirtualGpu(
            latency_ms=latency_ms, spins=spins, period_ms=period_ms, phase_ms=0.37 * n * period_ms
        )
        for n in range(count)
    ]
    found = watch(*gpus, seconds=options.seconds)
    late_ms = [late for one in found for late in one.late_ms]
    noted = sum(one.share_noted for one in found) / count
    return late_ms, noted, sum(one.core_share for one in found)


def in_a_process(latency_ms, count, spins, options):
    """The same of the recorder's process."""
    from support.nvml_sim import Gpu, Simulation

    with tempfile.TemporaryDirectory() as folder:
        gpus = [
            Gpu(
                power_schedule=((0.0, 300.0),),
                update_period_ms=options.period,
                update_phase_ms=0.37 * n * options.period,
                energy_latency_ms=latency_ms,
                power_latency_ms=latency_ms,
                status_latency_ms=latency_ms,
                latency="spin" if spins else "sleep",
            )
            for n in range(count)
        ]
        sim = Simulation(Path(folder), gpus)
        command = [sys.executable, __file__, "--seconds", str(options.seconds), "--uuids"]
        done = subprocess.run(
            [*command, *(gpu.uuid for gpu in sim.gpus)],
            env=sim.env() | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
    lines = done.stdout.splitlines()
    late_ms = []
    for place, t in (line.split() for line in lines[1:]):
        since_ms = (int(t) - sim.origin_ns) / 1e6 - gpus[int(place)].update_phase_ms
        late = since_ms % options.period
        late_ms.append(late if late < 0.75 * options.period else late - options.period)
    updates = count * options.seconds * 1e3 / options.period
    return late_ms, len(late_ms) / updates, float(lines[0])


def watch_here(uuids, seconds):
    """With the simulated driver in place: the recorder's share of a core, and its updates."""
    from energyscore.measurement.meters.nvml import NvmlMeter

    meter = NvmlMeter(uuids)
    meter.open()
    token = meter.start()
    before_s, begin = meter.recorder_cpu_s(), time.monotonic()
    time.sleep(seconds)
    share = (meter.recorder_cpu_s() - before_s) / (time.monotonic() - begin)
    measured = meter.stop(token)
    meter.close()
    print(share)
    for place, uuid in enumerate(uuids):
        for t_ns, _ in measured.readings[f"gpu:{uuid}"].record.counter[1:]:
            print(place, t_ns)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--period", type=float, default=100.0, help="of the counters, in ms")
    parser.add_argument("--virtual", action="store_true", help="in virtual time")
    parser.add_argument("--uuids", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.uuids:
        watch_here(options.uuids, options.seconds)
        return 0
    look, kept = in_virtual_time if options.virtual else in_a_process, True
    print("  read   driver   GPUs  late p50    p95   noted  of a core, a GPU")
    for spins, latency_ms, count in itertools.product((True, False), LATENCIES_MS, GPUS):
        late_ms, noted, core = look(latency_ms, count, spins, options)
        late_ms = sorted(map(abs, late_ms)) or [float("nan")]
        p50, p95 = (late_ms[int(share * (len(late_ms) - 1))] for share in (0.5, 0.95))
        kept = kept and p95 <= latency_ms + 1
        print(
            f"{latency_ms:4g} ms  {'spins' if spins else 'sleeps':7} {count:5} {p50:6.2f} ms "
            f"{p95:5.2f} ms  {noted:5.0%}  {core / count:7.1%}",
            flush=True,
        )
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
