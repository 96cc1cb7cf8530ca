"""What the trials of a tune say: the best setting, what it saves, and the front. Pure.

The saving is that of two figures which nobody chose: the best setting was measured once more, and
the default was not chosen by its figure. Where the best is not borne out by that, the default is
what is left.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from energyscore.base.errors import NotMeasuredError
from energyscore.base.stats import Summary
from energyscore.judge.comparability import meter_uncertainty
from energyscore.judge.effect import Effect, compare_samples
from energyscore.judge.equal_answers import EqualAnswers, equal_answers
from energyscore.judge.figures import LEAST_WH, Headline, headline_of
from energyscore.judge.qualities import contrast
from energyscore.results.kinds import Purpose
from energyscore.results.result import Result

NOT_COMPARED = EqualAnswers(None, reason="it left no result")


@dataclass(frozen=True)
class Tried:
    """A setting, and its result where it has one.

    Attributes:
        settings: the options of `run`, by name.
        status: what became of it; `measured` may be chosen.
        reason: why it may not be; empty where it may.
        file: of the result, relative to the folder of results.
        equal: how many of its answers are the default's.
        purpose: a `trial`; a `repeat`, against drift; or to `confirm`, for the saving.
    """

    settings: Mapping[str, Any]
    status: str
    reason: str = ""
    file: str | None = None
    result: Result | None = None
    memory_bytes: int | None = None
    equal: EqualAnswers = NOT_COMPARED
    purpose: Purpose = "trial"

    @property
    def headline(self) -> Headline | None:
        """Its energy; None where it has none."""
        found = headline_of(self.result) if self.result is not None else None
        return found if found and found.energy_wh >= LEAST_WH else None

    @property
    def energy_wh(self) -> float | None:
        """In Wh per 1,000 queries."""
        return self.headline.energy_wh if self.headline else None

    @property
    def latency_s(self) -> float | None:
        """The 90th percentile."""
        speed = self.result.performance if self.result is not None else None
        return speed.latency_s.p90 if speed and speed.latency_s else None

    @property
    def quality(self) -> float | None:
        """The value of its metric."""
        quality = self.result.quality if self.result is not None else None
        return quality.value if quality else None

    @property
    def may_be_chosen(self) -> bool:
        """Whether it keeps to the limits; one that was ended early does, too."""
        return self.status in ("measured", "beaten")

    @property
    def dtype(self) -> str:
        """The precision that it worked in, or that was asked for."""
        return (
            self.result.model.precision if self.result is not None else str(self.settings["dtype"])
        )


@dataclass(frozen=True)
class Tuning:
    """What is published of a tune.

    Attributes:
        best: as it was measured once more; the default where nothing needs less; None: nothing is
            known of either.
        saving: `ratio` is the energy of the best over that of the default; None where there is
            none to tell, and `why_none` says why.
        trials: with a figure from the least energy to the most, then the others.
        front: those of them within the limits that no other such beats in both energy and latency.
        undecided: settings that the trials cannot tell from the best, drift included.
        ended: why the search ended early; empty where it did not.
    """

    model: str
    task: str
    default: Tried
    best: Tried | None
    saving: Effect | None
    why_none: str
    trials: Sequence[Tried]
    front: Sequence[Tried]
    left_out: Sequence[tuple[Mapping[str, Any], str]]
    undecided: Sequence[Mapping[str, Any]] = ()
    ended: str = ""
    interrupted: bool = False

    def is_on_front(self, one: Tried) -> bool:
        """Whether it is within the limits, and no other such has less energy and less latency."""
        return any(one is other for other in self.front)

    @property
    def estimated(self) -> bool:
        """Whether its figures are estimates and no meter's."""
        return any(one.headline.estimated for one in self.trials if one.headline)

    @property
    def times_latency(self) -> float | None:
        """How many times the latency of the default the best has."""
        if self.best is None or not self.best.latency_s or not self.default.latency_s:
            return None
        return self.best.latency_s / self.default.latency_s


def judge_tuning(
    model: str,
    task: str,
    default: Tried,
    best: Tried | None,
    trials: Sequence[Tried],
    left_out: Sequence[tuple[Mapping[str, Any], str]] = (),
    *,
    undecided: Sequence[Mapping[str, Any]] = (),
    ended: str = "",
    interrupted: bool = False,
) -> Tuning:
    """Judge what a tune came to; `best` is the best setting as it was measured once more."""
    compared = _with_equal_answers(trials, default)
    ranked = sorted(compared, key=lambda one: (one.energy_wh is None, one.energy_wh or 0.0))
    verdict = _verdict(default, best, drift_of(compared))
    if best is None and interrupted:
        verdict = None, None, "it was interrupted before the best was measured once more"
    elif best is not None and (why := _why_none_other(default, trials)):
        verdict = verdict[0], None, why
    return Tuning(
        model, task, default, *verdict, ranked, front_of(ranked), left_out,
        undecided, ended, interrupted,
    )  # fmt: skip


