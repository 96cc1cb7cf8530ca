"""When to look at an energy counter next: often where an update is near, seldom elsewhere.

A look costs processor time (waking up, and on many drivers spinning until the GPU answers), and on
some GPUs power. A counter that is updated regularly needs looks only around the next update; where
even that costs more than it may, some updates are followed closely and others not at all.

A look takes a while, and nobody knows when in that while the value was read: its time is the
middle of the call. Pure: times in, times out, in ns of any one clock.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

LEARN_NS = 5_000_000
"""Time between looks while nothing is known: closer ones would warm some GPUs by themselves."""

STEP_NS = 1_000_000
"""Time between looks while an update is expected, if a look takes no longer."""

MARGIN_NS = 1_500_000
"""Looks begin this long before an update may come: for the clock's drift and late wake-ups."""

_SURE_NS, _TRUSTED = 300_000, 4  # so punctual, so many updates go without the look before them
_FEW, _LEAST, _MOST = 4, 8, 50  # gaps to learn a period from, and to follow it by
_CLOSE, _WORTH = 0.05, 0.3  # of the period: the guard after few gaps, and after many
_OPEN_NS = 600_000  # an update is expected within this; wider bounds are halved
_KNOWN_NS = 300_000  # so far off may a period be that was learned earlier
_DRIFT = 1e-5  # of the period, from one update to the next
_LATE = 0.03  # of the period: an update that may have been noted later than this is left out
_SLACK_NS = 2_000_000  # as above, while learning
_PATIENCE_NS = 1_500_000_000
_GOLDEN = 0.618

Bracket = tuple[int, int]
"""The last look before an update and the first after it: it came in between."""


class TickSchedule:
    """When to look at one counter.

    While its updates are unknown or irregular, every 5 to 6 ms. Once they have been regular for
    some gaps, shortly before the next one is expected, to see that it has not come yet, then when
    it is expected, and every 1 ms until it comes. Where all have been punctual, only every fifth is
    looked for beforehand. After one that comes outside its time, everything is learned again.
    After early ones, which may have been seen late, it takes more gaps each time.

    The middle of the next look is due at `next_ns`: at once to begin with. Looks that take longer
    (`read_ns`) follow each other as fast as they can.
    """

    def __init__(self, period_ns: float | None = None) -> None:
        """Know nothing yet, or the period from an earlier time: then one update tells the rest."""
        self.next_ns = 0
        self.read_ns = 0.0
        self._known_ns = period_ns
        self._looked_ns: int | None = None
        self._brackets: list[Bracket] = []
        self._needed = _LEAST
        self._train: _Train | None = None
        self._trusted = 0
        self._learning_ns: int | None = None  # since when
        self._in_vain = False
        self._dither = 0.0

    @property
    def period_ns(self) -> float | None:
        """The learned time between updates; None until it is learned."""
        return None if self._train is None else self._train.period_ns

    @property
    def settled(self) -> bool:
        """Whether it has learned the period well, or tried to: before that, a rest would hinder."""
        return self._in_vain if self._train is None else self._train.sure

    def looked(self, now_ns: int, changed: bool, *, off_ns: int = 0) -> bool:
        """Take note of a look and set the time of the next; whether an update was seen on time.

        The first look only sees where the counter is. So do those that may have come too late after
        an update, and those that were held up: their time may be `off_ns` off.
        """
        before_ns, self._looked_ns = self._looked_ns, now_ns - off_ns
        noted = False
        if self._train is None:
            if self._learning_ns is None:
                self._learning_ns = now_ns
            if before_ns is not None and changed:
                noted = now_ns - before_ns <= max(LEARN_NS, self._step_ns) + _SLACK_NS
                self._learn((before_ns, now_ns + off_ns))
            elif now_ns - self._learning_ns > _PATIENCE_NS:
                self._in_vain = True
        elif before_ns is None:
            if self._train.skip(now_ns):  # too late: what comes before the next look is not that
                self._looked_ns = None
        else:
            noted = self._follow(self._train, before_ns, now_ns + off_ns * changed, changed)
        self._plan(now_ns, changed)
        return noted and not off_ns

    @property
    def longest_rest_ns(self) -> float:
        """After more periods than this it would not know which update is the next."""
        return math.inf if self._train is None else self._train.foresight_ns

    def rest(self, until_ns: int) -> None:
        """Look no more until then; the next look is like the first, only where the counter is.

        The updates until then go by unseen, and so does the rest of the one it ends in.
        """
        self._looked_ns = None
        self._brackets = []
        self.next_ns = until_ns
        if self._train is not None:
            self._train.skip(until_ns + MARGIN_NS + self._step_ns)
            self.next_ns = self._lead_ns(self._train)

    @property
    def _step_ns(self) -> int:
        return max(STEP_NS, round(self.read_ns))

    def _lead_ns(self, train: "_Train") -> int:
        """When to see that the next update has not come: then a look when it is expected fits."""
        return round(min(train.lead_ns, train.expected_ns - self._step_ns))

    def _plan(self, now_ns: int, changed: bool) -> None:
        train, step_ns = self._train, self._step_ns
        if train is None:
            self._dither = (self._dither + _GOLDEN) % 1.0  # a rhythm of its own would hide some
            self.next_ns = now_ns + max(LEARN_NS + round(self._dither * STEP_NS), step_ns)
            return
        lead_ns, start_ns = self._lead_ns(train), train.expected_ns
        if start_ns - train.early_ns > step_ns:  # closer looks see it sooner
            start_ns = train.early_ns
        waiting = now_ns >= lead_ns - STEP_NS or self._trusts(train, changed)
        if waiting and self._looked_ns is not None:
            self.next_ns = max(now_ns + step_ns, round(start_ns))
        else:
            self.next_ns = max(now_ns + step_ns, lead_ns)

    def _trusts(self, train: "_Train", changed: bool) -> bool:
        """Whether the next update may go without the look before it."""
        sure_ns = max(_SURE_NS, self.read_ns / 2)
        punctual = train.sure and train.spread_ns <= sure_ns
        if not changed or not punctual or self._trusted >= _TRUSTED:
            self._trusted = 0
            return False
        self._trusted += 1
        return True

    def _learn(self, bracket: Bracket) -> None:
        self._brackets.append(bracket)
        gaps = len(self._brackets) - 1
        if self._known_ns is not None:
            self._train = _Train([bracket], self._known_ns)
            self._known_ns = None  # if it has changed, all is learned again
        elif gaps >= min(_FEW, self._needed):
            train, enough = _Train(self._brackets), gaps >= self._needed
            close = train.guard_ns <= (_WORTH if enough else _CLOSE) * train.period_ns
            if close and 2 * self._step_ns <= train.period_ns:
                self._train = train
            elif enough:
                self._in_vain = True
            if self._train is not None or enough:
                self._brackets = [bracket]

    def _follow(self, train: "_Train", before_ns: int, now_ns: int, changed: bool) -> bool:
        """Whether an update was seen, and in time."""
        if not changed:
            if now_ns > train.over_ns:
                self._forget(now_ns)
            return False
        unseen = before_ns < self._lead_ns(train) - STEP_NS  # no look since it might have come
        if unseen and now_ns < train.early_ns:
            if train.stumble(now_ns):
                self._needed = min(2 * self._needed, _MOST)
                self._forget(now_ns)
            return False
        late_ns = now_ns - max(before_ns, train.early_ns)
        train.follow((before_ns, now_ns))
        if now_ns > train.early_ns:
            self._forget(now_ns)  # woken so late that more than one may have come
            return False
        return late_ns <= STEP_NS + max(STEP_NS, _LATE * train.period_ns)

    def _forget(self, now_ns: int) -> None:
        self._train = None
        self._brackets = []
        self._learning_ns, self._in_vain = now_ns, False


