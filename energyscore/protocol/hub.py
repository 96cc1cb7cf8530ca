"""Whether the Hugging Face hub can be reached, found out fast instead of by minutes of retries."""

import base64
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request

from energyscore.base.errors import UsageError

_TRUE = {"1", "ON", "YES", "TRUE"}
_offline_by_us = False  # and not by whoever started this process


def endpoint() -> str:
    """The hub's address, `HF_ENDPOINT` when that is set.

    Raises:
        UsageError: where that is no address. It is not shown: it may hold a password or a token.
    """
    address = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    if fault := _fault_of(address):
        raise UsageError(
            f"HF_ENDPOINT is not an address of a hub: it {fault}.",
            "Unset it, or give https://HOST; a token belongs into HF_TOKEN.",
        )
    return address


def _fault_of(address: str) -> str:
    """What is wrong with an address, in words that do not show it; empty where nothing is."""
    if not address.lower().startswith(("https://", "http://")):
        return "does not begin with https:// or http://"
    if any(char.isspace() or not char.isprintable() for char in address):
        return "has a blank in it"
    try:
        parts = urllib.parse.urlsplit(address)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return "has a host or a port that cannot be"
    if not host:
        return "names no host"
    return "has a query or a fragment behind it" if parts.query or parts.fragment else ""


def offline_by_choice() -> bool:
    """Whether HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) says that the hub is not to be asked."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in _TRUE for name in names)


def is_reachable(timeout_s: float = 3.0) -> bool:
    """Ask the hub for a sign of life; any answer of its server counts as one."""
    if offline_by_choice():
        return False
    try:
        with urllib.request.urlopen(_request(endpoint(), "HEAD"), timeout=timeout_s):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError, http.client.HTTPException):
        return False


def file_sizes(model: str, revision: str | None, timeout_s: float = 5.0) -> dict[str, int] | None:
    """Sizes in bytes of a model's files on the hub; None where the hub does not tell."""
    commit = urllib.parse.quote(revision or "main", safe="")
    address = f"{endpoint()}/api/models/{model}/tree/{commit}?recursive=true"
    try:
        with urllib.request.urlopen(_request(address), timeout=timeout_s) as answer:
            files = json.loads(answer.read())
        return {file["path"]: int(file["size"]) for file in files if file["type"] == "file"}
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return None


def _request(address: str, method: str = "GET") -> urllib.request.Request:
    """A request; who asks, where the address names one, stands in its header."""
    parts = urllib.parse.urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl(), method=method)
    if at:
        coded = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request.add_header("Authorization", f"Basic {coded}")
    return request


def stay_offline() -> None:
    """Keep the libraries from asking the hub; call it before they are imported."""
    global _offline_by_us
    _offline_by_us = _offline_by_us or "HF_HUB_OFFLINE" not in os.environ
    os.environ["HF_HUB_OFFLINE"] = "1"


def given_environment() -> dict[str, str]:
    """The environment as this process was given it, for programs that may ask the hub."""
    kept = dict(os.environ)
    if _offline_by_us:
        del kept["HF_HUB_OFFLINE"]
    return kept
