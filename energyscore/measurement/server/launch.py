"""A server that is started here: metered until it can answer, and ended with all that it started.

Its own process is below a keeper (`keeper.py`), which outlives this one by as much as it takes to
end everything.
"""

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from energyscore.base.errors import ServerError
from energyscore.base.masking import masked_command, secrets_in
from energyscore.base.units import format_duration
from energyscore.measurement.child import python
from energyscore.measurement.family import Member, ServerFamily
from energyscore.measurement.loading import meter_loading
from energyscore.measurement.metering import (
    count_gpu_processes,
    free_gpu_memory,
    gpus_of,
    open_metering,
    plan_metering,
    power_limited,
)
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.options import RunOptions
from energyscore.measurement.server.client import key_from, read_address
from energyscore.measurement.server.command import command_of, words_of
from energyscore.measurement.server.keeper import GRACE_S, LAST_LINES
from energyscore.measurement.server.ready import addresses_of, can_answer
from energyscore.measurement.server_asked import ServerAsked
from energyscore.protocol import hub
from energyscore.results.loading import Loading

READY_S = 3600.0
"""How long a server may take until it answers: large models are read for half an hour."""

_LOOK_S = 0.1
_PORT = re.compile("[0-9]{1,5}")
_FREED_S = 10.0  # a driver may take some time to give memory back
_LEFT_BYTES = 2**28  # of a GPU's memory: less than any process holds there


@dataclass(frozen=True)
class Launched:
    """A server that was started here, and can answer.

    Attributes:
        start: what tells it from a server that another command would start. One that the same
            command starts again does the same work.
        command: what started it, without secrets.
    """

    address: str
    family: ServerFamily
    start: str
    command: str
    loading: Loading


@contextlib.contextmanager
def launched(
    asked: ServerAsked, model: str, options: RunOptions, log: Path, observer: LineObserver
) -> Iterator[Launched]:
    """A server as long as this lasts.

    Raises:
        EnergyScoreError: when it cannot be started, or ends before it can answer.
    """
    words, key = words_of(asked.launch or ""), key_from(asked.api_key_env)
    check_port(asked.address, words)
    secrets = masked_command(words)[1] | secrets_in(os.environ) | ({key} if key else set())
    observer.model(model, Path(words[0]).name, "starting")
    metering = plan_metering(
        "cpu" if options.device == "cpu" else "cuda", options.gpu or (), shared=True
    )
    others = count_gpu_processes() if options.device != "cpu" else {}
    free = free_gpu_memory()
    server = KeptServer(words, secrets, log)

    def load(when_loaded: Callable[[], None]) -> float:
        begin_s = time.monotonic()
        server.start()
        server.wait_until_it_answers(asked.address, model, key, observer)
        seconds = time.monotonic() - begin_s
        when_loaded()
        return seconds

    with contextlib.ExitStack() as stack:
        stack.callback(server.end, free, observer)
        stack.callback(observer.model, model, Path(words[0]).name, "")
        with contextlib.ExitStack() as meters:
            limit_w = options.power_limit if metering.uuids else None
            meters.enter_context(power_limited(metering.uuids, limit_w, observer.warn))
            meters.enter_context(contextlib.closing(metering))
            open_metering(metering, metering.uuids or tuple(others))
            loading = meter_loading(metering, options, load, observer)
        found = gpus_of({one.pid for one in server.family.members()}) or ()
        server.gpus = tuple(one for one in metering.uuids if options.gpu or one in found)
        used = {f"gpu:{uuid}" for uuid in server.gpus}
        same = command_of(asked.launch or "")
        yield Launched(server.address, server.family, same.start, same.text, of(loading, used))