def _why_none_other(default: Tried, trials: Sequence[Tried]) -> str:
    """Why no other settings can be held against the default; empty where some can."""
    others = [one for one in trials if one.settings != default.settings]
    if not others:
        return "nothing else was tried"
    if not any(one.may_be_chosen and one.headline for one in others):
        return "nothing else that was tried could be measured within the limits"
    return ""


def _with_equal_answers(trials: Sequence[Tried], default: Tried) -> list[Tried]:
    """The trials, each with how many of its answers are those of the default's first trial."""
    of_default = [one.result for one in trials if one.settings == default.settings]
    reference = next((one for one in of_default if one is not None), None)
    if reference is None:
        unknown = EqualAnswers(None, reason="the default left no result")
        return [replace(one, equal=unknown) for one in trials]
    return [
        replace(one, equal=equal_answers(one.result, reference)) if one.result else one
        for one in trials
    ]


NOT_BORNE_OUT = "measured once more, the best of the trials needed no less"


def drift_of(trials: Sequence[Tried]) -> float:
    """How far two figures of one setting lie apart beyond what each is known to.

    As a standard deviation on the log scale, from all that was measured twice, in the order in
    which it was; 0 where nothing was.
    """
    told: dict[str, list[Summary]] = {}
    for one in trials:
        if one.headline is not None and one.may_be_chosen and one.status != "beaten":
            told.setdefault(repr(sorted(one.settings.items())), []).append(one.headline.summary)
    beyond = [
        math.log(later.mean / first.mean) ** 2 - _variance(first) - _variance(later)
        for summaries in told.values()
        for first, later in pairwise(summaries)
    ]
    return math.sqrt(max(0.0, math.fsum(beyond) / len(beyond))) if beyond else 0.0


def _variance(summary: Summary) -> float:
    """Of the mean on the log scale; 0 where one run does not tell it."""
    return 0.0 if summary.std is None else (summary.std / summary.mean) ** 2 / summary.count


def _verdict(
    default: Tried, best: Tried | None, drift: float
) -> tuple[Tried | None, Effect | None, str]:
    """The setting to choose, what it saves, and why that is not known."""
    keeps = default.status == "measured"  # the default to the limits
    if best is None:
        return None, None, "no setting could be measured that keeps to the limits"
    if best.settings == default.settings:
        return default, None, "no setting that was tried needs less than the default"
    if best.headline is None or not best.may_be_chosen:
        why = f"measured once more, the best of the trials does not do: {best.reason}"
        return (default if keeps else None), None, why
    if default.headline is None or default.status == "invalid":
        return best, None, f"the default could not be measured: {default.reason}"
    assert best.result is not None
    assert default.result is not None
    # The machine may have changed between the two as it did between others.
    common = math.hypot(meter_uncertainty(default.result, best.result), drift)
    saving = compare_samples(default.headline.summary, best.headline.summary, common)
    if saving.ratio >= 1 and keeps:
        return default, None, NOT_BORNE_OUT
    return best, saving, ""


def front_of(trials: Iterable[Tried]) -> list[Tried]:
    """Those within the limits that no other such beats in energy and latency, by energy."""
    figures = [
        (one.energy_wh, one.latency_s, place, one)
        for place, one in enumerate(trials)
        if one.energy_wh is not None and one.latency_s is not None and one.purpose == "trial"
        and one.may_be_chosen
    ]  # fmt: skip
    found: list[Tried] = []
    fastest: float | None = None
    for _, latency_s, _, one in sorted(figures, key=lambda figure: figure[:3]):
        if fastest is None or latency_s < fastest:
            found.append(one)
            fastest = latency_s
    return found


def quality_lost(default: Result, other: Result, allowed: float) -> str:
    """Why the quality of a result does not do, for people; empty where it does.

    It may be worse than the default's by a share `allowed` of that, as it was measured.

    Raises:
        NotMeasuredError: where that of the default is not known.
    """
    reference, quality = default.quality, other.quality
    if reference is None or reference.value is None:
        why = reference.reason if reference else "it was not measured"
        raise NotMeasuredError(
            f"--max-quality-loss: the quality of the default setting is not known: {why}.",
            "Leave the limit out, or name a model and a dataset with which it can be judged.",
        )
    found = contrast(quality, reference) if quality is not None else None
    if quality is None or found is None:
        why = quality.reason if quality else ""
        return f"its quality is not known{f': {why}' if why else ''}"
    limit = allowed * abs(reference.value)
    if found.better_by >= -limit:
        return ""
    return (
        f"{quality.metric} {quality.value:.3f}, worse than the default's {reference.value:.3f} by "
        f"more than {allowed * 100:g}% of it"
    )
