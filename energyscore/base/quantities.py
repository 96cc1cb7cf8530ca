"""Quantities as people write them in options: `2%`, `500ms`, `2Wh`, `120/h`. Pure."""

import re
from collections.abc import Mapping

from energyscore.base.errors import UsageError
from energyscore.base.units import JOULES_PER_WH

SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
WATT_HOURS = {"mWh": 1e-3, "Wh": 1.0, "kWh": 1e3, "J": 1 / JOULES_PER_WH}
WATTS = {"W": 1.0, "kW": 1e3}
BYTES = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "MiB": 2.0**20, "GiB": 2.0**30}
SHARE = {"%": 1e-2}
THROUGHPUT = {"tokens/s": 1.0, "queries/s": 1.0}
PER_HOUR = {"/s": 3600.0, "/min": 60.0, "/h": 1.0, "/day": 1 / 24}

_MOST = 1e15
"""In the unit whose factor is 1. No sum of such numbers overflows a clock of the system."""

_QUANTITY = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(/?[A-Za-z%µ]*(?:/[A-Za-z]+)?)\s*", re.ASCII)


def read_quantity(option: str, text: str, units: Mapping[str, float], example: str) -> float:
    """The number of an option's text, in the unit whose factor is 1.

    Raises:
        UsageError: where it is no number with one of the units; `example` shows one.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None or found[2] not in units:
        listed = " or ".join(units)
        raise UsageError(
            f"{option} {text[:40]!r} is no number with its unit.",
            f"Units are {listed}, as in {example}.",
        )
    value = float(found[1]) * units[found[2]]
    if value > _MOST:
        raise UsageError(f"{option} {text[:40]!r} is too much.", f"Write such as {example}.")
    return value
