"""The rule by which a recorder looks at a counter, on trains of updates made up here."""

import bisect
import random

import pytest

from energyscore.measurement.meters.tick_schedule import Allowance, Chore, TickSchedule

MS = 1_000_000
WAKE_NS = 90_000  # a sleeper is woken this much late
LATEST_MS = 2.2  # 2 ms between looks, and the late wake-up


class Watched:
    """A counter watched by the rule: when it was looked at, and how late updates were noted."""

    def __init__(self, updates_ns, *, wake_ns=lambda: WAKE_NS, until_ns=None, known_ns=None):
        self.schedule = TickSchedule(known_ns)
        self.looks_ns, self.noted, self.learned_ns = [], [], None
        now_ns, seen = 0, 0
        while now_ns < (until_ns or updates_ns[-1] + 5 * MS):
            there = bisect.bisect_right(updates_ns, now_ns)
            if there > seen:
                self.noted.append((now_ns, (now_ns - updates_ns[seen]) / MS))
            self.schedule.looked(now_ns, there > seen)
            self.looks_ns.append(now_ns)
            if self.learned_ns is None and self.schedule.period_ns is not None:
                self.learned_ns = now_ns
            seen = there
            now_ns = self.schedule.next_ns + wake_ns()
            assert now_ns > self.looks_ns[-1]
        self.seconds = now_ns / 1e9

    def late_ms(self, since_ns=0):
        return [late for at, late in self.noted if at >= since_ns]

    def looks_per_s(self, since_ns, until_ns):
        count = sum(since_ns <= at < until_ns for at in self.looks_ns)
        return count / (until_ns - since_ns) * 1e9


def train(period_ms, seconds, *, begin_ms=3.4, jitter_ms=0.0):
    draw = random.Random(7)
    count = int(seconds * 1e3 / period_ms)
    return sorted(
        round((begin_ms + n * period_ms + draw.uniform(-jitter_ms, jitter_ms)) * MS)
        for n in range(count)
    )


