"""What whoever reads the figures of a load must know, beyond the notices of its runs."""

from collections.abc import Iterator, Sequence

from energyscore.base.units import counted
from energyscore.measurement.server.abilities import Abilities
from energyscore.results.load import RunLoad, WholeLoad
from energyscore.results.parts import Caution, Run

BUSY_CLIENT = 0.8
"""A client that takes more of a core than this may be what limits the load."""

SEVERAL = 1.5
"""So many tokens a piece are several; the end of an answer is a token, and no piece."""

LATE_CLIENT = 0.1
"""Times may be wrong by this share of the time to the first token."""


def load_cautions(
    runs: Sequence[Run], can: Abilities, whole: WholeLoad | None = None
) -> list[Caution]:
    """What whoever reads the figures of a load must know, beyond the notices of its runs.

    `can` is what the server was found to do, `whole` what was counted over the whole load.
    """
    parts = [run.load for run in runs if run.load is not None]
    if not parts:
        return []
    found = [*_of_caches(runs, parts), *_of_queues(parts)]
    # A tokenizer's count is an estimate, and may differ.
    if whole and can.tokens_by == "usage" and (differ := whole.disagreements):
        message = (
            f"over the whole load the server counted {' and '.join(differ)}: others asked it, too, "
            "or it counts wrongly"
        )
        found.append(("counts_disagree", message))
    if whole and _began_anew(runs, parts, whole):
        message = (
            "between the windows the server's counters went down: it was started anew, or its "
            "metrics were reset; what it counted over the whole load is not known"
        )
        found.append(("counters_reset", message))
    if (busiest := max(one.client_processor for one in parts)) > BUSY_CLIENT:
        message = (
            f"asking took {busiest:.0%} of a processor core: the client may have limited the load"
        )
        found.append(("busy_client", message))
    found += _of_lateness(runs)
    found += [*_of_tokens(can), *_of_pieces(parts)]
    return [Caution(code=code, message=message) for code, message in found]


def _began_anew(runs: Sequence[Run], parts: Sequence[RunLoad], whole: WholeLoad) -> bool:
    """Whether what it counted in the runs it does not tell of all of them; a run has said why."""
    in_runs = any(one.server and one.server.requests_finished is not None for one in parts)
    said = any(one.code == "counters_reset" for run in runs for one in run.notices)
    return in_runs and whole.server_requests is None and not said


def _of_tokens(can: Abilities) -> Iterator[tuple[str, str]]:
    """Tokens that are not the server's own count, or not of all that was asked."""
    if can.may_cut:
        yield (
            "inputs_maybe_cut",
            "the server counts as many tokens of the longest query without its first tenth as of "
            "all of it: it may cut queries, and does not tell",
        )
    if can.tokens_by == "tokenizer":
        yield (
            "tokens_estimated",
            "the server does not tell its tokens: a tokenizer counted them in the texts, which is "
            "an estimate",
        )


def _of_pieces(parts: Sequence[RunLoad]) -> Iterator[tuple[str, str]]:
    """Several tokens that come at once: then the time between pieces is not that of a token."""
    told = [one.server for one in parts if one.server]
    accepted = sum(one.accepted_tokens or 0 for one in told)
    drafted = sum(one.drafted_tokens or 0 for one in told)
    known = [one.tokens_per_piece for one in parts if one.tokens_per_piece is not None]
    at_once = max(known, default=1.0)
    if accepted:
        yield (
            "speculative_decoding",
            f"the server guesses tokens ahead: {accepted:,} of {drafted:,} were right. How many "
            "are depends on the texts, and so does the energy of a token",
        )
    elif at_once > SEVERAL:
        yield (
            "several_tokens_a_piece",
            f"{at_once:.1f} tokens came at once on average: the server guesses tokens ahead, or "
            "sends them together",
        )


def _of_lateness(runs: Sequence[Run]) -> Iterator[tuple[str, str]]:
    """An event loop that is late sees all that comes late: times are too long by as much."""
    late_s, share = 0.0, 0.0
    for run in runs:
        first = run.performance and run.performance.time_to_first_token_s
        if run.load and run.load.client_late_s and first:
            late_s = max(late_s, run.load.client_late_s)
            share = max(share, run.load.client_late_s / first.p50)
    if share > LATE_CLIENT:
        yield (
            "late_client",
            f"the client, which is energyscore itself, was {late_s * 1e3:.3g} ms late (p99), "
            f"{share:.0%} of the time to the first token: times may be too long by as much; leave "
            "it a processor core",
        )


def _of_caches(runs: Sequence[Run], parts: Sequence[RunLoad]) -> Iterator[tuple[str, str]]:
    """Tokens of prompts that were in a cache, by what each answer says, or by the counters."""
    cached = [one.cached_tokens for one in parts]
    hits = [one.server.prefix_cache_hits if one.server else None for one in parts]
    read = sum(run.input_tokens or 0 for run in runs)
    if total := sum(one or 0 for one in cached):
        message = f"{total:,} of {read:,} tokens of the prompts were taken from a cache"
        yield "prefix_cached", message
    elif total := sum(one or 0 for one in hits):
        yield "prefix_cached", f"the server counts {total:,} tokens that were taken from its cache"
    elif None in cached and None in hits:
        yield (
            "prefix_cache_unknown",
            "the server does not tell whether it took prompts from a cache",
        )


def _of_queues(parts: Sequence[RunLoad]) -> Iterator[tuple[str, str]]:
    """What kept the server from working at all requests at once."""
    told = [one.server for one in parts if one.server]
    if stopped := sum(one.preemptions or 0 for one in told):
        yield (
            "preempted",
            f"the server stopped {counted(stopped, 'request')} for want of memory, to do them "
            "again later",
        )
    if waiting := max((one.waiting or 0 for one in told), default=0):
        yield (
            "queued",
            f"{counted(waiting, 'request')} waited in the server's queue at every look: it did not "
            "work at all at once",
        )
