"""A load on a server, from a thread of its own; here: so many requests in flight all the time."""

import abc
import asyncio
import contextlib
import itertools
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx2

from energyscore.base.errors import ServerError
from energyscore.measurement.meter import Window
from energyscore.measurement.server.answer import Answer
from energyscore.measurement.server.asking import Asking
from energyscore.measurement.server.client import Client
from energyscore.measurement.server.pace import BEAT_NS, Beat, DueRequests

_LOOK_S = 0.05
_FILES_BESIDE = 256  # that this process may open beside its connections
_AFTER_FAILURE_S = 0.2  # a server that refuses everything is not asked thousands of times
_KEPT_NS = 1_000_000_000  # a server may count in a run what ended shortly before it
BLOCK_S = 10.0
SILENT_S = 60.0
"""Where nothing at all comes for so long, and for `SILENT_TIMES` as long as the longest answer
took, the server hangs or cannot be reached: some answer is written all the time, however many wait.
"""

SILENT_TIMES = 10
MOST_WAIT_S = 1800.0
"""Requests that take longer to end than this are given up, and with them the measurement."""


@dataclass
class Totals:
    """What came of all requests of a load; tokens are None as soon as one tells none, or fails."""

    requests: int = 0
    failed: int = 0
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    longest_s: float = 0.0  # that one took

    def add(self, answer: Answer) -> None:
        """One more."""
        self.requests += 1
        self.failed += bool(answer.error)
        self.longest_s = max(self.longest_s, (answer.done_ns - answer.sent_ns) / 1e9)
        told = not answer.error
        self.input_tokens = _sum(self.input_tokens, answer.input_tokens if told else None)
        self.output_tokens = _sum(self.output_tokens, answer.output_tokens if told else None)


