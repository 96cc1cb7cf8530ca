"""The load on a server: how it was asked while it was metered, and what came of it."""

import math
from typing import Literal, TypeAlias

from pydantic import Field

from energyscore.base.form import Part
from energyscore.results.kinds import Count, NonNegative, Positive, PositiveCount

Endpoint: TypeAlias = Literal[
    "completions", "chat/completions", "embeddings", "audio/transcriptions"
]
"""Where a server is asked, below the address of its API."""

TokensBy: TypeAlias = Literal["usage", "tokenizer"]
"""Who counts tokens: the server, or a tokenizer that was named, which is an estimate."""

Lengths: TypeAlias = Literal["forced", "actual"]
"""Whether answers are as long as was asked for, or as long as the model makes them."""

Prompts: TypeAlias = Literal["as they are", "cache_salt", "numbered"]
"""How prompts of later passes are kept from being found in a cache of the server: not at all, as
it has none, or they are recordings; by a field of the request; or by the number of the pass before
each text."""


LoadKind: TypeAlias = Literal["closed", "open"]

LEFT = 0.05
"""Of the requests that arrive in a window so many may be left over as more at its end, and chance:
more than that, and what is outstanding grows, as the server does not keep up."""


def load_words(concurrency: int | None, request_rate: float | None) -> str:
    """A load for people: `8 at once`, `2.5 a second`."""
    return f"{concurrency:,} at once" if request_rate is None else f"{request_rate:,.10g} a second"


class ServerCounts(Part):
    """What the server itself counted in one run, summed over its engines; null: it does not tell.

    It was read shortly before the window and shortly after it, so it is of slightly more.
    """

    requests_finished: Count | None = Field(description="requests that it ended, of all clients")
    output_tokens: Count | None = Field(description="tokens that it wrote, for all clients")
    other_requests: Count | None = Field(
        description="of the requests, those that were not ours, at least"
    )
    other_output_tokens: Count | None = Field(
        description="of the tokens, those that were not written for us, at least"
    )
    prefix_cache_queries: Count | None = Field(
        description="tokens of prompts that it looked for in its cache"
    )
    prefix_cache_hits: Count | None = Field(description="those that it found there")
    preemptions: Count | None = Field(
        description="requests that it stopped for want of memory, to do them again later"
    )
    running: Count | None = Field(
        description="requests that it worked at: the smallest number of all looks"
    )
    waiting: Count | None = Field(
        description="requests that waited in its queue: the smallest number of all looks"
    )
    running_mean: NonNegative | None = Field(default=None, description="mean of all looks")
    waiting_mean: NonNegative | None = Field(default=None, description="mean of all looks")
    waiting_most: Count | None = Field(default=None, description="the largest number")
    looks: Count | None = Field(
        default=None, description="how often it was looked at, the ends of the run among them"
    )
    input_tokens: Count | None = Field(
        default=None, description="tokens of prompts that it read, for all clients"
    )
    drafted_tokens: Count | None = Field(
        default=None, description="tokens that speculative decoding guessed"
    )
    accepted_tokens: Count | None = Field(
        default=None, description="of those, the ones that were right"
    )


class Outstanding(Part):
    """Requests that had arrived and were not answered, in a run of an open loop."""

    arrived: Count = Field(description="requests that were due in the window")
    held: Count = Field(
        description="of them, those that had to wait here as the most allowed were in flight"
    )
    first: NonNegative = Field(description="outstanding, mean over the first fifth of the window")
    last: NonNegative = Field(description="the same of the last fifth")

    @property
    def grows(self) -> bool:
        """Whether the server did not keep up: far more were outstanding in the end.

        A queue that is neither growing nor shrinking still varies by chance, by about the root of
        what is in it: four standard deviations of a difference are allowed, and a share of what
        arrives from the middle of the one fifth to that of the other.
        """
        chance = 4 * math.sqrt(2 * max(self.first, 1.0))
        return self.last - self.first > LEFT * 0.8 * self.arrived + chance


