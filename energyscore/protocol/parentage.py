"""What a model was made from: as the user says, or its card.

A card's front matter names `base_model`, one or several, and `base_model_relation`. It is written
by others: what makes no sense is as if it were not there.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from energyscore.base.yaml_text import FRONT_MATTER, YamlError, read_yaml

Relation = Literal["quantized", "adapter", "merge", "finetune", "distilled", "pruned"]
"""How a model was made from its parent: the hub's four words, and two more."""

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
_SEVERAL = 2  # of so many it is a merge, as the hub has it


@dataclass(frozen=True)
class Parent:
    """A model's parent, of a merge the first one, and where both of its facts are from."""

    id: str
    source: Literal["user", "card"]
    relation: Relation | None = None
    relation_source: Literal["user", "card", "inferred"] | None = None


def parent_in_card(card: str) -> Parent | None:
    """The parent that a model card names; None where it names none."""
    front = FRONT_MATTER.match(card.removeprefix("\ufeff"))
    try:
        content: Any = read_yaml(front[2]).content if front else None
    except YamlError:
        return None
    if not isinstance(content, dict):
        return None
    named = content.get("base_model")
    several = named if isinstance(named, list) else [named]
    ids = [one for one in several if isinstance(one, str) and HUB_ID.fullmatch(one)]
    if not ids:
        return None
    said = str(content.get("base_model_relation") or "").strip().lower()
    relation: Relation | None = next((one for one in get_args(Relation) if one == said), None)
    if relation is not None:
        return Parent(ids[0], "card", relation, "card")
    if len(ids) >= _SEVERAL:
        return Parent(ids[0], "card", "merge", "inferred")
    return Parent(ids[0], "card")
