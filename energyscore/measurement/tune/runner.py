"""Tune: trial by trial, each in a process of its own; what is finished is not measured again.

The default is measured first: with it the space is known, and every saving is against it. Then the
search proposes, and is told what came of it. The best is measured once more at the end, fresh: the
best of many trials looks better than it is. Started again, a new search is told what is finished,
and proposes the same.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from energyscore.base.errors import OutOfMemory, UsageError
from energyscore.base.locks import locked
from energyscore.base.units import format_duration
from energyscore.measurement.child import job_command
from energyscore.measurement.launcher import Launcher, modules_of
from energyscore.measurement.options import Job
from energyscore.measurement.suite.apart import LOCK_NAME, LOCK_WAIT_S, Apart, measure_apart
from energyscore.measurement.suite.finished import by_key, find_finished
from energyscore.measurement.suite.where import Where, WhereOf
from energyscore.measurement.tune.outcome import outcome_of
from energyscore.measurement.tune.request import KeyOf, TuneRequest
from energyscore.measurement.tune.search import Search
from energyscore.measurement.tune.shortages import Shortages, kernel_kills
from energyscore.measurement.tune.space import (
    Proposal,
    Settings,
    Space,
    TrialOutcome,
)
from energyscore.measurement.tune.trial import Trial, Tuned, stamp_of, time_of
from energyscore.results.kinds import Purpose
from energyscore.results.result import Result
from energyscore.results.store import KnownResults

NEAR_S = 600.0
"""Two figures that were measured so long after each other are of one state of the machine."""

QualityLost = Callable[[Result, Result], str]
"""Why the quality of a result, the second, does not do against the default's; empty: it does."""


class TuneObserver(Protocol):
    """Whoever shows progress."""

    def begin(
        self, number: int, settings: Settings, purpose: Purpose, left_s: float | None
    ) -> None:
        """A trial is measured now; so long may all of the rest take, where it is known."""

    def line(self, text: str) -> None:
        """A line of the trial's process."""

    def end(self, number: int, trial: Trial, best: TrialOutcome | None) -> None:
        """What became of a trial, and the best so far."""


class _Stopped(Exception):
    """Interrupted: the tune ends here."""


class _Spent(Exception):
    """The budget was spent within a trial: the search ends here."""


