"""How often a counter is updated and a power reading renewed, by their changes. Pure."""

import itertools
import statistics
from collections.abc import Sequence

from energyscore.measurement.meter import UpdatePeriod

_MULTIPLE = 1.5  # a period longer than the known one by this may be a multiple of it
_MOST_PERIODS = 20  # in one gap: beyond that every gap fits some number of them
_FITS, _MOST = 0.15, 0.75  # so near to a whole number of periods, and so many of the gaps


def update_period(counter: Sequence[tuple[int, float]]) -> UpdatePeriod | None:
    """A counter's update period from (ns, value) at its changes; None below five of them.

    The first entry is the state at the beginning, not a change. Where changes in between were not
    noted, gaps are several periods long.
    """
    gaps_ms = [(b[0] - a[0]) / 1e6 for a, b in itertools.pairwise(counter[1:])]
    if len(gaps_ms) < 4:
        return None
    least_ms = sorted(gaps_ms)[len(gaps_ms) // 4]
    gaps_ms = [gap_ms / _periods_in(gap_ms, least_ms) for gap_ms in gaps_ms]
    lower, median, upper = statistics.quantiles(gaps_ms, n=4, method="inclusive")
    return UpdatePeriod(median, upper - lower, len(gaps_ms))


def _periods_in(gap_ms: float, least_ms: float) -> int:
    """How many periods a gap is long; of one that fits no whole number of them: 1."""
    many = round(gap_ms / least_ms) if least_ms > 0 else 1
    return many if 2 <= many <= _MOST_PERIODS and abs(gap_ms / least_ms - many) <= 0.25 else 1


def update_period_ms(counter: Sequence[tuple[int, float]]) -> float | None:
    """The median of `update_period` alone."""
    period = update_period(counter)
    return None if period is None else period.median_ms


def settled_period_ms(
    counter: Sequence[tuple[int, float]], known_ms: float | None = None
) -> float | None:
    """The update period, where `known_ms` is what the recorder or an earlier window had.

    Where so few updates were noted that no two followed each other, gaps show a multiple of it.
    """
    found_ms = update_period_ms(counter)
    if found_ms is None or known_ms is None or found_ms <= _MULTIPLE * known_ms:
        return found_ms or known_ms
    gaps = [(b[0] - a[0]) / 1e6 / known_ms for a, b in itertools.pairwise(counter[1:])]
    fit = sum(abs(gap - round(gap)) <= _FITS for gap in gaps)
    return known_ms if fit >= _MOST * len(gaps) else found_ms


def power_period_ms(samples: Sequence[tuple[int, float]]) -> float | None:
    """How often a power reading is renewed, as far as its samples show; None below five changes."""
    changes = [b for a, b in itertools.pairwise(samples) if b[1] != a[1]]
    gaps_ms = [(b[0] - a[0]) / 1e6 for a, b in itertools.pairwise(changes)]
    return statistics.median(gaps_ms) if len(gaps_ms) >= 4 else None
