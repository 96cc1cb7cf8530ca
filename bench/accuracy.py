"""How accurate energyscore is: truth against what it measures, for simulated counters and drivers.

    python bench/accuracy.py [--seeds 10] [--plot accuracy.svg]

Phases: 1,000 queries of known power through simulated counters of many kinds; the worst error of
any seed in prefill and decode, beside that of reading the counter at the phases' boundaries.
Totals: the NVML meter as it is, against a simulated driver whose power is known, by the counter
and by integrated power. Exit status 1 when a limit is passed: 2% for prefill, 1% for decode and
for totals.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from support.counter_sim import CASES, simulate  # noqa: E402
from support.nvml_sim import Gpu, Simulation  # noqa: E402

from energyscore.measurement.phases.regression import PhaseFit, regress_phases  # noqa: E402

LIMITS = {"prefill": 0.02, "decode": 0.01}
TOTAL_LIMIT = 0.01
WINDOW_S = 60.0
# No period is a multiple of an update period: sampled power would see the same moments only.
WAVES = [(700.0, 100.0, 0.3517, 0.3), (450.0, 260.0, 0.0553, 0.5), (300.0, 300.0, 1.0, 0.5)]
METER = """
import json, sys, time
from energyscore.measurement.meters.nvml import NvmlMeter
meter = NvmlMeter([sys.argv[1]])
meter.open()
token = meter.start()
begin = time.monotonic_ns()
time.sleep(float(sys.argv[2]))
reading = meter.stop(token).readings["gpu:" + sys.argv[1]]
end = time.monotonic_ns()
meter.close()
print(json.dumps([begin, end, reading.energy_j, reading.method]))
"""


def phase_errors(seeds):
    """For each case the worst errors, mean standard errors, coverage, and the naive errors."""
    for name, scenario in CASES.items():
        errors = {phase: [] for phase in LIMITS}
        ses, naive, inside = ({phase: [] for phase in LIMITS} for _ in range(3))
        for seed in range(seeds):
            case = simulate(scenario, seed)
            edges_ns = [*case.times.starts_ns, case.times.end_ns]
            found = regress_phases(
                case.times.names, case.times.entered, edges_ns, case.total_j, case.ticks
            )
            assert isinstance(found, PhaseFit), f"{name}, seed {seed}: {found}"
            scale = case.total_j / sum(case.truth_j.values())
            at_boundaries = read_at_boundaries(case, edges_ns)
            for phase in LIMITS:
                truth_j = case.truth_j[phase]
                errors[phase].append(found.energy_j[phase] / truth_j - 1)
                naive[phase].append(at_boundaries[phase] / truth_j - 1)
                ses[phase].append(found.se_j[phase] / truth_j)
                error_j = abs(found.energy_j[phase] - truth_j * scale)
                inside[phase].append(error_j <= 1.96 * found.se_j[phase])
        yield name, errors, ses, inside, naive


def read_at_boundaries(case, edges_ns):
    """The counter as it stands at each boundary: what is done without a model of it."""
    place = np.searchsorted(np.array(case.ticks.t_ns), np.array(edges_ns), "right") - 1
    shown = np.array(case.ticks.energy_j)[np.maximum(place, 0)]
    entered = np.array(case.times.entered)
    return {
        name: float(np.diff(shown)[entered == index].sum())
        for index, name in enumerate(case.times.names)
    }


def total_errors():
    """Energy of the NVML meter against the truth of a simulated driver, windows side by side."""
    with tempfile.TemporaryDirectory() as scratch:
        started = []
        for period_ms, wave, counter in itertools.product(
            (10.0, 20.0, 100.0), WAVES, ("on", "unsupported")
        ):
            high, low, wave_s, duty = wave
            gpu = Gpu(wave=(low, high, wave_s, duty), update_period_ms=period_ms, counter=counter)
            simulation = Simulation(Path(scratch), [gpu])
            child = subprocess.Popen(
                [sys.executable, "-c", METER, simulation.gpus[0].uuid, str(WINDOW_S)],
                env=simulation.env() | {"PYTHONPATH": str(TESTS.parent)},
                stdout=subprocess.PIPE,
                text=True,
            )
            label = f"T{period_ms:.0f} {high:.0f}/{low:.0f} W, {wave_s * 1e3:.0f} ms, {duty:.0%}"
            started.append((label, simulation, child))
        for label, simulation, child in started:
            begin, end, energy_j, method = json.loads(child.communicate()[0])
            yield label, method, energy_j / simulation.true_energy_j(0, begin, end) - 1


def percent(values):
    """The largest magnitude, in percent."""
    return 100 * max(abs(value) for value in values)


def plot(rows, file):
    """Error of the regression and of reading at the boundaries, by case, as an SVG."""
    width, left, line, top = 860, 220, 26, 60
    height = top + line * len(rows) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>',
        '<text x="20" y="24" font-size="15">Worst error of prefill energy, 1,000 queries</text>',
        '<text x="20" y="44" fill="#555">filled: regression on the counter\'s updates; '
        "hollow: counter read at the phases' boundaries (log scale)</text>",
    ]

    def across(value):
        return left + (np.log10(min(max(value, 0.01), 1000)) + 2) / 5 * (width - left - 30)

    for value, label in ((0.01, "0.01%"), (0.1, "0.1%"), (1, "1%"), (10, "10%"), (100, "100%")):
        x = across(value)
        parts.append(
            f'<line x1="{x:.0f}" x2="{x:.0f}" y1="{top}" y2="{height - 30}" stroke="#ddd"/>'
            f'<text x="{x:.0f}" y="{height - 12}" text-anchor="middle">{label}</text>'
        )
    limit = across(100 * LIMITS["prefill"])
    parts.append(
        f'<line x1="{limit:.0f}" x2="{limit:.0f}" y1="{top}" y2="{height - 30}" '
        'stroke="#c00" stroke-dasharray="4"/>'
    )
    for place, (name, ours, theirs) in enumerate(rows):
        y = top + line * place + line / 2
        parts.append(
            f'<text x="20" y="{y + 4:.0f}">{name}</text>'
            f'<circle cx="{across(ours):.1f}" cy="{y}" r="5" fill="#067"/>'
            f'<circle cx="{across(theirs):.1f}" cy="{y}" r="5" fill="none" stroke="#b50"/>'
        )
    Path(file).write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")


def main():
    """Print both tables, and draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--plot", help="write an SVG")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print("phases: worst error of any seed (mean standard error) | at the boundaries")
    worst, rows, covered = dict.fromkeys(LIMITS, 0.0), [], {phase: [] for phase in LIMITS}
    for name, errors, ses, inside, naive in phase_errors(options.seeds):
        cells = [
            f"{phase} {percent(errors[phase]):6.2f}% ({100 * np.mean(ses[phase]):.2f}%) | "
            f"{percent(naive[phase]):6.1f}%"
            for phase in LIMITS
        ]
        print(f"  {name:28s} {'   '.join(cells)}", flush=True)
        rows.append((name, percent(errors["prefill"]), percent(naive["prefill"])))
        for phase in LIMITS:
            worst[phase] = max(worst[phase], percent(errors[phase]) / 100)
            covered[phase] += inside[phase]
    print("totals: NVML meter against a simulated driver")
    total = 0.0
    for name, method, error in total_errors():
        print(f"  {name:36s} {method:15s} {100 * error:+.2f}%", flush=True)
        total = max(total, abs(error))
    for phase, limit in LIMITS.items():
        print(f"worst {phase}: {worst[phase]:.2%} (limit {limit:.0%})")
        print(f"  within 1.96 standard errors: {np.mean(covered[phase]):.1%} of all")
    print(f"worst total: {total:.2%} (limit {TOTAL_LIMIT:.0%})")
    if options.plot:
        plot(rows, options.plot)
    passed = total > TOTAL_LIMIT or any(worst[phase] > limit for phase, limit in LIMITS.items())
    return int(passed)


if __name__ == "__main__":
    sys.exit(main())
