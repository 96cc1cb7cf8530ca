"""The star table as it is printed."""

import contextlib
import io
import itertools

from energyscore.cli.console import show_report
from energyscore.judge.rating import RatedResult, in_one_view, rate


def table_of(*results, encoding="utf-8"):
    """The lines of the table: its header's two, then a row a result."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    ratings = rate(results)
    with contextlib.redirect_stdout(stream):
        rated = [RatedResult(r, stars) for r, stars in zip(results, ratings, strict=True)]
        show_report(in_one_view(rated))
    stream.flush()
    return stream.buffer.getvalue().decode(encoding).splitlines()


def row_of(model, lines):
    """The row of a model, with single blanks and what was folded from it to the next lines."""
    place = next(place for place, line in enumerate(lines) if line.startswith(model))
    folded = itertools.takewhile(lambda line: line.startswith("   "), lines[place + 1 :])
    return " ".join(" ".join([lines[place], *folded]).split())
