"""What a drawing consists of, and how it becomes an SVG. Lengths in px of the drawing. Pure."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias
from xml.sax.saxutils import escape, quoteattr

Anchor = Literal["start", "middle", "end"]

FONTS = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
"""None of them is wider than the one that texts are fitted by."""


@dataclass(frozen=True)
class Text:
    """One line of text; `y` is that of its baseline."""

    x: float
    y: float
    text: str
    size_px: float
    bold: bool = False
    colour: str = "#313131"
    anchor: Anchor = "start"


@dataclass(frozen=True)
class Box:
    """A rectangle with rounded corners."""

    x: float
    y: float
    width: float
    height: float
    radius: float
    fill: str
    stroke: str


@dataclass(frozen=True)
class Rule:
    """A thin horizontal line."""

    x: float
    y: float
    width: float
    colour: str


@dataclass(frozen=True)
class Star:
    """A star of five points, one of them up."""

    x: float
    y: float
    radius: float
    fill: str
    stroke: str

    def corners(self) -> list[tuple[float, float]]:
        """Its ten corners, clockwise from the top."""
        return [
            (
                self.x
                + math.sin(place * math.pi / 5) * self.radius * (1 if place % 2 == 0 else 0.45),
                self.y
                - math.cos(place * math.pi / 5) * self.radius * (1 if place % 2 == 0 else 0.45),
            )
            for place in range(10)
        ]


Mark: TypeAlias = Text | Box | Rule | Star


@dataclass(frozen=True)
class Drawing:
    """A picture.

    Attributes:
        width: in px.
        height: in px.
        title: what it shows, in one line: its alternative text.
        description: all that it shows, and what there was no room for.
        link: the address that it names, or an empty string.
        marks: what is drawn, in this order.
    """

    width: int
    height: int
    title: str
    description: str
    link: str
    marks: tuple[Mark, ...]


def to_svg(drawing: Drawing) -> str:
    """An SVG that stands alone: no fonts, no style sheets, no scripts, no ids, no requests.

    It can be a file, and it can stand in an HTML page as often as one likes.
    """
    size = f"{drawing.width} {drawing.height}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{drawing.width}" '
        f'height="{drawing.height}" viewBox="0 0 {size}" role="img" '
        f'aria-label={quoteattr(drawing.title)} font-family="{FONTS}">',
        f"<title>{escape(drawing.title)}</title>",
        f"<desc>{escape(drawing.description)}</desc>",
        *map(_mark, drawing.marks),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _mark(mark: Mark) -> str:
    if isinstance(mark, Text):
        weight = ' font-weight="700"' if mark.bold else ""
        anchor = f' text-anchor="{mark.anchor}"' if mark.anchor != "start" else ""
        return (
            f'<text x="{_n(mark.x)}" y="{_n(mark.y)}" font-size="{_n(mark.size_px)}"{weight}'
            f'{anchor} fill="{mark.colour}">{escape(mark.text)}</text>'
        )
    if isinstance(mark, Box):
        return (
            f'<rect x="{_n(mark.x)}" y="{_n(mark.y)}" width="{_n(mark.width)}" '
            f'height="{_n(mark.height)}" rx="{_n(mark.radius)}" fill="{mark.fill}" '
            f'stroke="{mark.stroke}"/>'
        )
    if isinstance(mark, Rule):
        return f'<path d="M{_n(mark.x)} {_n(mark.y)}h{_n(mark.width)}" stroke="{mark.colour}"/>'
    points = " ".join(f"{_n(x)},{_n(y)}" for x, y in mark.corners())
    return (
        f'<polygon points="{points}" fill="{mark.fill}" stroke="{mark.stroke}" '
        'stroke-width="1.5" stroke-linejoin="round"/>'
    )


def _n(value: float) -> str:
    """A length with two decimals at most: the same text on every machine."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
