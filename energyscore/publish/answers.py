"""The answer under a table, a sentence a cohort: which needs less energy, and how much. Pure."""

from collections.abc import Sequence

from energyscore.judge.effect import Effect
from energyscore.judge.rating import RatedResult
from energyscore.judge.savings import Saving, savings_in
from energyscore.publish.margins import factor

_MOST_OTHERS = 3
_MOST_COHORTS = 3


def answers(entries: Sequence[RatedResult]) -> list[str]:
    """How much less energy the best of each cohort needs than the others, as sentences."""
    return [answer(savings) for savings in savings_in(entries)[:_MOST_COHORTS]]


def answers_by_task(entries: Sequence[RatedResult]) -> list[str]:
    """The sentences of results of several tasks, each with its task where there are several."""
    tasks = sorted({entry.result.task.id for entry in entries})
    return [
        f"{task}: {line}" if len(tasks) > 1 else line
        for task in tasks
        for line in answers([entry for entry in entries if entry.result.task.id == task])
    ]


def answer(savings: Sequence[Saving]) -> str:
    """The sentence of one cohort; of many others the next and the last stand for all."""
    least = savings[0].least
    how = " (estimated)" if least.rating.estimated else ""
    others = [(one.other.label, one.effect) for one in savings]
    if len(others) > _MOST_OTHERS:
        others = [others[0], others[-1]]
    return f"{less_than(least.label, others)}{how}."


def less_than(least: str, others: Sequence[tuple[str, Effect]]) -> str:
    """`a needs 1.7 (1.5 to 1.9) times less energy than b`, or that the two are not told apart."""
    same = [name for name, effect in others if effect.ratio == 1]
    others = [(name, effect) for name, effect in others if effect.ratio != 1]
    told = [(name, effect) for name, effect in others if effect.significant is not False]
    said = [
        f"{factor(effect.ratio, effect.ci95)} times less {'' if place else 'energy '}than {name}"
        f"{'' if effect.ci95 else ' (no interval)'}"
        for place, (name, effect) in enumerate(told)
    ]
    open_ = [
        f"{name}: {factor(effect.ratio, effect.ci95)} times"
        for name, effect in others
        if effect.significant is False
    ]
    parts = [f"{least} needs {_listed(said)}"] if said else []
    if open_:
        whether = f"undecided whether {'it' if said else least} needs less energy than "
        contain = "the intervals contain 1" if len(open_) > 1 else "the interval contains 1"
        parts.append(f"{whether}{_listed(open_)}, and {contain}")
    if same:
        parts.append(f"{'it' if parts else least} needs as much energy as {_listed(same)}")
    return "; ".join(parts)


def _listed(parts: Sequence[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
