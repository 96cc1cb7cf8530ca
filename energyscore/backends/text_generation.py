"""Text generation with decoder-only models."""

import torch
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
)

from energyscore.backend import Batch, BatchOutput, EnterPhase
from energyscore.backends.failures import translated_errors
from energyscore.backends.text import TextBackend
from energyscore.task import TaskSpec


class _EnterDecode(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped here
    """Marks the end of prefill: the first time that `generate` has logits in hand.

    It lets one pass of the library's own `generate` tell its phases, at the price of a single
    synchronization per batch.
    """

    def __init__(self) -> None:
        self.enter: EnterPhase | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self.enter is not None:
            self.enter("decode")
            self.enter = None
        return scores


class TextGeneration(TextBackend):
    """Decoder-only generation: `prefill` reads the prompt, `decode` makes token after token."""

    phases = ("preprocess", "prefill", "decode")
    lone_phase = "prefill"
    auto_class = AutoModelForCausalLM
    padding_side = "left"

    def _set_up(self, task: TaskSpec) -> None:
        super()._set_up(task)
        assert task.generation is not None
        new_tokens = task.generation.max_new_tokens
        if self._max_tokens is not None:
            self._max_tokens = max(1, self._max_tokens - new_tokens)
        end = self.model.generation_config.eos_token_id or self._tokenizer.eos_token_id
        self._ends = frozenset(end if isinstance(end, list) else [end])
        self._config = GenerationConfig(
            max_new_tokens=new_tokens,
            min_new_tokens=task.generation.min_new_tokens,
            do_sample=False,
            num_beams=1,
            use_cache=True,
            pad_token_id=self._tokenizer.pad_token_id,
            eos_token_id=end,
        )
        # One token is made of the prompt's own logits: prefill, and no step of decode.
        self._prefill_only = GenerationConfig(
            **self._config.to_diff_dict() | {"max_new_tokens": 1, "min_new_tokens": 1}
        )
        self._enter_decode = _EnterDecode()
        self._processors = LogitsProcessorList([self._enter_decode])

    def run_lone(self, batch: Batch) -> None:
        """Prefill alone."""
        with translated_errors("The model's work on a batch"), torch.inference_mode():
            self.model.generate(**batch.inputs, generation_config=self._prefill_only)

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        enter("prefill")
        self._enter_decode.enter = enter
        output = self.model.generate(
            **batch.inputs, generation_config=self._config, logits_processor=self._processors
        )
        made = output[:, batch.inputs["input_ids"].shape[1] :].tolist()
        return BatchOutput(sum(_tokens_until_end(row, self._ends) for row in made), made)


def _tokens_until_end(row: list[int], ends: frozenset[int]) -> int:
    """Tokens that were generated: those after the end of a sequence only pad the batch."""
    return next((place + 1 for place, token in enumerate(row) if token in ends), len(row))
