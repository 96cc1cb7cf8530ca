"""Text generation with decoder-only models."""

from typing import Any

from transformers import AutoModelForCausalLM

from energyscore.measurement.backend import Batch, BatchOutput, EnterPhase
from energyscore.measurement.backends.generation import Generator
from energyscore.measurement.backends.text import TextBackend
from energyscore.protocol.task import TaskSpec


class TextGeneration(TextBackend):
    """Decoder-only generation: `prefill` reads the prompt, `decode` makes token after token."""

    phases = ("preprocess", "prefill", "decode")
    lone_phase = "prefill"
    auto_class = AutoModelForCausalLM
    padding_side = "left"

    def _set_up(self, task: TaskSpec) -> None:
        assert task.generation is not None
        self._model_tokens = self._max_tokens
        if self._max_tokens is not None:
            self._max_tokens = max(1, self._max_tokens - task.generation.max_new_tokens)
        self._generator = Generator(
            self.model, task.generation, self._tokenizer.pad_token_id, self._ends()
        )

    def _ends(self) -> Any:
        """The token or tokens that end a text."""
        return self.model.generation_config.eos_token_id or self._tokenizer.eos_token_id

    def _context_length(self) -> int | None:
        return self._model_tokens

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        return self._generator.run(batch.inputs, enter, batch.inputs["input_ids"].shape[1])
