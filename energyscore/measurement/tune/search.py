"""Which settings to try next, from what those tried have come to. Pure: no clock, file or process.

Energy against the batch size may fall, rise and fall again. So the batch sizes are doubled from 1
to the first that does not fit or takes too long, and no rise ends that. They are tried in an order
by chance, after the default: then a machine that grows warm does not look like a law of the batch
size. What did not fit leaves out all that are larger, so little is wasted on them. The default is
measured once more afterwards: how far its two figures lie apart says how far the machine drifts.

Then one setting after another is changed from the best so far, each value with the batch sizes
beside it that may be better still; and at last the batch sizes between the best and its neighbours
are tried, as long as they promise more than the noise (`between`). So the best of one setting may
be missed that only helps together with another; an exhaustive search tries the whole grid.

The same space, seed and outcomes give the same proposals: a tune that was killed goes on by telling
a new search what is finished.
"""

import math
import random
from collections.abc import Generator
from dataclasses import replace
from itertools import product
from typing import Any, TypeAlias

from energyscore.measurement.tune.between import between
from energyscore.measurement.tune.evidence import Evidence, group_of, is_candidate, size_of
from energyscore.measurement.tune.space import Proposal, Settings, Space, TrialOutcome, Untried

Asking: TypeAlias = Generator[Proposal, TrialOutcome, None]

FRUITLESS = 3
"""Where the first so many trials have all failed, others would fail as well."""

REACH = 1.5
"""Twice the queries at once need half of the energy each at the least, and seldom less than by
this factor: so far from the best, the batch sizes beside are not tried."""

ROUNDS = 4
"""A setting that did not help may help together with one that was changed after it."""

NEAR = 2.0
"""With the best settings, batch sizes that needed more than so many times the best of the default's
are not tried."""

MOST_BETWEEN = 8
"""Trials between the doubled batch sizes of the best settings, and as many of all others."""


