"""Where things stand in the page's drawings: energy against size, and the runs. Pure.

Only places in px are made here; what is written beside them is up to the templates.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from energyscore.judge.rating import RatedResult
from energyscore.publish import wording
from energyscore.publish.page.axis import Axis, log_axis
from energyscore.publish.page.cohorts import Listed
from energyscore.publish.typesetting import ELLIPSIS, plain, text_width

_RADIUS, _FONT = 5, 12
_LONGEST = 26  # characters of a name in a plot
_MOST_NAMED = 60
_STRIP_HEIGHT = 190
_STRIP_WIDTHS = {"wide": 640, "narrow": 340}


class Frame(NamedTuple):
    """The size of a plot and of its axes, in px; `kind` is the screen it is for."""

    kind: str
    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    ticks: int


FRAMES = (
    Frame("wide", 760, 400, 64, 736, 20, 348, ticks=7),
    # On a phone the wide plot would be scaled until nobody could read it.
    Frame("narrow", 340, 330, 46, 328, 20, 280, ticks=5),
)


class Point(NamedTuple):
    """One result: its place, and the ends of its interval up, and of one across if it has one."""

    row: Listed
    x: float
    y: float
    low: float | None
    high: float | None
    left: float | None = None
    right: float | None = None


class Name(NamedTuple):
    """A model's name beside its point."""

    row: Listed
    text: str
    x: float
    y: float
    anchor: str


class Tick(NamedTuple):
    """A figure on an axis."""

    at: float
    text: str


class Plot(NamedTuple):
    """Energy against another figure, across; `names` are those that have room."""

    frame: Frame
    points: list[Point]
    names: list[Name]
    across: list[Tick]
    up: list[Tick]


def plots_of(rows: Sequence[Listed]) -> list[Plot]:
    """The plot of results, wide and narrow; none for fewer than two that can be shown."""
    shown = [
        row for row in rows if row.entry.rating.energy_wh and row.entry.result.valid and _size(row)
    ]
    return [_plot(shown, frame) for frame in FRAMES] if len(shown) > 1 else []


def _plot(rows: Sequence[Listed], frame: Frame) -> Plot:
    sizes = log_axis([_size(row) for row in rows], frame.left, frame.right)
    energies = log_axis(energy_reach(rows), frame.bottom, frame.top)
    points = [_point(row, sizes, energies) for row in rows]
    return Plot(
        frame,
        points,
        names_with_room(points, frame),
        _across(sizes, frame),
        energy_ticks(energies),
    )


def energy_reach(rows: Sequence[Listed]) -> list[float]:
    """The energies that an axis must hold, intervals included."""
    return [wh for row in rows for wh in (row.entry.rating.energy_wh, *_ends(row)) if wh]


def energy_ticks(energies: Axis) -> list[Tick]:
    """The ticks of the axis of energy."""
    return [Tick(round(energies.at(one), 1), f"{one:,g}") for one in energies.ticks()]


def _size(row: Listed) -> float:
    return row.entry.result.model.parameters or 0


def _ends(row: Listed) -> tuple[float, ...]:
    """Of the interval; a lower end near zero, or below, leaves room for a decade."""
    interval, energy_wh = wording.interval(row.entry), row.entry.rating.energy_wh or 0.0
    return (max(interval[0], energy_wh / 10), interval[1]) if interval else ()


def _point(row: Listed, sizes: Axis, energies: Axis) -> Point:
    interval = wording.interval(row.entry)
    low, high = (round(energies.at(end), 1) for end in interval) if interval else (None, None)
    y = energies.at(row.entry.rating.energy_wh or 0.0)
    return Point(row, round(sizes.at(_size(row)), 1), round(y, 1), low, high)


def _across(sizes: Axis, frame: Frame) -> list[Tick]:
    """The ticks of the axis of size."""
    return ticks_with_room(
        Tick(round(sizes.at(one), 1), wording.short_count(round(one), exact=True))
        for one in sizes.ticks(frame.ticks)
    )


