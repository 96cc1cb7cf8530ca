"""How often the gate is wrong, and how often it finds what is there, on simulated noise.

    python bench/gate_power.py [--seeds 2000]

A result is compared with a baseline of as many runs, both with normal noise of the same
coefficient of variation. No change, with nothing and with 5% allowed: how often the gate fails.
A regression of 4 standard errors of the difference beyond an allowance of 5%: how often it fails.
Exit status 1 when a limit is passed: at most 2.5% false alarms with 5% allowed in every row; with
nothing allowed, where the true rate is next to 2.5% and some rows lie above it by chance, at most
2.5% over all rows together, and in no row more than chance gives in 1 of 1,000; at least 90% of
regressions found in every row.
"""

import argparse
import math
import random
import statistics
import sys
from pathlib import Path

from scipy.stats import binom

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from energyscore.base.stats import Summary  # noqa: E402
from energyscore.judge.effect import compare_samples, decide  # noqa: E402

CVS = (0.005, 0.01, 0.02, 0.05)
REPEATS = (5, 10)
ALLOWED = 1.05
FALSE_ALARMS, FOUND = 0.025, 0.90
BY_CHANCE = 0.001


def sample_of(generator, mean, cv, runs):
    """So many runs of normal noise, as the gate gets them."""
    values = [generator.gauss(mean, cv * mean) for _ in range(runs)]
    return Summary(statistics.fmean(values), statistics.stdev(values), runs)


def alarms(cv, runs, true_ratio, allowed, seeds):
    """How often a true ratio is taken for a regression beyond what is allowed."""
    count = 0
    for seed in range(seeds):
        generator = random.Random(f"{cv} {runs} {true_ratio} {seed}")
        before = sample_of(generator, 2.0, cv, runs)
        after = sample_of(generator, 2.0 * true_ratio, cv, runs)
        count += decide(compare_samples(before, after).ci95, allowed) == "beyond"
    return count


def four_errors_beyond(cv, runs, allowed=ALLOWED):
    """The ratio at which the difference lies four standard errors beyond what is allowed.

    With a baseline of 1 the difference r - allowed has the standard error
    cv sqrt((r^2 + allowed^2) / runs).
    """
    ratio = allowed
    for _ in range(100):
        ratio = allowed + 4 * cv * math.sqrt((ratio**2 + allowed**2) / runs)
    return ratio


def rows_of(seeds, cvs=CVS, repeats=REPEATS):
    """For each noise and number of runs: alarms at no change (0%, 5%), regressions found."""
    for runs in repeats:
        for cv in cvs:
            yield (
                (cv, runs),
                alarms(cv, runs, 1.0, 1.0, seeds),
                alarms(cv, runs, 1.0, ALLOWED, seeds),
                alarms(cv, runs, four_errors_beyond(cv, runs), ALLOWED, seeds),
            )


def problems_of(rows, seeds):
    """What is beyond the limits, in words; nothing where all is well."""
    problems = []
    most = binom.ppf(1 - BY_CHANCE, seeds, FALSE_ALARMS)
    for (cv, runs), at_zero, at_allowed, found in rows:
        where = f"noise {cv:.1%}, {runs} runs"
        if at_allowed > FALSE_ALARMS * seeds:
            problems.append(f"{where}: {at_allowed / seeds:.2%} false alarms with 5% allowed")
        if at_zero > most:
            problems.append(f"{where}: {at_zero / seeds:.2%} false alarms with nothing allowed")
        if found < FOUND * seeds:
            problems.append(f"{where}: only {found / seeds:.2%} of regressions found")
    together = sum(row[1] for row in rows) / (seeds * len(rows))
    allowance = (
        FALSE_ALARMS
        if seeds >= 2000
        else binom.ppf(1 - BY_CHANCE, seeds * len(rows), FALSE_ALARMS) / (seeds * len(rows))
    )
    if together > allowance:
        problems.append(f"{together:.2%} false alarms with nothing allowed over all rows")
    return problems


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2000)
    seeds = parser.parse_args().seeds
    print(f"{seeds} seeds each; how often the gate fails")
    print("noise  runs  no change, 0% allowed  no change, 5% allowed  4 standard errors beyond 5%")
    rows = []
    for row in rows_of(seeds):
        rows.append(row)
        (cv, runs), *counts = row
        shares = [f"{count / seeds:.2%}" for count in counts]
        print(
            f"{cv:5.1%}  {runs:4d}  {shares[0]:>21s}  {shares[1]:>21s}  {shares[2]:>27s}",
            flush=True,
        )
    together = sum(row[1] for row in rows) / (seeds * len(rows))
    print(f"no change, 0% allowed, over all: {together:.2%}")
    problems = problems_of(rows, seeds)
    print("\n".join(problems))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