@pytest.mark.parametrize("period_ms", [9, 10, 16.7, 20, 25, 50, 100])
def test_regular_updates_are_all_noted_at_once_with_few_looks(period_ms):
    updates = train(period_ms, 30)
    watched = Watched(updates)
    assert len(watched.noted) == len(updates)
    assert max(watched.late_ms()) < LATEST_MS
    assert sorted(watched.late_ms())[len(updates) // 2] < 0.6
    assert watched.schedule.period_ns == pytest.approx(period_ms * MS, rel=0.003)
    assert watched.learned_ns <= updates[17], "after at most two attempts of eight gaps each"
    looks = watched.looks_per_s(updates[-1] - 20_000 * MS, updates[-1])
    assert looks < 1.8 * 1e3 / period_ms, "one look for most updates"


@pytest.mark.parametrize("period_ms", [1, 2.5, 5])
def test_a_fast_counter_is_looked_at_every_2_ms(period_ms):
    watched = Watched(train(period_ms, 10))
    assert watched.learned_ns is None
    gaps = {b - a for a, b in zip(watched.looks_ns, watched.looks_ns[1:], strict=False)}
    assert gaps == {2 * MS + WAKE_NS}
    assert max(watched.late_ms()) < LATEST_MS


@pytest.mark.parametrize(("period_ms", "jitter_ms"), [(10, 0.5), (20, 1.0), (100, 1.0), (10, 3.0)])
def test_jitter_widens_the_guard_and_none_is_late(period_ms, jitter_ms):
    updates = train(period_ms, 30, jitter_ms=jitter_ms)
    watched = Watched(updates)
    assert len(watched.noted) == len(updates)
    assert max(watched.late_ms()) < LATEST_MS


def test_irregular_updates_are_looked_at_every_2_ms_again_and_again():
    draw = random.Random(3)
    updates = [5 * MS]
    while updates[-1] < 30_000 * MS:
        updates.append(updates[-1] + round(draw.uniform(10, 60) * MS))
    watched = Watched(updates)
    assert len(watched.noted) == len(updates)
    assert sum(late > LATEST_MS for late in watched.late_ms()) <= 2


@pytest.mark.parametrize(("before_ms", "after_ms"), [(20, 10), (10, 20), (100, 20), (20, 100)])
def test_a_period_that_changes_costs_two_late_looks_at_most(before_ms, after_ms):
    first = train(before_ms, 5)
    then = train(after_ms, 20, begin_ms=first[-1] / MS + after_ms)
    watched = Watched(first + then)
    merged = max(0, before_ms // after_ms - 1)  # those that came while none was expected
    assert len(first) + len(then) - len(watched.noted) <= merged
    late = [late for late in watched.late_ms() if late > LATEST_MS]
    assert len(late) <= (2 if after_ms < before_ms else 0)
    assert watched.schedule.period_ns == pytest.approx(after_ms * MS, rel=0.003)


def test_a_frozen_counter_is_watched_closely_until_it_is_regular_again():
    first, resumed = train(20, 5), train(20, 5, begin_ms=8_007)
    watched = Watched(first + resumed)
    assert max(watched.late_ms()) < LATEST_MS
    frozen = watched.looks_per_s(first[-1] + 30 * MS, resumed[0])
    assert frozen == pytest.approx(1e9 / (2 * MS + WAKE_NS), rel=0.01)
    assert watched.looks_per_s(resumed[20], resumed[-1]) < 130


def test_after_a_missed_update_it_looks_every_2_ms_until_it_has_learned_again():
    updates = train(20, 10)
    missed = updates.pop(250)
    watched = Watched(updates)
    assert len(watched.noted) == len(updates)
    assert max(watched.late_ms()) < LATEST_MS
    assert watched.looks_per_s(missed + 5 * MS, missed + 105 * MS) > 450
    assert watched.looks_per_s(missed + 400 * MS, updates[-1]) < 130


def test_late_wake_ups_are_not_taken_for_surprises():
    """A busy machine: one wake-up in fifty is up to 8 ms late. It must not cost dense looks."""
    draw = random.Random(1)

    def wake_ns():
        return WAKE_NS + (draw.random() < 0.02) * round(draw.uniform(0, 8 * MS))

    updates = train(20, 30)
    watched = Watched(updates, wake_ns=wake_ns)
    assert len(watched.noted) == len(updates)
    assert watched.looks_per_s(watched.learned_ns, updates[-1]) < 130


def test_a_chore_waits_for_a_quiet_moment_but_not_for_ever():
    chore = Chore(16, 21)
    assert chore.due(1000, quiet=False), "the first time at once"
    assert not chore.due(1015, quiet=True)
    assert not chore.due(1020, quiet=False)
    assert chore.due(1020, quiet=True)
    assert chore.latest_ns == 1041
    assert chore.due(1041, quiet=False)


@pytest.mark.parametrize("error", [0.997, 1.0, 1.003])
def test_with_the_period_known_one_update_tells_the_rest(error):
    updates = train(100, 10)
    watched = Watched(updates, known_ns=100 * MS * error)
    assert len(watched.noted) == len(updates)
    assert max(watched.late_ms()) < LATEST_MS
    assert watched.learned_ns <= updates[0] + 3 * MS
    assert watched.looks_per_s(updates[0] + 5 * MS, updates[-1]) < 30


def test_a_period_that_is_not_so_any_more_is_learned_anew():
    updates = train(20, 10)
    watched = Watched(updates, known_ns=100 * MS)
    assert len(updates) - len(watched.noted) <= 5  # those before it was found out
    assert watched.schedule.period_ns == pytest.approx(20 * MS, rel=0.003)


@pytest.mark.parametrize("period_ms", [2.5, 10, 20, 50, 100])
@pytest.mark.parametrize("drift", [0.0, 2e-4])
def test_after_a_rest_the_updates_are_noted_at_once_again(period_ms, drift):
    updates = [round(at * (1 + drift)) for at in train(period_ms, 30, jitter_ms=0.2)]
    schedule, noted, baselines, rests = TickSchedule(), [], 0, 0
    now_ns, seen, followed, resting = 0, 0, 0, False
    while now_ns < updates[-1]:
        there = bisect.bisect_right(updates, now_ns)
        if resting:
            baselines, resting = baselines + 1, False
        elif there > seen:
            noted.append((now_ns - updates[there - 1]) / MS)
            followed += 1
        schedule.looked(now_ns, there > seen)
        seen = there
        if followed >= 12 and schedule.settled:
            schedule.rest(now_ns + 300 * MS)
            followed, resting, rests = 0, True, rests + 1
        now_ns = schedule.next_ns + WAKE_NS
    assert rests >= 20
    assert baselines >= rests - 1
    assert max(noted) < LATEST_MS
    share = len(noted) / len(updates)
    assert share == pytest.approx(12 * period_ms / (12 * period_ms + 300), abs=0.01)


def after(allowance, watched_ms, used_ms, period_ms=10):
    """How long it says to rest, in ms, after so much."""
    allowance.spend(watched_ms * MS, round(used_ms * MS))
    return allowance.rest_ns(period_ms * MS) / MS


def test_what_is_too_dear_is_rested_from():
    allowance = Allowance(share=0.01, spare_ns=5 * MS)
    assert after(allowance, 100, 1) == 0, "within its share"
    assert after(allowance, 100, 4) == 0, "what is to spare is used first"
    assert [after(allowance, 100, 4) for _ in range(2)] == [100, 400], "as long as it takes"
    longest = [after(allowance, 100, 40, ms) for ms in (10, 20)]
    assert longest == [770, 740], "but the counter must not seem to stand still"
    assert after(allowance, 10_000, 0) == 0
    assert after(allowance, 100, 8) == 200, "what is to spare is bounded"


def test_a_rest_is_a_gap_that_can_be_told_from_an_update():
    def rest_ms(period_ms):
        return after(Allowance(share=0.01, spare_ns=0), 100, 1.1, period_ms)

    assert rest_ms(0) == rest_ms(10) == 50
    assert rest_ms(100) == 300
    assert rest_ms(140) == 0, "so slow a counter costs little"


def test_stretches_fit_no_rhythm():
    allowance = Allowance()
    lengths = []
    for _ in range(200):
        lengths.append(allowance.stretch)
        allowance.rest_ns(0.0)
    assert set(lengths) == set(range(8, 24))
    assert max(lengths.count(length) for length in set(lengths)) < 20
