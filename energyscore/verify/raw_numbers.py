"""The numbers of a raw record: whole microseconds, millijoules and milliwatts in the file."""

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator

_MOST = 2**60


def _whole_numbers(value: Any) -> list[int]:
    """As pydantic would check a list, but at once, and with one problem at most, not millions."""
    if type(value) is not list or not set(map(type, value)) <= {int}:
        raise ValueError("it must be a list of whole numbers")
    if value and (min(value) < -_MOST or max(value) > _MOST):
        raise ValueError("a number in it is out of range")
    return value


def _series(unit: float) -> PlainValidator:
    """A series of which the file has the first value and each change, in such parts of a unit."""
    return PlainValidator(
        lambda value: array("d", (n / unit for n in accumulate(_whole_numbers(value))))
    )


def _number(unit: float, least: int = -_MOST) -> PlainValidator:
    """A whole number in the file, in such parts of a unit."""

    def scaled(value: Any) -> float:
        if type(value) is not int or not least <= value <= _MOST:
            raise ValueError("it must be a whole number in range")
        return value / unit

    return PlainValidator(scaled)


Seconds = Annotated[Sequence[float], _series(1e6)]
Thousandths = Annotated[Sequence[float], _series(1e3)]
Microseconds = Annotated[
    Sequence[float],
    PlainValidator(lambda value: array("d", (n / 1e6 for n in _whole_numbers(value)))),
]
Indexes = Annotated[Sequence[int], PlainValidator(lambda value: array("q", _whole_numbers(value)))]
Whole = Annotated[int, Field(ge=0, le=_MOST)]
Time = Annotated[float, _number(1e6)]
Begin = Annotated[float, _number(1e6, least=0)]
Length = Annotated[float, _number(1e6, least=1)]
Joules = Annotated[float, _number(1e3)]
NOT_STRICT = Field(strict=False)  # JSON has lists only
Span = Annotated[tuple[Time, Time], NOT_STRICT]
NoneIsEmpty = BeforeValidator(lambda value: {} if value is None else value)
