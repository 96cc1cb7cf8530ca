"""The form of what we write and read: nothing unknown or twice in it."""

import functools
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

AnyPart = TypeVar("AnyPart", bound="Part")
Text = Annotated[str, Field(min_length=1)]


class Strict(BaseModel):
    """A mapping with known keys only, whose values have the right type as they stand."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DuplicateKeyError(ValueError):
    """A JSON object with a key that occurs twice."""


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object without duplicate keys: of two, readers would take one or the other."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DuplicateKeyError(f"duplicate key {first_twice(name for name, _ in pairs)[:40]!r}")
    return found


def first_twice(names: Iterable[str]) -> str:
    """The first of these names that occurs twice; empty where none does."""
    counts = Counter(names)
    return next((name for name, count in counts.items() if count > 1), "")


class Part(BaseModel):
    """Base of all that we write: frozen, nothing unknown in it, no NaN and no Infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled in two thirds of pydantic's time and space: many results go between processes."""
        told = self.__pydantic_fields_set__
        all_told = len(told) == len(self.__dict__)
        return with_values, (type(self), self.__dict__, None if all_told else told)


_put = object.__setattr__


def with_values(
    kind: type[AnyPart], values: dict[str, Any], told: set[str] | None = None
) -> AnyPart:
    """A part with values that were checked before; `told`: the fields that were set, if not all."""
    part = kind.__new__(kind)
    _put(part, "__dict__", values)
    _put(part, "__pydantic_fields_set__", _fields_of(kind) if told is None else told)
    _put(part, "__pydantic_extra__", None)
    _put(part, "__pydantic_private__", None)
    return part


@functools.cache
def _fields_of(kind: type[Part]) -> set[str]:
    """One set for all parts of a kind, which nobody changes: a third of their memory otherwise."""
    return set(kind.model_fields)


def schema_of(model: type[Part], name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what a model writes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": name,
        **model.model_json_schema(mode="serialization"),
    }
