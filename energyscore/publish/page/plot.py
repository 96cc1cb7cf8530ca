"""Energy against the model's size, on logarithmic axes: where everything stands. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from energyscore.judge.rating import RatedResult
from energyscore.publish.page.axes import LogAxis, log_axis
from energyscore.publish.page.words import basis_of, bounds_of, figure_of, format_count, margin_of
from energyscore.publish.typesetting import ELLIPSIS, plain, text_width

_RADIUS = 5
_FONT = 12
_LONGEST = 26  # characters of a name in the plot
_MOST_NAMED = 60
_TOO_LARGE = 10**30


@dataclass(frozen=True)
class Frame:
    """The size of a plot and of its axes, in px; `kind` says for which screens it is."""

    kind: str
    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    ticks: int


WIDE = Frame("wide", 760, 400, 64, 736, 20, 348, ticks=7)
NARROW = Frame("narrow", 340, 330, 46, 328, 20, 280, ticks=5)
"""On a phone the wide plot would be scaled until nobody could read it."""


@dataclass(frozen=True)
class Point:
    """One result: its place, the ends of its interval in px, and where its page is."""

    row: str
    href: str
    x: float
    y: float
    low: float | None
    high: float | None
    shape: str
    title: str


@dataclass(frozen=True)
class Name:
    """A model's name beside its point."""

    row: str
    text: str
    x: float
    y: float
    anchor: str


@dataclass(frozen=True)
class Tick:
    """A figure on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Plot:
    """The plot, in px of its own.

    Attributes:
        points: one for each valid result with a figure.
        names: of the points that have room for one.
        across: figures of the axis of size.
        up: figures of the axis of energy.
        shapes: which shapes there are: `gpu`, `system`, `estimated`.
        summary: what it shows, in words.
    """

    points: tuple[Point, ...]
    names: tuple[Name, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    shapes: tuple[str, ...]
    summary: str
    frame: Frame


def plots_of(items: Sequence[tuple[RatedResult, str, str]]) -> tuple[Plot, ...]:
    """The plot of results, wide and narrow; none for fewer than two that can be shown.

    Args:
        items: the results, with the ids of their rows and the addresses of their pages.
    """
    shown = [item for item in items if item[0].rating.energy_wh and item[0].result.valid]
    return tuple(_plot(shown, frame) for frame in (WIDE, NARROW)) if len(shown) > 1 else ()


def _plot(shown: Sequence[tuple[RatedResult, str, str]], frame: Frame) -> Plot:
    figures = [f for entry, _, _ in shown for f in _reach(entry)]
    sizes = log_axis([_size(entry) for entry, _, _ in shown], frame.left, frame.right)
    energies = log_axis(figures, frame.bottom, frame.top)
    points = tuple(_point(*item, sizes, energies) for item in shown)
    shapes = {point.shape for point in points}
    return Plot(
        points=points,
        names=_names([entry.label for entry, _, _ in shown], points, frame),
        across=_across(sizes, frame),
        up=tuple(Tick(round(energies.at(one), 1), f"{one:,g}") for one in energies.ticks()),
        shapes=tuple(shape for shape in ("gpu", "system", "estimated") if shape in shapes),
        summary=_summary([entry for entry, _, _ in shown]),
        frame=frame,
    )


def _across(sizes: LogAxis, frame: Frame) -> tuple[Tick, ...]:
    """The ticks whose texts have room beside each other."""
    ticks: list[Tick] = []
    end = 0.0
    for one in sizes.ticks(frame.ticks):
        tick = Tick(round(sizes.at(one), 1), _round(format_count(round(one))))
        half = text_width(tick.text, _FONT) / 2 + 3
        if tick.at - half >= end:
            ticks.append(tick)
            end = tick.at + half
    return tuple(ticks)


def _round(count: str) -> str:
    """`1 B` for `1.00 B`."""
    number, _, unit = count.partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}".strip()


def _size(entry: RatedResult) -> int:
    return min(entry.result.model.parameters, _TOO_LARGE)


def _reach(entry: RatedResult) -> list[float]:
    energy_wh = entry.rating.energy_wh or 0.0
    _, high = bounds_of(entry.result, entry.rating) or (0.0, energy_wh)
    return [energy_wh, high]


def _point(entry: RatedResult, row: str, href: str, sizes: LogAxis, energies: LogAxis) -> Point:
    result, rating = entry.result, entry.rating
    assert rating.energy_wh is not None
    interval = bounds_of(result, rating)
    low, high = (round(energies.at(end), 1) for end in interval) if interval else (None, None)
    basis = basis_of(result, rating)
    return Point(
        row=row,
        href=href,
        x=round(sizes.at(_size(entry)), 1),
        y=round(energies.at(rating.energy_wh), 1),
        low=low,
        high=high,
        shape=basis.key,
        title=f"{entry.label}: {figure_of(result, rating)} Wh per 1,000 queries "
        f"({margin_of(result, rating)}), {format_count(result.model.parameters)} parameters, "
        f"{basis.what}, {basis.how}",
    )


def _summary(entries: Sequence[RatedResult]) -> str:
    """The plot in words: how many, from where to where. The entries are in order of energy."""
    sizes = [entry.result.model.parameters for entry in entries]
    least, most = entries[0], entries[-1]
    ends = dict.fromkeys(format_count(size) for size in (min(sizes), max(sizes)))
    return (
        f"{len(entries)} results of {' to '.join(ends)} parameters. Least energy: {least.label}, "
        f"{figure_of(least.result, least.rating)} Wh per 1,000 queries; most: "
        f"{most.label}, {figure_of(most.result, most.rating)} Wh."
    )


def _names(labels: Sequence[str], points: Sequence[Point], frame: Frame) -> tuple[Name, ...]:
    """Names where there is room: right of the point, left, above or below it."""
    if len(points) > _MOST_NAMED:
        return ()
    taken = [(p.x - _RADIUS, p.y - _RADIUS, p.x + _RADIUS, p.y + _RADIUS) for p in points]
    taken += [
        (p.x - 2, p.high, p.x + 2, p.low)
        for p in points
        if p.high is not None and p.low is not None
    ]
    names: list[Name] = []
    for label, point in zip(labels, points, strict=True):
        text = _short(label)
        if not text:
            continue
        width = text_width(text, _FONT)
        for name, left in (
            (Name(point.row, text, point.x + 9, point.y + 4, "start"), point.x + 9),
            (Name(point.row, text, point.x - 9, point.y + 4, "end"), point.x - 9 - width),
            (Name(point.row, text, point.x, point.y - 10, "middle"), point.x - width / 2),
            (Name(point.row, text, point.x, point.y + 18, "middle"), point.x - width / 2),
        ):
            box = (left, name.y - _FONT, left + width, name.y + 3)
            inside = frame.left <= box[0] and box[2] <= frame.width
            inside = inside and frame.top - 8 <= box[1] and box[3] <= frame.bottom
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                names.append(name)
                break
    return tuple(names)


def _short(label: str) -> str:
    name = plain(label[:400]).split("/")[-1]
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + ELLIPSIS


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
