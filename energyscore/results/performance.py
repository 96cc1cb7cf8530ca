"""How fast it was: throughput and latency of a run, and of all runs of a result.

Speed stands beside the energy and is never part of score or stars. A figure that a kind of work
does not have, or that was not recorded, is null.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Annotated, TypeVar

from pydantic import Field

from energyscore.base.form import Part

One = TypeVar("One", bound=Part)

Seconds = Annotated[float, Field(gt=0)]


class Latency(Part):
    """Seconds that queries took, over all queries of a run."""

    mean: Seconds
    p50: Seconds
    p90: Seconds
    p99: Seconds


class FirstToken(Part):
    """Seconds until the first token of a query was there."""

    p50: Seconds
    p90: Seconds


class Performance(Part):
    """Throughput and latency. Of a result: over all its runs."""

    queries_per_s: Seconds = Field(description="in the measured window")
    output_tokens_per_s: Seconds | None = Field(description="null: nothing is generated")
    latency_s: Latency | None = Field(
        description="a query's is its batch's: in the model, and its share of the preparation; "
        "null: work that is no queries to a model"
    )
    time_to_first_token_s: FirstToken | None = Field(
        description="preparation and prefill of the batch; null: there is no prefill"
    )


def summarize_performance(runs: Iterable[Performance | None]) -> Performance | None:
    """The mean over runs of each figure; None where a run has none, as in older files.

    Throughput is the harmonic mean: runs do the same work, in more or less time.
    """
    found = list(runs)
    known = [one for one in found if one is not None]
    if not found or len(known) < len(found):
        return None
    latencies = [one.latency_s for one in known if one.latency_s is not None]
    firsts = [one.time_to_first_token_s for one in known if one.time_to_first_token_s is not None]
    tokens = [one.output_tokens_per_s for one in known if one.output_tokens_per_s is not None]
    return Performance(
        queries_per_s=statistics.harmonic_mean([one.queries_per_s for one in known]),
        output_tokens_per_s=statistics.harmonic_mean(tokens) if len(tokens) == len(known) else None,
        latency_s=_mean_of(Latency, latencies) if len(latencies) == len(known) else None,
        time_to_first_token_s=_mean_of(FirstToken, firsts) if len(firsts) == len(known) else None,
    )


def _mean_of(kind: type[One], parts: Sequence[One]) -> One:
    names = kind.model_fields
    means = {name: math.fsum(getattr(one, name) for one in parts) / len(parts) for name in names}
    return kind(**means)