class Search:
    """Proposes settings, is told what they came to, and knows the best so far."""

    def __init__(self, space: Space, seed: int, *, exhaustive: bool = False) -> None:
        """Look through a space: the whole grid if it is to be exhaustive."""
        self._space, self._random = space, random.Random(f"tune {seed}")
        self._known, self._is_repeated = Evidence(), False
        self._asking = self._whole_grid() if exhaustive else self._one_by_one()
        self._proposed: Proposal | None = next(self._asking)

    def next(self) -> Proposal | None:
        """What to measure next; the same until it is told. None: nothing is worth a trial."""
        return self._proposed

    def tell(self, outcome: TrialOutcome) -> None:
        """What the settings that were proposed came to."""
        if self._proposed is None or outcome.settings != self._proposed.settings:
            raise ValueError(f"not proposed: {outcome.settings}")
        self._known.tell(outcome)
        try:
            self._proposed = None if self._is_fruitless else self._asking.send(outcome)
        except StopIteration:
            self._proposed = None

    @property
    def best(self) -> TrialOutcome | None:
        """Of the least energy so far; where it was repeated, the mean of both."""
        return self._known.best

    @property
    def undecided(self) -> list[TrialOutcome]:
        """Those that cannot be told from the best, besides itself."""
        return self._known.undecided

    @property
    def drift(self) -> float | None:
        """The log of the repeated trial's second energy over its first."""
        return self._known.drift

    @property
    def left_out(self) -> list[Untried]:
        """What was not tried so far, and why.

        Of settings that were tried with some batch size, each other batch size; of the others one,
        for all its batch sizes.
        """
        best = self.best
        found = []
        for base in self._combinations():
            tried = {one.settings.batch_size for one in self._known.alike(base)}
            rungs = self._space.rungs
            if not tried and best:
                rungs = (best.settings.batch_size,)
            for batch_size in rungs:
                settings = replace(base, batch_size=batch_size)
                if batch_size not in tried:
                    found.append(Untried(settings, self._why_left_out(settings, bool(tried))))
        return found

    @property
    def _is_fruitless(self) -> bool:
        all_failed = all(one.status in ("failed", "invalid") for one in self._known.outcomes)
        return all_failed and len(self._known.outcomes) >= FRUITLESS

    def _why_left_out(self, settings: Settings, tried: bool) -> str:
        if why := self._known.why_not(settings):
            return why
        if self._proposed is not None:
            return "the search ended before it"
        if self._is_fruitless:
            return f"the first {FRUITLESS} trials failed"
        if tried:
            return self._why_not_beside(settings)
        return "settings are changed one after another from the best so far"

    def _why_not_beside(self, settings: Settings) -> str:
        """Why a batch size has no trial although others with these settings had one."""
        least, best = self._known.best_alike(settings), self.best
        if least is None:
            return "no batch size that was tried does with these settings"
        if best is not None and self._known.gain(least, best) > math.log(REACH):
            return f"what was tried with these settings needs over {REACH:g} times the best"
        return "it is not beside the best batch size of these settings"

    def _combinations(self) -> list[Settings]:
        """All settings but for the batch size."""
        dimensions = self._space.dimensions
        return [
            replace(self._space.default, **dict(zip(dimensions, values, strict=True)))
            for values in product(*dimensions.values())
        ]

    def _one_by_one(self) -> Asking:
        yield from self._rungs(self._space.default)
        yield from self._repeat()
        for _ in range(ROUNDS):
            before = self._group_of_best()
            for name, values in self._space.dimensions.items():
                yield from self._dimension(name, values)
            if self._group_of_best() == before:
                yield from self._other_rungs()
                yield from self._between()
            if self._group_of_best() == before:
                break
        yield from self._repeat()

    def _whole_grid(self) -> Asking:
        default, rungs = self._space.default, self._space.rungs
        grid = [replace(one, batch_size=size) for one in self._combinations() for size in rungs]
        for settings in [default, *self._shuffled(grid)]:
            if self._known.at(settings) is None and not self._is_too_large(settings):
                yield Proposal(settings, beaten_by=self._known.limit_wh)
        yield from self._repeat()
        yield from self._between()

    def _rungs(self, base: Settings) -> Asking:
        """All batch sizes; that of the base first, the others in an order by chance."""
        for size in [base.batch_size, *self._shuffled(list(self._space.rungs))]:
            yield from self._try(replace(base, batch_size=size))

    def _dimension(self, name: str, values: tuple[Any, ...]) -> Asking:
        """The best so far with each other value of a setting."""
        for value in self._shuffled(list(values)):
            best = self.best
            if best is None:  # nothing has fitted yet; with this value something may
                yield from self._rungs(replace(self._space.default, **{name: value}))
            else:
                yield from self._around(replace(best.settings, **{name: value}))

    def _around(self, start: Settings) -> Asking:
        """These settings, and the batch sizes beside them as long as they get better."""
        yield from self._try(start)
        sizes = sorted({*self._space.rungs, start.batch_size})
        place = sizes.index(start.batch_size)
        while place > 0 and self._is_too_large(replace(start, batch_size=sizes[place])):
            place -= 1
            yield from self._try(replace(start, batch_size=sizes[place]))
        for step in (1, -1):
            at = place
            while self._is_near(replace(start, batch_size=sizes[at])) and (
                0 <= at + step < len(sizes)
            ):
                least = self._known.best_alike(start)
                at += step
                yield from self._try(replace(start, batch_size=sizes[at]))
                if self._known.best_alike(start) == least:
                    break

    def _is_too_large(self, settings: Settings) -> bool:
        wall = self._known.wall(settings)
        return wall is not None and size_of(wall) <= settings.batch_size

    def _is_near(self, settings: Settings) -> bool:
        """Whether it came to a figure from which the batch sizes beside may reach the best."""
        outcome, best = self._known.at(settings), self.best
        if outcome is None or best is None or not is_candidate(outcome):
            return False
        return self._known.gain(outcome, best) <= math.log(REACH)

    def _group_of_best(self) -> Settings | None:
        """The best settings, whatever the batch size."""
        return None if self.best is None else group_of(self.best.settings)

    def _between(self) -> Asking:
        """Batch sizes between those tried, unless the user named them: the best's first."""
        left = dict.fromkeys((False, True), MOST_BETWEEN)
        while self._space.batch_sizes is None:
            for others in (False, True):
                if left[others] and (settings := self._promising(others=others)):
                    yield from self._try(settings)
                    left[others] -= not self._is_too_large(settings)
                    break
            else:
                return

    def _promising(self, *, others: bool) -> Settings | None:
        """A batch size between two that may be better still: of the best's settings, or others."""
        best = self.best
        return None if best is None else between(self._known, best, others=others)

    def _other_rungs(self) -> Asking:
        """With the best settings, all batch sizes that may be as good, as far as is known.

        Those that came near the best with the default's other settings, or were never seen so:
        they may have been too large for it.
        """
        best = self.best
        if best is None:
            return
        default, least = self._space.default, self._known.best_alike(self._space.default)
        for size in self._shuffled(list(self._space.rungs)):
            before = self._known.at(replace(default, batch_size=size))
            is_near = before and least and self._known.gain(before, least) <= math.log(NEAR)
            if is_near or self._is_too_large(replace(default, batch_size=size)):
                yield from self._try(replace(best.settings, batch_size=size))

    def _repeat(self) -> Asking:
        """What was measured first, once more, if others were measured since."""
        measured = [one for one in self._known.outcomes if one.status == "measured"]
        if len(measured) > 1 and not self._is_repeated:
            self._is_repeated = True
            yield Proposal(measured[0].settings, repeat=True)

    def _try(self, settings: Settings) -> Asking:
        """Propose it, unless it was tried or cannot be of use."""
        if self._known.is_open(settings):
            yield Proposal(settings, beaten_by=self._known.limit_wh)

    def _shuffled(self, values: list[Any]) -> list[Any]:
        return self._random.sample(values, len(values))
