"""Generation by the library's own `generate`, told apart into prefill and decode."""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from energyscore.measurement.backend import BatchOutput, EnterPhase
from energyscore.protocol.task import Generation


class _EnterDecode(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped here
    """Marks the end of prefill: the first time that `generate` has logits in hand.

    It lets one pass of the library's own `generate` tell its phases, at the price of a single
    synchronization per batch.
    """

    def __init__(self) -> None:
        self.enter: EnterPhase | None = None
        self.prompt_tokens = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self.enter is not None:
            self.prompt_tokens = input_ids.shape[1]
            self.enter("decode")
            self.enter = None
        return scores


class Generator:
    """Greedy generation of as many tokens as the task says.

    Decoder-only models read the prompt in `prefill`; encoder-decoder models encode it there, and
    make the first step of the decoder.
    """

    def __init__(
        self, model: Any, wanted: Generation, pad_token_id: int | None, eos_token_id: Any
    ) -> None:
        """Set up generation.

        Args:
            model: has `generate`.
            wanted: how many tokens.
            pad_token_id: pads the shorter sequences of a batch.
            eos_token_id: ends a sequence; one id or several, or None.
        """
        self._model = model
        self._ends = frozenset(eos_token_id if isinstance(eos_token_id, list) else [eos_token_id])
        # `generate` takes what is not said from the models' own, so theirs become plain as well;
        # some hand the work on to a part of theirs, which has its own.
        for part in model.modules():
            if isinstance(getattr(part, "generation_config", None), GenerationConfig):
                part.generation_config = GenerationConfig(**_needed(part.generation_config))
        settings = {
            **_needed(model.generation_config),
            **_PLAIN,
            "pad_token_id": pad_token_id,
            "eos_token_id": eos_token_id,
        }
        new = {"max_new_tokens": wanted.max_new_tokens, "min_new_tokens": wanted.min_new_tokens}
        self._config = GenerationConfig(**settings | new)
        # One token is made of the prompt's own logits: prefill, and no step of decode.
        self._prefill_only = GenerationConfig(**settings, max_new_tokens=1, min_new_tokens=1)
        self._enter_decode = _EnterDecode()
        self._processors = LogitsProcessorList([self._enter_decode])

    def run(
        self, inputs: Mapping[str, Any], enter: EnterPhase, prompt_tokens: int | None = None
    ) -> BatchOutput:
        """Generate for a batch.

        Args:
            inputs: for `generate`.
            enter: called at the beginning of prefill and of decode.
            prompt_tokens: tokens at the beginning of each output that were given, not made;
                None for as many as stood before the first that was made.
        """
        enter("prefill")
        self._enter_decode.enter = enter
        output = self._model.generate(
            **inputs, generation_config=self._config, logits_processor=self._processors
        )
        given = self._enter_decode.prompt_tokens if prompt_tokens is None else prompt_tokens
        made = output[:, given:].tolist()
        return BatchOutput(sum(_tokens_until_end(row, self._ends) for row in made), made)

    def answers(self, output: BatchOutput) -> list[list[int]]:
        """Each query's tokens, without those that only pad the batch."""
        return [row[: _tokens_until_end(row, self._ends)] for row in output.values]

    def was_cut(self, answer: list[int]) -> bool:
        """Whether an answer was ended by the limit, and not by the model."""
        return not answer or answer[-1] not in self._ends

    def prefill(self, inputs: Mapping[str, Any]) -> None:
        """Prefill alone."""
        self._model.generate(**inputs, generation_config=self._prefill_only)


_PLAIN = {
    "do_sample": False,
    "num_beams": 1,
    "num_return_sequences": 1,
    "use_cache": True,
    "return_dict_in_generate": False,
}
"""Greedy generation."""


def _needed(settings: GenerationConfig) -> dict[str, Any]:
    """What a model needs of its own settings: its special tokens, and what it may not write.

    Not its wishes how to generate: beams, penalties, guidance, drafts, caches or time limits make
    another work of it than the task says.
    """
    return {
        name: value
        for name, value in settings.to_dict().items()
        if value is not None and (name in _KEPT or name.endswith(("token_id", "token_ids")))
    }


def set_decoder_start(model: Any) -> None:
    """Say by which token a decoder begins, where its configuration names it elsewhere or not."""
    settings, config = model.generation_config, model.config
    if settings.decoder_start_token_id is not None or not config.is_encoder_decoder:
        return
    text = config.get_text_config(decoder=True)
    named = (
        getattr(part, name, None)
        for name in ("decoder_start_token_id", "bos_token_id", "pad_token_id")
        for part in (config, text)
    )
    settings.decoder_start_token_id = next((one for one in named if one is not None), 0)


_KEPT = (
    *("decoder_input_ids", "forced_decoder_ids", "is_multilingual", "lang_to_id", "task_to_id"),
    *("language", "task", "alignment_heads"),
    *("suppress_tokens", "begin_suppress_tokens", "bad_words_ids"),
)


def _tokens_until_end(row: list[int], ends: frozenset[int]) -> int:
    """Tokens that were generated: those after the end of a sequence only pad the batch."""
    return next((place + 1 for place, token in enumerate(row) if token in ends), len(row))
