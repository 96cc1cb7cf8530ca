"""What a counter shows of work: phases as signals, seen through lag, window and response.

A tick of the counter shows the mean power of a stretch of work. Which stretch, and how blurred, is
its `Shape`; what share of it each phase had is `Signals.design`. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_LAG_S = 0.6
"""No counter is known to lag behind the work by more."""

MAX_TAU_S = 1.0
"""Nor to take longer to follow it."""

LEAST_STEPS = 30
"""A counter that rises in coarse steps tells little by one of them; by so many, enough."""

VARYING = 0.10
"""Phases whose length varies by more than this (standard deviation / mean) get a length term."""

FEW = 30
"""Fewer of anything than this tell nothing of it."""

_LATE_S = 0.003
_SAME_S = 1e-9
_SEARCH_TICKS = 4000
_KEPT_STATES = 8
_LONG = 1.5  # of the usual gap: an update was missed in between


@dataclass(frozen=True)
class Shape:
    """How the counter shows the work: lag (s), window (share of the gap), response (s)."""

    lag_s: float
    window: float = 1.0
    tau_s: float = 0.0

    def bounded(self) -> "Shape":
        """The nearest one that can be."""
        return Shape(
            min(max(self.lag_s, 0.0), MAX_LAG_S),
            min(max(self.window, 0.02), 1.0),
            min(max(self.tau_s, 0.0), MAX_TAU_S),
        )

    @property
    def out_of_reach(self) -> bool:
        """Whether it lies at a bound that it seems to want to pass."""
        return self.lag_s > MAX_LAG_S - 0.002 or self.tau_s > MAX_TAU_S - 0.002


class Signals:
    """The phases as signals over time: 1 while in a phase, and the length terms."""

    def __init__(
        self,
        phases: int,
        entered: NDArray[np.int64],
        edges_s: Array,
        terms: Sequence[tuple[int, Array]] = (),
    ) -> None:
        """Take n intervals: the index of each one's phase, and their n + 1 boundaries.

        `terms` are further signals: a phase, and for each interval how much of it there is.
        """
        self.phases, self.intervals = phases, (entered, edges_s)
        lengths_s = np.diff(edges_s)
        keep = lengths_s > 0
        self.edges_s = np.append(edges_s[:-1][keep], edges_s[-1])
        self._lengths_s, self._entered = lengths_s[keep], entered[keep]
        rows = [np.where(self._entered == p, 1.0, 0.0) for p in range(self.phases)]
        self._phase_of: list[int] = []
        for phase in range(self.phases):
            own = self._lengths_s[self._entered == phase]
            if len(own) >= FEW and own.std() > VARYING * own.mean():
                relative = self._lengths_s / own.mean() - 1.0
                rows.append(np.where(self._entered == phase, relative, 0.0))
                self._phase_of.append(phase)
        for phase, amounts in terms:
            rows.append(amounts[keep])
            self._phase_of.append(phase)
        self._signals = np.array(rows)
        areas = np.cumsum(self._signals * self._lengths_s, axis=1)
        self._area = np.concatenate([np.zeros((len(rows), 1)), areas], axis=1)
        self._states: dict[float, Array] = {}

    def durations_s(self) -> Array:
        """Seconds of each phase."""
        return self._area[: self.phases, -1]

    def entries(self) -> NDArray[np.int64]:
        """How often each phase was entered."""
        return np.bincount(self._entered, minlength=self.phases)

    def energy_gradient(self) -> Array:
        """Shape (phases, parameters): joules of a phase by each of the powers."""
        gradient = np.zeros((self.phases, len(self._signals)))
        gradient[:, : self.phases] = np.diag(self.durations_s())
        for place, phase in enumerate(self._phase_of, start=self.phases):
            gradient[phase, place] = self._area[place, -1]
        return gradient

    def design(self, data: "TickData", shape: Shape) -> Array:
        """Shape (ticks, parameters): the mean of each signal in each tick's window."""
        if shape.window >= 1.0:
            return np.asarray(self._of_gaps(data, np.array([shape.lag_s]), shape.tau_s)[0])
        end_s = data.times_s - shape.lag_s
        span_s = data.gaps_s * shape.window
        # Both ends at once: on a few hundred ticks most of the time is that of the calls.
        shown = self._shown(np.concatenate([end_s, end_s - span_s]), shape.tau_s)
        ticks = len(end_s)
        return np.asarray(((shown[:, :ticks] - shown[:, ticks:]) / span_s).T)

    def designs(self, data: "TickData", lags_s: Array) -> Array:
        """Shape (lags, ticks, parameters): `design` for several lags, with nothing else."""
        return self._of_gaps(data, lags_s, 0.0)

    def _of_gaps(self, data: "TickData", lags_s: Array, tau_s: float) -> Array:
        """Where windows are whole gaps, one begins where the one before ended: both are one."""
        t_s, ends = data.moments
        shown = self._shown((t_s - lags_s[:, None]).ravel(), tau_s)
        means = np.diff(shown.reshape(len(shown), len(lags_s), len(t_s)))
        if len(ends) < len(t_s) - 1:
            means = means.take(ends - 1, axis=2)
        return np.asarray((means / data.gaps_s).transpose(1, 2, 0))

    def _shown(self, t_s: Array, tau_s: float) -> Array:
        """The signals' integrals up to a moment, as a first-order response shows them."""
        place = self.edges_s[1:-1].searchsorted(t_s, "right")  # from the first to the last, always
        since_s = t_s - self.edges_s[place]
        signal = self._signals.take(place, axis=1)
        area = self._area.take(place, axis=1)
        area += signal * since_s  # in place: large arrays cost more to allocate than to fill
        if tau_s <= 0:
            return np.asarray(area)
        fading = np.exp(-np.maximum(since_s, 0.0) / tau_s)
        state = signal + (self._state(tau_s).take(place, axis=1) - signal) * fading
        return np.asarray(area - tau_s * (state - self._signals[:, :1]))

    def _state(self, tau_s: float) -> Array:
        """The responses at the intervals' beginnings: s' = (signal - s) / tau, exactly.

        s_(i+1) = a_i s_i + b_i is a chain of linear maps; composed by doubling, it takes
        log2(n) vector operations instead of n steps.
        """
        if tau_s not in self._states:
            decay = np.exp(-self._lengths_s / tau_s)
            a = np.broadcast_to(decay, self._signals.shape).copy()
            b = self._signals * (1.0 - decay)
            step = 1
            while step < a.shape[1]:
                b[:, step:] += a[:, step:] * b[:, :-step].copy()
                a[:, step:] = a[:, step:] * a[:, :-step].copy()
                step *= 2
            if len(self._states) >= _KEPT_STATES:
                self._states.clear()  # the search goes through many
            first = self._signals[:, :1]
            self._states[tau_s] = np.concatenate([first, a * first + b], axis=1)[:, :-1]
        return self._states[tau_s]


