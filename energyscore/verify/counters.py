"""The raw record against the result: times, the counter and its updates, power samples."""

from collections.abc import Iterator
from itertools import pairwise

from energyscore.results.result import Run
from energyscore.verify.findings import Level, Problem
from energyscore.verify.raw_record import RawDomain, RawRun
from energyscore.verify.subject import Subject, apart, is_number, name_of, period_of

COUNTED_J = 0.0015
"""Energies are differences of whole millijoules."""

STALL_S = 1.0
"""A counter that stands still for longer is not one to believe."""

FEW = 20
"""So many lengths of a run's intervals are its own."""

READ_S = 0.05
"""The counters of all GPUs are read one after the other within this time of the window's edges."""

IDLE_SHARE = 0.5
"""Between runs a GPU takes about what it takes idle; by this it may rest more deeply."""

_JUMP = 2.0
_EDGE_S = 0.25
_STOPPING_S = 60.0
_TRUNCATED_S = 2e-6


def check_raw_runs(subject: Subject) -> Iterator[Problem]:
    """The raw record is of this measurement, and of all its runs."""
    raw, runs = subject.raw, subject.result.runs
    if raw is None:
        yield Problem("there is no raw record: nothing can be computed anew", "warning")
        return
    if raw.identity != subject.result.identity:
        yield Problem("the raw record is of another measurement")
    if raw.subject != subject.digest:
        yield Problem("the raw record is of another model, task, work or GPU than the result names")
    if [one.index for one in raw.runs] != [run.index for run in runs]:
        yield Problem("the raw record does not hold the result's runs")
    seen: dict[tuple[int, ...], int] = {}
    for one in raw.runs:
        first = seen.setdefault(first_lengths_us(one), one.index)
        if first != one.index and len(one.edges_s) > FEW:
            yield Problem(f"run {first + 1} and run {one.index + 1} are one recording")
    for run, recorded in subject.pairs():
        if set(recorded.domains) != set(run.energy_j):
            yield Problem(f"{name_of(run)}: the raw record has other domains")
        for domain, found in recorded.domains.items():
            if found.method != run.methods.get(domain) or apart(
                found.energy_j, run.energy_j.get(domain)
            ):
                yield Problem(f"{name_of(run)}: {domain}: the raw record has another energy")
            missing = found.window_s is None and found.method in ("counter", "power_integral")
            if missing:
                yield Problem(f"{name_of(run)}: {domain}: the raw record has no readings")


def check_durations(subject: Subject) -> Iterator[Problem]:
    """The run and its phases last as long as their recorded times say."""
    for run, raw in subject.pairs():
        # Each time is rounded to a microsecond.
        if abs(run.duration_s - raw.duration_s) > _TRUNCATED_S:
            yield Problem(
                f"{name_of(run)} is said to last {run.duration_s:.6f} s; its recorded times are "
                f"{raw.duration_s:.6f} s"
            )
        times, entries = raw.phase_s(), raw.entries()
        if set(times) != set(run.phases):
            yield Problem(f"{name_of(run)}: the recorded phases are not those of the result")
            continue
        for name, part in run.phases.items():
            if abs(part.duration_s - times[name]) > _TRUNCATED_S * (1 + entries[name]):
                yield Problem(
                    f"{name_of(run)}: {name} is said to take {part.duration_s:.6f} s, by its "
                    f"recorded times {times[name]:.6f} s"
                )


def check_windows(subject: Subject) -> Iterator[Problem]:
    """The meter's window holds all the work and little else."""
    for run, raw in subject.pairs():
        if not 0 <= raw.edges_s[0] <= raw.edges_s[-1] <= raw.end_s:
            yield Problem(f"{name_of(run)}: the work is not within the time of its metering")
        elif raw.end_s - raw.edges_s[-1] > _STOPPING_S:
            yield Problem(f"{name_of(run)}: the metering went on for long after the work")
    for run, raw, domain, found in subject.recorded():
        start_s, end_s = found.window_s or (0.0, 0.0)
        if not 0 <= start_s <= raw.edges_s[0] <= raw.edges_s[-1] <= end_s <= raw.end_s:
            yield Problem(f"{name_of(run)}: {domain}: the meter's window does not hold the work")
        elif end_s - start_s > 1.1 * raw.duration_s + 2:
            yield Problem(f"{name_of(run)}: {domain}: the window is much longer than the work")
        stated = run.facts.get(domain, {}).get("window_s")
        if stated is None and run.energy_j.get(domain) is None:
            continue  # of a GPU that was lost nothing is stated
        if not isinstance(stated, float | int) or abs(stated - (end_s - start_s)) > _TRUNCATED_S:
            yield Problem(
                f"{name_of(run)}: {domain}: the result says a window of {stated} s, the raw record "
                f"{end_s - start_s:.6f} s"
            )


