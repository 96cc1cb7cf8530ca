"""What loading a model takes, and what it draws idle, from a process of its own.

Loading is from the start of the process until the model can answer: the energy is what is above the
power that was drawn just before it (`floor_w`), while no process of ours held a model.
"""

from collections.abc import Iterator
from typing import Annotated, TypeAlias

from pydantic import Field

from energyscore.base.form import Part
from energyscore.results.parts import Method

Watts: TypeAlias = Annotated[float, Field(ge=0)]


class Loading(Part):
    """One loading with its files in memory (the page cache), and one from the disk before it.

    Domains are those of the runs. Estimates stand here too, by their `methods`.
    """

    duration_s: Annotated[float, Field(gt=0)] | None
    energy_j: dict[str, float | None] = Field(
        description="by domain, above the floor: below 0 where others drew less meanwhile"
    )
    reason: str = Field(description="why a figure is null; empty where none is")
    methods: dict[str, Method] = Field(default={}, description="how each domain was metered")
    floor_w: dict[str, Watts] = Field(
        default={}, description="power by domain before the process was started"
    )
    idle_w: dict[str, Watts] = Field(
        default={}, description="power by domain after it, with the model loaded and no work"
    )
    cold_duration_s: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="from the disk; null: the files could not be put out of memory"
    )
    cold_energy_j: dict[str, float | None] = Field(default={}, description="the same from the disk")


def loading_contradictions(loading: Loading | None) -> Iterator[str]:
    """What is not known has a reason, and only that; what is known has its floor."""
    if loading is None:
        return
    lacking = [d for d, energy_j in loading.energy_j.items() if energy_j is None]
    if (loading.duration_s is None or bool(lacking)) != bool(loading.reason):
        yield "loading.reason: it says why a figure is null, and only that"
    for domain, energy_j in loading.energy_j.items():
        if energy_j is not None and domain not in loading.floor_w:
            yield f"loading.floor_w: {domain} has an energy above it, but no floor"
