"""Parts of an SVG. Lengths in px of the drawing, written alike on every machine. Pure."""

import math
from xml.sax.saxutils import escape, quoteattr

from energyscore.publish.typesetting import Fitted

INK = "#313131"
FONTS = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
"""None of them is wider than the one that texts are fitted by."""


def document(width: int, height: int, title: str, description: str, parts: list[str]) -> str:
    """An SVG that stands alone: no fonts, no style sheets, no scripts, no ids, no requests.

    It can be a file, and it can stand in an HTML page as often as one likes.
    """
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label={quoteattr(title)} '
        f'font-family="{FONTS}">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(description)}</desc>",
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def text(
    x: float,
    y: float,
    words: str,
    size_px: float,
    *,
    bold: bool = False,
    fill: str = INK,
    anchor: str = "start",
) -> str:
    """One line of text; `y` is that of its baseline."""
    weight = ' font-weight="700"' if bold else ""
    where = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size_px)}"{weight}{where} '
        f'fill="{fill}">{escape(words)}</text>'
    )


def block(x: float, y: float, fitted: Fitted, lead: float, *, bold: bool = False) -> list[str]:
    """Lines of text; `y` is that of the first one's baseline, `lead` from one to the next."""
    return [
        text(x, y + lead * place, line, fitted.size_px, bold=bold)
        for place, line in enumerate(fitted.lines)
    ]


def box(
    x: float, y: float, width: float, height: float, radius: float, fill: str, stroke: str
) -> str:
    """A rectangle with rounded corners."""
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" '
        f'rx="{_n(radius)}" fill="{fill}" stroke="{stroke}"/>'
    )


def rule(x: float, y: float, width: float) -> str:
    """A thin horizontal line."""
    return f'<line x1="{_n(x)}" y1="{_n(y)}" x2="{_n(x + width)}" y2="{_n(y)}" stroke="{INK}"/>'


def star(x: float, y: float, radius: float, fill: str, stroke: str) -> str:
    """A star of five points, one of them up."""
    corners = []
    for place in range(10):
        turn, reach = place * math.pi / 5, radius * (0.45 if place % 2 else 1)
        corners.append(f"{_n(x + math.sin(turn) * reach)},{_n(y - math.cos(turn) * reach)}")
    return (
        f'<polygon points="{" ".join(corners)}" fill="{fill}" stroke="{stroke}" '
        'stroke-width="1.5" stroke-linejoin="round"/>'
    )


def _n(length: float) -> str:
    """Two decimals at most."""
    return f"{length:.2f}".rstrip("0").rstrip(".")
