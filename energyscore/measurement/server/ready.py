"""When a server that was just started can answer, and where."""

import contextlib
from collections.abc import Iterator

import httpx2
import psutil

from energyscore.measurement.family import ServerFamily
from energyscore.measurement.server.client import read_address

_PATIENCE_S = 5.0  # of what needs no model
_NOT_YET = (429, 503)
_NOT_HERE = (404, 405, 501)
_ANY = ("0.0.0.0", "::", "127.0.0.1", "::ffff:127.0.0.1")


def addresses_of(family: ServerFamily, named: str | None) -> list[str]:
    """Where its API may be: at the address that was named, else at each port that it listens on.

    The one that was named counts only when it listens there itself.
    """
    ports = dict(_listening(family))
    if named is not None:
        url = read_address(named)
        return [named] if (url.port or (443 if url.scheme == "https" else 80)) in ports else []
    return [f"http://{host}:{port}/v1" for port, host in sorted(ports.items())]


def can_answer(address: str, model: str, key: str | None, most_s: float) -> bool:
    """Whether a model answers there, or it is sure that it does not: then the probe says why.

    Being up is not being ready: some servers load a model when it is first asked for.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else None
    base = address.rstrip("/")
    with httpx2.Client(headers=headers, timeout=_PATIENCE_S, trust_env=False) as client:
        try:
            status = client.get(httpx2.URL(base).copy_with(path="/health")).status_code
            if status in _NOT_HERE:
                status = client.get(f"{base}/models").status_code
            if status >= 400 and status not in (401, 403):
                return False
            most = httpx2.Timeout(max(_PATIENCE_S, most_s), connect=_PATIENCE_S)
            asked = {"model": model, "prompt": "A", "max_tokens": 1}
            status = client.post(f"{base}/completions", json=asked, timeout=most).status_code
            if status in _NOT_HERE:
                messages = [{"role": "user", "content": "A"}]
                chat = {"model": model, "messages": messages, "max_tokens": 1}
                url = f"{base}/chat/completions"
                status = client.post(url, json=chat, timeout=most).status_code
            if status in _NOT_HERE:  # another port of its, or neither of the two is what it does
                return client.get(f"{base}/models").status_code in (200, 401, 403)
            return status not in _NOT_YET
        except httpx2.HTTPError:
            return False


def _listening(family: ServerFamily) -> Iterator[tuple[int, str]]:
    for one in family.members():
        with contextlib.suppress(psutil.Error, OSError):
            for connection in psutil.Process(one.pid).net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    host = str(connection.laddr.ip)
                    host = "127.0.0.1" if host in _ANY else host
                    yield connection.laddr.port, f"[{host}]" if ":" in host else host
