"""What `energyscore run` is given of a server, and of the load on it."""

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from energyscore.cli.options import as_option

if TYPE_CHECKING:
    from energyscore.measurement.server_asked import LoadAsked, ServerAsked

serving = partial(typer.Option, rich_help_panel="Servers", show_default=False)


def _several_loads(text: str) -> tuple[int, ...]:
    """Requests in flight: `8`, or several values, each a result of its own: `1,8,32`."""
    words = [word.strip() for word in text.split(",")]
    if not all(re.fullmatch("[0-9]{1,6}", word) and 1 <= int(word) <= 100_000 for word in words):
        raise typer.BadParameter(f"{text!r} is no number of requests, nor several such as 1,8,32.")
    return tuple(dict.fromkeys(map(int, words)))


def _several_rates(text: str) -> tuple[float, ...]:
    """Requests a second: `2`, or several values, each a result of its own: `0.5,2,8`."""
    words = [word.strip() for word in text.split(",")]
    plain = all(re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", word) for word in words)
    if not plain or not all(0.001 <= float(word) <= 100_000 for word in words):
        raise typer.BadParameter(
            f"{text!r} is no rate from 0.001 to 100,000 a second, nor several such as 0.5,2,8."
        )
    return tuple(dict.fromkeys(map(float, words)))


ServerUrl = Annotated[
    str | None,
    serving(
        "--server",
        metavar="URL",
        help="Measure a server that runs on this machine and speaks the API of OpenAI, such as "
        "http://127.0.0.1:8000/v1. --model is the name that it has for the model.",
    ),
]
Launch = Annotated[
    str | None,
    serving(
        metavar="COMMAND",
        help="Start a server by this command, such as 'vllm serve DIR --port 8000', and end it "
        "with the measurement. Loading is metered, from the start until it answers. No shell is "
        "started. With --server it is asked there, else at the port on which it listens.",
    ),
]
Concurrency = Annotated[
    Any,
    serving(
        parser=_several_loads,
        metavar="N,...",
        help="With --server or --launch: so many requests in flight all the time; each value is "
        "a result of its own. Default: 1.",
    ),
]
RequestRate = Annotated[
    Any,
    serving(
        parser=_several_rates,
        metavar="R,...",
        help="Instead of --concurrency: so many requests a second arrive by chance, "
        "whether or not others have been answered; each value is a result of its own.",
    ),
]
MaxOutstanding = Annotated[
    int | None,
    serving(
        metavar="N",
        min=1,
        max=100_000,
        help="With --request-rate: the most requests in flight at once; what arrives beyond them "
        "waits here, and the result says so. Default: 1000.",
    ),
]
ApiKeyEnv = Annotated[
    str | None,
    serving(
        metavar="NAME",
        help="With --server or --launch: the environment variable that holds its key. It is kept "
        "nowhere.",
    ),
]

Tokenizer = Annotated[
    str | None,
    serving(
        metavar="ID|DIR",
        help="With --server: the model's tokenizer, which counts tokens where the server does not "
        "tell them: an estimate, and the result says so. It runs no code of its own.",
    ),
]

_WITH_SERVER = ("concurrency", "request_rate", "max_outstanding", "api_key_env", "tokenizer")


def server_of(given: Mapping[str, Any]) -> "ServerAsked | None":
    """The server that is to be measured, of what was given by name; None: a model is loaded."""
    from energyscore.measurement.server_asked import ServerAsked

    if given["server"] is None and given["launch"] is None:
        for name in _WITH_SERVER:
            if given[name] is not None:
                raise typer.BadParameter(
                    "it goes with --server or --launch.", param_hint=as_option(name)
                )
        return None
    return ServerAsked(
        address=given["server"],
        launch=given["launch"],
        loads=_loads_of(given),
        api_key_env=given["api_key_env"],
        tokenizer=given["tokenizer"],
    )


def _loads_of(given: Mapping[str, Any]) -> "tuple[LoadAsked, ...]":
    from energyscore.measurement.server_asked import MOST_OUTSTANDING, LoadAsked

    places, rates, most = (given[name] for name in _WITH_SERVER[:3])
    if rates is None:
        if most is not None:
            raise typer.BadParameter("it goes with --request-rate.", param_hint="--max-outstanding")
        return tuple(LoadAsked(concurrency=count) for count in places or (1,))
    if places is not None:
        raise typer.BadParameter(
            "a load is either so many requests at once (--concurrency) or so many a second.",
            param_hint="--request-rate",
        )
    most = most or MOST_OUTSTANDING
    return tuple(LoadAsked(request_rate=rate, max_outstanding=most) for rate in rates)
