"""How often a tune finds the best settings, and what it costs, on simulated GPUs of known laws.

    python bench/tune.py [--seeds 200]

Each seed is a GPU and a model. A batch takes what reading the weights takes or what the arithmetic
of its queries takes, whichever is longer, besides what each batch takes by itself; far beyond the
knee the arithmetic grows faster than the queries. In half of the seeds a poor kernel makes one
stretch of batch sizes slower, so that energy falls, rises and falls again. From some batch size on
memory is full, and in a quarter of the seeds a batch may only take so long. There are three
precisions and three power limits: 90 settings if batch sizes are doubled up to 512, and 4,608 if
each is counted.

Trials are screens until half-width=2% with windows of 10 s, by the estimator and the looks of
`run --screen`, ended early once they are beaten. Each window has 1% of noise, and the level of the
machine drifts up and down by 1% every ten minutes. The winner is measured once more.

Found: what is chosen truly needs no more than its interval's half-width above the true best of all
4,608 (at least 95 of 100). Work: seconds in windows, as a share of those that screens of all 90
settings take (at most half). Exit status 1 where a bound is passed.
"""

import argparse
import functools
import itertools
import math
import random
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from energyscore.measurement.screen.stopping import Until, is_beaten, next_look  # noqa: E402
from energyscore.measurement.tune.search import Search  # noqa: E402
from energyscore.measurement.tune.space import (  # noqa: E402
    MOST_BATCH,
    Settings,
    Space,
    TrialOutcome,
)
from energyscore.results.screening import ScreenBlock, estimate  # noqa: E402

QUERIES = 1000
NOISE, DRIFT, DRIFT_S = 0.01, 0.01, 600.0
WINDOW_S, LOAD_S = 11.0, 20.0
FOUND, WORK = 0.95, 0.5
UNTIL = Until.parse("half-width=2%")
SPACE = Space(
    Settings(1, "float32"),
    dtypes=("float16", "bfloat16"),
    power_limits_w=(None, 500.0, 350.0),
)
MOST_W = 700.0


class SimulatedGpu:
    """What a batch takes on it, by a law of its own, and the clock on which trials pass."""

    def __init__(self, seed):
        draw = random.Random(f"law {seed}")
        self.weights_s = 10 ** draw.uniform(-2.3, -1.0)
        self.knee = 2 ** draw.uniform(1, 8)
        self.alone_s = draw.uniform(0.05, 1.0) * self.weights_s
        self.crowd = 2 ** draw.uniform(5, 11)
        self.idle_w, self.memory_w = draw.uniform(70, 200), draw.uniform(100, 300)
        self.fits = {"float32": int(2 ** draw.uniform(2, 9.5))}
        self.speed, self.width = {"float32": 1.0}, {"float32": 1.0}
        for dtype in ("float16", "bfloat16"):
            self.fits[dtype] = int(draw.uniform(1.7, 2.2) * self.fits["float32"])
            self.speed[dtype] = draw.choice([1.05, 1.5, 2.5, 4.0, 0.6]) * draw.uniform(0.9, 1.1)
            self.width[dtype] = draw.uniform(0.5, 0.6)
        self.poor = draw.choice([None, 2 ** draw.randint(1, 7)])
        self.poor_by = draw.uniform(1.1, 1.5)
        self.longest_s = math.inf
        if draw.random() < 0.25:
            self.longest_s = self.batch(Settings(round(2 ** draw.uniform(2, 8))))[0]
        self.noise = random.Random(f"noise {seed}")
        self.now_s, self.phase = 0.0, 2 * self.noise.random()

    def batch(self, settings):
        """Seconds and joules of a batch."""
        size, dtype = settings.batch_size, settings.dtype if settings.dtype != "auto" else "float32"
        clock = ((settings.power_limit_w or MOST_W) / MOST_W) ** 0.5
        reading_s = self.weights_s * self.width[dtype]
        query_s = self.weights_s / self.knee / self.speed[dtype]
        sums_s = size * query_s * (1 + (size / self.crowd) ** 2)
        if self.poor and self.poor <= size < 2 * self.poor:
            sums_s, reading_s = sums_s * self.poor_by, reading_s * self.poor_by
        lasts_s = self.alone_s + (reading_s**4 + (sums_s / clock) ** 4) ** 0.25
        joules = self.idle_w * lasts_s + self.memory_w * reading_s
        return lasts_s, joules + (MOST_W - self.idle_w) * 0.6 * sums_s * clock**2

    def excluded(self, settings):
        """Why these are none to be chosen; empty if they are."""
        if settings.batch_size > self.fits[settings.dtype]:
            return "out_of_memory"
        return "over_latency" if self.batch(settings)[0] > self.longest_s else ""

    def energy_wh(self, settings):
        """The true energy of 1,000 queries."""
        return self.batch(settings)[1] / settings.batch_size / 3.6

    def trial(self, settings, beaten_by=None):
        """A screen with these settings: what it came to, and its seconds in windows."""
        self.now_s += LOAD_S
        status = self.excluded(settings)
        if status == "out_of_memory":
            return TrialOutcome(settings, status), 0.0
        batch_s, batch_j = self.batch(settings)
        units = math.ceil(WINDOW_S / batch_s)
        began_s, blocks, looks, look_at = self.now_s, [], 0, 0
        while True:
            lasts_s = units * batch_s
            level = (self.phase + (self.now_s + lasts_s / 2) / DRIFT_S) % 2
            level = 1 + DRIFT * (abs(level - 1) - 0.5)
            self.now_s += lasts_s
            joules = units * batch_j * level * (1 + NOISE * self.noise.gauss(0, 1))
            blocks.append(ScreenBlock((units, units, units), joules))
            whole = QUERIES / settings.batch_size
            if len(blocks) < look_at or not (found := estimate(blocks, (whole, whole, whole))):
                continue
            figure = found.times(1 / 3600)
            decision = UNTIL.look(figure, looks)
            beaten = not decision.stop and is_beaten(figure, looks, beaten_by)
            looks, look_at = looks + 1, next_look(len(blocks))
            if decision.stop or beaten:
                break
        half = decision.half_width
        ci95 = (figure.mean * math.exp(-half), figure.mean * math.exp(half))
        status = status or ("beaten" if beaten else "measured")
        return TrialOutcome(settings, status, figure.mean, ci95), self.now_s - began_s


