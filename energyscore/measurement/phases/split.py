"""How a window's energy is split among its phases. Pure: boundaries and counter ticks in.

The split never changes the total: the phases of a domain sum to what was metered, or they are all
null with the reason.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from energyscore.measurement.meter import Facts, Reading

REGRESSION = "tick_regression"
"""The powers that explain the counter's ticks best, see `regression`."""

BLOCK = "phase_block"
"""One phase's power from a stretch of that phase alone, where the regression disagrees with it."""

TIME_SHARE = "time_share"
"""By time alone, as if power were the same in all phases: a rough split, for sources whose
updates are not recorded (processor and memory)."""

SINGLE_PHASE = "single_phase"
"""There is one phase only, so it has all of the energy."""

DISAGREEMENT = 0.05
"""A phase alone and the same phase in the run may differ by this much in power."""


@dataclass(frozen=True)
class PhaseTimes:
    """When each phase was entered (monotonic clock)."""

    names: tuple[str, ...]
    entered: Sequence[int]  # for each interval the index of its phase in `names`
    starts_ns: Sequence[int]
    end_ns: int  # of the last interval

    def durations_s(self) -> dict[str, float]:
        """Total time of each phase in seconds."""
        totals = [0] * len(self.names)
        ends_ns = [*self.starts_ns[1:], self.end_ns]
        for phase, start, end in zip(self.entered, self.starts_ns, ends_ns, strict=True):
            totals[phase] += end - start
        return {name: total / 1e9 for name, total in zip(self.names, totals, strict=True)}


@dataclass(frozen=True)
class BlockPower:
    """Mean power of a domain while one phase was done alone."""

    phase: str
    power_w: float
    se_w: float
    duration_s: float = 0.0  # 0: not known
    counter_mj: tuple[int, int] | None = None  # before and after


@dataclass(frozen=True)
class Split:
    """A window's energy by phase: all None, with the reason, where it cannot be separated."""

    energy_j: Mapping[str, float | None]
    se_j: Mapping[str, float | None]
    method: str | None
    reason: str = ""
    facts: Facts = field(default_factory=dict)
    block_ratio: float | None = None  # a phase's power in the run by that of the phase alone


def split_energy(times: PhaseTimes, reading: Reading, block: BlockPower | None = None) -> Split:
    """Split a window's energy among its phases; `block` is the power of one phase done alone."""
    durations_s = times.durations_s()
    total_j = reading.energy_j
    if total_j is None:
        return _unknown(times.names, reading.reason)
    lasting = sum(duration > 0 for duration in durations_s.values())
    if lasting == 0:
        return _unknown(times.names, "no phase lasted any time")
    if lasting == 1:
        whole = {name: total_j if lasted > 0 else 0.0 for name, lasted in durations_s.items()}
        return Split(whole, dict.fromkeys(times.names, 0.0), SINGLE_PHASE)
    if reading.method in ("rapl", "estimated"):
        span_s = sum(durations_s.values())
        shares = {n: total_j * d / span_s for n, d in durations_s.items()}
        return Split(shares, dict.fromkeys(times.names), TIME_SHARE)
    if reading.ticks is None:
        return _unknown(times.names, "integrated power is too coarse to tell phases apart")
    return _by_ticks(times, total_j, reading, durations_s, block)


def _by_ticks(
    times: PhaseTimes,
    total_j: float,
    reading: Reading,
    durations_s: dict[str, float],
    block: BlockPower | None,
) -> Split:
    from energyscore.measurement.phases.regression import regress_phases

    assert reading.ticks is not None
    edges_ns = [*times.starts_ns, times.end_ns]
    fit = regress_phases(times.names, times.entered, edges_ns, total_j, reading.ticks)
    if isinstance(fit, str):
        return _unknown(times.names, fit)
    facts: Facts = {
        "lag_ms": round(fit.lag_s * 1e3, 3),
        "window_share": round(fit.window, 4),
        "response_ms": round(fit.tau_s * 1e3, 3),
        "ticks": fit.ticks,
        "standard_errors": "block_bootstrap" if fit.bootstrap else "tick_residuals",
    }
    if fit.doubt:
        facts["doubt"] = fit.doubt
    if block is None or block.power_w <= 0 or not durations_s.get(block.phase):
        if fit.doubt:
            return _unknown(times.names, fit.doubt, facts)
        return Split(fit.energy_j, fit.se_j, REGRESSION, facts=facts)
    found_j = fit.energy_j[block.phase]
    alone_j = block.power_w * durations_s[block.phase]
    ratio = found_j / alone_j
    facts |= {"lone_phase": block.phase, "power_ratio_to_lone": round(ratio, 4)}
    # Over 5% apart, beyond what the regression itself leaves open: noise is no disagreement.
    doubt_j = 2 * fit.se_j[block.phase] + DISAGREEMENT * alone_j
    rest_j = total_j - found_j
    agree = abs(found_j - alone_j) <= doubt_j
    if (agree and not fit.doubt) or alone_j >= total_j or rest_j <= 0:
        return Split(fit.energy_j, fit.se_j, REGRESSION, facts=facts, block_ratio=ratio)
    # The block is one phase and nothing else; what the run has more goes to the other phases. That
    # the two disagree is itself a doubt about either.
    scale = (total_j - alone_j) / rest_j
    scaled_j = {name: joules * scale for name, joules in fit.energy_j.items()}
    energy_j = scaled_j | {block.phase: alone_j}
    block_se_j = math.hypot(block.se_w * durations_s[block.phase], (found_j - alone_j) / 2)
    others_j = {name: (se**2 + block_se_j**2) ** 0.5 for name, se in fit.se_j.items()}
    se_j = others_j | {block.phase: block_se_j}
    return Split(energy_j, se_j, BLOCK, facts=facts, block_ratio=ratio)


def _unknown(names: Sequence[str], reason: str, facts: Facts | None = None) -> Split:
    return Split(dict.fromkeys(names), dict.fromkeys(names), None, reason, facts or {})
