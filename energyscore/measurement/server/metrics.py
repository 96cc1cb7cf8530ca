"""What a server itself tells of its work: the lines of its `/metrics`, in Prometheus' text form.

Each figure is looked for by the names that servers have for it, and whose lines are there decides.
A server with several engines has a line for each: they are added up. Only names and values are
needed, so the few lines here read them; what each label says does not matter.
"""

import itertools
import math
import re
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import httpx2

from energyscore.base.text import first_of
from energyscore.base.units import counted
from energyscore.measurement.meter import Window, notice
from energyscore.measurement.server.answer import Answer
from energyscore.measurement.server.window import count
from energyscore.results.load import ServerCounts
from energyscore.results.parts import Notice

LATE_NS = 500_000_000
"""A server may count a request so long before or after its answer has come here."""

LOOK_S = 5.0
"""How often a server's metrics are looked at in a run; each look costs it some milliseconds."""

_PATIENCE_S = 5.0
_MOST_BYTES = 1 << 26
_MOST = 2**53
"""What is counted beyond is not told exactly, and no server gets there."""

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
    "input_tokens": (
        *("vllm:prompt_tokens_total", "sglang:prompt_tokens_total"),
        "tgi_request_input_length_sum",
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
    "drafted_tokens": ("vllm:spec_decode_num_draft_tokens_total",),
    "accepted_tokens": ("vllm:spec_decode_num_accepted_tokens_total",),
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
    body, end_s = b"", time.monotonic() + _PATIENCE_S
    try:
        with httpx2.stream(
            "GET",
            url,
            headers={"Authorization": f"Bearer {key}"} if key else None,
            timeout=_PATIENCE_S,
            trust_env=False,
            follow_redirects=True,
        ) as response:
            for piece in response.iter_bytes():
                body += piece
                if len(body) > _MOST_BYTES or time.monotonic() > end_s:
                    return None  # it has no end, or comes too slowly
    except httpx2.HTTPError:
        return None
    figures = figures_in(body.decode("utf-8", "replace")) if response.status_code == 200 else {}
    return MetricsReading(figures, Window(asked_ns, time.monotonic_ns())) if figures else None


def cache_hits(address: str, key: str | None) -> int | None:
    """Tokens that a server has taken from its cache since it began; None: it does not tell."""
    reading = read_metrics(address, key)
    return reading.figures.get("prefix_cache_hits") if reading else None


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
        if 0 <= value < _MOST:
            figures[figure] = round(value)
    return figures


class MetricsWatch:
    """Looks at a server's metrics before a run, now and then in it, and after it."""

    def __init__(self, address: str, key: str | None, every_s: float) -> None:
        """Take the first look; a server without metrics is not looked at again."""
        self._server, self._every_ns = (address, key), round(every_s * 1e9)
        first = read_metrics(address, key)
        self.readings = [first] if first else []

    def look(self) -> None:
        """Look again, if it is time to."""
        if self.readings:
            seen_ns = self.readings[-1].window.end_ns
            if time.monotonic_ns() - seen_ns >= self._every_ns:
                self._read()

    def end(self) -> Sequence[MetricsReading]:
        """Take the last look, and give all; none where there is no first and last."""
        return self.readings if self.readings and self._read() else []

    def _read(self) -> bool:
        reading = read_metrics(*self._server)
        self.readings += [reading] if reading else []
        return reading is not None


def fallen_in(readings: Sequence[MetricsReading]) -> list[str]:
    """The counters that went down from one of these readings to the next, with their values."""
    return [
        f"{name.replace('_', ' ')} from {before.figures[name]:,} to {after.figures[name]:,}"
        for before, after in itertools.pairwise(readings)
        for name in _COUNTERS
        if after.figures.get(name, 0) < before.figures.get(name, 0) and name in after.figures
    ]


def reset_notices(readings: Sequence[MetricsReading]) -> list[Notice]:
    """That a server began to count anew within a run: what it counted there is not known."""
    if not (fallen := fallen_in(readings)):
        return []
    message = (
        f"the server's counters went down in the window ({first_of(fallen)}): it was started anew, "
        "or its metrics were reset; whether others asked it is not known"
    )
    return [notice("counters_reset", message)]


def grown_between(before: MetricsReading, after: MetricsReading) -> dict[str, int]:
    """What a server counted between two readings; nothing where it began to count anew."""
    grown = {
        name: after.figures[name] - before.figures[name]
        for name in _COUNTERS
        if name in before.figures and name in after.figures
    }
    return {} if any(value < 0 for value in grown.values()) else grown


def counts_of(readings: Sequence[MetricsReading], answers: Iterable[Answer]) -> ServerCounts | None:
    """What a server counted from the first to the last of these readings; None without any.

    All answers that were under way from `LATE_NS` before the first until `LATE_NS` after the last
    are among them. As much is said to be ours as can be: what is left was asked for by others.
    """
    if not readings:
        return None
    before, after = readings[0], readings[-1]
    grown = {} if fallen_in(readings) else grown_between(before, after)
    running, waiting = (
        [one.figures[name] for one in readings if name in one.figures] for name in _GAUGES
    )
    requests, tokens = _ours(before, after, list(answers))
    return ServerCounts(
        **{name: grown.get(name) for name in _COUNTERS},
        running=min(running, default=None),
        waiting=min(waiting, default=None),
        running_mean=statistics.fmean(running) if running else None,
        waiting_mean=statistics.fmean(waiting) if waiting else None,
        waiting_most=max(waiting, default=None),
        looks=len(readings),
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
    """Requests and output tokens that can be ours at most; None: some told no tokens.

    Some servers count tokens as they are written, others when a request ends.
    """
    reach = Window(before.window.start_ns - LATE_NS, after.window.end_ns + LATE_NS)
    ended = [one for one in answers if reach.start_ns < one.done_ns <= reach.end_ns]
    found = count(answers, reach)
    tokens = [one.output_tokens for one in ended]
    if found.failed or found.output_tokens is None or None in tokens:
        return len(ended), None
    # Within a piece of a stream its tokens may have come at any time.
    written = math.ceil(found.output_tokens) + found.straddling
    return len(ended), max(sum(one or 0 for one in tokens), written)


def _beyond(counted_there: int | None, ours: int | None) -> int | None:
    return None if counted_there is None or ours is None else max(0, counted_there - ours)
