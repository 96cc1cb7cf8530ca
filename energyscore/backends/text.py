"""What the text backends share: loading, tokenizing, synchronizing."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from energyscore.backend import Batch, BatchOutput, EnterPhase, ModelFacts, Query
from energyscore.backends.failures import translated_errors
from energyscore.backends.loading import LoadedModel, gpu_uuids, load_model
from energyscore.errors import DatasetError
from energyscore.model import ModelSpec
from energyscore.task import TaskSpec


class TextBackend(ABC):
    """A `backend.Backend` for text; a modality adds its Auto class and `_work`."""

    prepare_ahead = 4096  # a prepared text is a few kilobytes
    phases: tuple[str, ...] = ("preprocess", "forward")
    lone_phase: str | None = None
    auto_class: ClassVar[Any]
    padding_side: ClassVar[str] = "right"
    unused_weights: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        """Start without a model."""
        self._loaded: LoadedModel | None = None
        self._device = "cpu"
        self._max_tokens: int | None = None

    def load(self, spec: ModelSpec, task: TaskSpec, device: str) -> ModelFacts:
        """Load the model and set up the task."""
        self._loaded = load_model(
            spec,
            task,
            device,
            self.auto_class,
            padding_side=self.padding_side,
            unused_weights=self.unused_weights,
        )
        self._device = device
        self._set_up(task)
        return self._loaded.facts

    def gpu_uuids(self) -> tuple[str, ...]:
        """UUIDs of the GPUs that the model occupies."""
        return gpu_uuids(self.model)

    def prepare(self, queries: Sequence[Query]) -> Batch:
        """Tokenize a batch, pad it where queries differ in length, put it on the device."""
        with translated_errors("Tokenizing a batch"):
            texts = self._texts(queries)
            encoded = self._tokenizer(
                texts,
                padding=len(texts) > 1,
                truncation=self._max_tokens is not None,
                max_length=self._max_tokens,
                return_tensors="pt",
            )
            tokens = int(encoded["attention_mask"].sum())
            if encoded["attention_mask"].sum(dim=-1).min() == 0:
                raise DatasetError("A query of the dataset has no tokens.", "Remove it.")
            return Batch(dict(encoded.to(self._device)), len(queries), tokens)

    def run(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        """Do the work of one batch."""
        with translated_errors("The model's work on a batch"), torch.inference_mode():
            return self._work(batch, enter)

    def run_lone(self, batch: Batch) -> None:
        """Do `lone_phase` alone."""
        raise NotImplementedError(f"{type(self).__name__} has no phase to do alone")

    def synchronize(self) -> None:
        """Wait for the device."""
        if self._device == "cuda":
            torch.cuda.synchronize()

    def close(self) -> None:
        """Free the model's memory."""
        self._loaded = None
        if self._device == "cuda":
            torch.cuda.empty_cache()

    @property
    def model(self) -> Any:
        """The loaded module."""
        assert self._loaded is not None
        return self._loaded.model

    @property
    def _tokenizer(self) -> Any:
        assert self._loaded is not None
        return self._loaded.tokenizer

    def _set_up(self, task: TaskSpec) -> None:
        """Prepare what does not change from batch to batch."""
        assert self._loaded is not None
        self._max_tokens = self._loaded.facts.context_length

    def _texts(self, queries: Sequence[Query]) -> list[str]:
        return [query["text"] for query in queries]

    @abstractmethod
    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        """Do the task's work on one batch, entering its phases."""