class ServerLoad(abc.ABC):
    """A load that goes on by itself: requests are sent and their answers kept."""

    def __init__(self, asking: Asking, most: int) -> None:
        """Nothing is sent before `start`; at most so many are in flight at once."""
        self._asking, self._most = asking, most
        self._requests = asking.requests()
        self._answers: list[Answer] = []
        self._beats: list[Beat] = []
        self.totals = Totals()  # of all that have ended since it began
        self._sent_ns: dict[int, int] = {}  # of what is in flight, by the request's number
        self._numbers = itertools.count()
        self._gone = ""  # why the server cannot be asked any more
        self._over = threading.Event()  # nothing more is sent
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._asked: asyncio.Task[None] | None = None
        self._client: Client | None = None

    @property
    def ended(self) -> int:
        """How many requests have ended since it began."""
        return self.totals.requests

    @property
    @abc.abstractmethod
    def outstanding(self) -> int:
        """Requests that are to be answered now: sent ones, and those that should be sent."""

    @property
    def in_flight(self) -> int:
        """What is outstanding, but for what is held back here; one at least."""
        return max(1, min(self._most, self.outstanding))

    @property
    def block_s(self) -> float:
        """A block of a warm-up lasts so long."""
        return BLOCK_S

    @property
    def chance(self) -> float:
        """By what share of it the work in a block may differ from that in another by chance."""
        return 0.0

    def arrivals_in(self, window: Window) -> DueRequests | None:
        """What was due in a window; what was due before it is forgotten. None: nothing is due."""
        return None

    @abc.abstractmethod
    def fill(self) -> None:
        """Let it go on until as many are in flight as will be."""

    @abc.abstractmethod
    async def _ask_all(self, client: Client) -> None:
        """Ask, until the server has gone."""

    def start(self) -> None:
        """Begin to ask."""
        _allow_files(self._most + _FILES_BESIDE)
        self._thread.start()

    def drain(self, seconds: float) -> bool:
        """Send nothing more, and wait until all is answered; whether it was, in so long."""
        end_s = time.monotonic() + seconds
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._over.set)  # never between two steps of a request
            self._over.wait(seconds)
        while self._sent_ns and not self._gone and time.monotonic() < end_s:
            time.sleep(_LOOK_S / 5)
        return self._over.is_set() and not self._sent_ns and not self._gone

    def stop(self) -> None:
        """Give up what is in flight."""
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(lambda: self._asked and self._asked.cancel())
        self._thread.join(timeout=30.0)

    def processor_s(self) -> float:
        """Seconds of the processor that asking has used.

        Raises:
            ServerError: when the server has gone.
        """
        self._check()
        try:
            return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident or 0))
        except OSError:  # its thread has ended meanwhile
            self._check()
            raise

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

    def beats_in(self, window: Window) -> list[Beat]:
        """The beats that were due in a window; earlier ones are forgotten."""
        seen = len(beats := list(self._beats))
        later = [beat for beat in beats if beat.due_ns >= window.start_ns]
        del self._beats[: seen - len(later)]
        return [beat for beat in later if beat.due_ns < window.end_ns]

    def _check(self, end_s: float | None = None) -> None:
        if self._gone:
            raise ServerError(f"{self._asking.address}: {self._gone}.")
        if not self._thread.is_alive():
            raise ServerError(f"{self._asking.address}: it cannot be asked any more.")
        patience_s = max(SILENT_S, SILENT_TIMES * self.totals.longest_s)
        if self.totals.requests and (silent_s := self._silent_s()) > patience_s:
            raise ServerError(
                f"{self._asking.address}: nothing has come from it for {silent_s:.0f} s, and no "
                f"answer took longer than {self.totals.longest_s:.1f} s before.",
                "It hangs or was stopped, or the way to it is cut.",
            )
        if end_s is not None and time.monotonic() > end_s:
            raise ServerError(
                f"{self._asking.address} did not end its requests in {MOST_WAIT_S / 60:.0f} min."
            )

    def _silent_s(self) -> float:
        """For how long nothing has come, although something was asked all the time."""
        sent_ns = list(self._sent_ns.values())
        if self._client is None or not sent_ns:
            return 0.0
        return (time.monotonic_ns() - max(self._client.heard_ns, min(sent_ns))) / 1e9

    def _run(self) -> None:
        try:
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._ask_and_beat())
        finally:
            self._loop.close()

    async def _ask_and_beat(self) -> None:
        client = self._client = self._asking.client()
        beating = asyncio.ensure_future(self._beat())
        self._asked = asyncio.ensure_future(self._ask_all(client))
        try:
            await self._asked
        finally:
            beating.cancel()
            with contextlib.suppress(httpx2.HTTPError, OSError):
                await client.close()

    async def _beat(self) -> None:
        """See regularly how late this loop is, and what is outstanding.

        A beat that was missed is made up for: what would have been late then is counted, too.
        """
        due_ns = time.monotonic_ns()
        while True:
            due_ns += BEAT_NS
            await sleep_until(due_ns)
            self._beats.append(Beat(due_ns, time.monotonic_ns() - due_ns, self.outstanding))

    async def _ask(self, client: Client, due_ns: int | None = None) -> Answer | None:
        """Send the next request, and keep its answer; None: the server has gone."""
        number, request = next(self._numbers), next(self._requests)
        self._sent_ns[number] = time.monotonic_ns()
        try:
            answer = await client.ask(request)
        except httpx2.ConnectError:
            self._gone = "the server takes no connections any more"
            return None
        except Exception as error:  # noqa: BLE001 - a request that is lost would lower the load
            self._gone = f"asking it failed ({type(error).__name__}: {error})"
            return None
        self._answers.append(answer if due_ns is None else replace(answer, due_ns=due_ns))
        self.totals.add(answer)
        del self._sent_ns[number]
        return answer


class ClosedLoop(ServerLoad):
    """So many requests in flight: as soon as one has ended, the next is sent."""

    def __init__(self, asking: Asking, concurrency: int) -> None:
        """Nothing is sent before `start`."""
        super().__init__(asking, concurrency)

    @property
    def outstanding(self) -> int:
        """All places in the queue are taken, all the time."""
        return self._most

    def fill(self) -> None:
        """Let it go on until as many requests have ended as are in flight."""
        self.go_on_until(self._most)

    async def _ask_all(self, client: Client) -> None:
        await asyncio.gather(*(self._ask_on(client) for _ in range(self._most)))

    async def _ask_on(self, client: Client) -> None:
        """One place in the queue: one request after the other."""
        while not (self._gone or self._over.is_set()):
            answer = await self._ask(client)
            if answer is not None and answer.error:
                await asyncio.sleep(_AFTER_FAILURE_S)


async def sleep_until(due_ns: int) -> None:
    """Sleep until an instant of the monotonic clock; only let others go on where it has passed."""
    await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)


def _sum(total: int | None, more: int | None) -> int | None:
    return None if total is None or more is None else total + more


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
