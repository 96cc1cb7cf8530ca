"""Runs of a server: what they counted, from the record of their requests; and the load itself.

A closed loop sends a request as soon as another has ended, so that there are always as many under
way as it has places. A request that was left out leaves a gap, one that was made up is one too
many.
"""

import math
import random
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import fmean

from energyscore.verify.examined import ExaminedResult, RecordedRun
from energyscore.verify.findings import NOT_APPLICABLE, Derived, Finds, Problem
from energyscore.verify.raw_record import RawRun
from energyscore.verify.raw_requests import RawRequests
from energyscore.verify.requests import ROUNDED_S, Recount, recount, wrong_edges

SERVE = "serve"
GAP_S = 0.15
"""After a request that failed a place waits 0.2 s; after others it sends the next at once."""
LATE_S = 0.5
"""A server may count a request so long after its answer has come."""
MOST_NAMED = 3
FEW_ARRIVALS = 3  # gaps between arrivals by which the place in their sequence is known
MOST_ARRIVALS = 2_000_000
_ROUNDED = 0.5 + 1e-6  # tokens are whole ones


def check_requests(place: RecordedRun) -> Finds:
    """Requests, tokens and the other figures of a load are those of the recorded requests."""
    run, requests = place.run, place.raw.requests
    if run.load is None:
        if requests is not None:
            yield "requests are recorded of a run that was not of a server"
            return
        yield NOT_APPLICABLE
        return
    if requests is None:
        yield "the requests of a server were not recorded, so nothing of them can be counted"
        return
    found, load = recount(place.raw, requests), run.load
    loose, most = _loose(place, requests), _most_tokens(requests)
    yield Derived("the requests in the window", load.requests, found.requests, found.within)
    yield Derived("the number of queries", run.queries, round(load.requests))
    for name, stated, tokens in (
        ("input", run.input_tokens, found.input_tokens),
        ("output", run.output_tokens, found.output_tokens),
        ("thinking", run.thinking_tokens, found.thinking_tokens),
    ):
        within = _ROUNDED + found.within * most
        yield Derived(f"the number of {name} tokens", stated, tokens, within)
    yield Derived("the requests that ended", load.completed, len(found.ended), loose)
    yield Derived("the requests that failed", load.failed, len(requests.failed), loose)
    yield Derived("the straddling requests", load.straddling, len(found.straddling), loose)
    bound = load.straddling / load.requests
    yield Derived("the bound of the number of requests", load.bound, bound)
    if run.index == 0:
        yield from _of_a_pass(place)
    if loose == 0:
        yield from _of_answers(place, requests, found)
    if load.failed and "request_failed" not in place.codes:
        yield f"{load.failed} requests failed, and no notice says so"
    for number, wrong in enumerate(wrong_edges(place.raw, requests)):
        if number < MOST_NAMED:
            yield wrong


def _of_a_pass(place: RecordedRun) -> Iterator[Derived]:
    """What is read and written in one pass follows from the first run."""
    run, work = place.run, place.it.result.workload
    for name, stated, tokens in (
        ("input", work.input_tokens, run.input_tokens),
        ("output", work.output_tokens, run.output_tokens),
    ):
        whole = None if tokens is None else round(tokens / run.queries_done * work.queries)
        yield Derived(f"the {name} tokens of one pass", stated, whole)


def _of_answers(place: RecordedRun, requests: RawRequests, found: Recount) -> Iterator[Derived]:
    """Figures of the answers that ended in the window."""
    load, generation = place.run.load, place.it.result.workload.generation or {}
    assert load is not None
    outputs, cached = requests.output_tokens, requests.cached_tokens
    total = None if cached is None else sum(cached[one] for one in found.ended)
    yield Derived("the tokens from a cache", load.cached_tokens, total)
    most, least = generation.get("max_new_tokens"), generation.get("min_new_tokens")
    if isinstance(most, int) and isinstance(least, int):
        if least < most:
            cut = min(len(set(requests.cut) & set(found.ended)), place.run.queries)
            yield Derived("the answers that were cut", place.run.answers_cut, cut)
        written = [] if outputs is None else [outputs[one] for one in found.ended]
        other = sum(not least <= tokens <= most for tokens in written)
        yield Derived("the answers of another length", load.other_lengths, other)
    waits_s = [
        (requests.last_s[one] - requests.first_s[one]) / (outputs[one] - 1)
        for one in found.ended
        if outputs is not None and outputs[one] > 1
    ]
    stated_s, mean_s = load.time_per_output_token_s, fmean(waits_s) if waits_s else 0.0
    yield Derived("the time of an output token (s)", stated_s or 0.0, mean_s, ROUNDED_S)


