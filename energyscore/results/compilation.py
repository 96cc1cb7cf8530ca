"""What torch.compile made of a model that was compiled."""

from typing import Annotated

from pydantic import Field

from energyscore.base.form import Part

Whole = Annotated[int, Field(ge=0)]


class Compilation(Part):
    """Compiling, which is done before and in the warm-up: no run has any of it."""

    seconds: Annotated[float, Field(ge=0)] = Field(description="that compiling took")
    graphs: Whole = Field(description="that were compiled: of each part, for each kind of shape")
    breaks: Whole = Field(description="places where compiled code goes back to Python")
