"""What runs orders somewhere, as the driver sees it, and what it tells."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from energyscore.measurement.cluster.order import Order


@dataclass(frozen=True)
class Began:
    """An order is measured now."""

    number: int
    node: str


@dataclass(frozen=True)
class Came:
    """A delivery came, by its name; `number` is None where it is left of an earlier command."""

    number: int | None
    name: str
    data: bytes


@dataclass(frozen=True)
class Lost:
    """A worker or its node ended, and nothing came back of an order."""

    number: int
    node: str
    began_at: str
    reason: str


Event = Began | Came | Lost
Journals = Callable[[], Mapping[str, bytes]]
"""Gives finished runs of earlier attempts, by the names of their files."""


class Engine(Protocol):
    """Runs orders at once where there is room, each with GPUs of its own."""

    def begin(self) -> Iterable[Event]:
        """What an earlier command left: finished, and not delivered."""

    def why_never(self, order: Order) -> str:
        """Why there will never be room for it; empty where there may be."""

    def offer(self, number: int, order: Order, avoid: Collection[str], journals: Journals) -> bool:
        """Take an order if there is room for it now, rather not on the nodes to `avoid`.

        The attempt goes on from the `journals`.
        """

    def wait(self) -> Iterable[Event]:
        """What happened since; it waits a while if nothing did."""

    def taken(self, name: str) -> None:
        """The driver has this delivery: it need not be kept any more."""

    def cancel(self) -> Iterable[Event]:
        """Ask all that runs to end, as Ctrl-C does, and end it; what came of it."""

    def close(self) -> None:
        """No more is asked: what was taken is kept nowhere else."""
