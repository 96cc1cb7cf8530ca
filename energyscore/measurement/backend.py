"""What a backend is: the only part that knows models and devices, one module a modality."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from energyscore.protocol.model import ModelFacts, ModelSpec
from energyscore.protocol.task import TaskSpec
from energyscore.protocol.workload import Query
from energyscore.results.compilation import Compilation
from energyscore.results.memory import Memory

Device: TypeAlias = Literal["cpu", "cuda"]
"""Where models work."""

EnterPhase: TypeAlias = Callable[[str], None]
"""Called at the beginning of a phase; synchronizes the device and notes the time."""


@dataclass(frozen=True)
class CutInputs:
    """How many queries a model does not take whole, and the most that it takes of one.

    `total` is the length of all queries, `lost` what is cut off of it, `official_limit` the least
    that the official method takes of one (None: it names none), all in the `unit`.
    """

    queries: int
    limit: float
    unit: Literal["tokens", "seconds"]
    lost: float
    total: float
    official_limit: float | None = None

    @classmethod
    def of(
        cls,
        lengths: Sequence[Sequence[float]],
        limit: float,
        unit: Literal["tokens", "seconds"],
        official_limit: float | None = None,
    ) -> "CutInputs":
        """What a limit cuts off of queries, each of one or several inputs of these lengths."""
        return cls(
            queries=sum(max(one) > limit for one in lengths),
            limit=limit,
            unit=unit,
            lost=sum(max(0, length - limit) for one in lengths for length in one),
            total=sum(map(sum, lengths)),
            official_limit=official_limit,
        )


@dataclass(frozen=True)
class InputSizes:
    """How much of each query a model reads, all above 0."""

    unit: Literal["tokens", "seconds", "queries"]
    values: Sequence[float]


@dataclass(frozen=True)
class Batch:
    """Queries made ready for the model; tokens are without padding."""

    inputs: Any  # only the backend looks inside
    queries: int
    input_tokens: int
    seed: int | None = None  # that answers are drawn with; None: nothing is drawn


@dataclass(frozen=True)
class BatchOutput:
    """What the model made of a batch."""

    output_tokens: int  # without padding; 0 where nothing is generated
    values: Sequence[Any] = ()  # one per query: token ids, class index, similarity, image
    thinking_tokens: int | None = None  # of the output; None where that is not known
    answers_cut: int | None = None  # ended by the limit, not the model; None where it is forced


@dataclass(frozen=True)
class Gpus:
    """What is known of the GPUs that a model may be put on."""

    # By UUID (`GPU-...`); of one that is not named all memory counts as free.
    free_bytes: Mapping[str, int] = field(default_factory=dict)
    spread: int | None = None  # over so many of them; None: as few as hold it


class Worker(Protocol):
    """Does the work of a run, batch by batch. All errors it raises are EnergyScoreErrors.

    `prepare_ahead` batches may be prepared before they are run: then preprocessing is one
    uninterrupted stretch; its bound is the memory that prepared batches take.
    """

    prepare_ahead: int
    phases: tuple[str, ...]  # that it enters; the first begins with preparing
    lone_phase: str | None  # that `run_lone` does without the others

    def cut_inputs(self, queries: Sequence[Query]) -> CutInputs | None:
        """How many of these will be cut by `prepare`; None where the model knows no limit."""

    def prepare(self, queries: Sequence[Query]) -> Batch:
        """Make one batch ready: the first phase, or the beginning of it."""

    def run(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        """Do the work, calling `enter` at the beginning of each phase after the first."""

    def run_lone(self, batch: Batch) -> None:
        """Do the work of `lone_phase` and nothing else, as `run` does it."""

    def synchronize(self) -> None:
        """Wait until the device has finished what it was given."""


@dataclass(frozen=True)
class Likelihood:
    """How likely a text is to a model: its negative logarithm, over windows without overlap.

    `begins_with` is the token before each window; `unknown` tokens stand for what the tokenizer
    cannot write.
    """

    nats: float
    window: int
    begins_with: str
    unknown: int


@dataclass(frozen=True)
class Detected:
    """The boxes that a model draws in an image of that size: score, number of the label, box.

    A box is its left and upper edge, its width and its height, in pixels of the image.
    """

    width: int
    height: int
    boxes: Sequence[tuple[float, int, tuple[float, float, float, float]]]


class Answerer(Protocol):
    """Answers queries so that the answers can be judged; nothing of it is metered."""

    @property
    def writes(self) -> bool:
        """Whether answers are written, token after token."""

    def answer_as(self, task: TaskSpec) -> None:
        """From now on, answer as that task says: how long answers are written."""

    def answer(self, queries: Sequence[Query]) -> list[Any]:
        """The answers to one batch: texts, numbers of labels, similarities, boxes, images."""

    def likelihoods(self, queries: Sequence[Query]) -> list[Likelihood]:
        """How likely the texts of one batch are; a ModelError where that is not defined."""

    def labels(self) -> list[str] | None:
        """The names of the labels that answers are the numbers of; None where they are not."""


class Backend(Worker, Answerer, Protocol):
    """Does a task's work with one model; its first phase is `preprocess`."""

    def load(
        self, spec: ModelSpec, task: TaskSpec, device: str, gpus: Gpus | None = None
    ) -> ModelFacts:
        """Load the model onto `device`: `cpu`, or `cuda`, where `gpus` says which there are.

        Without `gpus` it is put on the first one, unasked whether it fits.
        """

    def input_sizes(self, queries: Sequence[Query]) -> InputSizes | None:
        """How much of each of these is read; None where nothing tells queries apart."""

    def gpu_uuids(self) -> tuple[str, ...]:
        """UUIDs (`GPU-...`) of the GPUs that the model occupies; none on a CPU."""

    def compiled(self) -> Compilation | None:
        """What torch.compile has made so far; None where it makes nothing."""

    def memory(self) -> Memory:
        """What the model takes of memory, and the most that it took since it was loaded."""

    def close(self) -> None:
        """Free the model's memory."""
