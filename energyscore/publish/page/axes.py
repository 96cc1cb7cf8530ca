"""Axes: where a figure stands in a drawing, and which figures are written beside it. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MOST_TICKS, _LEAST_TICKS = 7, 3
_COARSER: tuple[Sequence[float], ...] = ((1, 2, 5), (1, 3), (1,))
_FINER: tuple[Sequence[float], ...] = (
    range(1, 10),
    *([1 + part * step for part in range(round(9 / step))] for step in (0.5, 0.2, 0.1, 0.05)),
)
_FARTHEST = 30.0  # decades from 1: no figure that means anything lies beyond


@dataclass(frozen=True)
class LogAxis:
    """A logarithmic axis: figures from 10 ** `low` to 10 ** `high`, at `start` to `end` px."""

    low: float
    high: float
    start: float
    end: float

    def at(self, figure: float) -> float:
        """Where a figure above 0 stands; what lies beyond the axis stands at its end."""
        share = (_log(figure) - self.low) / (self.high - self.low) if figure > 0 else 0.0
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self, most: int = _MOST_TICKS) -> list[float]:
        """Round figures within the axis: 1, 2 and 5, only decades, or finer where it is short."""
        for steps in _COARSER:
            inside = self._inside(steps)
            if len(inside) <= most:
                break
        else:
            return inside[:: math.ceil(len(inside) / most)]
        for steps in _FINER:
            if len(inside) >= _LEAST_TICKS:
                break
            finer = self._inside(steps)
            inside = finer if len(finer) <= most else inside
        return inside

    def _inside(self, steps: Iterable[float]) -> list[float]:
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        return [tick for tick in ticks if self.low <= math.log10(tick) <= self.high]


def log_axis(figures: Iterable[float], start: float, end: float, margin: float = 0.06) -> LogAxis:
    """An axis that holds all figures, with some room on both sides.

    Args:
        figures: at least one; those of 0 and below are not on it.
        start: px of its low end.
        end: px of its high end.
        margin: room on each side, as a share of what the figures take.
    """
    logs = [_log(figure) for figure in figures if figure > 0]
    low, high = min(logs), max(logs)
    room = max((high - low) * margin, 0.1)
    return LogAxis(low - room, high + room, start, end)


@dataclass(frozen=True)
class LinearAxis:
    """A linear axis: figures from `low` to `high`, at `start` to `end` px."""

    low: float
    high: float
    start: float
    end: float

    def at(self, figure: float) -> float:
        """Where a figure stands; what lies beyond the axis stands at its end."""
        share = (figure - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)


def _log(figure: float) -> float:
    # log10 takes integers that no float can hold.
    return min(_FARTHEST, max(-_FARTHEST, math.log10(figure)))
