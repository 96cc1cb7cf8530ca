"""The form of what we write and read: nothing unknown or twice in it."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

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


def schema_of(model: type[Part], name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what a model writes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": name,
        **model.model_json_schema(mode="serialization"),
    }
