"""When to look at an energy counter next: often where an update is near, seldom elsewhere.

Looking costs little, waking up to look costs more (20 us of processor time, and up to 140 us where
the work has emptied the caches), so the price of a recorder is its number of wake-ups. A counter
that is updated regularly needs looks only around the next update; where even that costs more than
it may, some updates are followed closely and others not at all. Pure: times in, times out, in ns
of any one clock.
"""

import math
from collections import deque
from collections.abc import Sequence

DENSE_NS = 2_000_000
"""Time between looks while nothing is known: an update is noted at most this much late."""

STEP_NS = 1_000_000
"""Time between looks while an update is expected."""

MARGIN_NS = 1_500_000
"""Looks begin this long before an update may come: for the clock's drift and late wake-ups."""

_SURE_NS, _TRUSTED = 300_000, 4  # so punctual, so many updates go without the look before them
_LEAST, _MOST = 8, 50  # gaps to learn a period from, and to follow it by
_WORTH = 0.3  # of the period: where the guard takes more, waiting saves next to nothing
_CREEP_NS, _BACK_NS = 40_000, 400_000  # steps of the expectation, down with each update, and up

_STRETCH = (8, 24)  # updates between rests
_LEAST_REST_NS = 50_000_000
_LONGEST_GAP_NS = 800_000_000
_GAP = 3.0  # periods: a rest is to be seen in the record for what it is
_GOLDEN = 0.618

Bracket = tuple[int, int]
"""The last look before an update and the first after it: it came in between."""


class TickSchedule:
    """When to look at one counter.

    While its updates are unknown or irregular, every 2 ms. Once they have been regular for some
    gaps, shortly before the next one is expected, to see that it has not come yet, then when it
    is expected, and every 1 ms until it comes. Where all have been punctual, only every fifth is
    looked for beforehand. After one that comes outside its time, everything is learned again.
    After early ones, which may have been noted late, it takes more gaps each time.

    The next look is due at `next_ns`: at once to begin with.
    """

    def __init__(self, period_ns: float | None = None) -> None:
        """Know nothing yet, or the period from an earlier time: then one update tells the rest."""
        self.next_ns = 0
        self._known_ns = period_ns
        self._looked_ns: int | None = None
        self._brackets: list[Bracket] = []
        self._needed = _LEAST
        self._train: _Train | None = None
        self._trusted = 0
        self._in_vain = False

    @property
    def period_ns(self) -> float | None:
        """The learned time between updates; None until it is learned."""
        return None if self._train is None else self._train.period_ns

    def looked(self, now_ns: int, changed: bool) -> None:
        """Take note of a look and set the time of the next; the first one sees no update."""
        before_ns, self._looked_ns = self._looked_ns, now_ns
        if self._train is None:
            if before_ns is not None and changed:
                self._learn((before_ns, now_ns))
        elif before_ns is None:
            self._train.skip(now_ns - MARGIN_NS)  # it may have woken late from its rest
        else:
            self._follow(self._train, before_ns, now_ns, changed)
        if self._train is None:
            self.next_ns = now_ns + DENSE_NS
            return
        lead_ns = self._train.lead_ns
        waiting = now_ns >= lead_ns - STEP_NS or self._trusts(self._train, changed)
        self.next_ns = max(now_ns + STEP_NS, lead_ns + MARGIN_NS) if waiting else lead_ns

    @property
    def settled(self) -> bool:
        """Whether it has learned the period, or tried to: before that, a rest would hinder it."""
        return self._train is not None or self._in_vain

    def rest(self, until_ns: int) -> None:
        """Look no more until then; the next look is like the first, only where the counter is.

        The updates until then go by unseen, and so does the rest of the one it ends in.
        """
        self._looked_ns = None
        self._brackets = []
        self.next_ns = until_ns
        if self._train is not None:
            self._train.skip(until_ns)
            self.next_ns = self._train.lead_ns

    def _trusts(self, train: "_Train", changed: bool) -> bool:
        """Whether the next update may go without the look before it."""
        if not changed or train.spread_ns > _SURE_NS or self._trusted >= _TRUSTED:
            self._trusted = 0
            return False
        self._trusted += 1
        return True

    def _learn(self, bracket: Bracket) -> None:
        self._brackets.append(bracket)
        if self._known_ns is not None:
            self._train = _Train([bracket], self._known_ns)
            self._known_ns = None  # if it has changed, all is learned again
        elif len(self._brackets) > self._needed:
            train = _Train(self._brackets)
            if train.guard_ns <= _WORTH * train.period_ns:
                self._train = train
            self._in_vain = self._train is None
            self._brackets = [bracket]

    def _follow(self, train: "_Train", before_ns: int, now_ns: int, changed: bool) -> None:
        expected_ns, guard_ns = train.expected_ns, train.guard_ns
        if not changed:
            if now_ns > expected_ns + guard_ns:
                self._forget()
            return
        unseen = before_ns < expected_ns - guard_ns - STEP_NS  # no look since it might have come
        if unseen and now_ns < expected_ns - train.spread_ns:
            self._needed = min(2 * self._needed, _MOST)
            self._forget()
            return
        train.follow((before_ns, now_ns))
        if now_ns > train.expected_ns:
            self._forget()  # woken so late that more than one may have come

    def _forget(self) -> None:
        self._train = None
        self._brackets = []


