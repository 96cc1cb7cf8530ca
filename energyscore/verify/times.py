"""Whether a result's dates and clocks tell of one measurement, made in one go and whole."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

from energyscore.verify.findings import Level, Problem
from energyscore.verify.subject import Subject, name_of

_SLACK_S = 3.0
_SHORT_GAP_S, _UNUSUAL = 10.0, 3.0


def check_dates(subject: Subject) -> Iterator[Problem]:
    """Runs were made one after the other, before the result was written, and in the past."""
    result = subject.result
    times = [moment(run.started_at) for run in result.runs]
    written = moment(result.created_at)
    known = [time for time in times if time is not None]
    if written is None or len(known) < len(times):
        yield Problem("a time is not one in UTC, by ISO 8601")
        return
    if written > subject.now + timedelta(days=1):
        yield Problem(f"it was written in the future ({result.created_at})")
    ends = [
        time + timedelta(seconds=run.duration_s - _SLACK_S)
        for time, run in zip(known, result.runs, strict=True)
    ]
    for run, end, (_, after) in zip(result.runs, ends, pairwise([*known, written]), strict=False):
        if after < end:
            what = "the next run began" if run.index + 1 < len(known) else "it was written"
            yield Problem(
                f"{what} before {name_of(run)} had ended, by the dates",
                "warning" if subject.has("clock_jump") else "failed",
            )


def check_clock(subject: Subject) -> Iterator[Problem]:
    """Dates and the machine's monotonic clock tell the same time."""
    if subject.has("clock_jump"):
        return
    known: Level = "warning" if subject.has("resumed") else "failed"
    for (run, raw), (after, raw_after) in pairwise(subject.pairs()):
        began, next_began = moment(run.started_at), moment(after.started_at)
        if began is None or next_began is None:
            return
        by_date = (next_began - began).total_seconds()
        by_clock = raw_after.begin_s - raw.begin_s
        # The clock stands still while a machine sleeps, and the date goes on.
        if abs(by_date - by_clock) > _SLACK_S + 0.01 * by_clock:
            yield Problem(
                f"from {name_of(run)} to the next it was {by_date:.0f} s by the dates, "
                f"{by_clock:.0f} s by the clock",
                known if by_date < by_clock else "warning",
            )


def check_gaps(subject: Subject) -> Iterator[Problem]:
    """The runs follow one another: where one could lie between two, it may have been left out."""
    pairs = list(pairwise(raw for _, raw in subject.pairs()))
    gaps_s = [after.begin_s - before.begin_s - before.end_s for before, after in pairs]
    usual_s = median(gaps_s) if gaps_s else 0.0
    for (before, _), gap_s in zip(pairs, gaps_s, strict=True):
        if gap_s > max(before.end_s / 2, _SHORT_GAP_S, _UNUSUAL * usual_s):
            yield Problem(
                f"{gap_s:.0f} s lie between run {before.index + 1} and the next: another may have "
                "been left out",
                "warning",
            )
    yield from _before_the_first(subject)
    if pairs and not subject.has("clock_jump"):
        yield from _after_the_last(subject, usual_s)


def _before_the_first(subject: Subject) -> Iterator[Problem]:
    """The counter goes on from the stretch of one phase alone, which comes before all runs."""
    for run, _, domain, found in itertools.islice(subject.recorded(), len(subject.gpu_domains)):
        start_j, energy_j = found.counter_j[0], run.energy_j.get(domain)
        if run.index > 0 or found.lone is None or start_j is None or not energy_j:
            continue
        rise_j, mean_w = start_j - found.lone.end_j, energy_j / run.duration_s
        if rise_j > max(energy_j / 2, _SHORT_GAP_S * mean_w):
            yield Problem(
                f"{domain} took {rise_j:.0f} J between what was done before and {name_of(run)}: "
                "another run may have been left out",
                "warning",
            )
        elif rise_j < 0 and found.method == "counter" and not subject.has("resumed"):
            yield Problem(f"{name_of(run)}: {domain}: the counter is below what it was before")


def _after_the_last(subject: Subject, usual_s: float) -> Iterator[Problem]:
    """A result is written as soon as its last run is over."""
    run = subject.result.runs[-1]
    began, written = moment(run.started_at), moment(subject.result.created_at)
    if began is None or written is None:
        return
    after_s = (written - began).total_seconds() - run.duration_s
    if after_s > max(run.duration_s / 2, _SHORT_GAP_S, _UNUSUAL * usual_s):
        yield Problem(
            f"it was written {after_s:.0f} s after its last run: another may have been left out",
            "warning",
        )


def moment(text: str) -> datetime | None:
    """A time in UTC, None for a text that is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and moment.utcoffset() == timedelta(0) else None


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)
