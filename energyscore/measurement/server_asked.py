"""A server that is to be measured, as it was asked for."""

from typing import Annotated

from pydantic import Field

from energyscore.base.form import Strict, Text


class ServerAsked(Strict):
    """A server, and the loads that it is measured under: each is a result of its own."""

    address: Text
    concurrency: Annotated[tuple[Annotated[int, Field(ge=1, le=100_000)], ...], Field(min_length=1)]
    api_key_env: Text | None = None
