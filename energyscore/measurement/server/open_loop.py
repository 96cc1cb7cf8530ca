"""An open loop: requests come when they come, whether or not others have been answered."""

import asyncio
import collections
import math
import random
import time
from collections.abc import Iterator

from energyscore.measurement.meter import Window
from energyscore.measurement.server.asking import Asking
from energyscore.measurement.server.client import Client
from energyscore.measurement.server.load import BLOCK_S, ServerLoad, sleep_until
from energyscore.measurement.server.pace import DueRequests

MOST_BLOCK_S = 50.0
_IN_BLOCK = 5
_FILLS = 3
"""After so many times what the first request takes, about as many come as end."""


def arrivals_s(rate: float, seed: int) -> Iterator[float]:
    """When requests arrive, in seconds since the beginning: by chance, so many a second (Poisson).

    They are instants on one schedule: what is late does not make the next one late.
    """
    rng, at_s = random.Random(seed), 0.0
    while True:
        at_s += rng.expovariate(rate)
        yield at_s


class OpenLoop(ServerLoad):
    """So many requests a second arrive. Beyond `most` at once they wait here, in their order."""

    def __init__(self, asking: Asking, rate: float, most: int) -> None:
        """Nothing is sent before `start`."""
        super().__init__(asking, most)
        self._rate = rate
        self._held: collections.deque[int] = collections.deque()  # what waits: when it was due
        self._due: list[tuple[int, bool]] = []  # each arrival, and whether it had to wait here
        self._asking_now: set[asyncio.Task[None]] = set()

    @property
    def outstanding(self) -> int:
        """What has arrived and is not answered."""
        return len(self._asking_now) + len(self._held)

    @property
    def block_s(self) -> float:
        """Some requests arrive in each block, even of a low rate."""
        return min(max(BLOCK_S, _IN_BLOCK / self._rate), MOST_BLOCK_S)

    @property
    def chance(self) -> float:
        """The number that arrives in a block varies by its root: three times that, and more."""
        return 4 / math.sqrt(self._rate * self.block_s)

    def fill(self) -> None:
        """Let it go on for a few times as long as the first request takes."""
        self.go_on_until(1)
        first = self._answers[0]
        self.go_on(_FILLS * (first.done_ns - first.sent_ns) / 1e9)

    def arrivals_in(self, window: Window) -> DueRequests:
        """What was due in a window; what was due before it is forgotten."""
        seen = len(arrived := list(self._due))
        later = [one for one in arrived if one[0] >= window.start_ns]
        del self._due[: seen - len(later)]
        held = [held for due_ns, held in later if due_ns < window.end_ns]
        return DueRequests(len(held), sum(held))

    async def _ask_all(self, client: Client) -> None:
        start_ns = time.monotonic_ns()
        try:
            for at_s in arrivals_s(self._rate, self._asking.seed):
                due_ns = start_ns + round(at_s * 1e9)
                await sleep_until(due_ns)
                if self._gone or self._over.is_set():
                    break
                self._take(client, due_ns)
            await asyncio.gather(*self._asking_now)
        finally:
            for task in self._asking_now:
                task.cancel()

    def _take(self, client: Client, due_ns: int) -> None:
        """One that has arrived: it is sent, or waits."""
        held = len(self._asking_now) >= self._most
        self._due.append((due_ns, held))
        if held:
            self._held.append(due_ns)
            return
        task = asyncio.ensure_future(self._ask_and_go_on(client, due_ns))
        self._asking_now.add(task)
        task.add_done_callback(self._asking_now.discard)

    async def _ask_and_go_on(self, client: Client, due_ns: int) -> None:
        """One that has arrived, and then what waits."""
        await self._ask(client, due_ns)
        while self._held and not (self._gone or self._over.is_set()):
            await self._ask(client, self._held.popleft())
