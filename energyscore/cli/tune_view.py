"""What people see of a tune: its progress on stderr, its end as a table."""

import re

from energyscore.base.interrupts import Interrupted
from energyscore.base.units import format_duration, format_seconds, format_wh
from energyscore.cli.console import Talk, show_copyable, show_line, show_notes, show_table
from energyscore.cli.process_view import OWN_PLACE, ProcessProgress
from energyscore.judge.tuning import Tuning
from energyscore.measurement.forecast import LONG_S
from energyscore.measurement.tune.request import asked_of, options_of
from energyscore.measurement.tune.space import Settings, TrialOutcome
from energyscore.measurement.tune.trial import Trial
from energyscore.publish.tuning import columns_of, rows_of, title_of
from energyscore.publish.tuning_words import (
    MEASURE_BOTH,
    STATUS,
    answer,
    notes_of,
    settings_in_words,
)
from energyscore.results.kinds import Purpose

_PURPOSES: dict[Purpose, str] = {
    "trial": "",
    "repeat": " once more, against drift",
    "confirm": " once more, for the saving",
}


_NUMBER = re.compile(r"[\d.]+")
_LATER_BLOCK = re.compile(re.escape(OWN_PLACE) + r"block (?!1\b)")


class TuneProgress(ProcessProgress):
    """Shows trials. What every trial's process says again is shown once, whatever its figures."""

    def __init__(self, talk: Talk) -> None:
        """Start without a bar: how many trials there will be is not known."""
        super().__init__(None, talk)
        self._said: set[str] = set()

    def line(self, text: str) -> None:
        """A line of the trial's process; without a bar no later block has one, but for `-v`."""
        if text.startswith(OWN_PLACE):  # the model and the task are the same in all
            _, label_ends, stage = text.partition(": ")
            text = OWN_PLACE + stage if label_ends else text
            if self._progress is None and not self._talk.verbose and _LATER_BLOCK.match(text):
                return
        if text.startswith("caution:"):
            known = _NUMBER.sub("", text)
            if known in self._said:
                return
            self._said.add(known)
        super().line(text)

    def begin(
        self, number: int, settings: Settings, purpose: Purpose, left_s: float | None
    ) -> None:
        """A trial is measured now; where much is to come, ask once whether to go on.

        Raises:
            Interrupted: when the answer is no.
        """
        if left_s is not None and left_s > LONG_S:
            may_take = f"The trials may take up to about {format_duration(left_s)}."
            if not self.agree(may_take):
                raise Interrupted("ended, as you chose.", "--budget and --quick take less.")
        left = "" if left_s is None else f", at most about {format_duration(left_s)} left"
        self.starting(number, f"{_named(settings)}{_PURPOSES[purpose]}", left)

    def end(self, number: int, trial: Trial, best: TrialOutcome | None) -> None:
        """What became of a trial, and the best before it."""
        outcome = trial.outcome
        status = STATUS.get(outcome.status, outcome.status)
        words = [status] if outcome.status != "measured" else []
        words += ["measured before"] if trial.seconds is None else []
        if outcome.energy_wh is not None:
            words.append(f"{format_wh(outcome.energy_wh)} per 1,000 queries")
        if outcome.latency_p90_s is not None:
            words.append(f"{format_seconds(outcome.latency_p90_s)} a query (p90)")
        if outcome.status in ("failed", "invalid", "over_latency", "over_memory", "quality_lost"):
            words.append(outcome.reason)
        known = ""
        if best is not None and best.energy_wh is not None and trial.purpose == "trial":
            known = f"; best before: {_named(best.settings)}, {format_wh(best.energy_wh)}"
        what = f"{_named(outcome.settings)}{_PURPOSES[trial.purpose]}"
        self.ended(number, f"{what}: {', '.join(words)}{known}")


def _named(settings: Settings) -> str:
    return settings_in_words({"dtype": settings.dtype, **asked_of(options_of(settings))})


def show_tuning(tuning: Tuning, command: str | None, other: str | None = None) -> None:
    """The trials as a table, the answer and the command that measures with it.

    Where the best is undecided, `other` is the command that measures with the default.
    """
    show_table(title_of(tuning), columns_of(tuning), rows_of(tuning))
    for line in answer(tuning):
        show_line(line)
    if command:
        show_line(f"{MEASURE_BOTH if other else 'Measure with it'}:")
        for one in filter(None, (command, other)):
            show_copyable(one)
    show_notes(notes_of(tuning))
