"""The bootstrap: rows that are drawn again with their place, and figures of each draw."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy

FEW = 6
"""Of fewer rows that are unlike the others drawing again tells nothing: five of five that speak for
one side do so by chance too often (sign test, 1 of 32)."""

_AT_ONCE = 2_000_000  # rows that are drawn in one go: 16 MB of places


def draw_rows(rows: int, draws: int, seed: int) -> "Iterator[numpy.ndarray]":
    """Draws of as many rows as there are, some at a time: each is a line of their places.

    They depend on the number of rows and on the seed alone.
    """
    import numpy

    generator, at_once = numpy.random.default_rng(seed), max(1, _AT_ONCE // rows)
    for start in range(0, draws, at_once):
        yield generator.integers(0, rows, (min(at_once, draws - start), rows))


def ratio_of_sums(
    parts: "numpy.ndarray", weights: "numpy.ndarray", draws: "numpy.ndarray"
) -> "numpy.ndarray":
    """The sum of parts by the sum of weights, of each draw; NaN where they weigh nothing."""
    import numpy

    whole = parts[draws].sum(axis=1)
    if (weights == weights[0]).all():  # nothing need be drawn
        total = numpy.full(len(whole), weights[0] * draws.shape[1])
    else:
        total = weights[draws].sum(axis=1)
    found: numpy.ndarray = numpy.full(len(total), numpy.nan)
    numpy.divide(whole, total, out=found, where=total > 0)
    return found


def unseen_share(rows: int, confidence: float) -> float:
    """Of up to so many rows may be true what was true of none of these (rule of three)."""
    return 1.0 - math.pow(1 - confidence, 1 / rows)
