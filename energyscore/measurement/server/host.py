"""Where a server runs: on this machine, and as which processes, by the port that it listens at."""

import contextlib
import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass

import httpx2
import psutil

from energyscore.base.errors import UnsupportedError
from energyscore.measurement.family import ServerFamily, eldest_of


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


_ELSEWHERE = {
    *("ssh", "sshd", "sshd-session", "autossh", "socat", "kubectl", "telepresence", "cloudflared"),
    *("ngrok", "chisel", "frpc", "tailscaled"),
}
_BETWEEN = {
    *("docker-proxy", "rootlessport", "slirp4netns", "pasta", "pasta.avx2", "gvproxy", "nginx"),
    *("haproxy", "envoy", "traefik", "caddy", "httpd", "apache2"),
}


@dataclass(frozen=True)
class Listener:
    """Who listens at a port.

    Attributes:
        family: the processes of the server; None where they cannot be told. They cannot where it
            is another user's, in a container of its own, or behind a program in between.
        between: the name of that program.
    """

    family: ServerFamily | None
    between: str = ""


def find_listener(address: str, port: int) -> Listener:
    """Who listens at a port: several may, such as the ranks of a server.

    Raises:
        UnsupportedError: when it is known to lead elsewhere, such as a tunnel of ssh.
    """
    pids = _listening_at(port)
    names = set()
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            names.add(psutil.Process(pid).name())
    if elsewhere := sorted(names & _ELSEWHERE):
        raise UnsupportedError(
            f"--server {address}: {elsewhere[0]} listens there, and leads elsewhere.",
            "Run energyscore where the server runs, and give the address that it has there.",
        )
    if between := sorted(names & _BETWEEN):
        return Listener(None, between[0])
    eldest = set(filter(None, map(eldest_of, pids)))
    below = {one for each in eldest for one in ServerFamily((each,)).members() - {each}}
    return Listener(ServerFamily(tuple(sorted(eldest - below))) if eldest else None)


def _listening_at(port: int) -> set[int]:
    pids = set()
    with contextlib.suppress(psutil.Error, OSError):
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid:
                pids.add(one.pid)
    return pids


def _is_own(address: str, own: Collection[str]) -> bool:
    return address in own or ipaddress.ip_address(address.partition("%")[0]).is_loopback
