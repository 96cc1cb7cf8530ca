"""The raw record against the result: its times, and the counter with its updates."""

from itertools import groupby, pairwise

from energyscore.verify.examined import ExaminedResult, RecordedGpu, RecordedRun
from energyscore.verify.findings import NOT_APPLICABLE, Derived, Finds, Level, Problem
from energyscore.verify.raw_record import RawRun

COUNTED_J = 0.0015  # Energies are differences of whole millijoules
STALL_S = 1.0  # a counter that is seen to stand still for longer is not trusted
FEW = 20  # interval lengths by which a run is known again
READ_S = 0.05  # within this time of the window's edges the counter is read, where that is quick
_MOST_READ_S = 0.25
IDLE_SHARE = 0.5  # of its idle power a GPU takes at least this between runs: it may rest deeply
_JUMP = 2.0
_ANY_LIMIT_W = 1000.0
_EDGE_S = 0.25
_STOPPING_S = 60.0
_TRUNCATED_S = 2e-6


def check_raw_record(it: ExaminedResult) -> Finds:
    """The raw record is of this measurement, and of all its runs."""
    raw = it.raw
    if raw is None:
        yield Problem("there is no raw record, so nothing can be recomputed", "warning")
        return
    yield Derived("the raw record's measurement", raw.identity, it.result.identity)
    yield Derived(
        "the digest of model, task, work and GPU in the raw record", raw.subject, it.digest
    )
    recorded = [one.index + 1 for one in raw.runs]
    yield Derived("the raw record's list of runs", recorded, [n.index + 1 for n in it.result.runs])
    seen: dict[tuple[int, ...], int] = {}
    for one in raw.runs:
        first = seen.setdefault(first_lengths_us(one), one.index)
        if first != one.index and first_lengths_us(one):
            yield f"run {first + 1} and run {one.index + 1} are one recording"


def check_raw_run(place: RecordedRun) -> Finds:
    """The raw record has the run's energies, and the readings of what was metered."""
    run, domains = place.run, place.raw.domains
    yield Derived("the list of domains", sorted(run.energy_j), sorted(domains))
    for domain, found in domains.items():
        yield Derived(f"{domain}: the energy (J)", run.energy_j.get(domain), found.energy_j)
        yield Derived(f"{domain}: the method", run.methods.get(domain), found.method)
        if found.window_s is None and found.method in ("counter", "power_integral"):
            yield f"{domain}: the raw record has no readings"


def check_durations(place: RecordedRun) -> Finds:
    """The run and its phases last as long as their recorded times say."""
    run, lengths_s = place.run, place.raw.phases.lengths_s
    # Each time is rounded to a microsecond.
    yield Derived("the duration (s)", run.duration_s, place.raw.phases.duration_s, _TRUNCATED_S)
    yield Derived("the list of phases", sorted(run.phases), sorted(lengths_s))
    for name in run.phases.keys() & lengths_s.keys():
        found_s, within = sum(lengths_s[name]), _TRUNCATED_S * (1 + len(lengths_s[name]))
        yield Derived(f"the time of {name} (s)", run.phases[name].duration_s, found_s, within)


def check_metering(place: RecordedRun) -> Finds:
    """The metering lasts while the work is done, and little longer."""
    edges_s, end_s = place.raw.phases.edges_s, place.raw.end_s
    if not 0 <= edges_s[0] <= edges_s[-1] <= end_s:
        yield "the work is not within the time of its metering"
    elif end_s - edges_s[-1] > _STOPPING_S:
        yield "the metering went on long after the work"


def check_window(gpu: RecordedGpu) -> Finds:
    """The meter's window holds all the work and little else."""
    (start_s, end_s), edges_s = gpu.window_s, gpu.raw.phases.edges_s
    if not 0 <= start_s <= edges_s[0] <= edges_s[-1] <= end_s <= gpu.raw.end_s:
        yield "the meter's window does not hold the work"
    elif end_s - start_s > 1.1 * gpu.raw.phases.duration_s + 2:
        yield "the window is much longer than the work"
    stated = gpu.facts.get("window_s")
    if stated is not None or gpu.energy_j is not None:  # nothing is stated of a lost GPU
        yield Derived("window_s", stated, end_s - start_s, _TRUNCATED_S)


