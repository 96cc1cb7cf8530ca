"""Whether dates and clocks show one whole measurement, made in one go."""

import itertools
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from energyscore.verify.examined import ExaminedResult, ExaminedRun, RecordedGpu, RecordedRun
from energyscore.verify.findings import NOT_APPLICABLE, Finds, Level, Problem

_SLACK_S = 3.0
_SHORT_GAP_S, _UNUSUAL = 10.0, 3.0
_LEFT_OUT = "another run may have been left out"


def check_dates(it: ExaminedResult) -> Finds:
    """Runs were made one after the other, before the result was written, and in the past."""
    result = it.result
    written = moment(result.created_at)
    known = [time for run in result.runs if (time := moment(run.started_at)) is not None]
    if written is None or len(known) < len(result.runs):
        yield "a time is not in UTC by ISO 8601"
        return
    if written > it.now + timedelta(days=1):
        yield f"it was written in the future ({result.created_at})"
    runs = ExaminedRun.each(it)
    for place, (began, after) in zip(runs, pairwise([*known, written]), strict=True):
        if after < began + timedelta(seconds=place.run.duration_s - _SLACK_S):
            what = "it was written" if after is written else "the next run began"
            level: Level = "warning" if it.has("clock_jump") else "failed"
            yield Problem(f"{what} before {place.where} had ended, by the dates", level)


def check_clock(it: ExaminedResult) -> Finds:
    """Dates and the machine's monotonic clock tell the same time."""
    runs = list(pairwise(RecordedRun.each(it)))
    if not runs:
        yield NOT_APPLICABLE
    if it.has("clock_jump"):
        return
    for before, after in runs:
        began, next_began = moment(before.run.started_at), moment(after.run.started_at)
        if began is None or next_began is None:
            return
        by_date = (next_began - began).total_seconds()
        by_clock = after.raw.begin_s - before.raw.begin_s
        # The clock stands still while a machine sleeps, and the date goes on.
        honest = by_date >= by_clock or it.has("resumed")
        if abs(by_date - by_clock) > _SLACK_S + 0.01 * by_clock:
            yield Problem(
                f"from {before.where} to the next it was {by_date:.0f} s by the dates, "
                f"{by_clock:.0f} s by the clock",
                "warning" if honest else "failed",
            )


def check_gaps(it: ExaminedResult) -> Finds:
    """The runs follow one another: where one could lie between two, it may have been left out."""
    runs = list(pairwise(RecordedRun.each(it)))
    if not runs:
        yield NOT_APPLICABLE
    gaps_s = [after.raw.begin_s - one.raw.begin_s - one.raw.end_s for one, after in runs]
    usual_s = median(gaps_s) if gaps_s else 0.0
    for (before, _), gap_s in zip(runs, gaps_s, strict=True):
        if gap_s > max(before.raw.end_s / 2, _SHORT_GAP_S, _UNUSUAL * usual_s):
            message = f"{gap_s:.0f} s lie between {before.where} and the next: {_LEFT_OUT}"
            yield Problem(message, "warning")
    yield from _before_the_first(it)
    if runs and not it.has("clock_jump"):
        yield from _after_the_last(it, usual_s)


def _before_the_first(it: ExaminedResult) -> Finds:
    """The counter goes on from the stretch of one phase alone, which comes before all runs."""
    for gpu in itertools.islice(RecordedGpu.each(it), len(it.gpu_domains)):
        start_j, lone = gpu.found.counter_j[0], gpu.found.lone
        if gpu.run.index > 0 or lone is None or start_j is None or not gpu.energy_j:
            continue
        rise_j, mean_w = start_j - lone.counter_j[1], gpu.energy_j / gpu.run.duration_s
        if rise_j > max(gpu.energy_j / 2, _SHORT_GAP_S * mean_w):
            message = f"{gpu.where}: {rise_j:.0f} J were used since one phase was metered alone"
            yield Problem(f"{message}: {_LEFT_OUT}", "warning")
        elif rise_j < 0 and gpu.found.method == "counter" and not it.has("resumed"):
            yield f"{gpu.where}: the counter is below what it was before"


def _after_the_last(it: ExaminedResult, usual_s: float) -> Finds:
    """A result is written as soon as its last run is over."""
    run = it.result.runs[-1]
    began, written = moment(run.started_at), moment(it.result.created_at)
    if began is None or written is None:
        return
    after_s = (written - began).total_seconds() - run.duration_s
    if after_s > max(run.duration_s / 2, _SHORT_GAP_S, _UNUSUAL * usual_s):
        yield Problem(f"it was written {after_s:.0f} s after its last run: {_LEFT_OUT}", "warning")


def moment(text: str) -> datetime | None:
    """A time in UTC; None if the text is not one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and moment.utcoffset() == timedelta(0) else None