class RunLoad(Part):
    """The requests of one run."""

    completed: Count = Field(description="requests that ended in the window")
    failed: Count = Field(description="requests in the window that failed or were cut off")
    requests: Positive = Field(
        description="in the window, of those that straddle its edges the share that lies inside; "
        "figures count these, and `queries` is the next whole number"
    )
    straddling: Count = Field(description="requests that straddle an edge of the window")
    bound: NonNegative = Field(
        description="what the number of requests is wrong by at most, as a share: the straddling "
        "ones"
    )
    other_lengths: Count = Field(description="answers not of the length that was asked for")
    cached_tokens: Count | None = Field(
        description="tokens read from a cache; null: the server does not tell"
    )
    time_per_output_token_s: Positive | None = Field(
        description="after the first one, mean over the requests; null: all had one"
    )
    tokens_per_piece: Positive | None = Field(
        default=None,
        description="output tokens by the pieces in which answers came; null: not known",
    )
    client_processor: NonNegative = Field(
        description="of one processor core, the share that asking took"
    )
    client_late_s: NonNegative | None = Field(
        default=None,
        description="how late the client's event loop was: 99 of 100 times by no more; null: "
        "not recorded",
    )
    outstanding: Outstanding | None = Field(
        default=None, description="of an open loop; null: so many are in flight all the time"
    )
    server: ServerCounts | None = Field(
        default=None, description="what the server itself counted; null: it has no metrics"
    )


class WholeLoad(Part):
    """All requests from the first of a load to its last, warm-up included, and the server's counts.

    Nothing of it was in flight when the server's metrics were read, before the first request and
    after the last one. It is of the last load only, where a measurement was gone on with.
    """

    requests: Count = Field(description="requests that ended")
    failed: Count = Field(description="of them, those that failed or were cut off")
    input_tokens: Count | None = Field(
        description="tokens read, by the answers; null: some do not tell"
    )
    output_tokens: Count | None = Field(
        description="tokens written, by the answers; null: some do not tell"
    )
    server_requests: Count | None = Field(description="requests that the server ended, as it says")
    server_input_tokens: Count | None = Field(description="tokens that it read, as it says")
    server_output_tokens: Count | None = Field(description="tokens that it wrote, as it says")

    @property
    def disagreements(self) -> list[str]:
        """What the server counted otherwise than its answers say; of failed ones nobody knows."""
        pairs = [
            ("requests", self.requests, self.server_requests),
            ("input tokens", self.input_tokens, self.server_input_tokens),
            ("output tokens", self.output_tokens, self.server_output_tokens),
        ]
        return [
            f"{theirs:,} {noun} instead of {ours:,}"
            for noun, ours, theirs in pairs
            if not self.failed and None not in (ours, theirs) and ours != theirs
        ]


class LoadPart(Part):
    """How a server was asked in all runs, and what came of it."""

    kind: LoadKind = Field(
        description="closed: so many requests in flight all the time; open: so many a second "
        "arrive by chance (Poisson), whether or not others have been answered"
    )
    concurrency: PositiveCount | None = Field(
        description="requests in flight; null: as many as there are"
    )
    request_rate: Positive | None = Field(
        default=None, description="requests a second; null: as soon as others have ended"
    )
    max_outstanding: PositiveCount | None = Field(
        default=None, description="the most requests of an open loop that are in flight at once"
    )
    completed: Count = Field(description="requests that ended in the windows of all runs")
    failed: Count = Field(description="requests that failed or were cut off in them")
    endpoint: Endpoint
    lengths: Lengths
    prompts: Prompts
    tokens_by: TokensBy | None = Field(
        default="usage",
        description="who counted tokens: the server, or a tokenizer (an estimate); null: nobody",
    )
    tokenizer: str | None = Field(
        default=None, description="that counted what the server did not tell; null: none was named"
    )
    version: str | None = Field(description="of the server, as it says it; null: it does not")
    whole: WholeLoad | None = Field(
        default=None,
        description="warm-up and all; null: the server has no metrics, or the load did not end "
        "of itself",
    )
    launched: str | None = Field(
        default=None,
        description="the command that started the server, without secrets; null: it ran already",
    )

    @property
    def problem(self) -> str:
        """What contradicts itself in how it was asked; empty for nothing."""
        is_open = self.kind == "open"
        given = [self.request_rate is not None, self.max_outstanding is not None]
        if given == [is_open, is_open] and (self.concurrency is None) == is_open:
            return ""
        return f"it is {self.kind}, and has not the concurrency or the rate of such a load"

    @property
    def words(self) -> str:
        """It for people."""
        return load_words(self.concurrency, self.request_rate)