def ticks_with_room(ticks: Iterable[Tick]) -> list[Tick]:
    """Those whose texts have room beside each other."""
    kept: list[Tick] = []
    end = 0.0
    for tick in ticks:
        half = text_width(tick.text, _FONT) / 2 + 3
        if tick.at - half >= end:
            kept.append(tick)
            end = tick.at + half
    return kept


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "_Box") -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


def _label(row: Listed) -> str:
    return row.entry.label[:400].split("/")[-1]


def names_with_room(
    points: Sequence[Point],
    frame: Frame,
    lines: Sequence[tuple[float, float, float, float]] = (),
    text_of: Callable[[Listed], str] = _label,
) -> list[Name]:
    """Names where there is room: beside the point, above or below it; none of very many.

    They keep off `lines`, which are told by their left, top, right and bottom.
    """
    if len(points) > _MOST_NAMED:
        return []
    room = _Box(frame.left, frame.top - 8, frame.width, frame.bottom)
    taken = [_Box(p.x - _RADIUS, p.y - _RADIUS, p.x + _RADIUS, p.y + _RADIUS) for p in points]
    taken += [_Box(left - 1, top - 1, right + 1, bottom + 1) for left, top, right, bottom in lines]
    taken += [
        _Box(p.left, p.y - 2, p.right, p.y + 2)
        for p in points
        if p.left is not None and p.right is not None
    ]
    taken += [
        _Box(p.x - 2, p.high, p.x + 2, p.low)
        for p in points
        if p.high is not None and p.low is not None
    ]
    names: list[Name] = []
    for row, x, y, *_ in points:
        text = plain(text_of(row))
        text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + ELLIPSIS
        width = text_width(text, _FONT)
        for dx, dy, anchor, shift in (
            (9, 4, "start", 0.0),
            (-9, 4, "end", width),
            (0, -10, "middle", width / 2),
            (0, 18, "middle", width / 2),
            (7, -7, "start", 0.0),
            (7, 16, "start", 0.0),
            (-7, -7, "end", width),
            (-7, 16, "end", width),
        ):
            name = Name(row, text, x + dx, y + dy, anchor)
            left = name.x - shift
            box = _Box(left, name.y - _FONT, left + width, name.y + 3)
            inside = room.left <= box.left and box.right <= room.right
            inside = inside and room.top <= box.top and box.bottom <= room.bottom
            if text and inside and not any(box.meets(other) for other in taken):
                taken.append(box)
                names.append(name)
                break
    return names


class Strip(NamedTuple):
    """The runs one after another: a dot each, the mean, and its interval as a band."""

    kind: str
    width: int
    height: int
    left: int
    right: int
    dots: list[tuple[float, float]]
    mean: float
    band: tuple[float, float] | None


def strips_of(entry: RatedResult, by_run: Sequence[float | None]) -> list[Strip]:
    """The runs' figures, wide and narrow; none for fewer than two, or where one is not known."""
    mean, interval = entry.rating.energy_wh, wording.interval(entry)
    figures = [figure for figure in by_run if figure is not None]
    if len(figures) < max(2, len(by_run)) or mean is None:
        return []
    shown = [*figures, mean, *(interval or ())]
    low, high = min(shown), max(shown)
    # Runs that agree must not look apart: the axis spans two per cent at least.
    room = max((high - low) * 0.1, 0.01 * mean - (high - low) / 2, mean * 1e-9, 1e-300)
    up = Axis(low - room, high + room, _STRIP_HEIGHT - 34, 16)
    strips = []
    for kind, width in _STRIP_WIDTHS.items():
        left, right = 12 + 7 * len(wording.figure(entry)), width - 16
        step = (right - left) / len(figures)
        strips.append(
            Strip(
                kind,
                width,
                _STRIP_HEIGHT,
                left,
                right,
                [
                    (round(left + step * (place + 0.5), 1), round(up.at(figure), 1))
                    for place, figure in enumerate(figures)
                ],
                round(up.at(mean), 1),
                (round(up.at(interval[1]), 1), round(up.at(interval[0]), 1)) if interval else None,
            )
        )
    return strips