class _Train:
    """Regular updates, followed from one to the next.

    Looks tell only between which two of them an update came. The expectation creeps towards
    the earlier until a look at the expected time comes before the update; then it steps back.
    This keeps it within half a millisecond after the update, so that two looks suffice for most.
    `period_ns` is the mean time between updates, `spread_ns` the most that one of the last 50 was
    off.
    """

    def __init__(self, brackets: Sequence[Bracket], period_ns: float | None = None) -> None:
        first, last = (sum(brackets[place]) / 2 for place in (0, -1))
        self.period_ns = period_ns or (last - first) / (len(brackets) - 1)
        self._times_ns = deque([first], _MOST + 1)
        self._numbers = deque([0], _MOST + 1)  # their places in the row
        self._ahead = 1
        # The period is as uncertain at first as the looks that it is learned from are far apart.
        self._misses_ns = deque([DENSE_NS / 2], _MOST)
        self.spread_ns = max(self._misses_ns)
        for bracket in brackets[1:]:
            self._move(bracket)

    @property
    def expected_ns(self) -> float:
        return self._times_ns[-1] + self._ahead * self.period_ns

    @property
    def guard_ns(self) -> float:
        """How far from the expected time it may come; further the longer none was looked for."""
        known = max(1, self._numbers[-1] - self._numbers[0])
        return self.spread_ns + MARGIN_NS + STEP_NS / 2 * (self._ahead - 1) / known

    @property
    def lead_ns(self) -> int:
        """When to begin looking for the next."""
        return round(self.expected_ns - self.guard_ns)

    def follow(self, bracket: Bracket) -> None:
        """One more update."""
        self._move(bracket)
        updates = self._numbers[-1] - self._numbers[0]
        self.period_ns = (self._times_ns[-1] - self._times_ns[0]) / updates

    def skip(self, until_ns: int) -> None:
        """Expect the first update that surely comes after this time, however many come before."""
        over_ns = until_ns + self.guard_ns - self.expected_ns
        self._ahead += max(0, math.ceil(over_ns / self.period_ns))

    def _move(self, bracket: Bracket) -> None:
        expected_ns, (after_ns, until_ns) = self.expected_ns, bracket
        miss_ns = max(0.0, after_ns - expected_ns, expected_ns - _BACK_NS / 2 - until_ns)
        self._misses_ns.append(miss_ns)
        time_ns = max(expected_ns - _CREEP_NS, after_ns + _BACK_NS)
        self._times_ns.append(min(time_ns, until_ns))
        self._numbers.append(self._numbers[-1] + self._ahead)
        self._ahead = 1
        self.spread_ns = max(self._misses_ns)


class Chore:
    """Something to be done every so often, best while no update of a counter is near.

    It is due from `soon_ns` after the last time where that disturbs nothing, and from `late_ns`
    after it in any case (`latest_ns`): so it seldom needs a wake-up of its own, and seldom delays a
    look.
    """

    def __init__(self, soon_ns: int, late_ns: int) -> None:
        """Begin with it due."""
        self._soon_ns, self._late_ns = soon_ns, late_ns
        self._soonest_ns = self.latest_ns = 0

    def due(self, now_ns: int, quiet: bool) -> bool:
        """Whether to do it now; if so it counts as done."""
        if now_ns < (self._soonest_ns if quiet else self.latest_ns):
            return False
        self._soonest_ns, self.latest_ns = now_ns + self._soon_ns, now_ns + self._late_ns
        return True


class Allowance:
    """The processor time that watching may take: a share of the time that is watched.

    A recorder that has used more rests until it has not. It does so between stretches of a few
    updates (`stretch`), of lengths that fit no rhythm of the work, so that it sees all parts of it
    alike.
    """

    def __init__(self, share: float = 0.006, spare_ns: float = 50e6) -> None:
        """Allow this share of one processor, and so much at first, to learn the periods with."""
        self._share, self._spare_ns, self._left_ns = share, spare_ns, spare_ns
        self._stretches = 0
        self.stretch = _STRETCH[0]

    def spend(self, watched_ns: int, used_ns: int) -> None:
        """Account for a time that was watched, and the processor time that was used in it."""
        self._left_ns = min(self._left_ns + self._share * watched_ns - used_ns, self._spare_ns)

    def rest_ns(self, period_ns: float) -> int:
        """How long to rest after a stretch; the next one has another length.

        `period_ns` is the slowest counter's, 0 if not known. A rest is long enough to be seen as a
        gap, and not so long that the counter and the power seem to stand still.
        """
        self._stretches += 1
        few, most = _STRETCH
        self.stretch = few + int((most - few) * (self._stretches * _GOLDEN % 1))
        gap_ns = _GAP * period_ns
        least_ns, most_ns = max(_LEAST_REST_NS, gap_ns), _LONGEST_GAP_NS - gap_ns
        if self._left_ns >= 0 or least_ns > most_ns:
            return 0
        return round(min(max(-self._left_ns / self._share, least_ns), most_ns))
