"""What the steps of a meter leave open: at each edge of a window up to one update."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from energyscore.verify.examined import ExaminedResult, RecordedGpu
from energyscore.verify.findings import NOT_APPLICABLE, Derived, Finds

STEPS_SHARE = 0.05  # The standard error may differ by this share: times are rounded in the record
FEWEST_PERIODS = 20  # A counter is used only where so many of its updates fill the window
_J_PER_WH = 3600.0
_POWER_PERIOD_S = {"instant": 0.1, "average": 1.0}


def check_steps(gpu: RecordedGpu) -> Finds:
    """What the steps of the counter, or of the power, leave open is what the readings say."""
    stated, period_s = gpu.run.quantization_se_j.get(gpu.domain), gpu.found.period_s
    by_counter = gpu.found.method == "counter"
    if stated is None or (by_counter and period_s is None):
        yield NOT_APPLICABLE  # older versions did not state it; or an earlier window had the period
        return
    lasted_s = gpu.window_s[1] - gpu.window_s[0]
    if by_counter and period_s and lasted_s < FEWEST_PERIODS * (1 - STEPS_SHARE) * period_s:
        yield f"the energy is by the counter, but {lasted_s:.2f} s are too few of its updates"
    found = _step_error_j(gpu)
    # Updates are noted with times of their own here, and rounded.
    within = STEPS_SHARE * (found or 0.0)
    yield Derived("the standard error for the meter's steps (J)", stated, found, within)


def _step_error_j(gpu: RecordedGpu) -> float | None:
    """The largest step seen, by the square root of 6: two edges, each open by up to one step."""
    found, energy_j = gpu.found, gpu.energy_j
    window_s = gpu.window_s[1] - gpu.window_s[0]
    if energy_j is None or window_s <= 0:
        return None
    if found.method == "power_integral":
        watts = found.power.values
        times = [
            t for t, (a, b) in zip(found.power.t_s[1:], pairwise(watts), strict=True) if a != b
        ]
        gaps_s = [b - a for a, b in pairwise(times)]
        usual_s = _POWER_PERIOD_S.get(found.power.source or "", 1.0)
        period_s = median(gaps_s) if len(gaps_s) >= 4 else usual_s
        period_s = period_s if period_s <= 1 else usual_s
        return max(max(watts, default=0.0), energy_j / window_s) * period_s / math.sqrt(6)
    if found.period_s is None:
        return None
    ticks = list(zip(found.ticks.t_s[1:], found.ticks.values[1:], strict=True))
    steps_j = [
        (now_j - before_j) * min(1.0, found.period_s / (now_s - before_s))
        for (before_s, before_j), (now_s, now_j) in pairwise(ticks)
        if now_s > before_s
    ]
    return max([energy_j / window_s * found.period_s, *steps_j]) / math.sqrt(6)


def has_steps(it: ExaminedResult) -> bool:
    """Whether any run states what the steps of its meters leave open: older versions did not."""
    return any(run.quantization_se_j for run in it.result.runs)


def steps_of(it: ExaminedResult, domains: Sequence[str]) -> float:
    """The standard error of a run for the steps of its meters, Wh per 1,000 queries."""
    squares = [
        math.fsum(run.quantization_se_j.get(domain, 0.0) ** 2 for domain in domains)
        * (1000 / _J_PER_WH / run.queries) ** 2
        for run in it.result.runs
    ]
    return math.sqrt(math.fsum(squares) / len(squares))
