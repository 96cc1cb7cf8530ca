"""Reads what a raw record holds of the requests of a run: those under way while it lasted."""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from energyscore.verify.raw_numbers import Indexes, Microseconds, Seconds
from energyscore.verify.strict_json import StrictModel

MOST_REQUESTS = 1_000_000  # of a run


class RawEdge(StrictModel):
    """The requests under way at an end of a run, and between which pieces of their answers."""

    request: Indexes
    pieces: Indexes
    came: Indexes
    before_s: Microseconds = Field(alias="before_us")
    after_s: Microseconds = Field(alias="after_us")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        columns = (self.pieces, self.came, self.before_s, self.after_s)
        if any(len(column) != len(self.request) for column in columns):
            raise ValueError("an end of a run has not as many figures of each request")
        if any(b <= a for a, b in pairwise(self.request)):
            raise ValueError("the requests at an end of a run are in no order")
        if any(n < 1 for n in self.pieces) or any(
            not 0 <= came <= n for came, n in zip(self.came, self.pieces, strict=True)
        ):
            raise ValueError("more pieces of an answer came than there are")
        return self


class RawEdges(StrictModel):
    """Both ends of a run."""

    start: RawEdge
    end: RawEdge


class RawRequests(StrictModel):
    """All requests of a run, in the order in which they were sent; times count from its beginning.

    Attributes:
        first_s: from when it was sent to the first piece of its answer; so are the next two.
        waited_s: from when it was due to when it was sent; None in a closed loop.
        failed: the places of those that failed; `cut`: of those whose answers the limit ended.
    """

    sent_s: Seconds = Field(alias="sent_us")
    first_s: Microseconds = Field(alias="first_us")
    last_s: Microseconds = Field(alias="last_us")
    done_s: Microseconds = Field(alias="done_us")
    input_tokens: Indexes | None
    output_tokens: Indexes | None
    cached_tokens: Indexes | None
    thinking_tokens: Indexes | None = None  # nor in older files
    waited_s: Microseconds | None = Field(None, alias="waited_us")
    cut: Indexes = ()
    failed: Indexes
    edges: RawEdges

    @model_validator(mode="after")
    def _fits(self) -> Self:
        count = len(self.sent_s)
        if count > MOST_REQUESTS:
            raise ValueError(f"a run has over {MOST_REQUESTS:,} requests")
        columns = (self.input_tokens, self.output_tokens, self.cached_tokens, self.thinking_tokens)
        tokens: list[Sequence[int]] = [one for one in columns if one is not None]
        waited = [] if self.waited_s is None else [self.waited_s]
        for column in (self.first_s, self.last_s, self.done_s, *tokens, *waited):
            if len(column) != count:
                raise ValueError("there are not as many figures of each request")
        if any(min(column, default=0) < 0 for column in tokens):
            raise ValueError("a request has fewer than no tokens")
        if any(b < a for a, b in pairwise(self.sent_s)):
            raise ValueError("the requests are not in the order in which they were sent")
        times = zip(self.first_s, self.last_s, self.done_s, strict=True)
        if any(not 0 <= first <= last <= done for first, last, done in times):
            raise ValueError("a request ends before it begins")
        if min(self.waited_s or (0.0,)) < 0:
            raise ValueError("a request was sent before it was due")
        places = [*self.failed, *self.cut, *self.edges.start.request, *self.edges.end.request]
        if any(not 0 <= place < count for place in places):
            raise ValueError("a request is named that is not there")
        return self

    @cached_property
    def whole(self) -> list[int]:
        """The places of those that did not fail."""
        failed = set(self.failed)
        return [place for place in range(len(self.sent_s)) if place not in failed]