class Tuner:
    """One tune, under the lock of its folder."""

    def __init__(
        self,
        request: TuneRequest,
        known: KnownResults,
        key_of: KeyOf,
        where_of: WhereOf,
        observer: TuneObserver,
        quality_lost: QualityLost,
        *,
        command: Callable[[Job], Sequence[str]] = job_command,
        budget_s: float | None = None,
        fresh: bool = False,
    ) -> None:
        """Nothing is measured yet."""
        self._request, self._known = request, known
        self._key_of, self._where_of = key_of, where_of
        self._observer, self._quality_lost = observer, quality_lost
        self._command, self._budget_s, self._fresh = command, budget_s, fresh
        self._began_s = time.monotonic()
        self._shortages = Shortages(request.folder)
        self._lock = -1
        self._launcher = Launcher(modules_of([request.task.spec.modality]))
        self.tuned = Tuned()

    def run(
        self, default: Settings, space_of: Callable[[Trial], Space], *, seed: int, exhaustive: bool
    ) -> Tuned:
        """Measure until nothing is worth a trial, or the budget is spent, or it is interrupted.

        Raises:
            UsageError: where the default cannot be measured at all, with what its process said.
            ResultError: when a suite or another tune works in the folder.
        """
        busy = f"Another suite or tune is measuring into {self._known.folder}."
        where = self._known.folder / LOCK_NAME
        with locked(where, wait_s=LOCK_WAIT_S, busy=busy) as self._lock, self._launcher:
            if self._fresh:
                self._shortages.forget()
            try:
                self._tune(default, space_of, seed, exhaustive=exhaustive)
            except (_Stopped, _Spent):
                pass
            except KeyboardInterrupt:  # between two trials
                self.tuned.interrupted = True
        return self.tuned

    def _tune(
        self, default: Settings, space_of: Callable[[Trial], Space], seed: int, *, exhaustive: bool
    ) -> None:
        first = self._measure(Proposal(default), "trial", None, None)
        self.tuned.trials.append(first)
        self.tuned.default = first
        search = Search(space_of(first), seed, exhaustive=exhaustive)
        search.tell(first.outcome)
        try:
            with contextlib.suppress(_Spent):
                self._look_through(search)
        finally:
            self.tuned.left_out = search.left_out
            self.tuned.undecided = [one.settings for one in search.undecided]
        self._confirm(search.best)

    def _look_through(self, search: Search) -> None:
        while (proposal := search.next()) is not None:
            if self._is_spent():
                return
            purpose: Purpose = "repeat" if proposal.repeat else "trial"
            left = len(search.left_out) + 1
            trial = self._measure(proposal, purpose, search.best, left)
            self.tuned.trials.append(trial)
            search.tell(trial.outcome)

    def _is_spent(self) -> bool:
        """Whether the budget has no room for a trial, and for measuring the best once more."""
        if self._budget_s is None:
            return False
        left_s, typical_s = self._budget_left_s, self._typical_s() or 0.0
        if left_s >= 2 * typical_s and left_s > 0:
            return False
        self._end(left_s, typical_s)
        return True

    @property
    def _budget_left_s(self) -> float:
        return (self._budget_s or 0.0) - (time.monotonic() - self._began_s)

    def _end(self, left_s: float = 0.0, typical_s: float = 0.0) -> None:
        """Say how the budget ended the search: with time left, it was too little for a trial."""
        budget = f"the budget of {format_duration(self._budget_s or 0.0)}"
        self.tuned.ended = f"{budget} is spent"
        if left_s > 0:
            self.tuned.ended = (
                f"{format_duration(left_s)} of {budget} were left, and a trial takes "
                f"{format_duration(typical_s)} here, as does measuring the best once more"
            )

    def _left_s(self, trials: int | None) -> float | None:
        """How long so many trials may take, and the best once more; None where it is not known."""
        typical_s = self._typical_s()
        if typical_s is None or trials is None:
            return None
        most_s = typical_s * (trials + 1)
        if self._budget_s is None:
            return most_s
        return min(most_s, max(typical_s, self._budget_left_s))

    def _typical_s(self) -> float | None:
        """What a trial takes; None before one was measured."""
        took = [one.seconds for one in self.tuned.trials if one.seconds is not None]
        return sum(took) / len(took) if took else None

    def _confirm(self, best: TrialOutcome | None) -> None:
        """Measure the best once more, and the default too where that was long before or after."""
        tuned = self.tuned
        if best is None or tuned.default is None:
            return
        default = tuned.default.outcome.settings
        if best.settings == default:
            tuned.best = tuned.default
            return
        found = self._measure(Proposal(best.settings), "confirm", best, None)
        if tuned.default.result is not None and found.result is not None:
            if self._is_left_alone(found, default):
                found = self._measure(Proposal(best.settings), "confirm", best, None, fresh=True)
            tuned.confirmed.append(found)
            tuned.default = self._default_near(found, default) or self._beside(found, best, default)
        else:
            tuned.confirmed.append(found)
        tuned.best = found

    def _is_left_alone(self, found: Trial, default: Settings) -> bool:
        """Whether it was measured long ago, and the default not beside it: a tune was killed."""
        if found.seconds is not None or time.time() - time_of(found) <= NEAR_S:
            return False
        key = self._request.key_for(default, "confirm", self._key_of, stamp_of(found))
        beside = self._default_near(found, default) or self._measured_before(
            key, default, "confirm"
        )
        return beside is None

    def _default_near(self, found: Trial, default: Settings) -> Trial | None:
        """The valid trial of the default that was measured nearest to it; None: none was near."""
        known = [
            one for one in self.tuned.trials
            if one.outcome.settings == default and one.result is not None and one.result.valid
        ]  # fmt: skip
        far_s = {id(one): abs(time_of(one) - time_of(found)) for one in known}
        nearest = min(known, key=lambda one: far_s[id(one)], default=None)
        return nearest if nearest is not None and far_s[id(nearest)] <= NEAR_S else None

    def _beside(self, found: Trial, best: TrialOutcome, default: Settings) -> Trial:
        """The default measured for this one figure: one of an earlier tune is another's."""
        trial = self._measure(Proposal(default), "confirm", best, None, against=stamp_of(found))
        self.tuned.confirmed.append(trial)
        return trial

    def _measure(
        self,
        proposal: Proposal,
        purpose: Purpose,
        best: TrialOutcome | None,
        left: int | None,
        *,
        against: str | None = None,
        fresh: bool = False,
    ) -> Trial:
        """A trial that is finished, or measured now; the first `UsageError` ends the tune."""
        settings, fresh = proposal.settings, fresh or self._fresh
        number = len(self.tuned.trials) + len(self.tuned.confirmed) + 1
        key = self._request.key_for(settings, purpose, self._key_of, against)
        trial = None if fresh else self._measured_before(key, settings, purpose)
        if trial is None:
            self._observer.begin(number, settings, purpose, self._left_s(left))
            trial = self._measure_now(proposal, purpose, key, fresh=fresh)
        self._observer.end(number, trial, best)
        return trial

    def _measured_before(self, key: str, settings: Settings, purpose: Purpose) -> Trial | None:
        options, spec = self._request.options, self._request.task.spec
        finished = by_key(self._known, self._request.folder)
        if found := find_finished(key, finished, options, spec, self._where(settings)):
            return self._trial_of(self._known.folder / found[0], found[1], settings, purpose)
        if reason := self._shortages.find(key, self._where(settings).machine):
            return Trial(purpose, TrialOutcome(settings, "out_of_memory", reason=reason))
        return None

    def _where(self, settings: Settings) -> Where:
        return self._where_of(self._request.options_for(settings))

    def _measure_now(self, proposal: Proposal, purpose: Purpose, key: str, *, fresh: bool) -> Trial:
        settings = proposal.settings
        job = self._request.job_for(proposal, purpose, key, fresh=fresh)
        timeout_s, kills = None, kernel_kills()
        if self._budget_s is not None and purpose != "confirm":
            timeout_s = max(1.0, self._budget_left_s)
        apart = measure_apart(
            key, self._request.folder, self._known, self._command(job), self._observer.line,
            timeout_s=timeout_s, lock=self._lock, launcher=self._launcher,
        )  # fmt: skip
        if apart.written is not None:
            trial = self._trial_of(*apart.written, settings, purpose)
            trial = replace(trial, seconds=apart.ended.seconds)
        else:
            trial = self._without_result(apart, settings, purpose, key, kills)
        self.tuned.interrupted = apart.ended.interrupted
        if self.tuned.interrupted:
            if apart.written is not None and purpose != "confirm":
                self.tuned.trials.append(trial)
            raise _Stopped
        return trial

    def _without_result(
        self, apart: Apart, settings: Settings, purpose: Purpose, key: str, kills: int | None
    ) -> Trial:
        """What a process that left no result came to."""
        ended = apart.ended
        if apart.interrupted:
            return Trial(purpose, TrialOutcome(settings, "failed", reason=apart.why_interrupted))
        if ended.timed_out:
            self._end()
            raise _Spent
        if not self.tuned.trials and ended.code == UsageError.code:
            raise UsageError(ended.error)
        by_kernel = ended.exit_code == -signal.SIGKILL and kills != kernel_kills()
        if ended.code == OutOfMemory.code or by_kernel:
            self._shortages.keep(key, self._where(settings).machine, ended.reason)
            outcome = TrialOutcome(settings, "out_of_memory", reason=ended.reason)
        else:
            outcome = TrialOutcome(settings, "failed", reason=ended.reason)
        return Trial(purpose, outcome, seconds=ended.seconds)

    def _trial_of(self, file: Path, result: Result, settings: Settings, purpose: Purpose) -> Trial:
        limits, lost, default = self._request.limits, "", self.tuned.default
        if limits.quality_loss is not None:
            reference = default.result if default else result
            no_reference = "the quality of the default is not known"
            lost = self._quality_lost(reference, result) if reference else no_reference
        return Trial(purpose, outcome_of(settings, result, limits, lost), file, result)
