"""One entry of a list of models to measure, of whatever form the list is."""

from dataclasses import dataclass, field

from energyscore.measurement.options import RunOptions


@dataclass(frozen=True)
class Entry:
    """One model at one task, as a list asks for it."""

    place: str  # in the list, for people
    task: str
    model: str
    model_class: str | None = None
    options: RunOptions = field(default_factory=RunOptions)
    said: frozenset[str] = frozenset()  # options that the entry gives itself: they must fit
    problem: str = ""  # why it cannot be measured
