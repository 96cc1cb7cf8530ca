"""The load on a server: how it was asked while it was metered, and what came of it."""

from typing import Literal, TypeAlias

from pydantic import Field

from energyscore.base.form import Part
from energyscore.results.kinds import Count, NonNegative, Positive, PositiveCount

Lengths: TypeAlias = Literal["forced", "actual"]
"""Whether answers are as long as was asked for, or as long as the model makes them."""

Prompts: TypeAlias = Literal["as they are", "cache_salt", "numbered"]
"""How prompts of later passes are kept from being found in a cache of the server: not at all, as
it has none; by a field of the request; or by the number of the pass before each text."""


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
        description="requests that it worked at, at both ends of the run: the smaller number"
    )
    waiting: Count | None = Field(
        description="requests that waited in its queue, at both ends: the smaller number"
    )


class RunLoad(Part):
    """The requests of one run."""

    completed: Count = Field(description="requests that ended in the window")
    failed: Count = Field(description="requests in the window that failed or were cut off")
    requests: NonNegative = Field(
        description="in the window, of those that straddle its edges the share that lies inside"
    )
    straddling: Count = Field(description="requests that straddle an edge of the window")
    bound: NonNegative = Field(
        description="what the number of queries is wrong by at most, as a share: the straddling "
        "ones, and rounding"
    )
    other_lengths: Count = Field(description="answers not of the length that was asked for")
    cached_tokens: Count | None = Field(
        description="tokens read from a cache; null: the server does not tell"
    )
    time_per_output_token_s: Positive | None = Field(
        description="after the first one, mean over the requests; null: all had one"
    )
    client_processor: NonNegative = Field(
        description="of one processor core, the share that asking took"
    )
    server: ServerCounts | None = Field(
        default=None, description="what the server itself counted; null: it has no metrics"
    )


class LoadPart(Part):
    """How a server was asked in all runs, and what came of it."""

    kind: Literal["closed"] = Field(description="closed: so many requests in flight all the time")
    concurrency: PositiveCount | None = Field(description="requests in flight")
    request_rate: Positive | None = Field(
        default=None, description="requests a second; null: as soon as others have ended"
    )
    completed: Count = Field(description="requests that ended in the windows of all runs")
    failed: Count = Field(description="requests that failed or were cut off in them")
    endpoint: Literal["completions", "chat/completions"]
    lengths: Lengths
    prompts: Prompts
    version: str | None = Field(description="of the server, as it says it; null: it does not")

    @property
    def words(self) -> str:
        """It for people."""
        return f"{self.concurrency:,} at once"
