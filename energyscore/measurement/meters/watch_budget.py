"""What watching a GPU may cost: the time and processor time of every kind of read is measured.

Drivers differ a hundredfold: a read takes microseconds on one and 20 ms on another, some sleep
meanwhile and some spin, which costs the processor that time. Pure: times in, times out, in ns.
"""

from collections import deque
from random import Random
from statistics import median

SHARE, DEAR_SHARE = 0.006, 0.02
"""Of one processor, for looking at one counter: the second where the driver itself spins."""

_DEAR_NS = 200_000  # processor time of a look, from which it is the driver's
_LOCKED = 8.0  # where reads sleep: they may hold the GPU's lock this much longer than a processor
_FITS_NS = 1_000_000  # left between a chore and the look after it
_QUIET_NS = 3_000_000
_GRACE_NS = 100_000_000
_DITHER = 0.45
_FEW_TIMES = 15

_STRETCH = (8, 24)  # updates between rests
_LEAST_STRETCH = 4
_CYCLE_NS = 8e9  # of a stretch and its rest
_LEAST_REST_NS, _LONGEST_REST_NS = 50_000_000, 8_000_000_000
_GAP = 3.0  # periods: a rest is to be seen in the record for what it is
_GOLDEN = 0.618


class Usual:
    """The median of the last few: what something usually takes, 0 until it was done."""

    def __init__(self) -> None:
        """Nothing was done yet."""
        self._last: deque[int] = deque(maxlen=_FEW_TIMES)
        self.ns = 0.0

    def add(self, ns: int) -> None:
        """It took so long this time."""
        self._last.append(ns)
        self.ns = float(median(self._last))

    @property
    def least_ns(self) -> int:
        """The time below which a quarter lies: what it takes when nothing is in its way."""
        return sorted(self._last)[len(self._last) // 4]


class Chore:
    """Something to be done every so often, best while no update of a counter is near.

    It is due from `soon_ns` after the last time where a look at the counter comes no sooner than it
    is done, and wakes the recorder from `late_ns` after it: so it seldom needs a wake-up of its
    own, and seldom delays a look. Where there is never room, it takes some in the end. All this is
    stretched so that it takes no more than its share of a processor, up to `most_ns`. With `dither`
    these times are up to 45% shorter or longer: what is done at regular times may keep in step
    with the work, and see one part of it only.
    """

    def __init__(
        self, soon_ns: int, late_ns: int, share: float, most_ns: int, dither: Random | None = None
    ) -> None:
        """Begin with it due."""
        self._soon_ns, self._late_ns, self._share, self._most_ns = soon_ns, late_ns, share, most_ns
        self._dither = dither
        self._took, self._cost = Usual(), Usual()
        self.hurry()

    def hurry(self) -> None:
        """Be due at once."""
        self._soonest_ns = self._latest_ns = self._must_ns = 0

    def due(self, now_ns: int, look_ns: int) -> bool:
        """Whether to do it now, if the next look begins then."""
        return now_ns >= (self._soonest_ns if self._fits(now_ns, look_ns) else self._must_ns)

    def wake_ns(self, now_ns: int, look_ns: int) -> int:
        """When to wake up for it, if it is not due now."""
        begin_ns = max(now_ns, self._latest_ns)
        return begin_ns if self._fits(begin_ns, look_ns) else min(self._must_ns, look_ns)

    def done(self, now_ns: int, took_ns: int, used_ns: int) -> None:
        """It was done, and took so much time and processor time."""
        self._took.add(took_ns)
        self._cost.add(max(used_ns, round(took_ns / _LOCKED)))
        stretched = max(1.0, self._cost.ns / self._share / self._soon_ns)
        varied = 1.0 if self._dither is None else self._dither.uniform(1 - _DITHER, 1 + _DITHER)
        soon_ns, late_ns = (
            round(min(ns * stretched, self._most_ns) * varied)
            for ns in (self._soon_ns, self._late_ns)
        )
        self._soonest_ns, self._latest_ns = now_ns + soon_ns, now_ns + late_ns
        self._must_ns = self._latest_ns + _GRACE_NS

    def _fits(self, now_ns: int, look_ns: int) -> bool:
        return look_ns - now_ns >= max(_QUIET_NS, self._took.ns + _FITS_NS)


class Allowance:
    """The processor time that looking at a counter may take: a share of the time it is watched.

    A recorder that has used more rests until it has not. It does so between stretches of a few
    updates (`stretch`), of lengths that fit no rhythm of the work, so that it sees all parts of it
    alike.
    """

    def __init__(self, share: float = SHARE, spare_ns: float = 50e6) -> None:
        """Allow this share of one processor, and so much at first, to learn the period with."""
        self._share, self._spare_ns, self._left_ns = share, spare_ns, spare_ns
        self._stretches = 0
        self._used_ns = 0.0  # in this stretch
        self.stretch = _STRETCH[0]

    def price(self, look_ns: float) -> None:
        """A look costs this much processor time: where the driver spins, it may take more."""
        self._share = DEAR_SHARE if look_ns > _DEAR_NS else SHARE

    def spend(self, watched_ns: int, used_ns: int) -> None:
        """Account for a time that was watched, and the processor time that was used in it."""
        self._used_ns += used_ns
        self._left_ns = min(self._left_ns + self._share * watched_ns - used_ns, self._spare_ns)

    def forgive(self) -> None:
        """What the period was learned with is not to be made up for."""
        self._left_ns = max(self._left_ns, 0.0)

    def rest_ns(self, period_ns: float) -> int:
        """How long to rest after a stretch; the next one has another length.

        `period_ns` is the counter's, 0 if not known. A rest is long enough to be seen as a gap.
        Where looks are dear, stretches are short, so that the rests after them are not too long.
        """
        self._stretches += 1
        few, most = _STRETCH
        cost_ns, self._used_ns = self._used_ns / self.stretch, 0.0
        if cost_ns > 0:
            most = min(most, max(_LEAST_STRETCH, int(self._share * _CYCLE_NS / cost_ns)))
            few = min(few, max(_LEAST_STRETCH, most // 2))
        self.stretch = few + int((most - few) * (self._stretches * _GOLDEN % 1))
        if self._left_ns >= 0:
            return 0
        least_ns = max(_LEAST_REST_NS, _GAP * period_ns)
        return round(min(max(-self._left_ns / self._share, least_ns), _LONGEST_REST_NS))
