"""Reasoning modes: how each family of models is asked for one (`reasoning_families.json`).

Whether a model thinks before it answers multiplies its energy. Each family is switched in its own
way, so the ways are data: a new family is an entry in the table, and no branch in the code.
"""

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import field
from importlib import resources
from typing import Any

from pydantic.dataclasses import dataclass

from energyscore.base.errors import ModelError
from energyscore.protocol.task import Mode

DEFAULT: Mode = "default"


@dataclass(frozen=True)
class Switch:
    """How a model is asked for a mode: arguments of the template, and words before or after."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    system: str = ""
    user: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Family:
    """Models that are switched alike.

    Attributes:
        modes: how to ask for each mode, `default` not among them.
        marks: what stands before and after thoughts in an answer, None where it is not known.
        model_type: pattern of the configuration's `model_type`; empty for any.
        id: pattern of the model's name; with `model_type`, one of both must fit.
        template: patterns that the chat template must have.
        lacks: patterns that it must not have.
        opens: pattern of how the prompt ends where the model is to answer; empty for any.
    """

    name: str
    modes: Mapping[Mode, Switch]
    marks: tuple[str, str] | None
    source: str
    model_type: str = ""
    id: str = ""
    template: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    opens: str = ""

    def fits(self, model_type: str, label: str, template: str, prompt: str) -> bool:
        """Whether a model is of this family; `prompt` is what its template makes by default."""
        named = not (self.model_type or self.id)
        named |= bool(self.model_type and re.fullmatch(self.model_type, model_type))
        named |= bool(self.id and re.search(self.id, label, re.IGNORECASE))
        return (
            named
            and all(re.search(pattern, template) for pattern in self.template)
            and not any(re.search(pattern, template) for pattern in self.lacks)
            and bool(re.search(f"(?:{self.opens})$", prompt))
        )


PLAIN = Family("no chat template", {"off": Switch()}, None, "nothing that could be switched")
"""Models without a chat template: they go on with a text, and are not asked for anything."""

UNKNOWN = Family("unknown family", {}, None, "no entry of the table fits")
"""Models with a chat template that may think; how it is switched is unknown."""


@functools.cache
def families() -> tuple[Family, ...]:
    """The table, in its order."""
    file = resources.files("energyscore.protocol") / "reasoning_families.json"
    return tuple(Family(**entry) for entry in json.loads(file.read_text("utf-8"))["families"])


def find_family(model_type: str, label: str, template: str, prompt: str) -> Family:
    """The family of a model with a chat template; arguments as for `Family.fits`."""
    fitting = (one for one in families() if one.fits(model_type, label, template, prompt))
    return next(fitting, UNKNOWN)


def switch_for(family: Family, mode: Mode, label: str) -> Switch:
    """How to ask a model of that family for a mode; a ModelError names those that it has."""
    if mode == DEFAULT:
        return Switch()
    if mode not in family.modes:
        raise ModelError(
            f"{label} ({family.name}) has no reasoning mode {mode!r}.",
            f"It has: {', '.join((DEFAULT, *family.modes))}.",
        )
    return family.modes[mode]
