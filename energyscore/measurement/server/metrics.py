"""What a server itself tells of its work: the lines of its `/metrics`, in Prometheus' text form.

Each figure is looked for by the names that servers have for it, and whose lines are there decides.
A server with several engines has a line for each: they are added up. Only names and values are
needed, so the few lines here read them; what each label says does not matter.
"""

import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpx2

from energyscore.base.units import counted
from energyscore.measurement.meter import Window, notice
from energyscore.measurement.server.client import Answer
from energyscore.measurement.server.window import count
from energyscore.results.load import ServerCounts
from energyscore.results.parts import Notice

LATE_NS = 500_000_000
"""A server may count a request so long before or after its answer has come here."""

_PATIENCE_S = 5.0
_LINE = re.compile(r"([A-Za-z_:][\w:]*)(?:\{.*\})?\s+(\S+)(?:\s+-?\d+)?\s*")

_COUNTERS: Mapping[str, tuple[str, ...]] = {
    "requests_finished": (
        *("vllm:request_success_total", "sglang:num_requests_total"),
        *("tgi_request_success", "tgi_request_success_total"),
    ),
    "output_tokens": (
        *("vllm:generation_tokens_total", "sglang:generation_tokens_total"),
        *("llamacpp:tokens_predicted_total", "tgi_request_generated_tokens_sum"),
    ),
    "prefix_cache_queries": (
        *("vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"),
        "sglang:prompt_tokens_total",
    ),
    "prefix_cache_hits": (
        *("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"),
        "sglang:cached_tokens_total",
    ),
    "preemptions": ("vllm:num_preemptions_total", "sglang:num_retracted_requests_total"),
}
_GAUGES: Mapping[str, tuple[str, ...]] = {
    "running": (
        *("vllm:num_requests_running", "sglang:num_running_reqs"),
        *("llamacpp:requests_processing", "tgi_batch_current_size"),
    ),
    "waiting": (
        *("vllm:num_requests_waiting", "sglang:num_queue_reqs"),
        *("llamacpp:requests_deferred", "tgi_queue_size"),
    ),
}


@dataclass(frozen=True)
class MetricsReading:
    """The figures of one look at `/metrics`, and when it was asked for and had."""

    figures: Mapping[str, int]
    window: Window


def read_metrics(address: str, key: str | None) -> MetricsReading | None:
    """Look at a server's metrics; None where it has none that are known."""
    url = httpx2.URL(address).copy_with(path="/metrics")
    asked_ns = time.monotonic_ns()
    try:
        response = httpx2.get(
            url,
            headers={"Authorization": f"Bearer {key}"} if key else None,
            timeout=_PATIENCE_S,
            trust_env=False,
            follow_redirects=True,
        )
    except httpx2.HTTPError:
        return None
    figures = figures_in(response.text) if response.status_code == 200 else {}
    return MetricsReading(figures, Window(asked_ns, time.monotonic_ns())) if figures else None


def figures_in(text: str) -> dict[str, int]:
    """The known figures in the lines of a server's metrics."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if found := _LINE.fullmatch(line):
            try:
                sums[found[1]] = sums.get(found[1], 0.0) + float(found[2])
            except ValueError:
                continue
    figures = {}
    for figure, names in (*_COUNTERS.items(), *_GAUGES.items()):
        value = next((sums[name] for name in names if name in sums), math.nan)
        if math.isfinite(value) and value >= 0:
            figures[figure] = round(value)
    return figures


def counts_between(
    before: MetricsReading | None, after: MetricsReading | None, answers: Iterable[Answer]
) -> ServerCounts | None:
    """What a server counted between two readings, and what of it these answers cannot explain.

    All answers that were under way from `LATE_NS` before the first until `LATE_NS` after the second
    are among them. As much is said to be ours as can be: what is left was asked for by others.
    """
    if before is None or after is None:
        return None
    grown = {
        name: after.figures[name] - before.figures[name]
        for name in _COUNTERS
        if name in before.figures and name in after.figures
    }
    if any(value < 0 for value in grown.values()):  # it began to count anew
        grown = {}
    lower = {
        name: min(before.figures[name], after.figures[name])
        for name in _GAUGES
        if name in before.figures and name in after.figures
    }
    requests, tokens = _ours(before, after, list(answers))
    return ServerCounts(
        **{name: grown.get(name) for name in _COUNTERS},
        **{name: lower.get(name) for name in _GAUGES},
        other_requests=_beyond(grown.get("requests_finished"), requests),
        other_output_tokens=_beyond(grown.get("output_tokens"), tokens),
    )


def others_notices(counts: ServerCounts | None) -> list[Notice]:
    """What is wrong with a run in which others asked the server, too."""
    if counts is None:
        return []
    told = [
        counted(found, noun)
        for found, noun in (
            (counts.other_requests, "request"),
            (counts.other_output_tokens, "output token"),
        )
        if found
    ]
    if not told:
        return []
    message = f"others asked the server in the window: {' and '.join(told)} or more are not ours"
    return [notice("other_requests", message, invalidates=True)]


def _ours(
    before: MetricsReading, after: MetricsReading, answers: list[Answer]
) -> tuple[int, int | None]:
    """Requests and output tokens that can be ours at most; None: failed ones told no tokens.

    Some servers count tokens as they are written, others when a request ends.
    """
    reach = Window(before.window.start_ns - LATE_NS, after.window.end_ns + LATE_NS)
    ended = [one for one in answers if reach.start_ns < one.done_ns <= reach.end_ns]
    found = count(answers, reach)
    if found.failed:
        return len(ended), None
    # Within a piece of a stream its tokens may have come at any time.
    written = math.ceil(found.output_tokens) + found.straddling
    return len(ended), max(sum(one.output_tokens for one in ended), written)


def _beyond(counted_there: int | None, ours: int | None) -> int | None:
    return None if counted_there is None or ours is None else max(0, counted_there - ours)