def check_order(gpu: RecordedGpu) -> Finds:
    """Updates come one after the other, and a counter never falls."""
    ticks, samples = gpu.found.ticks, gpu.found.power
    if any(b <= a for a, b in pairwise(ticks.t_s)):
        yield "the times of the counter's updates do not rise"
    if gpu.found.method == "counter" and any(b < a for a, b in pairwise(ticks.values)):
        yield "the counter goes backwards"
    if any(b < a for a, b in pairwise(samples.t_s)):
        yield "the times of the power samples go backwards"
    if any(power_w < 0 for power_w in samples.values):
        yield "a power sample is negative"


def check_updates_in_window(gpu: RecordedGpu) -> Finds:
    """Updates and samples lie in the window; only the first update is the state before it."""
    (start_s, end_s), ticks, samples = gpu.window_s, gpu.found.ticks.t_s, gpu.found.power.t_s
    if any(not start_s < t_s <= end_s for t_s in ticks[1:]) or any(t > end_s for t in ticks[:1]):
        yield "updates lie outside the window"
    if any(not start_s < t_s <= end_s for t_s in samples[1:]):
        yield "power samples lie outside the window"


def check_counter_energy(gpu: RecordedGpu) -> Finds:
    """Energy by the counter is its difference, and the updates in between fit its edges."""
    start_j, end_j = gpu.found.counter_j
    for name, edge_j in (("counter_start_mj", start_j), ("counter_end_mj", end_j)):
        stated = gpu.facts.get(name)
        if stated is not None or gpu.energy_j is not None:
            yield Derived(name, stated, None if edge_j is None else round(edge_j * 1e3), 0)
    if gpu.found.method != "counter":
        return
    if start_j is None or end_j is None or gpu.energy_j is None:
        yield "its energy is by the counter, but the counter was not read"
        return
    yield Derived("the energy by the counter (J)", gpu.energy_j, end_j - start_j, COUNTED_J)
    ticks, t_s = gpu.found.ticks.values, gpu.found.ticks.t_s
    if len(ticks) < 2:
        yield Problem("no updates of the counter were recorded", gpu.it.strictly)
        return
    (start_s, end_s), read_s = gpu.window_s, _read_s(gpu)
    # The first update is the state before the window: the counter stood there or at the next.
    next_j = next((j for t, j in zip(t_s, ticks, strict=True) if t >= start_s + read_s), ticks[-1])
    if not ticks[0] - COUNTED_J <= start_j <= next_j + COUNTED_J:
        yield "the counter at the beginning does not fit its updates"
    backwards = zip(t_s[::-1], ticks[::-1], strict=True)
    last_j = next((j for t, j in backwards if t <= end_s - read_s), 0)
    # What rises after the last update that was noted.
    after_s = gpu.found.late_s + _EDGE_S + max(0.0, end_s - t_s[-1])
    after_j = 1.1 * (gpu.limit_w or _ANY_LIMIT_W) * after_s
    if not last_j - COUNTED_J <= end_j <= ticks[-1] + after_j + COUNTED_J:
        yield "the counter at the end does not fit its updates"


def _read_s(gpu: RecordedGpu) -> float:
    """How far from the window's edges the counter may have been read, by what a read took."""
    read_s = (gpu.number("counter_read_ms") or 0.0) / 1e3
    return READ_S + 2 * min(max(read_s, 0.0), _MOST_READ_S)


def check_counter_between_runs(it: ExaminedResult) -> Finds:
    """A GPU's counter goes on from run to run, and so does the clock; no run is in between."""
    last: dict[str, RecordedGpu] = {}
    places = list(RecordedGpu.each(it))
    if len({gpu.run.index for gpu in places}) < 2:
        yield NOT_APPLICABLE
    # The machine may have been restarted before a measurement was resumed.
    level: Level = "warning" if it.has("resumed") else "failed"
    for gpu in places:
        before = last.get(gpu.domain)
        message = None if before is None else _between(before, gpu)
        if message is not None:
            yield Problem(f"{gpu.where}: {message}", level)
        if gpu.found.counter_j[1] is not None:
            last[gpu.domain] = gpu


