"""The rule by which a recorder looks at a counter, on trains of updates made up here."""

import bisect
import itertools
import random

import pytest

from energyscore.measurement.meters.tick_schedule import TickSchedule
from energyscore.measurement.meters.watch_budget import Allowance, Chore

MS = 1_000_000
WAKE_NS = 90_000  # a sleeper is woken this much late
LEARNING_MS = 6.2  # 5 to 6 ms between looks, and the late wake-up


class Watched:
    """A counter watched by the rule: when it was looked at, and how late updates were noted."""

    def __init__(self, updates_ns, *, wake_ns=lambda: WAKE_NS, until_ns=None, known_ns=None):
        self.schedule = TickSchedule(known_ns)
        self.looks_ns, self.noted, self.learned_ns = [], [], None
        now_ns, seen, self.seen = 0, 0, 0
        while now_ns < (until_ns or updates_ns[-1] + 8 * MS):
            there = bisect.bisect_right(updates_ns, now_ns)
            if self.schedule.looked(now_ns, there > seen):
                assert there > seen, "there is no update to note"
                self.noted.append((now_ns, (now_ns - updates_ns[there - 1]) / MS))
            self.seen += there > seen
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


@pytest.mark.parametrize("period_ms", [10, 16.7, 20, 25, 50, 100])
def test_regular_updates_are_all_noted_at_once_with_few_looks(period_ms):
    updates = train(period_ms, 30)
    watched = Watched(updates)
    assert len(watched.noted) >= len(updates) - 2
    assert max(watched.late_ms()) < LEARNING_MS
    assert max(watched.late_ms(watched.learned_ns + 10 * period_ms * MS)) < 1.2
    assert sorted(watched.late_ms())[len(updates) // 2] < 0.6
    assert watched.schedule.period_ns == pytest.approx(period_ms * MS, rel=0.003)
    assert watched.learned_ns <= (updates[9] if period_ms > 10 else 1e9), "after eight gaps"
    looks = watched.looks_per_s(updates[-1] - 20_000 * MS, updates[-1])
    assert looks < 1.4 * 1e3 / period_ms, "one look for most updates"


@pytest.mark.parametrize("period_ms", [1, 2.5, 5, 9])
def test_a_fast_counter_is_looked_at_every_5_ms_and_no_more_often(period_ms):
    watched = Watched(train(period_ms, 10))
    if period_ms < 9:
        assert watched.learned_ns is None
    before_ns = watched.learned_ns or watched.looks_ns[-1]
    looks = [at for at in watched.looks_ns if at <= before_ns]
    gaps = [b - a for a, b in itertools.pairwise(looks)]
    assert 5 * MS <= min(gaps) <= max(gaps) <= 6 * MS + WAKE_NS
    assert max(watched.late_ms()) < LEARNING_MS


@pytest.mark.parametrize(("period_ms", "jitter_ms"), [(20, 1.0), (50, 2.0), (100, 1.0), (100, 3.0)])
def test_jitter_widens_the_guard_and_none_is_late(period_ms, jitter_ms):
    updates = train(period_ms, 30, jitter_ms=jitter_ms)
    watched = Watched(updates)
    assert len(watched.noted) >= 0.98 * len(updates)
    assert sorted(watched.late_ms())[round(0.95 * len(watched.noted))] < 1.6


def test_irregular_updates_are_looked_at_every_5_ms_again_and_again():
    draw = random.Random(3)
    updates = [5 * MS]
    while updates[-1] < 30_000 * MS:
        updates.append(updates[-1] + round(draw.uniform(10, 60) * MS))
    watched = Watched(updates)
    assert len(watched.noted) >= 0.98 * len(updates)
    assert max(watched.late_ms()) < LEARNING_MS


@pytest.mark.parametrize(("before_ms", "after_ms"), [(40, 20), (20, 40), (100, 20), (20, 100)])
def test_a_period_that_changes_is_learned_anew_and_none_is_noted_late(before_ms, after_ms):
    first = train(before_ms, 5)
    then = train(after_ms, 20, begin_ms=first[-1] / MS + after_ms)
    watched = Watched(first + then)
    unseen = max(0, before_ms // after_ms - 1)  # those that came while none was expected
    assert len(first) + len(then) - len(watched.noted) <= unseen + 10
    assert max(watched.late_ms()) < LEARNING_MS
    assert watched.schedule.period_ns == pytest.approx(after_ms * MS, rel=0.003)


def test_a_frozen_counter_is_watched_until_it_is_regular_again():
    first, resumed = train(20, 5), train(20, 5, begin_ms=8_007)
    watched = Watched(first + resumed)
    assert max(watched.late_ms()) < LEARNING_MS
    frozen = watched.looks_per_s(first[-1] + 30 * MS, resumed[0])
    assert 160 < frozen < 200
    assert watched.schedule.settled
    assert watched.looks_per_s(resumed[20], resumed[-1]) < 130


def test_where_nothing_moves_for_long_it_counts_as_settled():
    """Otherwise nobody could rest from a counter that stands still."""
    watched = Watched([3 * MS], until_ns=1_400 * MS)
    assert not watched.schedule.settled
    assert Watched([3 * MS], until_ns=1_700 * MS).schedule.settled


def test_after_a_missed_update_it_looks_every_5_ms_until_it_has_learned_again():
    updates = train(20, 10)
    missed = updates.pop(250)
    watched = Watched(updates)
    assert len(watched.noted) >= len(updates) - 4
    assert max(watched.late_ms()) < LEARNING_MS
    assert watched.looks_per_s(missed + 5 * MS, missed + 105 * MS) > 150
    assert watched.looks_per_s(missed + 400 * MS, updates[-1]) < 130


def test_late_wake_ups_cost_neither_dense_looks_nor_wrong_stamps():
    """A busy machine: one wake-up in ten is up to 8 ms late. Such updates are left out."""
    draw = random.Random(1)

    def wake_ns():
        return WAKE_NS + (draw.random() < 0.1) * round(draw.uniform(0, 8 * MS))

    updates = train(100, 60)
    watched = Watched(updates, wake_ns=wake_ns)
    assert 0.85 * len(updates) < len(watched.noted) < 0.99 * len(updates)
    assert max(watched.late_ms(watched.learned_ns + 1000 * MS)) < 5.0
    assert watched.looks_per_s(watched.learned_ns, updates[-1]) < 30


@pytest.mark.parametrize("error", [0.998, 1.0, 1.002])
def test_with_the_period_known_one_update_tells_the_rest(error):
    updates = train(100, 10)
    watched = Watched(updates, known_ns=100 * MS * error)
    assert len(watched.noted) >= len(updates) - 1
    assert max(watched.late_ms()) < LEARNING_MS
    assert watched.learned_ns <= updates[0] + 6 * MS
    assert watched.looks_per_s(updates[0] + 8 * MS, updates[-1]) < 25


def test_a_period_that_is_not_so_any_more_is_learned_anew():
    updates = train(20, 10)
    watched = Watched(updates, known_ns=100 * MS)
    assert len(updates) - len(watched.noted) <= 12  # those before it was found out
    assert watched.schedule.period_ns == pytest.approx(20 * MS, rel=0.003)


@pytest.mark.parametrize("period_ms", [20, 50, 100])
@pytest.mark.parametrize("drift", [0.0, 2e-4])
def test_after_a_rest_the_updates_are_noted_at_once_again(period_ms, drift):
    updates = [round(at * (1 + drift)) for at in train(period_ms, 60, jitter_ms=0.2)]
    schedule, noted, rests = TickSchedule(), [], 0
    now_ns, seen, followed, sure = 0, 0, 0, False
    while now_ns < updates[-1]:
        there = bisect.bisect_right(updates, now_ns)
        told = schedule.looked(now_ns, there > seen)
        if told and sure:
            noted.append((now_ns - updates[there - 1]) / MS)
        followed, seen = followed + (there > seen), there
        if followed >= 12 and schedule.settled:
            sure = True
            schedule.rest(now_ns + round(min(300 * MS, schedule.longest_rest_ns)))
            followed, rests = 0, rests + 1
        now_ns = schedule.next_ns + WAKE_NS
    assert rests >= 35
    assert max(noted) < 1.5
    share = len(noted) / len(updates)
    assert share == pytest.approx(12 * period_ms / (12 * period_ms + 300), abs=0.09)


@pytest.mark.parametrize("read_ms", [2.5, 8.0, 21.0])
def test_slow_reads_are_begun_early_and_only_one_is_needed(read_ms):
    """Looks are `read_ms` long and tell what was there in their middle."""
    updates = train(100, 60)
    schedule, noted, looks = TickSchedule(), [], 0
    now_ns, seen = round(read_ms * MS), 0
    while now_ns < updates[-1]:
        there = bisect.bisect_right(updates, now_ns)
        schedule.read_ns = read_ms * MS
        if schedule.looked(now_ns, there > seen):
            noted.append((now_ns - updates[there - 1]) / MS)
        looks, seen = looks + 1, there
        now_ns = max(schedule.next_ns + WAKE_NS, now_ns + round(read_ms * MS))
    assert len(noted) > 0.93 * len(updates)
    assert sorted(noted)[round(0.95 * len(noted))] < min(read_ms, 3.0)
    assert looks < 2 * len(updates)


def test_a_look_that_was_held_up_notes_nothing():
    updates = train(100, 20)
    held_up = 0

    def drive():
        nonlocal held_up
        schedule, now_ns, seen = TickSchedule(), 0, 0
        while now_ns < updates[-1]:
            there = bisect.bisect_right(updates, now_ns)
            off_ns = MS if schedule.settled and held_up % 7 == 3 else 0
            told = schedule.looked(now_ns, there > seen, off_ns=off_ns)
            assert not (off_ns and told)
            if told and schedule.settled:
                yield (now_ns - updates[there - 1]) / MS
            held_up, seen = held_up + 1, there
            now_ns = schedule.next_ns + WAKE_NS

    late_ms = list(drive())
    assert len(late_ms) > 100
    assert max(late_ms) < 1.5


def chore_of(soon_ms=16, late_ms=21, share=0.01, most_ms=700):
    return Chore(soon_ms * MS, late_ms * MS, share, most_ms * MS)


def test_a_chore_waits_for_a_quiet_moment_but_not_for_ever():
    chore, far = chore_of(), 10**15
    assert chore.due(1000 * MS, 1001 * MS), "the first time at once"
    chore.done(1000 * MS, MS // 100, MS // 100)
    assert not chore.due(1015 * MS, far)
    assert not chore.due(1020 * MS, 1022 * MS), "a look comes in 2 ms"
    assert chore.due(1020 * MS, 1024 * MS)
    assert chore.wake_ns(1000 * MS, far) == 1021 * MS
    assert chore.wake_ns(1000 * MS, 1022 * MS) == 1022 * MS, "with the look, and after it"
    assert chore.due(1121 * MS, 1122 * MS), "in the end it takes the time"


def test_a_chore_that_takes_long_is_not_begun_before_a_look():
    chore = chore_of()
    chore.done(1000 * MS, 8 * MS, 0)
    assert not chore.due(1110 * MS, 1118 * MS)
    assert chore.due(1110 * MS, 1119 * MS)


@pytest.mark.parametrize(
    ("used_ms", "took_ms", "every_ms"),
    [(0.02, 0.02, 21), (0.3, 0.3, 39), (2.5, 2.5, 328), (8, 8, 700), (0.01, 21, 344)],
)
def test_what_costs_more_is_done_less_often(used_ms, took_ms, every_ms):
    chore = chore_of()
    for _ in range(3):
        chore.done(0, round(took_ms * MS), round(used_ms * MS))
    assert chore.wake_ns(0, 10**15) / MS == pytest.approx(every_ms, abs=1)


def after(allowance, watched_ms, used_ms, period_ms=10):
    """How long it says to rest, in ms, after so much."""
    allowance.spend(watched_ms * MS, round(used_ms * MS))
    return allowance.rest_ns(period_ms * MS) / MS


def test_what_is_too_dear_is_rested_from():
    allowance = Allowance(share=0.01, spare_ns=5 * MS)
    assert after(allowance, 100, 1) == 0, "within its share"
    assert after(allowance, 100, 4) == 0, "what is to spare is used first"
    assert [after(allowance, 100, 4) for _ in range(2)] == [100, 400], "as long as it takes"
    assert after(allowance, 100, 101) == 8000, "but some updates are to be seen"
    assert after(allowance, 20_000, 0) == 0
    assert after(allowance, 100, 8) == 200, "what is to spare is bounded"


def test_a_rest_is_a_gap_that_can_be_told_from_an_update():
    def rest_ms(period_ms):
        return after(Allowance(share=0.01, spare_ns=0), 100, 1.1, period_ms)

    assert rest_ms(0) == rest_ms(10) == 50
    assert rest_ms(100) == 300
    assert rest_ms(140) == 420


def test_stretches_fit_no_rhythm():
    allowance = Allowance()
    lengths = []
    for _ in range(200):
        lengths.append(allowance.stretch)
        allowance.rest_ns(0.0)
    assert set(lengths) == set(range(8, 24))
    assert max(lengths.count(length) for length in set(lengths)) < 20
