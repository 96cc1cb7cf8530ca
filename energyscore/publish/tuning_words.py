"""What is said of a tune: settings in words, the saving, and what it rests on. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from energyscore.base.units import counted
from energyscore.judge.effect import Effect
from energyscore.judge.qualities import contrast
from energyscore.judge.tuning import Tried, Tuning
from energyscore.publish.choice_cells import difference
from energyscore.publish.notes import ESTIMATED

_MOST_LEFT_OUT = 3
_LITTLE = 0.05

MEASURE_BOTH = "To decide it, measure with each of both by the whole protocol"

STATUS = {
    "out_of_memory": "out of memory",
    "over_latency": "over the latency limit",
    "over_memory": "over the memory limit",
    "quality_lost": "quality lost",
    "beaten": "ended early",
}
"""What became of a trial, where its name does not say it."""


def settings_in_words(settings: Mapping[str, Any], dtype: str = "") -> str:
    """`batch 8 in float32, int8`; `dtype` is what the precision came to."""
    precision = dtype or settings["dtype"]
    words = [f"batch {settings['batch_size']:,}"]
    words[0] += "" if precision == "auto" else f" in {precision}"
    if settings.get("quantization", "none") != "none":
        words.append(str(settings["quantization"]))
    if settings.get("attention"):
        words.append(f"{settings['attention']} attention")
    if settings.get("compile"):
        words.append("compiled")
    if settings.get("power_limit") is not None:
        words.append(f"at most {settings['power_limit']:g} W")
    return ", ".join(words)


def name_of(one: Tried) -> str:
    """Its settings in words."""
    return settings_in_words(one.settings, one.dtype)


def answer(tuning: Tuning) -> list[str]:
    """The best setting and what it saves, a sentence each; or why there is none."""
    best, saving = tuning.best, tuning.saving
    how = " (estimated)" if tuning.estimated else ""
    if best is None:
        return [f"No best setting: {tuning.why_none}."]
    if saving is None and best is not tuning.default:
        return [
            f"Choose {name_of(best)}{how}; what it saves is not known: "
            f"{tuning.why_none.rstrip('.')}."
        ]
    if saving is None:
        return [f"Keep the default, {name_of(tuning.default)}: {tuning.why_none}{how}."]
    names = name_of(best), name_of(tuning.default)
    times = tuning.times_latency
    beside = (
        f", at {times:.{1 if times < 10 else 0}f} times the latency of a query" if times else ""
    )
    beside += _quality_beside(best, tuning.default)
    if saving.significant is False:
        return [
            f"It is undecided whether {names[0]} needs less energy than {names[1]}: "
            f"{percent_less(saving)} less{how}, and the interval contains 0{beside}."
        ]
    if saving.ratio > 1:
        default = f"{names[1]}, which is {STATUS.get(tuning.default.status, 'not fit')}"
        return [f"{names[0]} needs {percent(saving, 1)} more energy than {default}{beside}{how}."]
    return [f"{names[0]} needs {percent_less(saving)} less energy than {names[1]}{beside}{how}."]


def _quality_beside(best: Tried, default: Tried) -> str:
    """`, 0.4 (-0.3 to 1.1) points less accurate`; empty where one has no quality."""
    qualities = [one.result.quality if one.result else None for one in (best, default)]
    if qualities[0] is None or qualities[1] is None:
        return ""
    found = contrast(qualities[0], qualities[1])
    return f", {difference(qualities[0], found)}" if found else ""


def percent_less(saving: Effect) -> str:
    """`83% (82 to 84)`: by how much less it is."""
    return percent(saving, -1)


def percent(effect: Effect, sign: int) -> str:
    """`83% (82 to 84)`: by how much a ratio is off 1; a decimal where the interval is narrow."""
    value = (effect.ratio - 1) * 100 * sign
    if effect.ci95 is None:
        return f"{value:.0f}% (no interval)"
    low, high = sorted((end - 1) * 100 * sign for end in effect.ci95)
    digits = 1 if high - low < 1 else 0
    return f"{value:.{digits}f}% ({low:.{digits}f} to {high:.{digits}f})"


def notes_of(tuning: Tuning) -> list[str]:
    """What stands under the table beside the answer."""
    found = []
    if tuning.estimated:
        found.append(
            f"a recommendation from estimates (no GPU was metered): {ESTIMATED.rstrip('.')}; tune "
            "on the machine that is to do the work."
        )
    busy = [
        name_of(one) for one in tuning.trials
        if one.result and any(caution.code == "too_busy" for caution in one.result.cautions)
    ]  # fmt: skip
    if busy:
        found.append(
            f"caution: other processes worked during {counted(len(busy), 'trial')}, and are "
            "counted in: tune again on an idle machine."
        )
    if (drift := _drift(tuning)) is not None:
        held = ", which the interval of the saving holds" if tuning.saving else ""
        found.append(
            f"caution: the energy of {drift[0]} changed by {drift[1]:.0%} between its trials: the "
            f"machine was not steady meanwhile{held}."
        )
    if tuning.undecided:
        names = "; ".join(settings_in_words(one) for one in tuning.undecided)
        found.append(f"may need as little as the best, as far as the trials can tell: {names}.")
    if tuning.ended:
        found.append(f"the search ended early: {tuning.ended}.")
    if tuning.left_out:
        found.append(_left_out(tuning.left_out))
    return found


def _drift(tuning: Tuning) -> tuple[str, float] | None:
    """The setting whose energies differ most, and by what share of the least; None for little."""
    known: dict[str, list[float]] = {}
    for one in tuning.trials:
        if one.energy_wh and one.status != "beaten":
            known.setdefault(name_of(one), []).append(one.energy_wh)
    changes = [(max(energies) / min(energies) - 1, name) for name, energies in known.items()]
    change, name = max(changes, default=(0.0, ""))
    return (name, change) if change > _LITTLE else None


def _left_out(left_out: Sequence[tuple[Mapping[str, Any], str]]) -> str:
    """Settings by the reason that they have in common, the first few of each."""
    by_reason: dict[str, list[str]] = {}
    for settings, why in left_out:
        by_reason.setdefault(why, []).append(settings_in_words(settings))
    told = []
    for why, names in by_reason.items():
        more = len(names) - _MOST_LEFT_OUT
        and_more = f" and {more} more" if more > 0 else ""
        told.append(f"{'; '.join(names[:_MOST_LEFT_OUT])}{and_more} ({why})")
    return f"not tried: {', nor '.join(told)}."
