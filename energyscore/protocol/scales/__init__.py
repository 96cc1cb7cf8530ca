"""Reference scales: dated leaderboards, as data. Each JSON file names its source."""

import contextlib
import json
import re
from datetime import date as day
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from energyscore.base.errors import UsageError, did_you_mean, first_problem
from energyscore.base.files import is_file, read_text
from energyscore.base.form import first_twice, unique_keys
from energyscore.base.places import data_folder
from energyscore.protocol.official_method import Protocol

DEFAULT_SCALE = "aienergyscore-2025-02"
LATEST = "latest"
"""The newest scale at hand."""

COHORT = "cohort"
"""Not a scale, but asked for in the place of one."""

_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?", re.ASCII)
_BUNDLED = resources.files("energyscore.protocol.scales")


def first_day(text: str) -> day | None:
    """The day of a date, of a year and month the first; None where it is neither."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return day.fromisoformat(text if len(text) > 7 else f"{text}-01")
    except ValueError:
        return None


def _known_day(text: str) -> str:
    if first_day(text) is None:
        raise ValueError("must be a month, such as 2026-06, or a day")
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot show")
    return text


_Date = Annotated[str, AfterValidator(_known_day)]
_Shown = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_printable)]


class Band(BaseModel):
    """The extremes of one task, class and mode of reasoning in a reference."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: _Shown
    model_class: _Shown | None
    reasoning: _Shown | None = None
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


class SourceFile(BaseModel):
    """A file that a scale was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: _Shown
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Superseded(BaseModel):
    """What is known to have changed since: of a task and class, or of all (no task)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str | None = None
    model_class: str | None = None
    since: _Date
    why: _Shown

    def concerns(self, task: str, model_class: str | None) -> bool:
        """Whether it is said of that task and class."""
        return self.task in (None, task) and self.model_class in (None, model_class)


class Scale(BaseModel):
    """A dated reference: bands, how and on what they were measured, and where they are from.

    Attributes:
        date: of the leaderboard, as year and month, or a day.
        source: where it is from, for people; `commit` of its repository, and its `files`.
        protocol: the official method that its figures were measured by (`official_method`).
        uncertainty: what stands between a measurement made here and the reference's hardware.
            A scale may leave it out: it still gives stars, but no probabilities of them.
        superseded: what is known to be of another day.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["scale"] = "scale"
    schema_version: Literal[1]
    name: _Shown
    date: _Date
    source: _Shown
    commit: _Shown | None = None
    files: list[SourceFile] = []
    protocol: Protocol = "v1"
    gpu: _Shown
    rule: Literal["equal-width"]
    uncertainty: Uncertainty | None = None
    superseded: list[Superseded] = []
    bands: Annotated[list[Band], Field(min_length=1)]

    @model_validator(mode="after")
    def _once_each(self) -> "Scale":
        names = (
            " ".join(filter(None, (one.task, one.model_class, one.reasoning))) for one in self.bands
        )
        if twice := first_twice(names):
            raise ValueError(f"bands has {twice} twice")
        return self

    def band(self, task: str, model_class: str | None, reasoning: str | None = None) -> Band | None:
        """The band of that task, class and mode of reasoning, if the reference has it.

        Where it does not tell modes apart, one band is for all of them.
        """
        alike = [b for b in self.bands if (b.task, b.model_class) == (task, model_class)]
        told = any(band.reasoning for band in alike)
        return next((b for b in alike if b.reasoning == (reasoning if told else None)), None)

    def age(self) -> tuple[str, bool, str, str]:
        """Greater for what is newer; of one month for the bundled one, then by day and name."""
        return self.date[:7], self.name == DEFAULT_SCALE, self.date, self.name

    @property
    def models(self) -> int:
        """How many rows its bands stand on."""
        return sum(band.models for band in self.bands)


def known_scales() -> dict[str, Path | Traversable]:
    """The scales at hand by name: those that come with energyscore, and those of this user."""
    places: list[Path | Traversable] = [_BUNDLED, scales_folder()]
    found = [one for place in places if place.is_dir() for one in place.iterdir()]
    # Of two of one name the bundled one is meant.
    named = {one.name.removesuffix(".json"): one for one in reversed(found) if _is_scale(one)}
    return dict(sorted(named.items()))


def scales_folder() -> Path:
    """Where the scales lie that this user has imported; it need not exist."""
    return data_folder() / "scales"


def load_scale(name: str) -> Scale:
    """A scale by its name, `latest`, or the path of a JSON file of one's own."""
    if name == LATEST:
        return newest_scale()
    known = known_scales()
    if name in known:
        return _at_hand(name, known[name])
    if name.endswith(".json") or is_file(Path(name)):
        scale = read_scale(read_text(Path(name), f"Scale {name}"), name)
        if scale.name == DEFAULT_SCALE and scale != load_scale(DEFAULT_SCALE):
            what = f"it is called {DEFAULT_SCALE}, and is not the scale of this name."
            raise UsageError(f"Scale {name}: {what}", "Give it another name.")
        return scale
    raise UsageError(f"Unknown scale {name!r}.", did_you_mean(name, [*known, LATEST, COHORT]))


def _at_hand(name: str, place: Path | Traversable) -> Scale:
    """One of the scales at hand; in the user's folder a file has to be called as its scale."""
    if not isinstance(place, Path) or place.parent != scales_folder():
        return read_scale(place.read_text(encoding="utf-8"), name)
    if name in (LATEST, COHORT):
        raise UsageError(f"Scale {place}: no scale can be called {name}.", "Rename the file.")
    if place.exists() and not is_file(place):
        raise UsageError(f"Scale {place} cannot be read: it is no file.", "Remove it.")
    scale = read_scale(read_text(place, f"Scale {place}"), str(place))
    if scale.name != name:
        what = f"its name is {scale.name[:100]!a}, its file's {name!a}."
        raise UsageError(f"Scale {place}: {what}", "Make them one, or remove the file.")
    return scale


def all_scales() -> list[Scale]:
    """All that are at hand."""
    return [_at_hand(name, place) for name, place in known_scales().items()]


def readable_scales() -> list[Scale]:
    """The same, without those that cannot be read: for what is only said beside a rating."""
    found = []
    for name, place in known_scales().items():
        with contextlib.suppress(UsageError):
            found.append(_at_hand(name, place))
    return found


def newest_scale() -> Scale:
    """The newest of those at hand; of two of one month the bundled one."""
    return max(all_scales(), key=Scale.age)


def read_scale(text: str, name: str) -> Scale:
    """A scale as JSON; a UsageError names the field that is wrong."""
    try:
        scale = Scale.model_validate_json(text)
        json.loads(text, object_pairs_hook=unique_keys)
    except ValidationError as error:
        raise UsageError(f"Scale {name}: {first_problem(error)}.") from error
    except ValueError as error:
        raise UsageError(f"Scale {name}: {error}.") from error
    return scale


def _is_scale(place: Path | Traversable) -> bool:
    return place.name.endswith(".json") and not place.name.startswith(".")
