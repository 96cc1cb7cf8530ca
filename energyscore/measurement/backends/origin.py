"""What a loaded model was made from: as the user says, else its card, and what its files tell."""

from dataclasses import replace

from energyscore.base.errors import ResultError
from energyscore.base.files import read_file
from energyscore.measurement.backends.published import published_file
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.parentage import Parent, Relation, parent_in_card

_CARD = "README.md"
_MOST_BYTES = 1 << 20


def parent_of(spec: ModelSpec, own: Relation | None) -> Parent | None:
    """Its parent; `own` is the relation that its files show: an adapter's, a quantized one's."""
    if spec.source == "builtin":
        return spec.parent
    in_card = _parent_in_card(spec)
    found = spec.parent or in_card
    if found is None or found.id == spec.label:
        return None
    if found.relation is None and in_card is not None and in_card.id == found.id:
        found = replace(found, relation=in_card.relation, relation_source=in_card.relation_source)
    if found.relation is None and own is not None:
        found = replace(found, relation=own, relation_source="inferred")
    return found


def _parent_in_card(spec: ModelSpec) -> Parent | None:
    file = published_file(spec, _CARD) if spec.path is None else spec.path / _CARD
    try:
        text = "" if file is None else read_file(file, _MOST_BYTES).decode(errors="replace")
    except ResultError:  # there is none, or none that can be read
        return None
    return parent_in_card(text)
