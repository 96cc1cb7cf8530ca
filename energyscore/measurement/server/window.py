"""What of a load lies in a window: requests, and tokens read and written. Pure.

A window begins and ends at instants that no request chooses, while as many are in flight as ever.
Of a request that straddles an edge the share of its time that lies inside counts; so do its tokens,
read while it waits for the first piece of its answer, and written from one piece to the next. In a
load that is steady this is right on average whatever the lengths are: each instant of each place in
the queue is given the same share of the work that is done there. In an open loop with a steady rate
it is right, too: the share of a request that lies inside, summed over all instants at which it may
begin, is the length of the window, however long it takes, so that as many count as arrive in it.
Counting whole requests instead jumps by a whole batch where requests begin together, and beginning
or ending a window with a request prefers short ones to long ones.

What is left open is how work is spread within a straddling request: each is wrong by less than one
request (`bound`), and to either side.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from energyscore.measurement.meter import Window
from energyscore.measurement.server.answer import Answer


@dataclass(frozen=True)
class Counted:
    """What lies in a window. `answers`: those that ended in it, whole ones.

    Tokens are None where one answer does not tell them.
    """

    requests: float
    input_tokens: float | None
    output_tokens: float | None
    thinking_tokens: float | None
    straddling: int
    answers: Sequence[Answer]
    failed: int
    why_failed: str  # the first of them

    @property
    def queries(self) -> int:
        """Requests as whole ones: runs have no parts of them."""
        return round(self.requests)

    @property
    def work(self) -> float:
        """What was done, to see whether a pace is steady: tokens that were written, or requests."""
        return self.output_tokens or self.requests

    @property
    def bound(self) -> float:
        """What the number of requests is wrong by at most, as a share of it."""
        return self.straddling / self.requests


def count(answers: Iterable[Answer], window: Window) -> Counted:
    """Count what of these answers lies in a window; all that began before its end are among them.

    A failed request counts as one that failed, and as nothing else.
    """
    requests, straddling = 0.0, 0
    read: list[float | None] = []
    written: list[float | None] = []
    thought: list[float | None] = []
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
        share = _written_share(one, window)
        read.append(_of(one.input_tokens, _share(one.sent_ns, one.first_ns, window)))
        written.append(_of(one.output_tokens, share))
        thought.append(_of(one.thinking_tokens, share))
    first = failures[0] if failures else ""
    return Counted(
        requests,
        _sum(read),
        _sum(written),
        _sum(thought),
        straddling,
        ended,
        len(failures),
        first,
    )


def _of(tokens: int | None, share: float) -> float | None:
    return None if tokens is None else tokens * share


def _sum(parts: Sequence[float | None]) -> float | None:
    """None as soon as one part is not known."""
    known = [one for one in parts if one is not None]
    return math.fsum(known) if len(known) == len(parts) else None


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
