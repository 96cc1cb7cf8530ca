"""Joining a cluster of Ray: its address, and one clear line where there is none.

Ray itself tries for minutes where something else answers at the address, so that it is asked first.
"""

import os
import re
import signal
import socket
from collections.abc import Sequence
from typing import Any

from energyscore.base.errors import UsageError
from energyscore.base.interrupts import unchanged
from energyscore.base.packages import needed_by

CLIENT_PORT = "10001"
_ON = re.compile(r"ray(?:://(?P<address>[^/\s]+:\d{1,5}))?")
_ANSWER_S = 5.0
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4  # the kind of frame that servers of HTTP/2, as Ray's is, begin with
_TOKEN = "Where it wants a token: export RAY_AUTH_MODE=token; its own logs say more."
_START = "Start a cluster: ray start --head --port 6379."


def address_of(asked: str) -> str:
    """Ray's address from `ray` or `ray://HOST:PORT`; not the port of the Ray Client."""
    found = _ON.fullmatch(asked)
    if found is None:
        raise UsageError(f"--on {asked}: write it as ray or ray://HOST:PORT.")
    address = found["address"] or "auto"
    if address.endswith(f":{CLIENT_PORT}"):
        raise UsageError(
            f"--on {asked}: {CLIENT_PORT} is the port of the Ray Client, which loses what runs "
            "when the connection breaks.",
            "Run the command on a node of the cluster with --on ray, or by `ray job submit`.",
        )
    return address


def join(address: str, pip: Sequence[str] = ()) -> Any:
    """The module `ray`, as a part of that cluster, which first installs `pip` where we work.

    Raises:
        UsageError: when there is no cluster at the address, or this process does not fit it.
    """
    with needed_by("A suite on Ray"):
        import ray
    if ray.is_initialized():
        return ray
    asked = os.environ.get("RAY_ADDRESS") or address if address == "auto" else address
    if asked != "auto":
        check_answer(asked)
    try:
        with unchanged(signal.SIGTERM):  # Ray's own end would leave no report
            ray.init(
                address=asked, runtime_env=environment_of(pip), log_to_driver=False,
                logging_level="ERROR",
            )  # fmt: skip
    except ConnectionError as error:
        if asked != "auto":  # it answered as one does: it refuses this process
            raise UsageError(f"The cluster of Ray ({asked}) cannot be joined.", _TOKEN) from error
        raise UsageError(f"There is no cluster of Ray here ({asked}).", _START) from error
    except (RuntimeError, ValueError, ray.exceptions.RayError) as error:
        told = " ".join(str(error).split()).rstrip(".")  # of other versions, of a token
        raise UsageError(f"The cluster of Ray ({asked}) cannot be joined: {told}.") from error
    return ray


def environment_of(pip: Sequence[str]) -> dict[str, Any] | None:
    """The environment that Ray makes on each node for these packages; None for none.

    Nothing else there is checked: what a node has beside them is its own affair.
    """
    return {"pip": {"packages": list(pip), "pip_check": False}} if pip else None


def check_answer(address: str) -> None:
    """A UsageError where nothing answers at an address as a cluster of Ray does."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.settimeout(_ANSWER_S)
            connection.sendall(_HTTP2)
            answer = connection.recv(9)
    except (OSError, OverflowError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"No cluster of Ray answers at {address}: {why}.", _START) from error
    if answer[3:4] != bytes([_SETTINGS]):
        raise UsageError(f"What answers at {address} is no cluster of Ray.", _START)
