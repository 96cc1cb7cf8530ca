"""What stands beside the energy, as text: how fast it was, and how good the answers were. Pure."""

from energyscore.base.units import format_bytes, format_joules, format_number, format_seconds
from energyscore.judge.rating import RatedResult
from energyscore.results.memory import Memory
from energyscore.results.model_part import ParentPart
from energyscore.results.performance import FirstToken, Latency
from energyscore.results.quality import in_words

WIDE = (
    *("model", "queries / s", "tokens / s", "latency p50", "p90", "p99", "first token p50"),
    *("quality", "95% interval"),
)
"""The columns of `rate --wide`."""

_NONE = "none"
_SAYS = {"user": "user", "card": "model card"}


def wide_row(entry: RatedResult) -> tuple[str, ...]:
    """Throughput, latency and quality of a result, in `WIDE`; `none` where there is no figure."""
    speed, quality = entry.result.performance, entry.result.quality
    latency = speed.latency_s if speed else None
    first = speed.time_to_first_token_s if speed else None
    times = [*(_three(latency) if latency else [None] * 3), first.p50 if first else None]
    value, ends = (quality.value, quality.ci95) if quality else (None, None)
    return (
        entry.label,
        *map(_number, (speed.queries_per_s, speed.output_tokens_per_s) if speed else (None, None)),
        *(_NONE if one is None else format_seconds(one) for one in times),
        f"{quality.metric} {value:.4g}" if quality and value is not None else _NONE,
        f"{ends[0]:.4g} to {ends[1]:.4g}" if ends else _NONE,
    )


def facts_beside(entry: RatedResult) -> dict[str, str]:
    """The same as sentences of a page; without what was not recorded."""
    speed, quality = entry.result.performance, entry.result.quality
    found = {}
    if speed is not None:
        found["Queries a second"] = format_number(speed.queries_per_s)
        if speed.output_tokens_per_s is not None:
            found["Output tokens a second"] = format_number(speed.output_tokens_per_s)
        if speed.latency_s is not None:
            found["Latency of a query"] = _percentiles(speed.latency_s)
        if speed.time_to_first_token_s is not None:
            found["Time to the first token"] = _percentiles(speed.time_to_first_token_s)
    if quality is not None:
        found["Quality of the answers"] = in_words(quality)
    if entry.result.memory is not None:
        found["Memory of the model"] = memory(entry.result.memory)
    if entry.result.model.parent is not None:
        found["Made from"] = origin(entry.result.model.parent)
    return found


def served(entry: RatedResult) -> str:
    """What a server does under its load: `516 mJ an output token, 610 output tokens a second`.

    Empty for other results.
    """
    result, speed = entry.result, entry.result.performance
    if result.load is None or not result.valid:
        return ""
    joules, found = result.score.joules_per_output_token, []
    if joules is not None:
        how = " (estimated)" if entry.rating.estimated else ""
        found.append(f"{format_joules(joules)} an output token{how}")
    if speed is not None and speed.output_tokens_per_s is not None:
        found.append(f"{format_number(speed.output_tokens_per_s)} output tokens a second")
    elif speed is not None:
        found.append(f"{format_number(speed.queries_per_s)} queries a second")
    if speed is not None and speed.time_to_first_token_s is not None:
        found.append(f"first token {format_seconds(speed.time_to_first_token_s.p50)} (p50)")
    if speed is not None and speed.latency_s is not None:
        of = speed.latency_s
        found.append(f"latency {format_seconds(of.p50)} (p50), {format_seconds(of.p90)} (p90)")
    return ", ".join(found)


def memory(taken: Memory) -> str:
    """`weights 523 MB, at most 1.24 GB on the GPU`."""
    peak = taken.peak_gpu_bytes
    at_most = "" if peak is None else f", at most {format_bytes(peak)} on the GPU"
    return f"weights {format_bytes(taken.weights_bytes)}{at_most}"


def origin(parent: ParentPart) -> str:
    """`org/base, quantized (as the model card says)`."""
    return f"{parent.id}, {relation(parent)} (as the {_SAYS[parent.source]} says)"


def relation(parent: ParentPart) -> str:
    """How a model was made from its parent: `quantized`, `quantized (inferred)`."""
    if parent.relation is None:
        return "how is not said"
    return f"{parent.relation}{' (inferred)' * (parent.relation_source == 'inferred')}"


def _three(latency: Latency) -> list[float]:
    return [latency.p50, latency.p90, latency.p99]


def _percentiles(times: Latency | FirstToken) -> str:
    """`mean 60 ms, p50 50 ms, p90 100 ms`."""
    return ", ".join(f"{name} {format_seconds(value)}" for name, value in times)


def _number(value: float | None) -> str:
    return _NONE if value is None else format_number(value)
