"""What of a load lies in a window: requests, and tokens read and written. Pure.

A window begins and ends at instants that no request chooses, while as many are in flight as ever.
Of a request that straddles an edge the share of its time that lies inside counts; so do its tokens,
read while it waits for the first piece of its answer, and written from one piece to the next. In a
load that is steady this is right on average whatever the lengths are: each instant of each place in
the queue is given the same share of the work that is done there. Counting whole requests instead
jumps by a whole batch where requests begin together, and beginning or ending a window with
a request prefers short ones to long ones.

What is left open is how work is spread within a straddling request: each is wrong by less than one
request (`bound`), and to either side.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from energyscore.measurement.meter import Window
from energyscore.measurement.server.client import Answer


@dataclass(frozen=True)
class Counted:
    """What lies in a window. `answers`: those that ended in it, whole ones."""

    requests: float
    input_tokens: float
    output_tokens: float
    straddling: int
    answers: Sequence[Answer]
    failed: int
    why_failed: str  # the first of them

    @property
    def queries(self) -> int:
        """Requests as whole ones: runs have no parts of them."""
        return round(self.requests)

    @property
    def bound(self) -> float:
        """What the number of requests is wrong by at most, as a share of it."""
        return (self.straddling + abs(self.requests - self.queries)) / self.queries


def count(answers: Iterable[Answer], window: Window) -> Counted:
    """Count what of these answers lies in a window; all that began before its end are among them.

    A failed request counts as one that failed, and as nothing else.
    """
    requests = read = written = 0.0
    straddling = 0
    ended, failures = [], []
    for one in answers:
        if one.sent_ns >= window.end_ns or one.done_ns <= window.start_ns:
            continue
        if one.error:
            failures.append(one.error)
            continue
        straddling += one.sent_ns < window.start_ns or one.done_ns > window.end_ns
        if one.done_ns <= window.end_ns:
            ended.append(one)
        requests += _share(one.sent_ns, one.done_ns, window)
        read += one.input_tokens * _share(one.sent_ns, one.first_ns, window)
        written += one.output_tokens * _written_share(one, window)
    first = failures[0] if failures else ""
    return Counted(requests, read, written, straddling, ended, len(failures), first)


def _written_share(one: Answer, window: Window) -> float:
    """The share of an answer that was written in a window, each piece since the one before."""
    if window.start_ns <= one.sent_ns and one.done_ns <= window.end_ns:
        return 1.0
    times_ns = [one.sent_ns, *(one.pieces_ns or (one.done_ns,))]
    shares = [_share(*pair, window) for pair in itertools.pairwise(times_ns)]
    return sum(shares) / len(shares)


def _share(since_ns: int, until_ns: int, window: Window) -> float:
    """The share of a stretch that lies in a window."""
    if until_ns <= since_ns:
        return float(window.start_ns <= since_ns < window.end_ns)
    inside_ns = min(until_ns, window.end_ns) - max(since_ns, window.start_ns)
    return max(0, inside_ns) / (until_ns - since_ns)
