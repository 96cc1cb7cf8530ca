"""The form of what people write by hand: nothing unknown in it, nothing converted."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]


class Strict(BaseModel):
    """A mapping with known keys only, whose values have the right type as they stand."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
