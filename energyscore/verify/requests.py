"""What lies in a run of a server, counted again from the times and tokens of each request.

Of a request that straddles an end of the run the share of its time inside counts. Its prompt is
read until the first piece of its answer, and the pieces are alike: each is written in the time
since the one before.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from energyscore.verify.raw_record import RawRun
from energyscore.verify.raw_requests import RawEdge, RawRequests

ROUNDED_S = 3e-6  # each time is rounded to a microsecond, those of the run's ends too


class Recount(NamedTuple):
    """What was counted; `within` is what the rounding of times makes of it, in requests.

    `ended` are the places of whole requests that ended in the run, `straddling` of those that were
    under way at one of its ends.
    """

    requests: float
    input_tokens: float | None  # None: one answer did not tell
    output_tokens: float | None
    thinking_tokens: float | None
    within: float
    ended: list[int]
    straddling: list[int]


def recount(raw: RawRun, requests: RawRequests) -> Recount:
    """Count the requests and tokens of a run."""
    start_s, end_s = raw.phases.edges_s[0], raw.phases.edges_s[-1]
    before = written_at(requests.edges.start, start_s)
    by_end = written_at(requests.edges.end, end_s)
    found, within = 0.0, 0.0
    read, written = [0.0] * len(requests.sent_s), [0.0] * len(requests.sent_s)  # shares of each
    ended, straddling = [], []
    for place in requests.whole:
        sent_s = requests.sent_s[place]
        first_s, done_s = sent_s + requests.first_s[place], sent_s + requests.done_s[place]
        if place in before or place in by_end:
            straddling.append(place)
            within += min(1.0, 2 * ROUNDED_S / max(done_s - sent_s, ROUNDED_S))
        if place not in by_end:
            ended.append(place)
        found += _share(sent_s, done_s, start_s, end_s)
        read[place] = _share(sent_s, first_s, start_s, end_s)
        written[place] = by_end.get(place, 1.0) - before.get(place, 0.0)
    return Recount(
        found,
        _sum(requests.input_tokens, read),
        _sum(requests.output_tokens, written),
        _sum(requests.thinking_tokens, written),
        within,
        ended,
        straddling,
    )


def written_at(edge: RawEdge, at_s: float) -> dict[int, float]:
    """The share of each answer that was written by one end of the run."""
    columns = (edge.request, edge.pieces, edge.came, edge.before_s, edge.after_s)
    shares = {}
    for place, pieces, came, before_s, after_s in zip(*columns, strict=True):
        lasted_s = after_s - before_s
        part = min(1.0, max(0.0, (at_s - before_s) / lasted_s)) if lasted_s > 0 else 0.0
        shares[place] = min(1.0, (came + part) / pieces)
    return shares


def wrong_edges(raw: RawRun, requests: RawRequests) -> Iterator[str]:
    """What of the record of the run's ends contradicts the times of the requests."""
    edges, times_s = requests.edges, raw.phases.edges_s
    for name, edge, at_s in (("start", edges.start, times_s[0]), ("end", edges.end, times_s[-1])):
        told = _told(edge)
        for place in requests.whole:
            sent_s = requests.sent_s[place]
            done_s = sent_s + requests.done_s[place]
            inside_s = min(at_s - sent_s, done_s - at_s)  # how surely it was under way
            if place not in told:
                if inside_s > ROUNDED_S:
                    yield f"request {place + 1} was under way at its {name}, and is not told there"
                continue
            if inside_s < -ROUNDED_S:
                yield f"request {place + 1} is told at its {name}, and was not under way"
            yield from _wrong_pieces(requests, place, told[place], at_s, name)
        if failed := told.keys() - set(requests.whole):
            yield f"request {min(failed) + 1} failed, and pieces of its answer are counted"


class _Told(NamedTuple):
    pieces: int
    came: int
    before_s: float
    after_s: float


def _told(edge: RawEdge) -> Mapping[int, _Told]:
    rows = zip(edge.pieces, edge.came, edge.before_s, edge.after_s, strict=True)
    return {place: _Told(*row) for place, row in zip(edge.request, rows, strict=True)}


def _wrong_pieces(
    requests: RawRequests, place: int, told: _Told, at_s: float, name: str
) -> Iterator[str]:
    """Pieces come between the first one and the last, one of them before an end, one after it."""
    sent_s = requests.sent_s[place]
    first_s, last_s = sent_s + requests.first_s[place], sent_s + requests.last_s[place]
    right_before_s = {0: sent_s, 1: first_s, told.pieces: last_s}.get(told.came)
    right_after_s = {0: first_s, told.pieces - 1: last_s, told.pieces: last_s}.get(told.came)
    for side, stated_s, right_s, low_s, high_s in (
        ("before", told.before_s, right_before_s, sent_s, at_s),
        ("after", told.after_s, right_after_s, min(at_s, last_s), last_s),
    ):
        in_reach = low_s - ROUNDED_S <= stated_s <= high_s + ROUNDED_S
        if not in_reach or (right_s is not None and abs(stated_s - right_s) > ROUNDED_S):
            yield f"request {place + 1}: no piece of its answer came just {side} the run's {name}"
            return


def _sum(tokens: Sequence[int] | None, shares: Sequence[float]) -> float | None:
    """The tokens that lie in the run; None where an answer does not tell them."""
    if tokens is None:
        return None
    return math.fsum(count * share for count, share in zip(tokens, shares, strict=True))


def _share(since_s: float, until_s: float, start_s: float, end_s: float) -> float:
    """The share of a stretch of time that lies in the run."""
    if until_s <= since_s:
        return float(start_s <= since_s < end_s)
    return max(0.0, min(until_s, end_s) - max(since_s, start_s)) / (until_s - since_s)
