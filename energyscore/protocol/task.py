"""A task: a standardized definition of work, read strictly from one YAML file and versioned."""

import functools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from energyscore.base.errors import TaskError, did_you_mean
from energyscore.base.files import is_dir, is_file, read_text
from energyscore.base.form import Strict
from energyscore.base.stamps import digest_of
from energyscore.base.yaml_text import read_form
from energyscore.protocol.official_method import METHODS, Protocol

Phase = Literal["preprocess", "prefill", "decode", "forward", "call"]
Kind = Literal["text", "image", "audio", "reference"]
"""What a cell holds; a reference is whatever its dataset has, and no part of the query."""

Precision = Literal["float32", "float16", "bfloat16"]
Mode = Literal["default", "off", "low", "medium", "high", "on"]
"""How a model is asked to reason: as it does unasked, or in a mode, from cheap to costly."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,47}$")]
Count = Annotated[int, Field(gt=0)]

QUICK_TOKENS = 64
"""The most of an answer in a quick look at reasoning: a processor takes minutes for 1,000."""

SAMPLING_SEED = 42

PROMPT_ROOM = 512
"""Tokens of a context that are kept for the prompt, whatever an answer may have."""


class Dataset(Strict):
    """The official dataset: where it is, and which column holds what.

    A revision (branch, tag or commit) is resolved to a commit before loading, and the result stores
    it. `columns` and `kinds` go by the field of a query; what has no kind is text. Images and audio
    are kept as the bytes of their files, and decoded in the `preprocess` phase.
    """

    id: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: Annotated[str, Field(min_length=1)] = "main"
    split: Annotated[str, Field(min_length=1)] = "train"
    columns: Annotated[dict[str, str], Field(min_length=1)]
    kinds: dict[str, Kind] = Field({})

    @model_validator(mode="after")
    def _known_fields(self) -> "Dataset":
        if unknown := sorted(set(self.kinds) - set(self.columns)):
            raise ValueError(f"kinds: {unknown[0]} is not a field of columns")
        return self

    def kind_of(self, field: str) -> Kind:
        """What a field of a query holds."""
        return self.kinds.get(field, "text")


class SampleFile(Strict):
    """The small sample that ships with the task: a JSON Lines file beside the task's YAML.

    Cells of images and audio name files, relative to its folder.
    """

    file: Annotated[str, Field(pattern=r"^[\w./-]+\.jsonl$")]


class Generation(Strict):
    """How text is generated. With `min_new_tokens` = `max_new_tokens` the length is forced.

    Where the protocol's own maximum takes very long, `usual_max_new_tokens` is the most unless more
    is asked for.
    """

    max_new_tokens: Count
    min_new_tokens: Annotated[int, Field(ge=0)] = 0
    strategy: Literal["greedy"] = "greedy"
    reasoning: Mode | None = None
    usual_max_new_tokens: Count | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Generation":
        if self.min_new_tokens > self.max_new_tokens:
            raise ValueError("min_new_tokens is larger than max_new_tokens")
        return self

    def chosen(
        self, reasoning: Mode, max_new_tokens: int | None, *, quick: bool = False
    ) -> "Generation":
        """What is done of it: in one mode, up to so many tokens (None: as usual, or few)."""
        usual = QUICK_TOKENS if quick else self.usual_max_new_tokens
        most = max_new_tokens or usual or self.max_new_tokens
        change = {"max_new_tokens": most, "usual_max_new_tokens": None, "reasoning": reasoning}
        return self.model_copy(update=change)

    def within(self, context_length: int | None) -> "Generation":
        """The same, cut so that a prompt keeps `PROMPT_ROOM` tokens, or half of a small context."""
        if self.reasoning is None or context_length is None:
            return self
        most = context_length - min(PROMPT_ROOM, context_length // 2)
        return self.model_copy(update={"max_new_tokens": min(self.max_new_tokens, most)})

    def by(self, protocol: Protocol) -> "Generation":
        """The same by an official method: greedy as tasks have it, or sampled and not forced."""
        method = METHODS[protocol]
        if method.sampling is None:
            return self
        least = self.min_new_tokens if method.forced else 0
        known = self.model_dump() | asdict(method.sampling)
        return Sampled(**known | {"strategy": "sample", "min_new_tokens": least})

    def recorded(self) -> dict[str, int | float | str]:
        """What results say of it."""
        return self.model_dump(exclude_none=True, exclude={"usual_max_new_tokens"})


class Sampled(Generation):
    """Answers that are drawn, as `Sampling` says; no task file says so.

    `seed`: each answer is drawn with one of its own, which follows from this one and the prompt:
    a model writes the same in every run.
    """

    strategy: Literal["sample"] = "sample"  # type: ignore[assignment]  # of tasks: greedy
    temperature: Annotated[float, Field(gt=0)]
    top_p: Annotated[float, Field(gt=0, le=1)]
    top_k: Count
    seed: Annotated[int, Field(ge=0)] = SAMPLING_SEED


class Diffusion(Strict):
    """How images are made: steps as the pipeline's `num_inference_steps` counts them."""

    steps: Count
    images: Count


