"""Fitting text into a given width, by the real widths of a typeface. Pure.

The widths are those of Bitstream Vera Sans (DejaVu Sans has the same): the widest of the typefaces
that browsers are asked for here, so what fits in it fits in Helvetica and Arial as well.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

ELLIPSIS = "…"


def _widths(numbers: str) -> tuple[int, ...]:
    return tuple(int(number) for number in numbers.split())


# Widths of the printable ASCII characters from the space on, in thousandths of the size.
_REGULAR = _widths(
    """
    318 401 460 838 636 950 780 275 390 390 500 838 318 361 318 337 636 636 636 636 636 636
    636 636 636 636 337 337 838 838 838 531 1000 684 686 698 770 632 575 775 752 295 295 656
    557 863 748 787 603 787 695 635 611 732 684 989 685 611 685 390 337 390 838 500 500 613
    635 550 635 615 352 635 634 278 278 579 278 974 634 612 635 635 411 521 392 634 592 818
    592 592 525 636 337 636 838
    """
)
_BOLD = _widths(
    """
    348 456 521 838 696 1002 872 306 457 457 523 838 380 415 380 365 696 696 696 696 696 696
    696 696 696 696 400 400 838 838 838 580 1000 774 762 734 830 683 683 821 837 372 372 775
    637 995 837 850 733 850 770 720 682 812 774 1103 771 724 725 457 365 457 838 500 500 675
    716 593 716 678 435 716 712 343 343 665 343 1042 712 687 716 716 493 595 478 712 652 924
    645 652 582 712 365 712 838
    """
)
_OTHER = {"±": 838, "·": 380, ELLIPSIS: 1000}
_UNKNOWN = 1250  # as wide as any other character is drawn: ideographs take 1000

_PARTS_OF_NAMES = re.compile(r"(?<=[/\-_.:\s])")
_WORDS = re.compile(r"(?<=\s)")


@dataclass(frozen=True)
class Step:
    """One way to set a text: its size in px, and at most so many lines."""

    size_px: float
    lines: int


@dataclass(frozen=True)
class Fitted:
    """A text that fits: its size in px, its lines, and whether nothing was left out."""

    size_px: float
    lines: tuple[str, ...]
    whole: bool


def plain(text: str) -> str:
    """The text in one line, without characters that cannot be seen or that turn others around."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.split())


def text_width(text: str, size_px: float, *, bold: bool = False) -> float:
    """The width of a line in px; characters whose width is not known count as very wide."""
    widths = _BOLD if bold else _REGULAR
    total = 0
    for char in text:
        place = ord(char) - ord(" ")
        known = 0 <= place < len(widths)
        total += widths[place] if known else _OTHER.get(char, _UNKNOWN)
    return total * size_px / 1000


def fit(
    text: str, width_px: float, steps: Sequence[Step], *, bold: bool = False, prose: bool = False
) -> Fitted:
    """Set a text as large as it fits: smaller, in more lines, and last with an ellipsis.

    Args:
        text: what to set; line breaks in it count as spaces.
        width_px: of a line.
        steps: the ways to set it, the best first.
        bold: whether it is set in bold.
        prose: whether it is wrapped between words, and loses its end; a name is wrapped after
            hyphens too, and loses its middle.

    Returns:
        The first way that shows all of it without breaking a part; else the last, in which parts
        that are too wide are broken anywhere.
    """
    text = plain(text)
    between = _WORDS if prose else _PARTS_OF_NAMES
    for step in steps:
        most = int(step.lines * width_px / (step.size_px * min(_REGULAR) / 1000))
        lines, broken = _wrap(text[: most + 1], width_px, step.size_px, between, bold=bold)
        whole = len(text) <= most and len(lines) <= step.lines
        if whole and (step is steps[-1] or not broken):
            return Fitted(step.size_px, lines, whole=True)
    for kept in range(min(len(text) - 1, most), 0, -1):
        head = kept if prose else (kept + 1) // 2
        shown = text[:head].rstrip(" ,;:") + ELLIPSIS + text[len(text) - (kept - head) :]
        lines, _ = _wrap(shown, width_px, step.size_px, between, bold=bold)
        if len(lines) <= step.lines:
            return Fitted(step.size_px, lines, whole=False)
    return Fitted(step.size_px, (ELLIPSIS,), whole=False)


def _wrap(
    text: str, width_px: float, size_px: float, between: re.Pattern[str], *, bold: bool
) -> tuple[tuple[str, ...], bool]:
    """The lines of a text, and whether a part was too wide and is broken."""
    lines, broken = [""], False
    for part in between.split(text):
        if text_width((lines[-1] + part).rstrip(), size_px, bold=bold) <= width_px:
            lines[-1] += part
            continue
        lines.append("")
        for char in part:
            if text_width(lines[-1] + char, size_px, bold=bold) > width_px and char != " ":
                lines.append("")
                broken = True
            lines[-1] += char
    return tuple(line.strip() for line in lines if line.strip()) or ("",), broken
