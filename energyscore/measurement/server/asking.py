"""What a server is asked, again and again."""

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from energyscore.measurement.server.abilities import Abilities, content_of, numbered
from energyscore.measurement.server.client import Client, Request
from energyscore.protocol.task import Generation
from energyscore.protocol.workload import Workload

_LEAST_NUMBER = 100_000
"""Of a pass: all have as many digits, so that prompts are equally long in all."""


@dataclass(frozen=True)
class Asking:
    """What is asked of a server, again and again: all queries, each pass in another order.

    `generation` says how long answers are; None where none are written.
    """

    address: str
    key: str | None
    model: str
    modality: str
    abilities: Abilities
    workload: Workload
    generation: Generation | None
    seed: int
    keeps: bool = False  # what answers say, to count its tokens

    def client(self) -> Client:
        """What asks it."""
        return Client(self.address, self.key, keeps=self.keeps)

    def requests(self) -> Iterator[Request]:
        """The requests, without an end; no prompt is the same as one of an earlier pass.

        Nor as one of an earlier load: the server may have kept what it was asked then.
        """
        first = _LEAST_NUMBER + secrets.randbelow(_LEAST_NUMBER * 8)
        for number in itertools.count():
            for query in self.workload.shuffled(self.seed + number):
                content, salt = content_of(self.modality, query), ""
                if self.abilities.prompts == "numbered":
                    content = numbered(content, first + number)
                elif self.abilities.prompts == "cache_salt":
                    salt = f"energyscore {first + number}"
                yield self.abilities.request(self.model, content, self.generation, salt=salt)