class QualitySpec(Strict):
    """How good answers are: the metric, and the official columns of its references.

    Answers to be judged are as long as `generation` says, or as the task itself says without it.
    `labels` are those of the task's own datasets. `sample` has references where the task's own
    datasets have none. `judge` is the model that judges, where the metric needs one: a folder, or
    an id on the hub, of which only what is in the local cache is used.
    """

    metric: Annotated[str, Field(min_length=1)]
    references: dict[str, str] = Field({})
    generation: Generation | None = None
    labels: list[str] = Field([])
    sample: SampleFile | None = None
    judge: Annotated[str, Field(min_length=1)] | None = None


class ModelClass(Strict):
    """A size class; models are rated within theirs. `max_parameters_b` null: no upper bound."""

    name: Annotated[str, Field(pattern=r"^[A-Z]$")]
    max_parameters_b: Annotated[float, Field(gt=0, strict=False)] | None
    max_gpus: Count | None = 1


class TaskSpec(Strict):
    """One task, as its YAML file defines it.

    Attributes:
        version: raised whenever a change makes old and new figures incomparable.
        modality: which backend does the work (a name in `energyscore.measurement.catalog`).
        queries: those of one pass over the workload.
        precision: the dtypes that the protocol allows on a GPU; the first is the default. A
            model whose own dtype is among them keeps it. On a CPU the work is done in float32.
        phases: the phases that are metered, in order; a kind of model may have some of them only.
        classes: size classes from small to large; empty where the task has none.
        scale_task: the task's name in the reference scales.
        quality: how answers are judged where that is asked for; it decides nothing that is metered.
    """

    id: Name
    version: Count
    title: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=1)]
    modality: Name
    dataset: Dataset
    sample: SampleFile
    queries: Count = 1000
    repeats: Count = 10
    batch_size: Count = 1
    precision: Annotated[list[Precision], Field(min_length=1)]
    generation: Generation | None = None
    diffusion: Diffusion | None = None
    phases: Annotated[list[Phase], Field(min_length=1)]
    classes: list[ModelClass] = Field([])
    default_models: Annotated[list[str], Field(min_length=1)]
    scale_task: Name
    quality: QualitySpec | None = None

    @model_validator(mode="after")
    def _coherent(self) -> "TaskSpec":
        if len(set(self.phases)) != len(self.phases):
            raise ValueError("phases: each may be named once")
        if ("decode" in self.phases) != (self.generation is not None):
            raise ValueError("generation: is needed with a decode phase, and only with one")
        if ("call" in self.phases) != (self.diffusion is not None):
            raise ValueError("diffusion: is needed with a call phase, and only with one")
        if self.quality and set(self.quality.references) & set(self.dataset.columns):
            raise ValueError("quality: a reference has the name of a field of dataset.columns")
        bounds = [c.max_parameters_b for c in self.classes]
        if None in bounds[:-1] or bounds[:-1] != sorted(b for b in bounds[:-1] if b):
            raise ValueError("classes: must go from small to large, null only in the last")
        return self

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over everything in the task that decides what is metered (not its prose)."""
        content = self.model_dump(exclude={"title", "description", "default_models", "quality"})
        return digest_of(content)

    @property
    def has_modes(self) -> bool:
        """Whether models are asked to reason in a mode."""
        return self.generation is not None and self.generation.reasoning is not None

    def class_of(self, parameters: int | None, bits: int | None) -> str | None:
        """The size class of a model; None where the task has no classes, or its size is unknown.

        The official bounds (20 B and 66 B parameters, source: the AI Energy Score's
        documentation) are those that 24 GB and 80 GB cards hold at 8 bits a parameter. A model
        quantized below 8 bits needs less memory, so it counts with its parameters x bits / 8.
        """
        if parameters is None:
            return None
        billions = parameters / 1e9 * (min(bits, 8) / 8 if bits else 1.0)
        for model_class in self.classes:
            if model_class.max_parameters_b is None or billions <= model_class.max_parameters_b:
                return model_class.name
        return self.classes[-1].name if self.classes else None


@dataclass(frozen=True, eq=False)
class TaskFile:
    """A task together with the file it was read from, so that its sample can be found."""

    spec: TaskSpec
    path: Path

    @property
    def sample_path(self) -> Path:
        """Where the sample lies: beside the task, or, for a bundled task's copy, where it ships."""
        beside = self.path.parent / self.spec.sample.file
        shipped = bundled_tasks_dir() / self.spec.sample.file
        return shipped if not is_file(beside) and is_file(shipped) else beside

    def with_references(self) -> "TaskFile":
        """The same task, each query with its references beside it."""
        quality, dataset = self.spec.quality, self.spec.dataset
        references = quality.references if quality else {}
        update = {
            "columns": {**dataset.columns, **references},
            "kinds": {**dataset.kinds, **dict.fromkeys(references, "reference")},
        }
        return self._changed(dataset=dataset.model_copy(update=update))

    def with_sample(self, sample: SampleFile) -> "TaskFile":
        """The same task with another sample."""
        return self._changed(sample=sample)

    def _changed(self, **update: object) -> "TaskFile":
        return TaskFile(self.spec.model_copy(update=update), self.path)


