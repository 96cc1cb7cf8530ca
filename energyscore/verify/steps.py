"""What the steps of a meter leave open: at each edge of a window up to one update."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from energyscore.verify.examined import ExaminedResult, RecordedGpu, RecordedRun
from energyscore.verify.findings import NOT_APPLICABLE, Derived, Finds
from energyscore.verify.raw_record import MOST_PERIODS

STEPS_SHARE = 0.05  # The standard error may differ by this share: times are rounded in the record
FEWEST_PERIODS = 20  # A counter is used only where so many of its updates fill the window
_J_PER_WH = 3600.0
_FEW_GAPS = 8  # Between updates that were noted
_STEADY = 0.05  # Power that varies by this share at most: how seldom it is renewed matters little
_POWER_PERIOD_S = {"instant": 0.1, "average": 1.0}


def check_steps(gpu: RecordedGpu) -> Finds:
    """What the steps of the counter, or of the power, leave open is what the readings say."""
    stated, period_s = gpu.run.quantization_se_j.get(gpu.domain), _period_s(gpu)
    by_counter = gpu.found.method == "counter"
    if stated is None and by_counter and period_s and has_steps(gpu.it):
        # Runs before a resumption may be of an older version.
        if not gpu.it.has("resumed"):
            yield "the standard error for the meter's steps is missing, and other runs have it"
        return
    if stated is None or (by_counter and period_s is None):
        yield NOT_APPLICABLE  # older versions did not state it; or an earlier window had the period
        return
    lasted_s = gpu.window_s[1] - gpu.window_s[0]
    if by_counter and period_s and lasted_s < FEWEST_PERIODS * (1 - STEPS_SHARE) * period_s:
        yield f"the energy is by the counter, but {lasted_s:.2f} s are too few of its updates"
    found = _step_error_j(gpu)
    if found and stated < found * (1 - STEPS_SHARE):
        found = _step_error_j(gpu, reads=False)  # older versions left those out
    # Updates are noted with times of their own here, and rounded.
    within = STEPS_SHARE * (found or 0.0)
    yield Derived("the standard error for the meter's steps (J)", stated, found, within)


def _step_error_j(gpu: RecordedGpu, *, reads: bool = True) -> float | None:
    """The largest step seen, by the square root of 6: two edges, each open by up to one step.

    With `reads` they are open by what reading the counter took too.
    """
    found, energy_j = gpu.found, gpu.energy_j
    window_s = gpu.window_s[1] - gpu.window_s[0]
    if energy_j is None or window_s <= 0:
        return None
    if found.method == "power_integral":
        return _power_step_j(gpu, energy_j / window_s) / math.sqrt(6)
    period_s = _period_s(gpu)
    if period_s is None:
        return None
    ticks = list(zip(found.ticks.t_s[1:], found.ticks.values[1:], strict=True))
    steps_j = [
        (now_j - before_j) * min(1.0, period_s / (now_s - before_s))
        for (before_s, before_j), (now_s, now_j) in pairwise(ticks)
        if now_s > before_s
    ]
    read_s = (gpu.number("counter_read_ms") or 0.0) / 1e3 if reads else 0.0
    largest_j = max([energy_j / window_s * period_s, *steps_j])
    return largest_j * math.hypot(1.0, read_s / period_s) / math.sqrt(6)


def _period_s(gpu: RecordedGpu) -> float | None:
    """The counter's period; where so few updates were noted that gaps fit a shorter one: that.

    It is as stated where it is the longest that the gaps fit, or the record of another run shows
    it. Where neither is so, and few updates were noted, it cannot be told.
    """
    found_s, stated_ms = gpu.found.period_s, gpu.number("update_period_ms")
    if found_s is None or not stated_ms or found_s <= 1.5 * stated_ms / 1e3:
        return found_s
    known_s = stated_ms / 1e3
    gaps_s = [b - a for a, b in pairwise(gpu.found.ticks.t_s[1:])]
    if not _fit(gaps_s, known_s):
        return found_s
    if not any(_fit(gaps_s, many * known_s) for many in range(2, MOST_PERIODS + 1)):
        return known_s
    others = [place.raw.domains.get(gpu.domain) for place in RecordedRun.each(gpu.it)]
    shown = [one.period_s for one in others if one is not None and one.period_s]
    if any(abs(one_s / known_s - 1) <= STEPS_SHARE for one_s in shown):
        return known_s
    return None if len(gaps_s) <= _FEW_GAPS else found_s


def _fit(gaps_s: Sequence[float], period_s: float) -> bool:
    """Whether most times between updates are whole numbers of this period."""
    gaps = [gap_s / period_s for gap_s in gaps_s]
    whole = sum(gap > 0.5 and abs(gap - round(gap)) <= 0.15 for gap in gaps)
    return whole >= 0.75 * len(gaps)


def _power_step_j(gpu: RecordedGpu, mean_w: float) -> float:
    """What the longest time without news leaves open, and every change between two samples."""
    power, window_s = gpu.found.power, gpu.window_s
    watts, usual_s = power.values, _POWER_PERIOD_S.get(power.source or "", 1.0)
    times = [t for t, (a, b) in zip(power.t_s[1:], pairwise(watts), strict=True) if a != b]
    changes_s = [b - a for a, b in pairwise(times)]
    edges_s = pairwise([window_s[0], *power.t_s[1:], window_s[1]])
    gaps_s = [b - a for a, b in edges_s]
    period_s = median(changes_s) if len(changes_s) >= 4 else math.inf
    if period_s > 1:
        kept_s = max(b - a for a, b in pairwise([window_s[0], *times, window_s[1]]))
        varies = bool(watts) and max(watts) - min(watts) > _STEADY * max(watts)
        period_s = max(usual_s, kept_s if varies else 0.0)
    step_j = max(mean_w, *watts) * max(period_s, *gaps_s) if watts else mean_w * period_s
    return math.hypot(step_j, math.sqrt(2) * _changes_j(gpu))


def sampling_error_j(gpu: RecordedGpu) -> float:
    """What integrated power may be off for what the GPU did between its samples."""
    return _changes_j(gpu) / math.sqrt(2)


def _changes_j(gpu: RecordedGpu) -> float:
    """Root of the squares of all changes from sample to sample, for the time that each served."""
    power, (since_s, until_s) = gpu.found.power, gpu.window_s
    gaps_s = [b - a for a, b in pairwise([since_s, *power.t_s[1:], until_s])]
    changes_w = [b - a for a, b in pairwise(power.values)]
    return math.hypot(*(w * s for w, s in zip(changes_w, gaps_s, strict=False)))


def has_steps(it: ExaminedResult) -> bool:
    """Whether any run states what the steps of its meters leave open: older versions did not."""
    return any(run.quantization_se_j for run in it.result.runs)


def steps_of(it: ExaminedResult, domains: Sequence[str]) -> float:
    """The standard error of a run for the steps of its meters, Wh per 1,000 queries."""
    squares = [
        math.fsum(run.quantization_se_j.get(domain, 0.0) ** 2 for domain in domains)
        * (1000 / _J_PER_WH / run.queries_done) ** 2
        for run in it.result.runs
    ]
    return math.sqrt(math.fsum(squares) / len(squares))
