"""A load on a server: so many requests in flight all the time, from a thread of its own."""

import asyncio
import contextlib
import resource
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx2

from energyscore.base.errors import ServerError
from energyscore.measurement.server.client import Answer, Client
from energyscore.measurement.server.probe import Abilities
from energyscore.protocol.workload import Workload

_LOOK_S = 0.05
_FILES_BESIDE = 256  # that this process may open beside its connections
_AFTER_FAILURE_S = 0.2  # a server that refuses everything is not asked thousands of times
_KEPT_NS = 1_000_000_000  # a server may count in a run what ended shortly before it
MOST_WAIT_S = 1800.0
"""Requests that take longer to end than this are given up, and with them the measurement."""


@dataclass(frozen=True)
class Asking:
    """What is asked of a server, again and again: all queries, each pass in another order."""

    address: str
    key: str | None
    model: str
    abilities: Abilities
    workload: Workload
    tokens: int
    seed: int

    def bodies(self) -> Iterator[dict[str, object]]:
        """The requests, without an end; no prompt is the same as one of an earlier pass."""
        number = 0
        while True:
            for query in self.workload.shuffled(self.seed + number):
                prompt, salt = str(query["text"]), ""
                if self.abilities.prompts == "numbered":
                    prompt = f"{number + 1}. {prompt}"
                elif self.abilities.prompts == "cache_salt":
                    salt = f"energyscore {self.seed} {number}"
                yield self.abilities.body(self.model, prompt, self.tokens, salt=salt)
            number += 1


class ClosedLoop:
    """So many requests in flight: as soon as one has ended, the next is sent."""

    def __init__(self, asking: Asking, concurrency: int) -> None:
        """Nothing is sent before `start`."""
        self._asking, self.concurrency = asking, concurrency
        self._bodies = asking.bodies()
        self._answers: list[Answer] = []
        self.ended = 0  # how many requests have ended since it began
        self._sent_ns: dict[int, int] = {}  # of what is in flight, by place
        self._gone = ""  # why the server cannot be asked any more
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to ask."""
        _allow_files(self.concurrency + _FILES_BESIDE)
        self._thread.start()

    def stop(self) -> None:
        """Give up what is in flight."""
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._tasks])
        self._thread.join(timeout=30.0)

    def processor_s(self) -> float:
        """Seconds of the processor that asking has used."""
        ident = self._thread.ident
        return time.clock_gettime(time.pthread_getcpuclockid(ident)) if ident else 0.0

    def go_on(self, seconds: float, look: Callable[[], None] = lambda: None) -> None:
        """Let it go on for so long.

        Raises:
            ServerError: when the server has gone.
        """
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(_LOOK_S, left_s))
            self._check()
            look()

    def go_on_until(self, ended: int) -> None:
        """Let it go on until so many requests have ended since it began."""
        end_s = time.monotonic() + MOST_WAIT_S
        while self.ended < ended:
            time.sleep(_LOOK_S / 5)
            self._check(end_s)

    def answers_before(self, end_ns: int) -> list[Answer]:
        """The requests that were sent before then: waits until they have ended, while it goes on.

        What ended a second before then or earlier is forgotten.

        Raises:
            ServerError: when the server has gone.
        """
        end_s = time.monotonic() + MOST_WAIT_S
        while any(sent_ns < end_ns for sent_ns in list(self._sent_ns.values())):
            time.sleep(_LOOK_S / 5)
            self._check(end_s)
        found = [one for one in list(self._answers) if one.sent_ns < end_ns]
        # Only the thread of the load adds to it, at its end.
        self._answers[: len(found)] = [
            one for one in self._answers[: len(found)] if one.done_ns > end_ns - _KEPT_NS
        ]
        return found

    def _check(self, end_s: float | None = None) -> None:
        if self._gone:
            raise ServerError(f"{self._asking.address}: {self._gone}.")
        if not self._thread.is_alive():
            raise ServerError(f"{self._asking.address}: it cannot be asked any more.")
        if end_s is not None and time.monotonic() > end_s:
            raise ServerError(
                f"{self._asking.address} did not end its requests in {MOST_WAIT_S / 60:.0f} min."
            )

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._ask_all())
        finally:
            self._loop.close()

    async def _ask_all(self) -> None:
        client = Client(self._asking.address, self._asking.key)
        places = range(self.concurrency)
        self._tasks = [asyncio.ensure_future(self._ask(client, place)) for place in places]
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(httpx2.HTTPError, OSError):
            await client.close()

    async def _ask(self, client: Client, place: int) -> None:
        """One place in the queue: one request after the other."""
        while not self._gone:
            body = next(self._bodies)
            self._sent_ns[place] = time.monotonic_ns()
            try:
                answer = await client.ask(self._asking.abilities.endpoint, body)
            except httpx2.ConnectError:
                self._gone = "the server takes no connections any more"
                return
            except Exception as error:  # noqa: BLE001 - a place that ends would lower the load
                self._gone = f"asking it failed ({type(error).__name__}: {error})"
                return
            self._answers.append(answer)
            self.ended += 1
            del self._sent_ns[place]
            if answer.error:
                await asyncio.sleep(_AFTER_FAILURE_S)


def _allow_files(count: int) -> None:
    """Each connection is an open file, and often only 1,024 are allowed unless asked for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        if most < count:
            raise ServerError(
                f"{count:,} open files are needed for the connections, and {most:,} are allowed.",
                "Raise the limit (ulimit -n), or ask for less at once.",
            )