def bundled_tasks_dir() -> Path:
    """The folder of the tasks that ship with energyscore.

    In a checkout that is the repository's own `tasks/` (an editable install would otherwise
    read a stale copy), in an installed package the copy made when it was built.
    """
    room = Path(__file__).resolve().parent
    repository = room.parent.parent
    if (repository / "pyproject.toml").is_file() and (repository / "tasks").is_dir():
        return repository / "tasks"
    return room / "_tasks"


def load_task(path: Path) -> TaskFile:
    """Read one task file; a TaskError names the file and the key."""
    where = f"Task file {path}"
    task = TaskFile(_read_spec(read_text(path, where, TaskError), where), path)
    if not is_file(task.sample_path):
        raise TaskError(
            f"Task file {path}: sample.file: {task.sample_path} does not exist.",
            "The path is relative to the task file.",
        )
    return task


@functools.lru_cache(maxsize=64)
def _read_spec(text: str, where: str) -> TaskSpec:
    """Kept, since a session asks for all tasks several times and YAML takes its time."""
    shape = "a mapping of keys, as tasks/*.yaml do"
    return read_form(text, TaskSpec, where, shape, TaskError)[0]


def load_tasks(extra_dir: Path | None = None) -> dict[str, TaskFile]:
    """All bundled tasks by id, and those of a folder of your own, which win over bundled ones.

    A TaskError where the folder holds no task, two tasks share an id, or a file is wrong.
    """
    tasks = dict(_bundled_tasks())
    if extra_dir is not None:
        if not is_dir(extra_dir):
            raise TaskError(f"--task-path {extra_dir} is not a folder.")
        own = _load_dir(extra_dir)
        if not own:
            raise TaskError(
                f"--task-path {extra_dir} holds no task file (*.yaml).",
                "`energyscore tasks text_generation` shows where a complete one lies.",
            )
        tasks.update(own)
    return tasks


@functools.cache
def _bundled_tasks() -> dict[str, TaskFile]:
    """Read once: they do not change while a process runs."""
    return _load_dir(bundled_tasks_dir())


def find_task(name: str, tasks: dict[str, TaskFile]) -> TaskFile:
    """The task of that name; a TaskError names the nearest ones where it is unknown."""
    if name in tasks:
        return tasks[name]
    raise TaskError(f"Unknown task {name!r}.", did_you_mean(name.replace("-", "_"), tasks))


def _load_dir(folder: Path) -> dict[str, TaskFile]:
    tasks: dict[str, TaskFile] = {}
    for path in sorted(folder.glob("*.yaml")):
        task = load_task(path)
        if task.spec.id in tasks:
            raise TaskError(
                f"{path} and {tasks[task.spec.id].path} both define the task {task.spec.id!r}."
            )
        tasks[task.spec.id] = task
    return tasks