class KeptServer:
    """A server's process, by its keeper."""

    def __init__(
        self,
        words: Sequence[str],
        secrets: Collection[str],
        log: Path,
        grace_s: float = GRACE_S,
    ) -> None:
        """Start the keeper, and not the server yet: what it says will be in `log`."""
        self._words, self._secrets, self._log = words, secrets, log
        self._grace_s = grace_s
        log.parent.mkdir(parents=True, exist_ok=True)
        self._keeper = subprocess.Popen(
            [*python(), "-m", "energyscore.measurement.server.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us
            env=hub.given_environment(),
        )
        self._ended = ""
        self.address = ""
        self.family = ServerFamily(())
        self.gpus: tuple[str, ...] = ()  # that it computes on, as NVML tells it or was said

    def start(self) -> None:
        """Start the server; a ServerError where there is no such program."""
        assert self._keeper.stdin is not None
        asked = {
            "command": self._words,
            "log": str(self._log),
            "secrets": sorted(self._secrets),
            "grace_s": self._grace_s,
        }
        with contextlib.suppress(OSError):
            self._keeper.stdin.write(json.dumps(asked).encode() + b"\n")
            self._keeper.stdin.flush()
        said = self._read()
        if not said.startswith("started "):
            raise ServerError(
                f"--launch: {self._words[0]} cannot be started: {said or 'its keeper was lost'}.",
                "Name the program as a shell finds it, and its options.",
            )
        eldest = Member.of(self._keeper.pid), Member.of(int(said.split()[1]))
        self.family = ServerFamily(tuple(one for one in eldest if one is not None))

    def wait_until_it_answers(
        self, named: str | None, model: str, key: str | None, observer: LineObserver
    ) -> None:
        """Try until the model answers."""
        observer.stage(f"until the server answers, {format_duration(READY_S)} at most", None)
        end_s = time.monotonic() + READY_S
        while True:
            if why := self.why_ended():
                self.tell_last_lines(observer)
                raise ServerError(
                    f"--launch: the server ended before it answered: {why}.",
                    f"What it said is in {self._log}.",
                )
            for address in addresses_of(self.family, named):
                if can_answer(address, model, key, end_s - time.monotonic()):
                    self.address = address
                    return
            if time.monotonic() > end_s:
                self.tell_last_lines(observer)
                raise ServerError(
                    f"--launch: the server did not answer in {format_duration(READY_S)}.",
                    f"What it said is in {self._log}.",
                )
            time.sleep(_LOOK_S)

    def why_ended(self) -> str:
        """Why it is not there any more; empty while it is."""
        pipe = self._keeper.stdout
        assert pipe is not None
        wait_s = 0.0 if self.family.is_there() else 10 * _LOOK_S  # its keeper is about to say it
        if not self._ended and select.select([pipe], [], [], wait_s)[0]:
            said = self._read()
            self._ended = _reason(int(said.split()[1])) if said else "its keeper was lost"
        return self._ended

    def tell_last_lines(self, observer: LineObserver) -> None:
        """What it said last."""
        with contextlib.suppress(OSError):
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
            for line in [one for one in lines if one.strip()][-LAST_LINES:]:
                observer.say(f"  {line}")

    def end(self, free: Mapping[str, int], observer: LineObserver) -> None:
        """End it with all that it started, and say what is left of it all the same."""
        if self.address and (why := self.why_ended()):
            observer.warn(f"the server ended by itself: {why}. What it said is in {self._log}.")
            self.tell_last_lines(observer)
        self.family.members()  # all that is there is known afterwards
        if self.family.eldest:
            observer.stage("ending the server", None)
        assert self._keeper.stdin is not None
        with contextlib.suppress(OSError):
            self._keeper.stdin.close()
        try:
            self._keeper.wait(2 * self._grace_s + 10.0)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        assert self._keeper.stdout is not None
        self._keeper.stdout.close()
        for line in self._left(free):
            observer.warn(line)

    def _left(self, free: Mapping[str, int]) -> Iterator[str]:
        if left := sorted(one.pid for one in self.family.ever() if one.is_there):
            yield f"the server's processes {', '.join(map(str, left))} do not end, not even killed"
        pids = {one.pid for one in self.family.ever()}
        yield from left_on_gpus({uuid: free[uuid] for uuid in self.gpus if uuid in free}, pids)

    def _read(self) -> str:
        assert self._keeper.stdout is not None
        return self._keeper.stdout.readline().decode().strip()


def left_on_gpus(
    free: Mapping[str, int], pids: Collection[int], freed_s: float = _FREED_S
) -> Iterator[str]:
    """What these processes left on GPUs that had so many bytes free before, after some time."""
    end_s = time.monotonic() + freed_s
    while free:
        now = free_gpu_memory()
        missing = {uuid: free[uuid] - now[uuid] for uuid in free if uuid in now}
        missing = {uuid: lost for uuid, lost in missing.items() if lost > _LEFT_BYTES}
        listed = gpus_of(pids)
        if (missing or listed) and time.monotonic() < end_s:
            time.sleep(_LOOK_S)
            continue
        if listed:
            yield f"the driver still lists processes of the server on {', '.join(listed)}"
        for uuid, lost in missing.items():
            yield (
                f"{uuid}: {lost / 1e9:.1f} GB less are free than before the server was started; "
                "something of it, or another process, holds them"
            )
        return


def port_in(words: Sequence[str]) -> int | None:
    """The port that a command names for its server, where it does."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, _, value = word.partition("=")
        text = value or following
        if name == "--port" and _PORT.fullmatch(text) and int(text) < 2**16:
            return int(text)
    return None


def check_port(address: str | None, words: Sequence[str]) -> None:
    """A ServerError where another one has the port already."""
    named = port_in(words)
    if address is not None:
        url = read_address(address)
        named = url.port or (443 if url.scheme == "https" else 80)
    if named is None:
        return
    for own in ("127.0.0.1", "::1"):
        with contextlib.suppress(OSError), socket.create_connection((own, named), 2.0):
            raise ServerError(
                f"--launch: another process listens at port {named} already.",
                "End it, name another port; or measure it with --server alone.",
            )


def of(loading: Loading, gpus: Collection[str]) -> Loading:
    """A loading without the GPUs on which the server is not."""

    def kept(domains: dict[str, object]) -> dict[str, object]:
        return {d: one for d, one in domains.items() if not d.startswith("gpu:") or d in gpus}

    names = ("energy_j", "methods", "floor_w", "idle_w")
    update = {name: kept(dict(getattr(loading, name))) for name in names}
    lacking = any(one is None for one in update["energy_j"].values())
    return loading.model_copy(update={**update, "reason": loading.reason if lacking else ""})


def _reason(status: int) -> str:
    if status < 0:
        return f"{signal.Signals(-status).name} ended it"
    return f"it ended with status {status}"
