"""Text generation with decoder-only models."""

from typing import Any

from transformers import AutoModelForCausalLM

from energyscore.measurement.backends.generation import GeneratingBackend
from energyscore.measurement.backends.text import TextBackend
from energyscore.protocol.task import TaskSpec


class TextGeneration(GeneratingBackend, TextBackend):
    """Decoder-only generation: `prefill` reads the prompt, `decode` makes token after token."""

    auto_class = AutoModelForCausalLM
    padding_side = "left"

    def _set_up(self, task: TaskSpec) -> None:
        assert task.generation is not None
        self._model_tokens = self._max_tokens
        if self._max_tokens is not None:
            self._max_tokens = max(1, self._max_tokens - task.generation.max_new_tokens)
        super()._set_up(task)

    def _special_tokens(self) -> tuple[int | None, Any]:
        end = self.model.generation_config.eos_token_id or self._tokenizer.eos_token_id
        return self._tokenizer.pad_token_id, end

    def _context_length(self) -> int | None:
        return self._model_tokens
