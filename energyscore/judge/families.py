"""Families: a model and what was made from it, among results that can be compared. Pure.

A child is held against that result of its parent which is of the same batch size and mode of
reasoning, and where there are several, of the same precision: then what differs is how it was made.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from energyscore.judge.contenders import Contender, effect_between, quality_between
from energyscore.judge.effect import Effect
from energyscore.judge.qualities import QualityContrast, why_unlike
from energyscore.results.model_part import ModelPart, ParentPart

COMPRESSED = ("quantized", "pruned", "distilled")
"""Relations that are meant to save something."""


@dataclass(frozen=True)
class Child:
    """A model against its parent.

    `parent` is the parent's result; None where none is like it, and `why` says so. `effect.ratio`
    is the child's energy over the parent's; `quality` is by how much the child is better, and
    `why_no_quality` why that is not known.
    """

    candidate: Contender
    origin: ParentPart
    parent: Contender | None
    effect: Effect | None
    quality: QualityContrast | None
    why: str = ""
    why_no_quality: str = ""

    @property
    def costs_energy(self) -> bool:
        """Whether a compressed one surely needs more energy than its parent."""
        found = self.effect
        compressed = self.origin.relation in COMPRESSED
        return bool(compressed and found and found.ratio > 1 and found.significant)


@dataclass(frozen=True)
class ModelFamily:
    """A parent by its name, its results at hand, and its children; both by energy."""

    name: str
    parents: list[Contender]
    children: list[Child]


def families_of(known: Sequence[Contender]) -> list[ModelFamily]:
    """The families among comparable results with an energy, which come by energy.

    Of a parent that was not measured there are two children or more. A child that its parent is
    said to be made from is held against nothing: one of the two is wrong.
    """
    children: dict[str, list[tuple[Contender, ParentPart]]] = {}
    origins: dict[str, set[str]] = {}
    for one in known:
        name, origin = one.entry.result.model.id, origin_of(one.entry.result.model)
        if origin and origin.id != name:
            children.setdefault(origin.id, []).append((one, origin))
            origins.setdefault(name, set()).add(origin.id)
    families = []
    for name, found in children.items():
        parents = [one for one in known if one.entry.result.model.id == name]
        if parents or len({one.entry.result.model.id for one, _ in found}) > 1:
            above = _all_origins(name, origins)
            of = [_child(one, origin, parents, above) for one, origin in found]
            families.append(ModelFamily(name, parents, of))
    return families


def origin_of(model: ModelPart) -> ParentPart | None:
    """What a model was made from; of an adapter in an older file its base."""
    if model.parent is not None or model.base_model is None:
        return model.parent
    base = model.base_model.rpartition("@")[0]
    return ParentPart(id=base, source="user", relation="adapter", relation_source="inferred")


def _all_origins(name: str, origins: Mapping[str, Collection[str]]) -> set[str]:
    """What a model was made from, and what that was made from, and so on; itself in a circle."""
    found: set[str] = set()
    further = [name]
    while further:
        new = set(origins.get(further.pop(), ())) - found
        found |= new
        further += new
    return found


def _child(
    one: Contender, origin: ParentPart, parents: Sequence[Contender], above: Collection[str]
) -> Child:
    """A child against its parent, which was made from the models `above` it."""
    if one.entry.result.model.id in above:
        why = "it is said to be made from this model in turn"
        return Child(one, origin, None, None, None, f"of the parent: {why}")
    parent = _like(one, parents)
    if parent is None:
        why = "it was measured at another batch size or mode" if parents else "it was not measured"
        return Child(one, origin, None, None, None, f"of the parent: {why}")
    unlike = _why_no_difference(one, parent)
    quality = None if unlike else quality_between(one, parent)
    return Child(one, origin, parent, effect_between(parent, one), quality, "", unlike)


def _like(one: Contender, parents: Sequence[Contender]) -> Contender | None:
    result = one.entry.result
    alike = [
        parent
        for parent in parents
        if parent.entry.result.workload.batch_size == result.workload.batch_size
        and parent.entry.result.mode == result.mode
    ]
    same = [parent for parent in alike if parent.entry.result.model.dtype == result.model.dtype]
    return next(iter((*same, *alike)), None)


def _why_no_difference(one: Contender, parent: Contender) -> str:
    """Why the qualities of two cannot be held against each other; empty where they can."""
    for whose, known in (("", one), ("of the parent: ", parent)):
        if known.quality is None:
            return f"{whose}{known.no_quality}"
    assert one.quality is not None
    assert parent.quality is not None
    if bool(one.reported) != bool(parent.reported):
        return "one of the two qualities was reported, the other measured"
    return why_unlike(one.quality, parent.quality)