def _between(before: RecordedGpu, gpu: RecordedGpu) -> str | None:
    """What is wrong from the end of one run to the beginning of the next."""
    then = f"run {before.run.index + 1}"
    if gpu.raw.begin_s < before.raw.begin_s + before.raw.end_s - _TRUNCATED_S:
        return f"it begins before {then} ends, by the clock"
    start_j, end_j = gpu.found.counter_j[0], before.found.counter_j[1]
    if start_j is None or end_j is None:
        return None
    if start_j < end_j:
        return f"the counter is below that of {then}"
    if not gpu.found.method == before.found.method == "counter":
        return None
    since_s = before.raw.begin_s + before.window_s[1]
    pause_s = gpu.raw.begin_s + gpu.window_s[0] - since_s
    edge_s = _EDGE_S + 2 * gpu.found.late_s
    least_w = IDLE_SHARE * gpu.it.result.idle.with_model_w.get(gpu.domain, 0.0)
    rise_j = start_j - end_j
    rose = f"the counter rose by {rise_j:.0f} J in the {pause_s:.1f} s since {then}"
    if rise_j > 1.1 * (gpu.limit_w or _ANY_LIMIT_W) * (pause_s + edge_s):
        return f"{rose}: another run may have been left out"
    return f"{rose}, less than idling takes" if rise_j < least_w * (pause_s - edge_s) else None


def check_counter_steps(gpu: RecordedGpu) -> Finds:
    """No update is of more energy than the GPU can take, and looks saw the counter move."""
    ticks, period_s = gpu.found.ticks, gpu.found.period_s
    if gpu.found.method != "counter":
        yield NOT_APPLICABLE
    if gpu.found.method != "counter" or len(ticks.t_s) < 2:
        return
    longest_s = max((b - a for a, b in _still(gpu)), default=0.0)
    if longest_s > STALL_S + _TRUNCATED_S:
        yield f"the counter stood still for {longest_s:.2f} s"
    if gpu.limit_w is None or period_s is None:
        return
    for (before_s, before_j), (now_s, now_j) in pairwise(
        zip(ticks.t_s[1:], ticks.values[1:], strict=True)
    ):
        if now_j - before_j > _JUMP * gpu.limit_w * (now_s - before_s + period_s) + 0.002:
            yield f"the counter rises by {now_j - before_j:.0f} J at once"
            return


def _still(gpu: RecordedGpu) -> list[tuple[float, float]]:
    """From when to when the counter was seen at one value: a gap in which nobody looked is none."""
    (start_s, end_s), (start_j, end_j) = gpu.window_s, gpu.found.counter_j
    ticks = list(zip(gpu.found.ticks.t_s, gpu.found.ticks.values, strict=True))
    looks = [(start_s, start_j), *(one for one in ticks if one[0] > start_s), (end_s, end_j)]
    spans = list(gpu.found.still_s)
    for joules, same in groupby(looks, lambda look: look[1]):
        times = [t for t, _ in same]
        spans += [(times[0], times[-1])] if joules is not None else []
    return spans


def check_still(gpu: RecordedGpu) -> Finds:
    """While the counter was seen to stand still, no update of it was noted."""
    (start_s, end_s), t_s = gpu.window_s, gpu.found.ticks.t_s
    if not gpu.found.still_s:
        yield NOT_APPLICABLE
    for since_s, until_s in gpu.found.still_s:
        if not start_s <= since_s <= until_s <= end_s:
            yield "the counter stood still outside the window"
        elif any(since_s < t < until_s for t in t_s):
            yield "the counter was updated while it is said to have stood still"


def first_lengths_us(raw: RawRun) -> tuple[int, ...]:
    """The first intervals or requests of a run: no two runs have them alike to the microsecond.

    Empty where there are too few.
    """
    if raw.requests is not None and len(raw.requests.done_s) > FEW:
        return tuple(round(1e6 * done_s) for done_s in raw.requests.done_s[:FEW])
    if len(raw.phases.edges_s) <= FEW:
        return ()
    return tuple(round(1e6 * (b - a)) for a, b in pairwise(raw.phases.edges_s[: FEW + 1]))
