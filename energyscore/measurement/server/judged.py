"""Answers of a server that are to be judged, asked for after the runs, unmetered."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx2

from energyscore.base.errors import ModelError, ServerError
from energyscore.measurement.backend import Likelihood
from energyscore.measurement.server.abilities import Abilities, content_of
from energyscore.measurement.server.answer import Answer
from energyscore.measurement.server.client import Client, Request
from energyscore.protocol.task import TaskSpec
from energyscore.protocol.workload import Query

AT_ONCE = 8
"""Queries that are asked together, where the load is not of so many."""


class ServedAnswers:
    """Asks a server for the answers to queries, as they stand."""

    def __init__(
        self, address: str, key: str | None, model: str, can: Abilities, task: TaskSpec
    ) -> None:
        """Nothing is asked yet."""
        self._address, self._key, self._model, self._can = address, key, model, can
        self._task = task

    @property
    def writes(self) -> bool:
        """Whether it is asked for answers of so many tokens."""
        return self._can.limits

    def answer_as(self, task: TaskSpec) -> None:
        """From now on, ask as that task says: how long answers are."""
        self._task = task

    def answer(self, queries: Sequence[Query]) -> list[Any]:
        """The answers to these queries, all asked at once.

        Raises:
            ServerError: when one of them fails.
        """
        task = self._task
        requests = [
            self._can.request(self._model, content_of(task.modality, query), task.generation)
            for query in queries
        ]
        try:
            answers = asyncio.run(self._ask(requests))
        except httpx2.HTTPError as error:
            raise ServerError(
                f"{self._address} does not answer ({type(error).__name__})."
            ) from None
        if failed := [one.error for one in answers if one.error]:
            raise ServerError(f"{self._address}: {failed[0]}.")
        return [one.text.strip() if one.similarity is None else one.similarity for one in answers]

    def likelihoods(self, queries: Sequence[Query]) -> list[Likelihood]:
        """Servers do not tell them."""
        raise ModelError("a server does not say how likely a text is.")

    def labels(self) -> list[str] | None:
        """Labels are written."""
        return None

    async def _ask(self, requests: Sequence[Request]) -> list[Answer]:
        client = Client(self._address, self._key, keeps=True)
        try:
            return await asyncio.gather(*map(client.ask, requests))
        finally:
            await client.close()
