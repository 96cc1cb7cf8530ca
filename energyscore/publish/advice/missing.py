"""What is not known, and the command that would tell: a sentence each. Pure."""

from energyscore.base.errors import sentence
from energyscore.base.stats import inverted
from energyscore.base.units import format_duration
from energyscore.judge.advice.states import Point
from energyscore.judge.advice.untried import Missing
from energyscore.publish import margins
from energyscore.publish.advice.words import line_of

_WITH_WHY = ("quality", "days", "no_days", "requirement")
_WHOSE: dict[Point, str] = {
    "model": "the model's",
    "mode": "the mode's",
    "settings": "the settings'",
}


def told(one: Missing) -> str:
    """What is missing, without the command."""
    name = one.of.entry.label
    like = one.like.entry.label if one.like is not None else ""
    how = " (estimated)" * one.of.entry.rating.estimated
    return sentence(
        {
            "quality": f"The quality of {name} is not known",
            "no_quality": f"The quality of {name} cannot be known: {one.why}",
            "settings": f"Whether other settings of {name} need less is not known",
            "mode": f"What another mode of reasoning of {name} takes is not known",
            "combination": f"{name} with the settings of {like} was not measured{_promise(one)}; "
            "it counts for nothing here",
            "between": f"Which part of it is {_and_which(one)} is not known: {name} with the "
            f"{' and '.join(one.changes[1:])} of {like} was not measured",
            "days": f"What idling and loading of {name} take is not known",
            "no_days": f"What a day of {name} comes to is not known",
            "undecided": f"Whether {name} needs less than {like} is not decided{how}",
            "screened": f"{name} was screened: the energy of all its work is predicted{how}",
            "requirement": f"Whether {name} meets the requirements is not known, and it may need "
            f"less{how}",
            "batch": f"What {name} takes where requests come one by one is not known: it was "
            "measured in batches alone",
            "model": f"Only {one.of.entry.name} was measured: whether a smaller model would do is "
            "not known; measure one with the same options",
        }[one.piece]
        + (f" ({one.why.rstrip('.')})" if one.why and one.piece in _WITH_WHY else "")
        + _where(one)
    )


def _and_which(one: Missing) -> str:
    """`the model's and which the settings'`."""
    return " and which ".join(_WHOSE[point] for point in one.changes)


def _where(one: Missing) -> str:
    """That the command names a folder or file by its name alone."""
    by_name = one.command.by_name if one.command is not None else ()
    if not by_name:
        return ""
    return f"; say in the command where {' and '.join(by_name)} lie{'s' * (len(by_name) == 1)}"


def _promise(one: Missing) -> str:
    """What the settings saved where they were measured."""
    if one.promises is None or one.like is None:
        return ""
    effect = one.promises
    ends = inverted(effect.ci95)
    how = ", estimated" * one.of.entry.rating.estimated
    return f" (with that model they need {margins.factor(1 / effect.ratio, ends)} times less{how})"


def command_of(one: Missing) -> str | None:
    """The command that would tell; None where none can."""
    return None if one.command is None else line_of(one.command)


def takes(one: Missing) -> str:
    """How long that takes; empty where it is not known."""
    return "" if one.seconds is None else f"about {format_duration(one.seconds)}"