class _Train:
    """Regular updates, followed from one to the next.

    Looks tell only between which two of them an update came; by the period, that bounds when the
    next one comes (`early_ns` to `late_ns`). While this is wide, it is expected in the middle, and
    the look at that time halves it; once it is narrow, at its end, so that one look suffices. The
    bounds move apart by what is not known of the period, and by how irregular updates were.
    """

    def __init__(self, brackets: Sequence[Bracket], period_ns: float | None = None) -> None:
        fit = _Fit.of(brackets) if period_ns is None else _Fit(period_ns, _KNOWN_NS, *brackets[-1])
        self.period_ns, self._off_ns = fit.period_ns, fit.off_ns
        self._low_ns, self._high_ns = fit.low_ns, fit.high_ns
        self._ahead, self._followed, self._stumbled = 1, 0, False
        self._misses_ns: deque[float] = deque(maxlen=_MOST)
        # Times of updates, how far off each may be, and their places in the row.
        self._times: deque[tuple[float, float, int]] = deque(maxlen=_MOST + 1)
        if gaps := len(brackets) - 1:
            first, until = brackets[0]
            self._times.append(((first + until) / 2, (until - first) / 2, 0))
        self._times.append(((fit.low_ns + fit.high_ns) / 2, (fit.high_ns - fit.low_ns) / 2, gaps))

    @property
    def spread_ns(self) -> float:
        """How far from where they were expected updates came, at most."""
        return max(self._misses_ns, default=0.0)

    @property
    def early_ns(self) -> float:
        """When the next may come, at the earliest."""
        return self._low_ns + self._ahead * (self.period_ns - self._unknown_ns) - self.spread_ns

    @property
    def late_ns(self) -> float:
        """When the next has come, if it comes as the others did."""
        return self._high_ns + self._ahead * (self.period_ns + self._unknown_ns)

    @property
    def expected_ns(self) -> float:
        """When to look for it."""
        late_ns, early_ns = self.late_ns, self.early_ns + self.spread_ns
        return late_ns if late_ns - early_ns <= _OPEN_NS else (early_ns + late_ns) / 2

    @property
    def lead_ns(self) -> float:
        """When it has surely not come yet."""
        return self.early_ns - MARGIN_NS

    @property
    def over_ns(self) -> float:
        """When it has surely come."""
        return self.late_ns + self.spread_ns + MARGIN_NS

    @property
    def guard_ns(self) -> float:
        """How long before the expected time looks begin."""
        return self.expected_ns - self.lead_ns

    @property
    def sure(self) -> bool:
        """Whether enough updates came as they were expected."""
        return self._followed >= _LEAST

    @property
    def foresight_ns(self) -> float:
        """After so long the bounds are apart by as much as the margin."""
        return MARGIN_NS / self._unknown_ns * self.period_ns

    @property
    def _unknown_ns(self) -> float:
        return self._off_ns + _DRIFT * self.period_ns

    def follow(self, bracket: Bracket) -> None:
        """One more update."""
        after_ns, until_ns = bracket
        low_ns = max(float(after_ns), self.early_ns + self.spread_ns)
        high_ns = min(float(until_ns), self.late_ns)
        self._misses_ns.append(max(0.0, low_ns - high_ns))
        if low_ns > high_ns and after_ns > high_ns:  # later than it was expected
            high_ns = min(low_ns + _OPEN_NS, float(until_ns))
        elif low_ns > high_ns:
            low_ns = max(high_ns - _OPEN_NS, float(after_ns))
        self._low_ns, self._high_ns = low_ns, high_ns
        self._times.append(
            ((low_ns + high_ns) / 2, (high_ns - low_ns) / 2, self._times[-1][2] + self._ahead)
        )
        self._ahead, self._stumbled = 1, False
        self._followed += 1
        while len(self._times) > 2 and self._off_by(1) < self._off_by(0):
            self._times.popleft()
        (first_ns, _, first), (last_ns, _, last) = self._times[0], self._times[-1]
        self.period_ns, self._off_ns = (last_ns - first_ns) / (last - first), self._off_by(0)

    def stumble(self, now_ns: int) -> bool:
        """One came before anybody looked for it; whether that happened twice in a row."""
        if self._stumbled:
            return True
        spread_ns = self.spread_ns + 2 * MARGIN_NS
        self.follow((round(now_ns - spread_ns), now_ns))
        self._misses_ns[-1] = spread_ns
        self._stumbled = True
        return False

    def skip(self, until_ns: float) -> bool:
        """Expect the first update that surely comes after this time; whether it is another one."""
        ahead = self._ahead
        while self.early_ns < until_ns:
            over = (until_ns - self.early_ns) / max(1.0, self.period_ns - self._unknown_ns)
            self._ahead += max(1, math.ceil(over))
        return self._ahead > ahead

    def _off_by(self, place: int) -> float:
        """How far off the period is if it is taken since that time."""
        (_, off_ns, number), (_, last_off_ns, last) = self._times[place], self._times[-1]
        return (off_ns + last_off_ns + self.spread_ns) / (last - number)


