"""Trials of a tune, and what it has come to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from energyscore.measurement.tune.space import Settings, TrialOutcome, Untried
from energyscore.results.kinds import Purpose
from energyscore.results.result import Result


@dataclass(frozen=True)
class Trial:
    """A trial and what it came to; without a file where it left no result."""

    purpose: Purpose
    outcome: TrialOutcome
    file: Path | None = None
    result: Result | None = None
    seconds: float | None = None  # that its process took; None: it was measured before


@dataclass
class Tuned:
    """What a tune has come to so far.

    Attributes:
        trials: in the order in which they were measured.
        confirmed: what was measured once more, for the saving.
        default: what the saving is against: the last of the default that was measured near `best`.
        best: the best setting as it was measured once more, or the default where that is the best.
        undecided: what the trials cannot tell from the best.
        ended: why the search ended early, for people; empty where it did not.
    """

    trials: list[Trial] = field(default_factory=list)
    default: Trial | None = None
    best: Trial | None = None
    confirmed: list[Trial] = field(default_factory=list)
    left_out: Sequence[Untried] = ()
    undecided: Sequence[Settings] = ()
    ended: str = ""
    interrupted: bool = False


def time_of(trial: Trial) -> float:
    """When it was measured, in seconds of Unix time."""
    return datetime.fromisoformat(stamp_of(trial)).timestamp()


def stamp_of(trial: Trial) -> str:
    """When it was measured, as its result says."""
    assert trial.result is not None
    return trial.result.created_at
