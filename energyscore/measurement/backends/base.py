"""What all backends share: loading, errors, waiting for the device."""

import gc
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from transformers import modeling_utils  # noqa: F401  # what all models need: see imports.py

from energyscore.base.errors import ModelError
from energyscore.measurement.backend import (
    Batch,
    BatchOutput,
    CutInputs,
    EnterPhase,
    Gpus,
    InputSizes,
    Likelihood,
)
from energyscore.measurement.backends.compiling import (
    check_compiler,
    compile_model,
    compiled_since,
)
from energyscore.measurement.backends.devices import device_uuid, occupied_gpus, synchronize
from energyscore.measurement.backends.facts import facts_of_loaded
from energyscore.measurement.backends.failures import loading_errors, translated_errors
from energyscore.measurement.backends.loading import (
    Blueprint,
    load_weights,
    read_blueprint,
)
from energyscore.measurement.backends.memory import forget_peak, memory_of
from energyscore.protocol.model import By, ModelFacts, ModelSpec
from energyscore.protocol.task import TaskSpec
from energyscore.protocol.workload import Query
from energyscore.results.compilation import Compilation
from energyscore.results.memory import Memory


class ModelBackend(ABC):
    """A `backend.Backend` without its loading; a modality adds `_prepare` and `_work`."""

    prepare_ahead = 4096
    phases: tuple[str, ...] = ("preprocess", "forward")
    lone_phase: str | None = None
    inference_mode: ClassVar[bool] = True
    model: Any = None
    _device = "cpu"
    _gpus: tuple[int, ...] = ()
    _compiled_from: Compilation | None = None  # what was compiled before the model's work

    def gpu_uuids(self) -> tuple[str, ...]:
        """UUIDs of the GPUs that the model occupies."""
        return tuple(device_uuid(index) for index in self._gpus)

    def cut_inputs(self, queries: Sequence[Query]) -> CutInputs | None:
        """How many of these are longer than the model takes them."""
        with translated_errors("Checking the queries"):
            return self._cut_inputs(queries)

    def input_sizes(self, queries: Sequence[Query]) -> InputSizes | None:
        """How much of each of these the model reads."""
        with translated_errors("Checking the queries"):
            return self._input_sizes(queries)

    def prepare(self, queries: Sequence[Query]) -> Batch:
        """Make one batch ready and put it on the device."""
        with translated_errors("Preparing a batch"):
            return self._prepare(queries)

    def run(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        """Do the work of one batch."""
        what = "The model's work on a batch"
        with translated_errors(what), torch.inference_mode(self.inference_mode):
            return self._work(batch, enter)

    def run_lone(self, batch: Batch) -> None:
        """Do `lone_phase` alone."""
        what = "The model's work on a batch"
        with translated_errors(what), torch.inference_mode(self.inference_mode):
            self._work_lone(batch)

    @property
    def writes(self) -> bool:
        """Whether answers are written, token after token."""
        return "decode" in self.phases

    def answer_as(self, task: TaskSpec) -> None:  # noqa: B027  # most answer in one way only
        """From now on, answer as that task says."""

    def answer(self, queries: Sequence[Query]) -> list[Any]:
        """The answers to one batch, as a metric takes them."""
        output = self.run(self.prepare(queries), lambda phase: None)
        with translated_errors("Reading the answers"):
            return self._said(output)

    def likelihoods(self, queries: Sequence[Query]) -> list[Likelihood]:
        """How likely the texts of one batch are, to a model that continues texts."""
        raise ModelError("only a decoder that continues texts says how likely a text is.")

    def labels(self) -> list[str] | None:
        """The names of the labels that answers are the numbers of; None where they are not."""
        return None

    def synchronize(self) -> None:
        """Wait for each device that the model occupies."""
        synchronize(self._gpus)

    def compiled(self) -> Compilation | None:
        """What torch.compile has made so far."""
        before = self._compiled_from
        return None if before is None else compiled_since(before)

    def memory(self) -> Memory:
        """What the model takes of memory."""
        return memory_of(self._modules(), self._gpus)

    def close(self) -> None:
        """Free the model's memory."""
        self.model = None
        if self._gpus:
            gc.collect()  # a model on several GPUs refers to itself
            torch.cuda.empty_cache()

    @abstractmethod
    def _prepare(self, queries: Sequence[Query]) -> Batch: ...

    @abstractmethod
    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput: ...

    def _modules(self) -> list[Any]:
        """The modules that the model consists of."""
        return [self.model]

    def _work_lone(self, batch: Batch) -> None:
        """All of the work, where there is one phase only."""
        self._work(batch, lambda phase: None)

    def _said(self, output: BatchOutput) -> list[Any]:
        """What the model made of a batch, as a metric takes it."""
        return list(output.values)

    def _cut_inputs(self, queries: Sequence[Query]) -> CutInputs | None:
        """Those that `_prepare` cuts, where it cuts any."""
        return None

    def _input_sizes(self, queries: Sequence[Query]) -> InputSizes | None:
        """What `_prepare` makes of each, where it makes more of some than of others."""
        return None


def class_names(model: Any) -> list[str]:
    """The names of a model's classes in its configuration, by their numbers; some have none."""
    names: dict[int, Any] = model.config.id2label
    return [str(names.get(number, "")) for number in range(max(names, default=-1) + 1)]


class TransformersBackend(ModelBackend):
    """Work with a model of transformers; a modality adds its Auto class and its processor."""

    auto_class: ClassVar[Any]
    unused_weights: ClassVar[tuple[str, ...]] = ()  # prefixes: the task's work needs none of them

    def load(
        self, spec: ModelSpec, task: TaskSpec, device: str, gpus: Gpus | None = None
    ) -> ModelFacts:
        """Load the model and set up the task."""
        with translated_errors(f"The model {spec.label}"), loading_errors(spec):
            return self.load_from(read_blueprint(spec, task, device, gpus))

    def load_from(self, blueprint: Blueprint) -> ModelFacts:
        """Load what the blueprint says; errors are the caller's to translate."""
        if blueprint.spec.compile:
            check_compiler(blueprint.device)
        self._load_processor(blueprint)
        loaded = load_weights(blueprint, self.auto_class, self.unused_weights)
        self.model = loaded.module
        self._gpus = occupied_gpus(self.model)
        # Of a model on several GPUs that is where its first part is: its inputs go there.
        self._device = str(self.model.device)
        self._set_up(blueprint.task)
        if blueprint.spec.compile:
            self._compiled_from = compile_model(self.model)
        facts = facts_of_loaded(blueprint, loaded, self._context_length())
        forget_peak(self._gpus)
        return facts

    @abstractmethod
    def _load_processor(self, blueprint: Blueprint) -> None:
        """Load what makes queries ready: tokenizer, image processor, feature extractor."""

    def _set_up(self, task: TaskSpec) -> None:  # most have nothing to set up
        """Prepare what does not change from batch to batch; the model is loaded."""

    def _context_length(self) -> int | None:
        """Longest input in tokens; None where a model has no such limit."""
        return None


class ByModel(ABC):
    """The backend that fits the model, known once its configuration is read.

    A modality of several kinds of models subclasses it: classification by a head or by
    generating the label, speech by an encoder with CTC or by an encoder and a decoder.
    """

    _chosen: TransformersBackend | None = None

    @staticmethod
    @abstractmethod
    def choose(config: Any, by: By | None = None) -> type[TransformersBackend]:
        """The backend for models of that configuration; `by` where a task has two ways."""

    def load(
        self, spec: ModelSpec, task: TaskSpec, device: str, gpus: Gpus | None = None
    ) -> ModelFacts:
        """Choose by the model's configuration, and load."""
        with translated_errors(f"The model {spec.label}"), loading_errors(spec):
            blueprint = read_blueprint(spec, task, device, gpus)
            self._chosen = self.choose(blueprint.config, spec.by)()
            return self._chosen.load_from(blueprint)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the chosen one's."""
        if name.startswith("__") or self._chosen is None:
            raise AttributeError(name)
        return getattr(self._chosen, name)

    def close(self) -> None:
        """Free the model's memory; harmless before `load`."""
        if self._chosen is not None:
            self._chosen.close()
