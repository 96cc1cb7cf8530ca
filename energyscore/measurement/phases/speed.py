"""Throughput and latency of a run, from the times at which its phases were entered.

The boundaries are those that energy is split at: nothing is timed in addition. Pure.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from energyscore.measurement.phases.split import PhaseTimes
from energyscore.results.performance import FirstToken, Latency, Performance

Seconds = NDArray[np.float64]


def performance_of(
    times: PhaseTimes, queries: int, batch_size: int, passes: int, output_tokens: int
) -> Performance:
    """The performance of `passes` over `queries`, in batches of that size.

    A batch begins where the second phase is entered: the first one prepares, for one batch or for
    several at once, of which each takes its part. Of work that is no batches of a model (functions,
    blocks of code) throughput alone is known.
    """
    lasted_s = (times.end_ns - times.starts_ns[0]) / 1e9
    sizes = np.tile(_batch_sizes(queries, batch_size), passes)
    latency_s, first_s = _batches(times)
    whole = len(latency_s) == len(sizes)
    latencies = np.repeat(latency_s, sizes) if whole else None
    firsts = np.repeat(first_s, sizes) if whole and first_s is not None else None
    return Performance(
        queries_per_s=queries * passes / lasted_s,
        output_tokens_per_s=output_tokens / lasted_s if output_tokens else None,
        latency_s=None if latencies is None else _latency(latencies),
        time_to_first_token_s=None if firsts is None else _first_token(firsts),
    )


def performance_of_requests(
    latencies_s: Sequence[float],
    firsts_s: Sequence[float],
    queries: float,
    output_tokens: int,
    lasted_s: float,
) -> Performance:
    """The performance of a load: throughput of a window, times of the requests that ended in it."""
    return Performance(
        queries_per_s=queries / lasted_s,
        output_tokens_per_s=output_tokens / lasted_s if output_tokens else None,
        latency_s=_latency(np.asarray(latencies_s)) if latencies_s else None,
        time_to_first_token_s=_first_token(np.asarray(firsts_s)) if firsts_s else None,
    )


def _batch_sizes(queries: int, batch_size: int) -> list[int]:
    """Of one pass; the last batch may be smaller."""
    whole, rest = divmod(queries, batch_size)
    return [batch_size] * whole + ([rest] if rest else [])


def _batches(times: PhaseTimes) -> tuple[Seconds, Seconds | None]:
    """Seconds of each batch, in whole and until its first token (None: there is no prefill)."""
    entered = np.asarray(times.entered)
    lengths_s = np.diff(np.append(np.asarray(times.starts_ns), times.end_ns)) / 1e9
    begins = np.flatnonzero(entered == 1)
    if len(begins) == 0 or entered[0] != 0:
        return np.empty(0), None
    # Time up to the next batch that is not preparation.
    in_model_s = np.where(entered == 0, 0.0, lengths_s)
    model_s = np.add.reduceat(in_model_s, begins)
    prepared = np.cumsum(entered == 0)[begins] - 1  # which preparation a batch is of
    preparing_s = lengths_s[entered == 0]
    share_s = (preparing_s / np.maximum(np.bincount(prepared, minlength=len(preparing_s)), 1))[
        prepared
    ]
    first_s = share_s + lengths_s[begins] if times.names[1] == "prefill" else None
    return model_s + share_s, first_s


def _latency(seconds: Seconds) -> Latency:
    p50, p90, p99 = np.quantile(seconds, (0.5, 0.9, 0.99))
    return Latency(mean=float(seconds.mean()), p50=float(p50), p90=float(p90), p99=float(p99))


def _first_token(seconds: Seconds) -> FirstToken:
    p50, p90 = np.quantile(seconds, (0.5, 0.9))
    return FirstToken(p50=float(p50), p90=float(p90))