@dataclass(frozen=True)
class TickData:
    """The ticks that lie within the work: when, since when, and the mean power they show."""

    times_s: Array
    gaps_s: Array
    power_w: Array

    @staticmethod
    def of(
        times_s: Array, energy_j: Array, work: Signals, longest_lag_s: float = MAX_LAG_S
    ) -> "TickData":
        """From the ticks' times and the counter's values.

        Ticks that came close upon one another are taken as one: the time between them is as
        uncertain as it is short, and so would be the power. So are ticks of a few steps of the
        counter. After a missed tick it is not known what a sampling counter shows.
        """
        apart = _far_enough(times_s, energy_j)
        times_s, energy_j = times_s[apart], energy_j[apart]
        times, gaps = times_s[1:], np.diff(times_s)
        power_w = np.diff(energy_j) / np.maximum(gaps, 1e-9)
        # Only what the work explains, by any lag up to the longest.
        begin, end = work.edges_s[0] + longest_lag_s, work.edges_s[-1]
        keep = (gaps > 0) & (times - gaps >= begin) & (times <= end)
        if keep.any():
            keep &= gaps <= _LONG * np.median(gaps[keep])
        return TickData(times[keep], gaps[keep], power_w[keep])

    @cached_property
    def moments(self) -> tuple[Array, NDArray[np.int64]]:
        """When gaps begin or end, each once, ascending; and at which place of these each ends.

        It begins at the place before.
        """
        begins_s = self.times_s - self.gaps_s
        apart = np.append(True, begins_s[1:] - self.times_s[:-1] > _SAME_S)
        ends = np.arange(len(apart)) + np.cumsum(apart)
        moments = np.empty(len(apart) + np.count_nonzero(apart))
        moments[ends[apart] - 1] = begins_s[apart]
        moments[ends] = self.times_s
        return moments, ends

    def few(self) -> "TickData":
        """A stretch from the middle that is enough to search on."""
        spare = max(0, len(self.times_s) - _SEARCH_TICKS) // 2
        cut = slice(spare, spare + _SEARCH_TICKS)
        return TickData(self.times_s[cut], self.gaps_s[cut], self.power_w[cut])


def _far_enough(times_s: Array, energy_j: Array) -> NDArray[np.int64]:
    """Places of the ticks to use: half a usual gap apart or more, and many steps."""
    gaps, steps = np.diff(times_s), np.diff(energy_j)
    if len(gaps) == 0:
        return np.arange(len(times_s))
    least_s = np.median(gaps) / 2
    least_j = LEAST_STEPS * _step_j(steps)
    chosen = [0]
    for place in range(1, len(times_s)):
        last = chosen[-1]
        if times_s[place] - times_s[last] >= least_s and (
            energy_j[place] - energy_j[last] >= least_j
        ):
            chosen.append(place)
    return np.array(chosen)


def _step_j(steps: Array) -> float:
    """The counter's resolution: the least by which it rises, or by which two rises differ."""
    sizes = np.unique(np.round(steps[steps > 0], 6))
    apart = np.diff(sizes, prepend=0.0)
    return float(apart[apart > 1e-5].min(initial=np.inf)) if len(sizes) else 0.0


def regular_times(times_s: Array) -> Array:
    """Tick times without the lateness of polling, where the updates come at a regular pace.

    A tick is noted by the first poll after it, up to 2 ms late, at random; that would blur the
    windows. Regular updates lie on a line, which may bend slowly: the residuals' local mean.
    """
    gaps = np.diff(times_s)
    if len(gaps) < FEW:
        return times_s
    period = float(np.median(gaps))
    if period <= 0:
        return times_s
    numbers = np.concatenate([[0.0], np.cumsum(np.maximum(np.round(gaps / period), 1.0))])
    slope, offset = np.polyfit(numbers, times_s, 1)
    line = slope * numbers + offset
    residuals = times_s - line
    width = min(101, len(residuals) // 2 * 2 - 1)
    padded = np.pad(residuals, width // 2, mode="reflect")
    local = np.convolve(padded, np.ones(width) / width, mode="valid")
    low, high = np.quantile(residuals - local, (0.02, 0.98))
    if high - low > min(_LATE_S, 0.5 * period):
        return times_s  # truly irregular
    return np.asarray(line + local)
