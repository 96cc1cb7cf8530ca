"""The kinds of values that results are made of."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from energyscore.base.stamps import utc_time

Domain: TypeAlias = str
"""What is metered: `gpu:<uuid>`, `cpu` (packages), `dram`, `ram`."""

Method = Literal["counter", "power_integral", "rapl", "estimated"]
"""How the joules were obtained; `estimated` is never mixed into a measured score."""

NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Energy = Annotated[float, Field(gt=0, lt=1e15)]
"""Joules or Wh that were measured: nothing takes none, and nothing takes a power station's."""

Time = Annotated[str, AfterValidator(utc_time)]
Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(gt=0)]
SystemMethod = Literal["measured", "estimated"]

Purpose = Literal["trial", "repeat", "confirm"]
"""Of a trial of tune: the first; `repeat`: once more, against drift; `confirm`: for the saving."""