def check_lengths(place: RecordedRun) -> Finds:
    """No answer is longer than it was allowed to be."""
    requests = place.raw.requests
    most = (place.it.result.workload.generation or {}).get("max_new_tokens")
    outputs = requests.output_tokens if requests else None
    if place.run.load is None or not isinstance(most, int) or not outputs:
        yield NOT_APPLICABLE
        return
    if (longest := max(outputs)) > most:
        yield f"an answer has {longest} tokens, and at most {most} were asked for"


def check_places(place: RecordedRun) -> Finds:
    """In a closed loop as many requests are under way as there are places, all the time."""
    load, requests = place.it.result.load, place.raw.requests
    if load is None or requests is None or load.concurrency is None:
        yield NOT_APPLICABLE
        return
    start_s, end_s = place.raw.phases.edges_s[0], place.raw.phases.edges_s[-1]
    changes = sorted(
        change
        for sent_s, done_s in zip(requests.sent_s, requests.done_s, strict=True)
        for change in ((sent_s + ROUNDED_S, 1), (sent_s + done_s, -1))
    )
    under_way, since_s = 0, start_s
    failed = set(requests.failed)
    after_failures = sorted(requests.sent_s[one] + requests.done_s[one] for one in failed)
    for at_s, change in [*changes, (end_s, 0)]:
        if at_s > end_s:
            break
        if under_way < load.concurrency and at_s - max(since_s, start_s) > GAP_S:
            began_s = max(since_s, start_s)
            if not any(began_s - GAP_S <= one <= at_s for one in after_failures):
                yield (
                    f"for {at_s - began_s:.2f} s, {began_s - start_s:.1f} s after its beginning, "
                    f"fewer than {load.concurrency} requests were under way: some were left out"
                )
                return
        before, under_way = under_way, under_way + change
        if under_way > load.concurrency and at_s > start_s:
            yield f"{under_way} requests were under way at once, and {load.concurrency} may be"
            return
        if before >= load.concurrency > under_way:
            since_s = at_s


def check_arrivals(place: RecordedRun) -> Finds:
    """In an open loop requests are due as chance has it by the seed, and none is missing."""
    load, requests = place.it.result.load, place.raw.requests
    if load is None or requests is None or load.request_rate is None:
        yield NOT_APPLICABLE
        return
    if requests.waited_s is None:
        yield "it is not recorded when the requests of an open loop were due"
        return
    start_s = place.raw.phases.edges_s[0]
    times = zip(requests.sent_s, requests.waited_s, strict=True)
    due_s = sorted(due for sent_s, waited_s in times if (due := sent_s - waited_s) >= start_s)
    found = [later_s - due for due, later_s in pairwise(due_s)]
    if len(found) <= FEW_ARRIVALS:
        yield NOT_APPLICABLE
        return
    chance = random.Random(place.it.result.workload.seed)
    wanted: deque[float] = deque(maxlen=FEW_ARRIVALS)
    for _ in range(MOST_ARRIVALS):
        wanted.append(chance.expovariate(load.request_rate))
        if len(wanted) == FEW_ARRIVALS and all(map(_alike, wanted, found)):
            break
    else:
        yield f"its requests did not arrive by chance at {load.request_rate:g} a second by its seed"
        return
    for number, gap_s in enumerate(found[FEW_ARRIVALS:], start=FEW_ARRIVALS):
        if not _alike(chance.expovariate(load.request_rate), gap_s):
            at_s = due_s[number] - start_s
            yield f"{at_s:.2f} s after its beginning a request was due that is not recorded"
            return


def _alike(one_s: float, other_s: float) -> bool:
    return abs(one_s - other_s) <= ROUNDED_S


