"""Requirements as people write them: `2%`, `500ms`, `2Wh`. Pure."""

import math
import re
from collections.abc import Mapping

from energyscore.base.errors import UsageError
from energyscore.base.units import JOULES_PER_WH
from energyscore.judge.choose import Requirements

_QUANTITY = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z%µ]*)\s*", re.ASCII)
_SECONDS = {"ms": 1e-3, "s": 1.0}
_WH = {"mWh": 1e-3, "Wh": 1.0, "kWh": 1e3, "J": 1 / JOULES_PER_WH}
_SHARE = {"%": 1e-2}


def requirements_of(
    quality: float | None, loss: str | None, latency: str | None, energy: str | None
) -> Requirements:
    """What the options ask for; a UsageError names one that makes no sense."""
    if quality is not None and not math.isfinite(quality):
        raise UsageError(f"--min-quality {quality} is no number.")
    share = _read("--max-quality-loss", loss, _SHARE, "2%")
    if share is not None and share >= 1:
        raise UsageError(f"--max-quality-loss {loss} allows any quality.", "Write such as 2%.")
    return Requirements(
        quality=quality,
        quality_loss=share,
        latency_s=_read("--max-latency", latency, _SECONDS, "500ms"),
        energy_wh=_read("--max-energy", energy, _WH, "2Wh"),
    )


def _read(option: str, text: str | None, units: Mapping[str, float], example: str) -> float | None:
    if text is None:
        return None
    found = _QUANTITY.fullmatch(text)
    if found is None or found[2] not in units:
        listed = " or ".join(units)
        raise UsageError(
            f"{option} {text[:40]!r} is no number with its unit.",
            f"Units are {listed}, as in {example}.",
        )
    return float(found[1]) * units[found[2]]
