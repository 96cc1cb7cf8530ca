"""Throughput and latency, recomputed from the recorded times of the phases."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import fmean, harmonic_mean

import numpy as np

from energyscore.verify.examined import ExaminedResult, RecordedRun
from energyscore.verify.findings import NOT_APPLICABLE, Derived, Finds
from energyscore.verify.served import of_requests

_TRUNCATED_S = 2e-6  # recorded times are whole microseconds
_FIGURES = (
    *("latency_s.mean", "latency_s.p50", "latency_s.p90", "latency_s.p99"),
    *("time_to_first_token_s.p50", "time_to_first_token_s.p90"),
)


def check_run_performance(place: RecordedRun) -> Finds:
    """The performance of a run follows from its times, queries and tokens."""
    run, performance = place.run, place.run.performance
    if performance is None:  # an older file
        yield NOT_APPLICABLE
        return
    tokens_per_s = run.output_tokens / run.duration_s if run.output_tokens else None
    yield Derived("queries_per_s", performance.queries_per_s, run.queries_done / run.duration_s)
    yield Derived("output_tokens_per_s", performance.output_tokens_per_s, tokens_per_s)
    latencies, firsts = _seconds(place)
    found: list[float | None] = [None] * len(_FIGURES)
    if latencies:
        found[:4] = [fmean(latencies), *map(float, np.quantile(latencies, (0.5, 0.9, 0.99)))]
    if firsts:
        found[4:] = map(float, np.quantile(firsts, (0.5, 0.9)))
    for name, seconds in zip(_FIGURES, found, strict=True):
        yield Derived(name, _stated(performance, name), seconds, 2 * _TRUNCATED_S)


def check_performance(it: ExaminedResult) -> Finds:
    """The performance of a result is the mean of its runs'; of throughput the harmonic one."""
    stated, runs = it.result.performance, [run.performance for run in it.result.runs]
    known = [one for one in runs if one is not None]
    if len(known) < len(runs):
        yield Derived("the performance over all runs", stated, None)
        return
    for name in ("queries_per_s", "output_tokens_per_s", *_FIGURES):
        figures = [_stated(one, name) for one in known]
        numbers = [figure for figure in figures if figure is not None]
        mean = harmonic_mean if name.endswith("_per_s") else fmean
        whole = len(numbers) == len(figures)
        yield Derived(
            f"{name} over all runs", _stated(stated, name), mean(numbers) if whole else None
        )


def _stated(performance: object, name: str) -> float | None:
    """A figure by its path; None where a part of it is missing."""
    for part in name.split("."):
        performance = getattr(performance, part, None)
    return performance if isinstance(performance, float) else None


def _seconds(place: RecordedRun) -> tuple[list[float], list[float]]:
    """Of each query its latency and its time to the first token; none where there is none."""
    if place.raw.requests is not None:
        return of_requests(place.raw)
    workload, phases = place.it.result.workload, place.raw.phases
    full, rest = divmod(place.queries, workload.batch_size)
    sizes = ([workload.batch_size] * full + [rest] * (rest > 0)) * place.run.passes
    batches = list(_batches(phases.entered, phases.edges_s))
    if len(batches) != len(sizes):
        return [], []
    whole = [s for (s, _), size in zip(batches, sizes, strict=True) for _ in range(size)]
    first = [s for (_, s), size in zip(batches, sizes, strict=True) for _ in range(size)]
    return whole, first if phases.names[1] == "prefill" else []


def _batches(entered: Sequence[int], edges_s: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Of each batch: all its seconds, and those until its second phase in the model began.

    The first phase prepares the batches up to the next time that it is entered, each an equal part.
    """
    stretches: list[tuple[float, list[list[float]]]] = []  # preparation, and its batches
    for phase, (since_s, until_s) in zip(entered, pairwise(edges_s), strict=True):
        if phase == 0:
            stretches.append((until_s - since_s, []))
        elif not stretches:
            return
        elif phase == 1:
            stretches[-1][1].append([until_s - since_s])
        elif stretches[-1][1]:
            stretches[-1][1][-1].append(until_s - since_s)
    for prepared_s, batches in stretches:
        for parts_s in batches:
            share_s = prepared_s / len(batches)
            yield share_s + sum(parts_s), share_s + parts_s[0]
