"""Columns of text laid out in the width there is: by words, and no name cut that need not be."""

import re
from collections.abc import Sequence

GAP = 2
"""Blanks between columns."""
_WHOLE = 20
"""Words of so many characters are kept whole; longer ones may break at their joints."""
_JOINTS = re.compile(r"[^\s/:_-]*(?:[/:_-]+|\s+|$)")


def fold(text: str, width: int) -> str:
    """A text on lines of at most so many columns: broken at blanks and after `/`, `:`, `-`, `_`.

    Only a part that is wider than a whole line is cut within; a word is broken at a joint only
    where it is wider than a line.
    """
    lines = [""]
    for word in re.findall(r"\S+\s*|\s+", text):
        whole = len(word.rstrip()) <= width
        for part in [word] if whole else _JOINTS.findall(word):
            if len(lines[-1]) + len(part.rstrip()) > width and lines[-1]:
                lines.append("")
            lines[-1] += part
            while len(lines[-1].rstrip()) > width:
                lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return "\n".join(line.rstrip() for line in lines)


def fitted(columns: Sequence[Sequence[str]], room: int) -> list[list[str]]:
    """The cells of columns, folded so that all columns and the gaps between them fit the room."""
    widths = widths_in(columns, room)
    return [
        ["\n".join(fold(line, width) for line in cell.split("\n")) for cell in column]
        for column, width in zip(columns, widths, strict=True)
    ]


def widths_in(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """How wide each column may be: as wide as its text, or its fair share of the room.

    No column is narrower than its longest word, unless there is no other way.
    """
    wanted = [max(1, *map(_widest, column)) for column in columns]
    left = room - GAP * (len(columns) - 1)
    if sum(wanted) <= left:
        return wanted
    for part_of in (_longest_word, _longest_part, lambda _: 1):
        widths = [max(1, *map(part_of, column)) for column in columns]
        if sum(widths) <= left:
            break
    while sum(widths) < left:
        short = [place for place, width in enumerate(widths) if width < wanted[place]]
        if not short:
            break
        narrowest = min(short, key=lambda place: widths[place])
        widths[narrowest] += 1
    return widths


def _widest(cell: str) -> int:
    return max(map(len, cell.split("\n")))


def _longest_word(cell: str) -> int:
    words = (len(word) for word in cell.split())
    return max((size if size <= _WHOLE else _longest_part(cell) for size in words), default=1)


def _longest_part(cell: str) -> int:
    return max((len(part.rstrip()) for part in _JOINTS.findall(cell)), default=1)