def grid_of(sizes):
    """All settings of the space with these batch sizes."""
    for size, dtype, limit in itertools.product(
        sizes, ("float32", *SPACE.dtypes), SPACE.power_limits_w
    ):
        yield Settings(size, dtype, power_limit_w=limit)


@dataclass(frozen=True)
class Tuned:
    """What a tune came to.

    Attributes:
        loss: by how much more than the true best the chosen one truly needs, as a log.
        half_width: of the winner's interval, measured afresh.
        seconds: in windows.
        covers: whether the winner's interval holds its true energy.
    """

    seed: int
    loss: float
    half_width: float
    seconds: float
    trials: int
    failed: int
    beaten: int
    covers: bool

    @property
    def found(self):
        return self.loss <= self.half_width

    @functools.cached_property
    def grid_s(self):
        """The seconds in windows that the whole grid takes, on the same GPU."""
        return sum(SimulatedGpu(self.seed).trial(one)[1] for one in grid_of(SPACE.rungs))

    @property
    def share(self):
        """The seconds in windows, of those that the whole grid takes."""
        return self.seconds / self.grid_s


def tune(seed):
    """Tune on the GPU of this seed."""
    gpu = SimulatedGpu(seed)
    search, outcomes, seconds = Search(SPACE, seed), [], 0.0
    while proposal := search.next():
        outcome, took_s = gpu.trial(proposal.settings, proposal.beaten_by)
        search.tell(outcome)
        outcomes.append(outcome)
        seconds += took_s
    chosen = search.best.settings
    fresh, took_s = gpu.trial(chosen)
    allowed = (one for one in grid_of(range(1, MOST_BATCH + 1)) if not gpu.excluded(one))
    least_wh = min(map(gpu.energy_wh, allowed))
    true_wh = gpu.energy_wh(chosen)
    return Tuned(
        seed,
        loss=math.log(true_wh / least_wh),
        half_width=math.log(fresh.ci95[1] / fresh.ci95[0]) / 2,
        seconds=seconds + took_s,
        trials=len(outcomes) + 1,
        failed=sum(one.status == "out_of_memory" for one in outcomes),
        beaten=sum(one.status == "beaten" for one in outcomes),
        covers=fresh.ci95[0] <= true_wh <= fresh.ci95[1],
    )


def main():
    """Print what tunes came to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=200)
    seeds = parser.parse_args().seeds
    tuned = [tune(seed) for seed in range(seeds)]
    found = sum(one.found for one in tuned) / seeds
    share = statistics.fmean(one.share for one in tuned)
    print(f"{seeds} tunes")
    for seed, one in enumerate(tuned):
        if not one.found:
            print(f"  seed {seed}: {one.loss:.1%} above the best")
    losses = sorted(one.loss for one in tuned)
    shares = sorted(one.share for one in tuned)
    print(f"found             {found:6.1%}")
    print(f"above the best    {statistics.fmean(losses):6.2%} on average, {losses[-1]:.1%} at most")
    print(
        f"work of the grid  {share:6.1%} on average, {statistics.median(shares):.0%} in the "
        f"middle, {shares[0]:.0%} to {shares[-1]:.0%}"
    )
    for name in ("trials", "failed", "beaten"):
        print(f"{name:17s} {statistics.fmean(getattr(one, name) for one in tuned):6.1f}")
    print(f"winner covered    {sum(one.covers for one in tuned) / seeds:6.1%}")
    failed = found < FOUND or share > WORK
    print("a bound is passed" if failed else "both bounds are kept")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
