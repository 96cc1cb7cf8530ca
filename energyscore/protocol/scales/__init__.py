"""Reference scales: dated leaderboards, as data. Each JSON file names its source."""

import json
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from energyscore.base.errors import UsageError, did_you_mean, first_problem
from energyscore.base.files import is_file, read_text
from energyscore.base.form import unique_keys

DEFAULT_SCALE = "aienergyscore-2025-02"
COHORT = "cohort"
"""Not a scale, but asked for in the place of one."""


class Band(BaseModel):
    """The extremes of one task and class in a reference."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: str
    model_class: str | None
    models: Annotated[int, Field(gt=1)]
    min_wh_per_1k_queries: Annotated[float, Field(gt=0)]
    max_wh_per_1k_queries: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _ordered(self) -> "Band":
        if self.min_wh_per_1k_queries >= self.max_wh_per_1k_queries:
            raise ValueError("min_wh_per_1k_queries must be below max_wh_per_1k_queries")
        return self

    @property
    def range_wh(self) -> tuple[float, float]:
        """The least and the greatest energy of 1,000 queries in Wh."""
        return self.min_wh_per_1k_queries, self.max_wh_per_1k_queries


class Uncertainty(BaseModel):
    """How far a figure may be off for reasons that more runs do not show.

    Attributes:
        systematic: half-width of the meter's error, the same in every run, as a share of the
            figure; any error in that width is taken to be as likely as any other.
        device_spread: standard deviation between devices of one name, as a share of the figure;
            0 where it is not known, and then not included.
        source: where the two are from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    systematic: Annotated[float, Field(ge=0, le=1)]
    device_spread: Annotated[float, Field(ge=0, le=1)]
    source: Annotated[str, Field(min_length=1)]


class Scale(BaseModel):
    """A dated reference: bands, the hardware they were measured on, and where they are from.

    `uncertainty` is what stands between a measurement made here and the reference's hardware.
    A scale may leave it out: it still gives stars, but no probabilities of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["scale"] = "scale"
    schema_version: Literal[1]
    name: Annotated[str, Field(min_length=1)]
    date: str
    source: str
    gpu: Annotated[str, Field(min_length=1)]
    rule: Literal["equal-width"]
    uncertainty: Uncertainty | None = None
    bands: Annotated[list[Band], Field(min_length=1)]

    def band(self, task: str, model_class: str | None) -> Band | None:
        """The band of that task and class, if the reference has it."""
        fits = (b for b in self.bands if (b.task, b.model_class) == (task, model_class))
        return next(fits, None)


def load_scale(name: str) -> Scale:
    """A bundled scale by name, or one of your own by the path of its JSON file."""
    folder = resources.files("energyscore.protocol.scales")
    bundled = [one.name[: -len(".json")] for one in folder.iterdir() if one.name.endswith(".json")]
    if name in bundled:
        text = (folder / f"{name}.json").read_text(encoding="utf-8")
    elif name.endswith(".json") or is_file(Path(name)):
        text = read_text(Path(name), f"Scale {name}")
    else:
        raise UsageError(f"Unknown scale {name!r}.", did_you_mean(name, [*bundled, COHORT]))
    try:
        scale = Scale.model_validate_json(text)
        json.loads(text, object_pairs_hook=unique_keys)
    except ValidationError as error:
        raise UsageError(f"Scale {name}: {first_problem(error)}.") from error
    except ValueError as error:
        raise UsageError(f"Scale {name}: {error}.") from error
    return scale
