"""Requirements of a model, from the options that state them. Pure."""

import math
from collections.abc import Mapping

from energyscore.base.errors import UsageError
from energyscore.base.quantities import SECONDS, SHARE, THROUGHPUT, WATT_HOURS, read_quantity
from energyscore.judge.choose import Requirements


def requirements_of(
    quality: float | None,
    loss: str | None,
    latency: str | None,
    energy: str | None,
    throughput: str | None = None,
    ttft: str | None = None,
) -> Requirements:
    """What the options ask for; a UsageError names one that makes no sense."""
    if quality is not None and loss is not None:
        raise UsageError("--min-quality and --max-quality-loss are given.", "Give one of both.")
    if quality is not None and not math.isfinite(quality):
        raise UsageError(f"--min-quality {quality} is no number.")
    share = _read("--max-quality-loss", loss, SHARE, "2%")
    if share is not None and share >= 1:
        raise UsageError(f"--max-quality-loss {loss} allows any quality.", "Write such as 2%.")
    work = _read("--min-throughput", throughput, THROUGHPUT, "500tokens/s")
    of_queries = throughput is not None and throughput.rstrip().endswith("queries/s")
    return Requirements(
        quality=quality,
        quality_loss=share,
        latency_s=_read("--max-latency", latency, SECONDS, "500ms"),
        ttft_s=_read("--max-ttft", ttft, SECONDS, "200ms"),
        energy_wh=_read("--max-energy", energy, WATT_HOURS, "2Wh"),
        tokens_per_s=None if of_queries else work,
        queries_per_s=work if of_queries else None,
    )


def _read(option: str, text: str | None, units: Mapping[str, float], example: str) -> float | None:
    return None if text is None else read_quantity(option, text, units, example)