@dataclass(frozen=True)
class _Fit:
    """A period, how far off it may be, and between which times the last update came by it."""

    period_ns: float
    off_ns: float
    low_ns: float
    high_ns: float

    @classmethod
    def of(cls, brackets: Sequence[Bracket]) -> "_Fit":
        """All periods by which one update came in each bracket; the nearest if there is none."""
        gaps = len(brackets) - 1
        first, last = (sum(brackets[place]) / 2 for place in (0, -1))
        reach_ns = max(until - after for after, until in brackets) / gaps
        found = []
        for part in range(-20, 21):
            period_ns = (last - first) / gaps + reach_ns * part / 20
            ahead = [(gaps - place) * period_ns for place in range(gaps + 1)]
            low_ns = max(after + more for (after, _), more in zip(brackets, ahead, strict=True))
            high_ns = min(until + more for (_, until), more in zip(brackets, ahead, strict=True))
            found.append((period_ns, low_ns, high_ns))
        fit = [one for one in found if one[1] <= one[2]]
        if not fit:
            period_ns, high_ns, low_ns = max(found, key=lambda one: one[2] - one[1])
            return cls(period_ns, reach_ns, low_ns, high_ns)
        period_ns, off_ns = (fit[0][0] + fit[-1][0]) / 2, (fit[-1][0] - fit[0][0]) / 2
        low_ns, high_ns = min(one[1] for one in fit), max(one[2] for one in fit)
        return cls(period_ns, off_ns + reach_ns / 20, low_ns, high_ns)
