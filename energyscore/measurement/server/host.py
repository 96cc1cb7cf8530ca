"""Where a server runs: its process by the port that it listens at, and the GPUs that it is on."""

import contextlib
import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass

import httpx2
import psutil

from energyscore.base.errors import UnsupportedError


@dataclass(frozen=True)
class ServerProcess:
    """The process that listens at a server's port, and those that it started."""

    pid: int
    started_s: float  # since 1970

    def family(self) -> list[psutil.Process]:
        """It and all below it, as far as they are there."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if process.create_time() == self.started_s:
                return [process, *process.children(recursive=True)]
        return []

    def is_there(self) -> bool:
        """Whether it still runs: a number is given again, a time is not."""
        return bool(self.family())

    def processor_s(self) -> float:
        """Seconds of the processor that it and its children have used."""
        total = 0.0
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                total += sum(process.cpu_times()[:2])
        return total


def check_here(url: httpx2.URL) -> None:
    """Refuse a server on another machine: nothing here meters it."""
    own = {
        address.address.partition("%")[0]
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
    }
    try:
        found = {info[4][0] for info in socket.getaddrinfo(url.host, None)}
    except OSError as error:
        raise UnsupportedError(f"--server {url}: {url.host} is not known here ({error}).") from None
    if not any(_is_own(str(address), own) for address in found):
        raise UnsupportedError(
            f"--server {url}: {url.host} is another machine, whose energy is not metered here.",
            "Run energyscore on the machine of the server.",
        )


def find_process(port: int) -> ServerProcess | None:
    """Who listens at a port, the eldest of several; None where that cannot be told.

    It cannot of other users' processes, nor of those in a container of its own.
    """
    found = []
    with contextlib.suppress(psutil.Error, OSError):
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid:
                with contextlib.suppress(psutil.Error):
                    started_s = psutil.Process(one.pid).create_time()
                    found.append(ServerProcess(one.pid, started_s))
    return min(found, key=lambda one: one.started_s, default=None)


def _is_own(address: str, own: Collection[str]) -> bool:
    return address in own or ipaddress.ip_address(address.partition("%")[0]).is_loopback
