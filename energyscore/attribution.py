"""How a window's energy is split among its phases. Pure: boundaries and counter ticks in.

The split never changes the total: the phases of a domain always sum to what was metered.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from energyscore.measure import Ticks

INTERPOLATED = "tick_interpolation"
"""The counter, interpolated between its ticks and read at every boundary. Smeared over one
update period: right for phases that last many periods, biased towards the mean for short ones."""

TIME_SHARE = "time_share"
"""By time alone, as if power were the same in all phases: a rough split."""

SINGLE_PHASE = "single_phase"
"""There is one phase only, so it has all of the energy."""


@dataclass(frozen=True)
class PhaseTimes:
    """When each phase was entered; it lasts until the next one is, the last until `end_ns`.

    Attributes:
        names: the phases' names, without repetition.
        entered: for each interval the index of its phase in `names`.
        starts_ns: for each interval its beginning on the monotonic clock, increasing.
        end_ns: the end of the last interval.
    """

    names: tuple[str, ...]
    entered: Sequence[int]
    starts_ns: Sequence[int]
    end_ns: int

    def durations_s(self) -> dict[str, float]:
        """Total time of each phase in seconds."""
        totals = [0] * len(self.names)
        for phase, start, end in self._intervals():
            totals[phase] += end - start
        return {name: total / 1e9 for name, total in zip(self.names, totals, strict=True)}

    def _intervals(self) -> "zip[tuple[int, int, int]]":
        return zip(self.entered, self.starts_ns, [*self.starts_ns[1:], self.end_ns], strict=True)


def split_energy(
    times: PhaseTimes, total_j: float, ticks: Ticks | None
) -> tuple[dict[str, float], str]:
    """Split a window's energy among its phases.

    Args:
        times: the phases' boundaries.
        total_j: joules of the whole window.
        ticks: readings of the domain's counter, where it has one.

    Returns:
        Joules by phase, summing to `total_j`, and the name of the method used.
    """
    durations = times.durations_s()
    if sum(duration > 0 for duration in durations.values()) <= 1:
        return _rescale(durations, total_j), SINGLE_PHASE
    if ticks is not None and len(ticks.t_ns) >= 3:
        shares = dict.fromkeys(times.names, 0.0)
        for phase, start, end in times._intervals():
            shares[times.names[phase]] += _energy_at(ticks, end) - _energy_at(ticks, start)
        if sum(shares.values()) > 0:
            return _rescale(shares, total_j), INTERPOLATED
    return _rescale(durations, total_j), TIME_SHARE


def _energy_at(ticks: Ticks, t_ns: int) -> float:
    """The counter at a moment, linear between ticks, its end slopes carried on outside them."""
    after = min(max(bisect.bisect_right(ticks.t_ns, t_ns), 1), len(ticks.t_ns) - 1)
    t0, t1 = ticks.t_ns[after - 1], ticks.t_ns[after]
    e0, e1 = ticks.energy_j[after - 1], ticks.energy_j[after]
    return e0 + (e1 - e0) * (t_ns - t0) / (t1 - t0)


def _rescale(shares: dict[str, float], total_j: float) -> dict[str, float]:
    whole = sum(shares.values())
    return {name: total_j * share / whole for name, share in shares.items()}
