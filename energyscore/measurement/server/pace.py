"""Whether a load was the same all the time: late beats, what was outstanding, trends. Pure."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from energyscore.base.stats import find_drift
from energyscore.measurement.meter import Window, notice
from energyscore.measurement.server.answer import Answer
from energyscore.results.load import Outstanding
from energyscore.results.parts import Notice

BEAT_NS = 20_000_000
"""The client's event loop is looked at so often."""

STEADY = 0.05
"""Tokens a second of a server vary with the lengths of its answers: it is steady within so much."""

_SLICES = 10
_ENDS = 5
"""What is outstanding is compared between the first and the last fifth of a window."""


@dataclass(frozen=True)
class Beat:
    """One look at the client's event loop: how late it was, and what was outstanding then."""

    due_ns: int
    late_ns: int
    outstanding: int


@dataclass(frozen=True)
class DueRequests:
    """What an open loop was due to ask: how many, and how many of them had to wait here."""

    arrived: int
    held: int


def lateness_s(beats: Sequence[Beat]) -> float | None:
    """How late the event loop was: 99 of 100 beats were no later. None: there was no beat."""
    late_ns = sorted(beat.late_ns for beat in beats)
    return max(0, late_ns[math.ceil(0.99 * len(late_ns)) - 1]) / 1e9 if late_ns else None


def outstanding_in(
    beats: Sequence[Beat], arrivals: DueRequests | None, window: Window
) -> Outstanding | None:
    """What was outstanding in a window of an open loop; None for a closed one."""
    if arrivals is None:
        return None
    fifth_ns = (window.end_ns - window.start_ns) / _ENDS
    first = [one.outstanding for one in beats if one.due_ns < window.start_ns + fifth_ns]
    last = [one.outstanding for one in beats if one.due_ns >= window.end_ns - fifth_ns]
    if not first or not last:
        return None
    return Outstanding(
        arrived=arrivals.arrived,
        held=arrivals.held,
        first=statistics.fmean(first),
        last=statistics.fmean(last),
    )


def token_rates(answers: Iterable[Answer], window: Window) -> list[float]:
    """Tokens a second in each tenth of a window, by when the pieces of the answers came.

    Pieces of answers whose tokens are not known, or that have none, count as one each.
    """
    tokens = [0.0] * _SLICES
    length_ns = window.end_ns - window.start_ns
    for one in answers:
        if one.error or one.done_ns <= window.start_ns or one.sent_ns >= window.end_ns:
            continue
        times_ns = one.pieces_ns or (one.done_ns,)
        each = (one.output_tokens or len(times_ns)) / len(times_ns)
        for at_ns in times_ns:
            if window.start_ns <= at_ns < window.end_ns:
                tokens[(at_ns - window.start_ns) * _SLICES // length_ns] += each
    return [count * _SLICES / length_ns * 1e9 for count in tokens]


def pace_notices(
    answers: Iterable[Answer], window: Window, outstanding: Outstanding | None
) -> list[Notice]:
    """What is to be said of a window in which the load was not the same all the time."""
    found = []
    if outstanding is not None and outstanding.grows:
        message = (
            f"the server does not keep up: {outstanding.first:,.0f} requests were outstanding at "
            f"the beginning of a window, and {outstanding.last:,.0f} at its end; ask for a lower "
            f"rate{' or for a higher --max-outstanding' if outstanding.held else ''}"
        )
        found.append(notice("rate_not_sustained", message, invalidates=True))
    if outstanding is not None and outstanding.held:
        message = (
            f"{outstanding.held:,} of {outstanding.arrived:,} requests had to wait here, as the "
            "most that may be outstanding were in flight; their times have that wait in them"
        )
        found.append(notice("arrivals_held", message))
    rates = token_rates(answers, window)
    drift = find_drift(rates) if any(rates) else None
    if drift is not None and abs(drift.change) > STEADY:
        way = "rose" if drift.change > 0 else "fell"
        message = (
            f"the tokens a second {way} by {abs(drift.change):.0%} within a window "
            f"(p = {drift.p_value:.1g}): the server had not settled"
        )
        found.append(notice("unsteady_window", message))
    return found
