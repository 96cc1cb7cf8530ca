"""One entry of a list of models to measure, of whatever form the list is."""

from dataclasses import dataclass, field

from energyscore.measurement.options import RunOptions


@dataclass(frozen=True)
class Entry:
    """One model at one task, as a list asks for it.

    Attributes:
        place: where it stands in the list, for people.
        said: the options that the entry gives itself; they must fit its task.
        problem: why it cannot be measured; empty where nothing is known against it.
    """

    place: str
    task: str
    model: str
    model_class: str | None = None
    options: RunOptions = field(default_factory=RunOptions)
    said: frozenset[str] = frozenset()
    problem: str = ""
