"""How models are measured: one form, filled by the command line, by suites and from Python."""

import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from energyscore.base.errors import UsageError, explain_form
from energyscore.base.form import Strict, Text
from energyscore.base.quantities import SECONDS, WATTS, read_quantity
from energyscore.measurement.screen.stopping import Until
from energyscore.measurement.server_asked import ServerAsked
from energyscore.measurement.warmup import IDLE_S
from energyscore.protocol import bundled
from energyscore.protocol.model import (
    Attention,
    By,
    Dtype,
    ModelSpec,
    Quantization,
    parse_model,
)
from energyscore.protocol.official_method import Protocol, method_for
from energyscore.protocol.parentage import Relation
from energyscore.protocol.reasoning import DEFAULT
from energyscore.protocol.selection import BUNDLED, OFFICIAL, Selection
from energyscore.protocol.task import Generation, Mode, TaskSpec

MOST_REPEATS = 30
AUTO_HALF_WIDTH_PERCENT = 1.0
UNTIL = "half-width=2%"
BY_TASKS = ("text_classification", "question_answering")
"""Tasks, by their modality, that a model does by a head or by writing the answer."""

Count = Annotated[int, Field(ge=1)]


def _repeats(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    if value is not None and (type(value) is not int or not 1 <= value <= 10**6):
        raise ValueError("neither a number of runs from 1 on nor auto")
    return value


def _several(value: object) -> object:
    """One or several: `x` means `[x]`; GPUs may be named by their index."""
    if value is None:
        return None
    values = value if isinstance(value, list) else [value]
    return [str(one) if type(one) is int else one for one in values]


def _columns(value: object) -> object:
    """Columns by field: a mapping, or texts such as `text=prompt`."""
    if not isinstance(value, list | str):
        return value
    found: dict[str, str] = {}
    for text in [value] if isinstance(value, str) else value:
        name, equals, column = text.partition("=") if isinstance(text, str) else ("", "", "")
        if not (name and equals and column):
            raise ValueError("it must be FIELD=COLUMN, such as text=prompt")
        if name in found:
            raise ValueError(f"the field {name!r} is given two columns")
        found[name] = column
    return found


def _mode(value: object) -> object:
    """In any case; `true` and `false` stand for `on` and `off`."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return value.strip().lower() if isinstance(value, str) else value


def _device(value: object) -> object:
    if isinstance(value, str) and value.lower() == "gpu":  # one letter from cpu, which is not meant
        raise ValueError("it must be 'auto', 'cuda' or 'cpu'; did you mean 'cuda'?")
    return value


def _until(value: object) -> object:
    if isinstance(value, str):
        Until.parse(value)
    return value


def _quantity(value: object, units: Mapping[str, float], most: float, what: str) -> object:
    """A number, above 0, in the unit whose factor is 1, or a text with its unit."""
    number = value
    if isinstance(value, str):
        with contextlib.suppress(UsageError):
            number = read_quantity("", value, units, "")
    if type(number) not in (int, float) or not 0 < number <= most:  # type: ignore[operator]
        raise ValueError(f"it must be {what}; its units are {' or '.join(units)}")
    return float(number)  # type: ignore[arg-type]


def _budget(value: object) -> object:
    """Seconds, or a text such as 5m."""
    return None if value is None else _quantity(value, SECONDS, 10**7, "a time such as 5m")


def _watts(value: object) -> object:
    """Watts, or a text such as 250 or 250W."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    return None if value is None else _quantity(value, WATTS, 10**5, "a power such as 250W")


DeviceName = Annotated[Literal["auto", "cuda", "cpu"], BeforeValidator(_device)]
_Mode = Annotated[Mode, BeforeValidator(_mode)]
OneOrMore = Annotated[list[Text], Field(min_length=1), BeforeValidator(_several)]


class RunOptions(Strict):
    """Options of `energyscore run` by name, `_` for `-`; the task's defaults stand in for None."""

    quick: bool = False
    queries: Count | None = None
    batch_size: Count | None = None
    protocol: Protocol = "v1"
    reasoning: Annotated[list[_Mode] | None, Field(min_length=1), BeforeValidator(_several)] = None
    max_new_tokens: Count | None = None
    repeats: Annotated[int | Literal["auto"] | None, BeforeValidator(_repeats)] = None
    half_width: Annotated[float, Field(ge=0.01, le=50)] | None = None
    idle: Annotated[float, Field(ge=0, le=3600)] | None = None
    device: DeviceName = "auto"
    gpu: Annotated[list[Text] | None, BeforeValidator(_several)] = None
    spread: Count | None = None
    power_limit: Annotated[float | None, BeforeValidator(_watts)] = None
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    dtype: Dtype = "auto"
    quantization: Literal["none", Quantization] | None = None
    attention: Attention | None = None
    compile: bool = False
    by: By | None = None
    dataset: Text | None = None
    dataset_config: Text | None = None
    split: Text | None = None
    columns: Annotated[dict[Text, Text] | None, BeforeValidator(_columns)] = None
    revision: Text | None = None
    random_weights: bool = False
    allow_pickle: bool = False
    base_model: Text | None = None
    base_relation: Relation | None = None
    trust_remote_code: bool = False
    allow_shared: bool = False
    strict: bool = False
    official: bool = False
    quality: bool = False
    loading: bool = False
    labels: Text | None = None
    clip: Text | None = None
    country: Text | None = None
    screen: bool = False
    until: Annotated[Text | None, BeforeValidator(_until)] = None
    budget: Annotated[float | None, BeforeValidator(_budget)] = None

    def given(self) -> dict[str, Any]:
        """The options that were given, by name."""
        return self.model_dump(exclude_unset=True, include=set(RunOptions.model_fields))

    def over(self, defaults: "RunOptions") -> "RunOptions":
        """These options, and those of `defaults` that these do not give."""
        return RunOptions.model_construct(**{**defaults.given(), **self.given()})

    def without(self, names: Collection[str]) -> "RunOptions":
        """These options, as if those of these names had not been given."""
        return RunOptions.model_construct(
            **{name: value for name, value in self.given().items() if name not in names}
        )

    def problem(self, spelled: Callable[[str], str] = str) -> str:
        """Which options contradict each other; empty if none do. `spelled` as people write them."""
        if self.half_width is not None and self.repeats != "auto":
            auto = f"the target of {spelled('repeats')} auto"
            return f"{spelled('half_width')} is {auto}, which is not given"
        if (self.labels or self.clip) and not self.quality:
            what = spelled("labels" if self.labels else "clip")
            return f"{what} goes with {spelled('quality')}, which is not given"
        if self.base_relation is not None and self.base_model is None:
            whole = f"{spelled('base_relation')} goes with {spelled('base_model')}"
            return f"{whole}, which is not given"
        lone = [spelled(name) for name in ("until", "budget") if getattr(self, name)]
        if lone and not self.screen:
            goes = "goes" if len(lone) == 1 else "go"
            return f"{' and '.join(lone)} {goes} with {spelled('screen')}, which is not given"
        if self.protocol != "v1" and self.until and Until.parse(self.until).kind == "star":
            what, how = spelled("until"), spelled("protocol")
            return f"{what} star: the stars of a screen are those of {how} v1, not {self.protocol}"
        against = ("quick", "repeats", "official") if self.screen else ()
        if other := [spelled(name) for name in against if getattr(self, name)]:
            return f"{spelled('screen')} goes without {' and '.join(other)}: leave out one of them"
        return ""

    def model_spec(self, name: str, task: TaskSpec) -> ModelSpec:
        """The model of this name, for a task; a ModelError if the name or the task does not fit."""
        model = parse_model(
            name,
            revision=self.revision,
            random_weights=self.random_weights,
            dtype=self.dtype,
            trust_remote_code=self.trust_remote_code,
            allow_pickle=self.allow_pickle,
            base_model=self.base_model,
            base_relation=self.base_relation,
        )
        if model.source == "builtin":
            bundled.find_architecture(model.id, task.modality)
        if self.by is not None and task.modality not in BY_TASKS:
            raise UsageError(
                f"--by {self.by}: the task {task.id} is done in one way.",
                f"Leave it out; it is for {' and '.join(BY_TASKS)}.",
            )
        how: dict[str, Any] = {
            "quantization": None if self.quantization == "none" else self.quantization,
            "attention": self.attention,
            "compile": self.compile,
        }
        base = replace(model.base, **how) if model.base else None
        return replace(model, by=self.by, base=base, **how)

    def source_of(self, model: ModelSpec, *, online: bool) -> str:
        """The dataset that was named; by default the official one for models of the hub."""
        official = model.source == "hub" and online
        return self.dataset or (OFFICIAL if official else BUNDLED)

    @property
    def selection(self) -> Selection:
        """What was said to be taken of the dataset."""
        return Selection(self.dataset_config, self.split, self.columns or {})

    def generations(self, task: TaskSpec) -> tuple[Generation | None, ...]:
        """How text is generated in each mode; a UsageError for a mode or limit the task lacks."""
        made = task.generation and task.generation.by(method_for(self.protocol, task.scale_task))
        if made is not None and task.has_modes:
            most, quick = self.max_new_tokens, self.quick
            modes = dict.fromkeys(self.reasoning or [DEFAULT])
            return tuple(made.chosen(mode, most, quick=quick) for mode in modes)
        options = {"--reasoning": self.reasoning, "--max-new-tokens": self.max_new_tokens}
        if asked := [name for name, value in options.items() if value]:
            raise UsageError(
                f"{' and '.join(asked)}: the task {task.id} has no modes of reasoning, and answers "
                "of a fixed length if any.",
                "Leave it out, or name the task reasoning.",
            )
        return (made,)

    def generation(self, task: TaskSpec) -> Generation | None:
        """How text is generated, in the first of several modes; None where it is as tasks say."""
        first = self.generations(task)[0]
        return first if task.has_modes or first != task.generation else None

    def runs(self, task: TaskSpec) -> int | None:
        """The number of runs; None with `auto`."""
        if self.repeats == "auto":
            return None
        return self.repeats or (1 if self.quick else task.repeats)

    @property
    def target_half_width(self) -> float | None:
        """With `repeats: auto`: half the width of the interval to reach, as a share of the mean."""
        if self.repeats != "auto":
            return None
        return (self.half_width or AUTO_HALF_WIDTH_PERCENT) / 100

    @property
    def idle_s(self) -> float:
        """How long each idle baseline is metered."""
        if self.idle is not None:
            return self.idle
        return 0.0 if self.quick or self.screen else IDLE_S

    def decisive(self, task: TaskSpec) -> dict[str, Any]:
        """The options that decide what is measured, with the task's defaults filled in.

        The country, --strict and --official are left out: they change nothing that is measured.
        Of several modes the first counts.
        """
        generation = self.generation(task)
        screen = {"until": self.until or UNTIL, "budget": self.budget}
        return {
            **({"generation": generation.recorded()} if generation else {}),
            **({"screen": screen} if self.screen else {}),
            **({"power_limit": self.power_limit} if self.power_limit else {}),
            "quick": self.quick,
            "queries": self.queries or task.queries,
            "batch_size": self.batch_size or task.batch_size,
            "repeats": self.runs(task) or "auto",
            "half_width": self.half_width,
            "idle": self.idle,
            "device": self.device,
            "gpu": self.gpu or [],
            "spread": self.spread,
            "threads": self.threads,
            "allow_shared": self.allow_shared,
        }


def read_options(
    content: Mapping[str, object], where: str, spelled: Callable[[str], str] = str
) -> RunOptions:
    """Options from their names and values; a UsageError names the one that is wrong."""
    try:
        return RunOptions.model_validate(dict(content))
    except ValidationError as error:
        said = explain_form(error, RunOptions, spelled=spelled)
        raise UsageError(f"{where}: {said}") from error


class Job(Strict):
    """What one process measures: models at tasks, into a folder."""

    tasks: tuple[str, ...]
    models: tuple[str, ...] = ()  # none: each task's own
    options: RunOptions = RunOptions()
    out: Path
    task_path: Path | None = None
    fresh: bool = False  # measure what is finished anew, and forget the runs of what is not
    request: str | None = None  # the key of the suite's entry that asks for it
    made_of: Mapping[str, str] | None = None  # what that entry must be (`suite.key.parts_of`)
    server: ServerAsked | None = None  # that has the model; None: it is loaded here
    tuning: bool = False  # it is one of several settings that are tried
    shared_node: bool = False  # others may be measured on this machine's other GPUs meanwhile
    # Wh per 1,000 queries of something better: a screen that surely needs more ends
    beaten_by: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    verbose: bool = False  # say more of what is done
