"""Axes of the page's drawings: from figures to places in px. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_FARTHEST = 30.0  # decades from 1: no figure that means anything lies beyond
_MOST_TICKS, _LEAST_TICKS = 7, 3
_STEPS: tuple[Sequence[float], ...] = (
    *((1, 3), (1, 2, 5), range(1, 10)),
    *([1 + part * step for part in range(round(9 / step))] for step in (0.5, 0.2, 0.1, 0.05)),
)
_FINER = 2  # from here on, steps are only for axes with hardly any tick


@dataclass(frozen=True)
class Axis:
    """Figures from `low` to `high` at `start` to `end` px; both are powers of ten where `log`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, figure: float) -> float:
        """The place of a figure; one beyond the axis stands at its end."""
        value = _log(figure) if self.log else figure
        share = min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = _MOST_TICKS) -> list[float]:
        """Round figures: on a logarithmic axis 1, 2 and 5 of each decade, fewer, or finer ones."""
        if not self.log:
            return self._even(most)
        ticks = self._inside((1,))
        ticks = ticks[:: max(1, math.ceil(len(ticks) / most))]
        for place, steps in enumerate(_STEPS):
            finer = self._inside(steps)
            if len(finer) > most or (place >= _FINER and len(ticks) >= _LEAST_TICKS):
                break
            ticks = finer
        return ticks

    def _even(self, most: int) -> list[float]:
        """Multiples of 1, 2 or 5 of a decade, as many as there is room for."""
        least = (self.high - self.low) / most
        decade = 10.0 ** math.floor(math.log10(least))
        step = next(one * decade for one in (1, 2, 5, 10) if one * decade >= least * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [float(f"{place * step:.10g}") for place in range(first, last + 1)]

    def _inside(self, steps: Iterable[float]) -> list[float]:
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        return [tick for tick in ticks if self.low <= math.log10(tick) <= self.high]


def log_axis(figures: Iterable[float], start: float, end: float, margin: float = 0.06) -> Axis:
    """A logarithmic axis that holds all figures above 0, of which there is one at least."""
    logs = [_log(figure) for figure in figures if figure > 0]
    low, high = min(logs), max(logs)
    room = max((high - low) * margin, 0.1)  # on each side, in decades
    return Axis(low - room, high + room, start, end, log=True)


def even_axis(figures: Iterable[float], start: float, end: float, margin: float = 0.06) -> Axis:
    """An axis of even steps that holds all figures, of which there is one at least."""
    known = list(figures)
    low, high = min(known), max(known)
    # Figures that are the same still have an axis around them.
    room = max((high - low) * margin, 1e-3 * max(abs(low), abs(high)), 1e-9)
    return Axis(low - room, high + room, start, end)


def _log(figure: float) -> float:
    # log10 takes integers that no float can hold.
    return min(_FARTHEST, max(-_FARTHEST, math.log10(figure))) if figure > 0 else -_FARTHEST
