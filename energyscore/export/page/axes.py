"""Axes: where a figure stands in a drawing, and which figures are written beside it. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

_MOST_TICKS = 7
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

    def ticks(self) -> list[float]:
        """Round figures within the axis: 1, 2 and 5, only decades, or only some of them."""
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            ticks = [step * 10.0**decade for decade in decades for step in steps]
            inside = [tick for tick in ticks if self.low <= math.log10(tick) <= self.high]
            if len(inside) <= _MOST_TICKS:
                return inside
        return inside[:: math.ceil(len(inside) / _MOST_TICKS)]


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
