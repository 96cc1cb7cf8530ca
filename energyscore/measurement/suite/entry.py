"""One entry of a list of models to measure, of whatever form the list is."""

from dataclasses import dataclass, field

from energyscore.measurement.options import RunOptions


@dataclass(frozen=True)
class Entry:
    """One model at one task, as a list asks for it.

    Attributes:
        place: where it stands in the list, for people.
        task: the task's name as the list has it.
        model: a hub id, a folder, or `builtin:NAME`.
        model_class: the class that the list says, if any.
        options: how it is measured.
        said: the options that the entry says itself; a task must have what they are about.
        problem: why it cannot be measured, empty where nothing is known against it.
    """

    place: str
    task: str
    model: str
    model_class: str | None = None
    options: RunOptions = field(default_factory=RunOptions)
    said: frozenset[str] = frozenset()
    problem: str = ""