def check_counter_monotonic(subject: Subject) -> Iterator[Problem]:
    """Updates come one after the other, and a counter never falls."""
    for run, _, domain, found in subject.recorded():
        where = f"{name_of(run)}: {domain}"
        if any(b <= a for a, b in pairwise(found.ticks.t_s)):
            yield Problem(f"{where}: the times of the counter's updates do not rise")
        if any(b < a for a, b in pairwise(found.ticks.values)) and found.method == "counter":
            yield Problem(f"{where}: the counter goes backwards")
        if any(b < a for a, b in pairwise(found.power.t_s)):
            yield Problem(f"{where}: the times of the power samples go backwards")
        if any(power_w < 0 for power_w in found.power.values):
            yield Problem(f"{where}: a power sample is negative")


def check_ticks_in_window(subject: Subject) -> Iterator[Problem]:
    """Updates and samples lie in the window; only the first update is the state before it."""
    for run, _, domain, found in subject.recorded():
        start_s, end_s = found.window_s or (0.0, 0.0)
        if any(not start_s < t_s <= end_s for t_s in found.ticks.t_s[1:]) or (
            found.ticks.t_s and found.ticks.t_s[0] > end_s
        ):
            yield Problem(f"{name_of(run)}: {domain}: updates lie outside the window")
        if any(not start_s < t_s <= end_s for t_s in found.power.t_s[1:]):
            yield Problem(f"{name_of(run)}: {domain}: power samples lie outside the window")


def check_counter_energy(subject: Subject) -> Iterator[Problem]:
    """Energy by the counter is its difference, and the updates in between add up to it."""
    for run, _, domain, found in subject.recorded():
        where, energy_j = f"{name_of(run)}: {domain}", run.energy_j.get(domain)
        start_j, end_j = found.counter_j
        facts = run.facts.get(domain, {})
        for name, edge_j in (("counter_start_mj", start_j), ("counter_end_mj", end_j)):
            stated = facts.get(name)
            if stated is None and energy_j is None:
                continue
            if (None if edge_j is None else round(edge_j * 1e3)) != stated:
                yield Problem(f"{where}: {name} is {stated}, in the raw record {edge_j} J")
        if found.method != "counter":
            continue
        if start_j is None or end_j is None or energy_j is None:
            yield Problem(f"{where}: energy by a counter that was not read")
        elif abs(end_j - start_j - energy_j) > COUNTED_J:
            yield Problem(
                f"{where}: the energy is {energy_j:.3f} J, the counter rose by "
                f"{end_j - start_j:.3f} J"
            )
        else:
            yield from _updates_add_up(subject, run, domain, found)


def check_counter_between_runs(subject: Subject) -> Iterator[Problem]:
    """A GPU's counter goes on from run to run, and so does the clock; no run is in between."""
    last: dict[str, tuple[Run, RawRun, RawDomain]] = {}
    # Between a measurement and its going on, the machine may have been started anew.
    level: Level = "warning" if subject.has("resumed") else "failed"
    for run, raw, domain, found in subject.recorded():
        before = last.get(domain)
        if before is not None:
            yield from _between(subject, before, (run, raw, found), domain, level)
        if found.counter_j[1] is not None:
            last[domain] = run, raw, found


