"""What a list may say about how its entries are measured: options of `energyscore run`."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from energyscore.base.errors import UsageError, explain_form
from energyscore.protocol.model import Dtype
from energyscore.protocol.reasoning import DEFAULT
from energyscore.protocol.task import Generation, Mode, TaskSpec

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]


def _repeats(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return None
    if type(value) is not int or not 1 <= value <= 10**6:
        raise ValueError("neither a number of runs from 1 on nor auto")
    return value


def _several(value: object) -> object:
    """One or several: `x` means `[x]`; GPUs may be named by their index."""
    values = value if isinstance(value, list) else [value]
    return [str(one) if type(one) is int else one for one in values]


def _modes(value: object) -> object:
    """One or several; YAML reads `on` and `off` as true and false."""
    if value is None:
        return None
    said = {True: "on", False: "off"}
    return [
        said[one] if isinstance(one, bool) else one.strip().lower() if isinstance(one, str) else one
        for one in (value if isinstance(value, list) else [value])
    ]


OneOrMore = Annotated[list[Text], Field(min_length=1), BeforeValidator(_several)]


class Strict(BaseModel):
    """Base of what people write: nothing unknown in it, nothing converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RunOptions(Strict):
    """Options of `energyscore run`, by their names with `_` for `-`.

    What was not said is left to `run`. `repeats` None stands for `auto`, where it was said.
    """

    quick: bool = False
    queries: Count | None = None
    batch_size: Count | None = None
    reasoning: Annotated[list[Mode] | None, Field(min_length=1), BeforeValidator(_modes)] = None
    max_new_tokens: Count | None = None
    repeats: Annotated[int | None, BeforeValidator(_repeats)] = None
    half_width: Annotated[float, Field(ge=0.01, le=50)] | None = None
    idle: Annotated[float, Field(ge=0, le=3600)] | None = None
    device: Literal["auto", "cuda", "cpu"] = "auto"
    gpu: Annotated[list[Text] | None, BeforeValidator(_several)] = None
    spread: Count | None = None
    dtype: Dtype = "auto"
    dataset: Text | None = None
    revision: Text | None = None
    random_weights: bool = False
    allow_pickle: bool = False
    trust_remote_code: bool = False
    allow_shared: bool = False
    strict: bool = False
    country: Text | None = None

    def given(self) -> dict[str, Any]:
        """What was said, by option."""
        names = RunOptions.model_fields
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}

    def over(self, defaults: "RunOptions") -> "RunOptions":
        """These options, and those of `defaults` where these say nothing."""
        return RunOptions.model_construct(**{**defaults.given(), **self.given()})

    def without(self, names: Collection[str]) -> "RunOptions":
        """These options, as if those of these names had not been said."""
        said = self.given().items()
        return RunOptions.model_construct(**{k: v for k, v in said if k not in names})

    def by_mode(self) -> dict[Mode, "RunOptions"]:
        """The same for each mode of reasoning alone; unless one is said, for `default`."""
        return {
            mode: RunOptions.model_construct(**self.given() | {"reasoning": [mode]})
            for mode in self.reasoning or [DEFAULT]
        }

    def generation(self, spec: TaskSpec) -> Generation | None:
        """How text is generated at a task with modes, in the one that is said; else None."""
        if spec.generation is None or not spec.has_modes:
            return None
        mode = (self.reasoning or [DEFAULT])[0]
        return spec.generation.chosen(mode, self.max_new_tokens, quick=self.quick)

    @property
    def auto_repeats(self) -> bool:
        """Whether runs go on until the interval is narrow enough."""
        return "repeats" in self.model_fields_set and self.repeats is None

    def runs(self, spec: TaskSpec) -> int | None:
        """The number of runs, None for `auto`."""
        if self.auto_repeats:
            return None
        return self.repeats or (1 if self.quick else spec.repeats)

    def problem(self) -> str:
        """What does not go together, empty where everything does."""
        if self.half_width is not None and not self.auto_repeats:
            return "half_width is the target of `repeats: auto`, which is not said"
        return ""

    def arguments(self) -> list[str]:
        """The same as options of the command line, each in one word."""
        words = []
        for name, value in self.given().items():
            option = f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                words += [option] * value
            elif name == "repeats":
                words.append(f"{option}={'auto' if value is None else value}")
            else:
                several = value if isinstance(value, list) else [value]
                words += [f"{option}={one}" for one in several if one is not None]
        return words

    def decisive(self, spec: TaskSpec) -> dict[str, Any]:
        """What of it decides what is measured, with the task's defaults filled in.

        The country and --strict are left out: they change nothing that is measured.
        """
        generation = self.generation(spec)
        return {
            **({"generation": generation.recorded()} if generation else {}),
            "quick": self.quick,
            "queries": self.queries or spec.queries,
            "batch_size": self.batch_size or spec.batch_size,
            "repeats": self.runs(spec) or "auto",
            "half_width": self.half_width,
            "idle": self.idle,
            "device": self.device,
            "gpu": self.gpu or [],
            "spread": self.spread,
            "allow_shared": self.allow_shared,
        }


def read_options(content: Mapping[str, object], where: str) -> RunOptions:
    """Options from their names and values.

    Raises:
        UsageError: naming the option and what is wrong with it.
    """
    try:
        return RunOptions.model_validate(dict(content))
    except ValidationError as error:
        raise UsageError(f"{where}: {explain_form(error, RunOptions)}") from error
