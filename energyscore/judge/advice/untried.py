"""What was not measured, and would have to be before it counts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from energyscore.judge.advice.commands import (
    MeasureCommand,
    idle_for,
    run_command,
    seconds_for,
    tune_command,
)
from energyscore.judge.advice.days import NoDays
from energyscore.judge.advice.states import Point, State, as_by_itself, settings_of, state_of
from energyscore.judge.advice.steps import WayStep
from energyscore.judge.choose import Choice
from energyscore.judge.comparability import meter_uncertainty
from energyscore.judge.contenders import NO_QUALITY, Contender, effect_between
from energyscore.judge.effect import Effect, repeats_for_ratio
from energyscore.protocol.task import load_tasks

Piece = Literal[
    "quality", "no_quality", "settings", "mode", "combination", "between", "days", "no_days",
    "undecided", "screened", "model", "requirement", "batch",
]  # fmt: skip


@dataclass(frozen=True)
class Missing:
    """A piece that is not known.

    Attributes:
        of: the result that lacks it.
        why: what is known of that; empty where nothing more is.
        command: what measures it; None where nothing can.
        seconds: how long that takes, about; None: not known.
        like: the result whose settings it is to have, where that is another one.
        promises: what the settings saved there: energy with them over that without.
        repeats: how many runs would decide.
        changes: of what lies between two results, the points that are not told apart.
    """

    piece: Piece
    of: Contender
    why: str = ""
    command: MeasureCommand | None = None
    seconds: float | None = None
    like: Contender | None = None
    promises: Effect | None = None
    repeats: int | None = None
    changes: tuple[Point, ...] = ()


def _by_run(
    piece: Piece,
    of: Contender,
    *,
    why: str = "",
    like: Contender | None = None,
    promises: Effect | None = None,
    **options: object,
) -> Missing:
    """A piece that a run of `of` tells, or of its model with the settings of `like`."""
    settings = like if piece == "combination" else None
    command = run_command(of, settings_of=settings, **options)
    return Missing(piece, of, why, command, seconds_for(of, command), like, promises)


def without_quality(candidates: Sequence[Contender]) -> list[Missing]:
    """Those whose quality is not known; random weights have none."""
    found = []
    for one in candidates:
        if one.quality is not None:
            continue
        result = one.entry.result
        if result.model.weights == "random":
            found.append(Missing("no_quality", one, "its weights are random"))
        elif one.no_quality != NO_QUALITY or result.of_server:
            found.append(Missing("quality", one, one.no_quality))
        else:
            found.append(_by_run("quality", one, quality=True))
    return found


def without_figure(choice: Choice) -> list[Missing]:
    """Those that need less than the recommended one, and may meet the requirements as well.

    A figure that the requirements are of is missing; without a recommendation all those count.
    """
    found = []
    for placed in choice.judged:
        if placed is choice.recommended:
            break
        if placed.meets is not None:
            continue
        one, result = placed.candidate, placed.candidate.entry.result
        names = {lack.name for lack in placed.lacks}
        of_quality = bool(names & {"quality", "quality loss"})
        able = not of_quality or (result.model.weights != "random" and one.no_quality == NO_QUALITY)
        why = one.no_quality
        if not of_quality:
            why = f"its {' and '.join(sorted(names))} was not recorded"
        if able and not result.of_server:
            quality = of_quality or result.quality is not None
            found.append(_by_run("requirement", one, why=why, quality=quality))
        else:
            found.append(Missing("requirement", one, why))
    return found


def in_batches_alone(candidates: Sequence[Contender]) -> list[Missing]:
    """Those that were measured in batches alone, where requests come one by one."""
    return [
        Missing("batch", one) if one.entry.result.of_server else _by_run("batch", one, batch_size=1)
        for one in candidates
        if one.entry.result.workload.batch_size > 1
    ]


def without_settings(one: Contender, candidates: Sequence[Contender]) -> list[Missing]:
    """That no other settings of a model were measured."""
    state = state_of(one)
    others = [
        other
        for other in candidates
        if (found := state_of(other)).model == state.model and found.settings != state.settings
    ]
    if others or one.entry.result.of_server:
        return []
    command = tune_command(one)
    return [Missing("settings", one, "", command, seconds_for(one, command))]


def still_screened(one: Contender) -> list[Missing]:
    """That a result is a screen: its energy was predicted from a part of the work."""
    result = one.entry.result
    return [] if result.screen is None else [_by_run("screened", one, screen=False)]


def without_mode(one: Contender, candidates: Sequence[Contender]) -> list[Missing]:
    """That a model which reasons was measured in one mode alone."""
    task = load_tasks().get(one.entry.result.task.id)
    if task is None or not task.spec.has_modes or one.entry.result.of_server:
        return []
    name = state_of(one).model
    modes = {other.entry.result.mode for other in candidates if state_of(other).model == name}
    if len(modes) > 1:
        return []
    other_mode = "on" if modes == {"off"} else "off"
    return [_by_run("mode", one, reasoning=other_mode)]


def without_rival(candidates: Sequence[Contender]) -> list[Missing]:
    """That one model alone was measured: nothing says whether a smaller one would do."""
    models = {one.entry.name for one in candidates}
    return [Missing("model", candidates[0])] if len(models) == 1 else []


def untried_combinations(one: Contender, known: Mapping[State, Contender]) -> list[Missing]:
    """Settings that saved energy with another model, and were not measured with this one.

    What they saved there is no saving here: it is named, and counts for nothing.
    """
    state = state_of(one)
    own = {other.settings for other in known if other.model == state.model}
    best: dict[object, Missing] = {}
    for model in {other.model for other in known} - {state.model}:
        theirs = [each for other, each in known.items() if other.model == model]
        base = as_by_itself(theirs)
        for each in theirs:
            settings = settings_of(each)
            if settings in own or state_of(each).mode != state_of(base).mode or each is base:
                continue
            saved = effect_between(base, each)
            if saved.ratio >= 1 or saved.significant is False:
                continue
            if settings not in best or saved.ratio < (best[settings].promises or saved).ratio:
                best[settings] = _by_run("combination", one, like=each, promises=saved)
    return sorted(best.values(), key=lambda it: it.promises.ratio if it.promises else 1.0)


def between(steps: Sequence[WayStep]) -> list[Missing]:
    """What was not measured between two results that differ in several points."""
    found = []
    for step in steps:
        if not step.together:
            continue
        before, after, rest = step.before, step.after, step.changes[1:]
        mode = before.entry.result.mode if "mode" in rest else after.entry.result.mode
        command = run_command(
            after,
            settings_of=before if "settings" in rest else None,
            reasoning=None if mode == "default" else mode,
        )
        seconds = seconds_for(after, command)
        found.append(Missing("between", after, "", command, seconds, before, changes=step.changes))
    return found


def undecided(today: Contender, recommended: Contender) -> list[Missing]:
    """That two results are not told apart, and how many runs would."""
    effect = effect_between(today, recommended)
    if effect.significant or today is recommended:
        return []
    headlines = today.entry.headline, recommended.entry.headline
    assert headlines[0] is not None
    assert headlines[1] is not None
    common = meter_uncertainty(today.entry.result, recommended.entry.result)
    needed = repeats_for_ratio(headlines[0].summary, headlines[1].summary, 1.0, common)
    runs = needed.runs if needed is not None else None
    if effect.ci95 is None:
        runs = 5
    told = Missing("undecided", recommended, like=today, promises=effect, repeats=runs)
    if not runs:
        return [told]
    command = run_command(recommended, repeats=runs)
    return [replace(told, command=command, seconds=seconds_for(recommended, command))]


def without_days(days: Sequence[NoDays]) -> list[Missing]:
    """Whose idle power or loading was not measured."""
    return [
        _by_run("days", of, why=one.why, loading=True, idle=idle_for(of.entry.result))
        if one.not_measured
        else Missing("no_days", of, one.why)
        for one in days
        for of in [one.candidate]
    ]