def check_server(place: RecordedRun) -> Finds:
    """The server itself counted as many requests and tokens as ended in the window, or more."""
    run, requests = place.run, place.raw.requests
    told = run.load.server if run.load else None
    if told is None or requests is None:
        yield NOT_APPLICABLE
        return
    start_s, end_s = place.raw.phases.edges_s[0], place.raw.phases.edges_s[-1]
    inside = [
        one
        for one in requests.whole
        if requests.sent_s[one] >= start_s
        and requests.sent_s[one] + requests.done_s[one] <= end_s - LATE_S
    ]
    tokens = sum(requests.output_tokens[one] for one in inside) if requests.output_tokens else 0
    for name, stated, least in (
        ("requests", told.requests_finished, len(inside)),
        ("output tokens", told.output_tokens, tokens),
    ):
        if stated is not None and stated < least:
            yield f"the server counted {stated:,} {name}, and {least:,} are recorded"


def check_load(it: ExaminedResult) -> Finds:
    """A server has its load, one phase and no model of which more is known than its name."""
    result = it.result
    if result.load is None:
        yield NOT_APPLICABLE
        return
    if result.load.problem:
        yield f"its load: {result.load.problem}"
    parts = [run.load for run in result.runs if run.load is not None]
    yield Derived(
        "the requests of all runs", result.load.completed, sum(p.completed for p in parts)
    )
    yield Derived("the failed ones of all runs", result.load.failed, sum(p.failed for p in parts))
    for run in result.runs:
        if set(run.phases) != {SERVE}:
            yield f"run {run.index + 1}: a server has the one phase {SERVE}"
    if it.raw is None:
        yield Problem("without a raw record its requests cannot be counted again")


def check_joules(it: ExaminedResult) -> Finds:
    """Joules of an output token, from recorded energies and the tokens that were counted again."""
    stated = it.result.score.joules_per_output_token
    found = [_joules(place, it) for place in RecordedRun.each(it)] if it.result.load else []
    if stated is None or not found or None in found:
        yield NOT_APPLICABLE
        return
    known = [one for one in found if one is not None]
    mean, error = fmean(joules for joules, _ in known), max(share for _, share in known)
    yield Derived("joules of an output token by the requests", stated, mean, mean * error)


def _joules(place: RecordedRun, it: ExaminedResult) -> tuple[float, float] | None:
    """Of one run, and what rounding the tokens makes of it, as a share."""
    requests, domains = place.raw.requests, it.gpu_domains or ["cpu", "dram", "ram"]
    energies = [one.energy_j for name in domains if (one := place.raw.domains.get(name))]
    known = [energy_j for energy_j in energies if energy_j is not None]
    tokens = recount(place.raw, requests).output_tokens if requests else None
    if not tokens or not known or (it.gpu_domains and len(known) < len(energies)):
        return None
    return math.fsum(known) / tokens, _ROUNDED / tokens + 1e-6


def of_requests(raw: RawRun) -> tuple[list[float], list[float]]:
    """Latencies of the answers that ended in a run, and their times to the first token."""
    requests = raw.requests
    assert requests is not None
    ended = recount(raw, requests).ended
    waited_s = requests.waited_s or [0.0] * len(requests.sent_s)
    whole_s = [waited_s[one] + requests.done_s[one] for one in ended]
    first_s = [waited_s[one] + requests.first_s[one] for one in ended]
    # What comes in one piece has no first token.
    return whole_s, first_s if first_s != whole_s else []


def _loose(place: RecordedRun, requests: RawRequests) -> int:
    """Requests that begin or end so near an end of the run that their rounding decides of them."""
    edges_s = place.raw.phases.edges_s[0], place.raw.phases.edges_s[-1]
    return sum(
        any(
            abs(at_s - edge_s) <= ROUNDED_S
            for edge_s in edges_s
            for at_s in (sent_s, sent_s + done_s)
        )
        for sent_s, done_s in zip(requests.sent_s, requests.done_s, strict=True)
    )


def _most_tokens(requests: RawRequests) -> int:
    columns: list[Sequence[int] | None] = [requests.input_tokens, requests.output_tokens]
    return max((max(one) for one in columns if one), default=0)
