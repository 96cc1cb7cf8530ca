"""A server that is to be measured, as it was asked for."""

from typing import Annotated

from pydantic import Field

from energyscore.base.form import Strict, Text
from energyscore.results.load import load_words

MOST_OUTSTANDING = 1000
"""Requests of an open loop that are in flight at once, unless said otherwise."""


class LoadAsked(Strict):
    """One load: so many requests in flight all the time, or so many a second (an open loop)."""

    concurrency: Annotated[int, Field(ge=1, le=100_000)] | None = None
    request_rate: Annotated[float, Field(gt=0, le=100_000)] | None = None
    max_outstanding: Annotated[int, Field(ge=1, le=100_000)] = MOST_OUTSTANDING

    @property
    def words(self) -> str:
        """It for people."""
        return load_words(self.concurrency, self.request_rate)

    @property
    def told_apart_by(self) -> object:
        """What makes another measurement of the same queries."""
        if self.request_rate is None:
            return self.concurrency
        return ["open", self.request_rate, self.max_outstanding]


class ServerAsked(Strict):
    """A server, and the loads that it is measured under: each is a result of its own.

    One of the first two is given; of a server that is to be started, the address may be found.
    """

    address: Text | None = None
    launch: Text | None = None  # the command that starts it
    loads: Annotated[tuple[LoadAsked, ...], Field(min_length=1)]
    api_key_env: Text | None = None
    tokenizer: Text | None = None  # that counts tokens where the server does not
