"""The bands of the stars between the least and the most energy of a scale."""

BANDS = 5


def inner_edges(low: float, high: float) -> list[float]:
    """The four edges between the bands, ascending; each belongs to the band below it."""
    width = (high - low) / BANDS
    return [low + band * width for band in range(1, BANDS)]