def _between(
    subject: Subject,
    before: tuple[Run, RawRun, RawDomain],
    after: tuple[Run, RawRun, RawDomain],
    domain: str,
    level: Level,
) -> Iterator[Problem]:
    """From the end of one run to the beginning of the next."""
    (run_before, raw_before, found_before), (run, raw, found) = before, after
    where, then = f"{name_of(run)}: {domain}", name_of(run_before)
    if raw.begin_s < raw_before.begin_s + raw_before.end_s - _TRUNCATED_S:
        yield Problem(f"{name_of(run)} begins before {then} ends, by the clock", level)
        return
    start_j, end_j = found.counter_j[0], found_before.counter_j[1]
    if start_j is None or end_j is None:
        return
    if start_j < end_j:
        yield Problem(f"{where}: the counter is below that of {then}", level)
    elif found.method == found_before.method == "counter":
        since_s = raw_before.begin_s + (found_before.window_s or (0.0, 0.0))[1]
        pause_s = raw.begin_s + (found.window_s or (0.0, 0.0))[0] - since_s
        edge_s = _EDGE_S + 2 * (period_of(found) or STALL_S)
        rise_j, limit_w = start_j - end_j, _limit_w(run, domain) or 1000.0
        least_j = IDLE_SHARE * subject.result.idle.with_model_w.get(domain, 0.0)
        if rise_j > 1.1 * limit_w * (pause_s + edge_s):
            yield Problem(
                f"{where}: the counter rose by {rise_j:.0f} J since {then}, in {pause_s:.1f} s: "
                "another run may have been left out",
                level,
            )
        elif rise_j < least_j * (pause_s - edge_s):
            yield Problem(
                f"{where}: the counter rose by {rise_j:.0f} J in the {pause_s:.0f} s since "
                f"{then}, less than idling takes",
                level,
            )


def check_counter_steps(subject: Subject) -> Iterator[Problem]:
    """No update is of more energy than the GPU can take, and none is missing for over a second."""
    for run, _, domain, found in subject.recorded():
        if found.method != "counter" or len(found.ticks.t_s) < 2:
            continue
        where, limit_w = f"{name_of(run)}: {domain}", _limit_w(run, domain)
        start_s, end_s = found.window_s or (0.0, 0.0)
        edges = [start_s, *found.ticks.t_s[1:], end_s]
        longest_s = max(b - a for a, b in pairwise(edges))
        if longest_s > STALL_S + _TRUNCATED_S:
            yield Problem(f"{where}: the counter stood still for {longest_s:.2f} s")
        period_s = period_of(found)
        if limit_w is None or period_s is None:
            continue
        changes = list(zip(found.ticks.t_s, found.ticks.values, strict=True))[1:]
        for (before_s, before_j), (now_s, now_j) in pairwise(changes):
            if now_j - before_j > _JUMP * limit_w * (now_s - before_s + period_s) + 0.002:
                yield Problem(f"{where}: the counter rises by {now_j - before_j:.0f} J at once")
                break


def _updates_add_up(subject: Subject, run: Run, domain: str, found: RawDomain) -> Iterator[Problem]:
    ticks, where = found.ticks.values, f"{name_of(run)}: {domain}"
    start_j, end_j = found.counter_j
    assert start_j is not None and end_j is not None
    if len(ticks) < 2:
        yield Problem(
            f"{where}: no updates of the counter were recorded",
            "failed" if subject.listed.official else "warning",
        )
        return
    limit_w, period_s = _limit_w(run, domain) or 1000.0, period_of(found) or STALL_S
    (start_s, end_s), t_s = found.window_s or (0.0, 0.0), found.ticks.t_s
    # The first update is the state before the window: the counter stood there or at the next.
    next_j = next((j for t, j in zip(t_s, ticks, strict=True) if t >= start_s + READ_S), ticks[-1])
    if not ticks[0] - COUNTED_J <= start_j <= next_j + COUNTED_J:
        yield Problem(f"{where}: the counter at the beginning does not fit its updates")
    last_j = next(
        (j for t, j in zip(t_s[::-1], ticks[::-1], strict=True) if t <= end_s - READ_S), 0
    )
    # What rises after the last update that was noted.
    after_j = 1.1 * limit_w * (period_s + _EDGE_S + max(0.0, end_s - t_s[-1]))
    if not last_j - COUNTED_J <= end_j <= ticks[-1] + after_j + COUNTED_J:
        yield Problem(f"{where}: the counter at the end does not fit its updates")


def first_lengths_us(raw: RawRun) -> tuple[int, ...]:
    """The first intervals of a run: no two runs have them alike to the microsecond."""
    return tuple(round(1e6 * (b - a)) for a, b in pairwise(raw.edges_s[: FEW + 1]))


def _limit_w(run: Run, domain: str) -> float | None:
    stated = run.facts.get(domain, {}).get("power_limit_w")
    return stated if is_number(stated) and stated > 0 else None
