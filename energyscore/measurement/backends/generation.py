"""Generation by the library's own `generate`, split into prefill and decode."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from energyscore.measurement.backend import Batch, BatchOutput, EnterPhase
from energyscore.measurement.backends.base import TransformersBackend
from energyscore.measurement.backends.failures import translated_errors
from energyscore.measurement.backends.loading import Blueprint
from energyscore.measurement.backends.processors import check_room
from energyscore.protocol.model import ModelFacts
from energyscore.protocol.task import Generation, Sampled, TaskSpec


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


class GeneratingBackend(TransformersBackend):
    """Generation of as many tokens as the task says, greedily unless answers are to be drawn.

    `prefill` makes the first token, `decode` the others. Decoder-only models read the prompt in
    `prefill`; encoder-decoder models encode it there, and make the first step of the decoder.
    """

    phases = ("preprocess", "prefill", "decode")
    lone_phase = "prefill"
    _read_tokenizer: Callable[[], Any]  # of those that read no texts

    def load_from(self, blueprint: Blueprint) -> ModelFacts:
        """Load what the blueprint says, if its context has room for an answer."""
        generation, config = blueprint.task.generation, blueprint.config
        if generation is not None and generation.reasoning is None:  # modes fit into any context
            check_room(config, blueprint.spec.label, generation.max_new_tokens)
        return super().load_from(blueprint)

    def _set_up(self, task: TaskSpec) -> None:
        assert task.generation is not None
        _set_decoder_start(self.model)
        pad, end = self._special_tokens()
        self._ends = frozenset(end if isinstance(end, list) else [end])
        # `generate` takes missing settings from the model's own, so those become plain as well;
        # some models pass the work on to a part that has settings of its own.
        for part in self.model.modules():
            if isinstance(getattr(part, "generation_config", None), GenerationConfig):
                part.generation_config = GenerationConfig(**_needed(part.generation_config))
        tokens = {"pad_token_id": pad, "eos_token_id": end}
        settings = _needed(self.model.generation_config) | _PLAIN | tokens
        settings |= _drawn(task.generation)
        most, least = task.generation.max_new_tokens, task.generation.min_new_tokens
        self._config = GenerationConfig(**settings, max_new_tokens=most, min_new_tokens=least)
        # One token is made of the prompt's own logits: prefill, and no step of decode.
        self._prefill_only = GenerationConfig(**settings, max_new_tokens=1, min_new_tokens=1)
        self._enter_decode = _EnterDecode()

    def _decoded(self, output: BatchOutput) -> list[Any]:
        """The texts of the answers, by a tokenizer that is read only where they are judged."""
        tokenizer = self._read_tokenizer()
        return [
            str(tokenizer.decode(one, skip_special_tokens=True)).strip()
            for one in self._answers(output)
        ]

    def answer_as(self, task: TaskSpec) -> None:
        """From now on, write as many tokens as that task says."""
        with translated_errors("Setting the model up for its answers"):
            self._set_up(task)

    @abstractmethod
    def _special_tokens(self) -> tuple[int | None, Any]:
        """The token that pads a batch, and the token or tokens that end a sequence."""

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        enter("prefill")
        self._enter_decode.enter = enter
        if batch.seed is not None:
            torch.manual_seed(batch.seed)
        output = self.model.generate(
            **batch.inputs,
            generation_config=self._config,
            logits_processor=LogitsProcessorList([self._enter_decode]),
        )
        made = output[:, self._enter_decode.prompt_tokens :].tolist()
        return BatchOutput(sum(_tokens_until_end(row, self._ends) for row in made), made)

    def _work_lone(self, batch: Batch) -> None:
        self.model.generate(**batch.inputs, generation_config=self._prefill_only)

    def _answers(self, output: BatchOutput) -> list[list[int]]:
        """Each query's tokens, without those that only pad the batch."""
        return [row[: _tokens_until_end(row, self._ends)] for row in output.values]

    def _was_cut(self, answer: list[int]) -> bool:
        """Whether an answer was ended by the limit, and not by the model."""
        return not answer or answer[-1] not in self._ends


_PLAIN = {
    "do_sample": False,
    "num_beams": 1,
    "num_return_sequences": 1,
    "use_cache": True,
    "return_dict_in_generate": False,
}
"""Greedy generation."""


def _drawn(generation: Generation) -> dict[str, Any]:
    """The settings by which answers are drawn, where they are."""
    if not isinstance(generation, Sampled):
        return {}
    names = {"temperature", "top_p", "top_k"}
    return {"do_sample": True} | generation.model_dump(include=names)


def first_of(*values: Any) -> Any:
    """The first of these that is not None."""
    return next((value for value in values if value is not None), None)


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


def _set_decoder_start(model: Any) -> None:
    """Say by which token a decoder begins, where its configuration names it elsewhere or not."""
    settings, config = model.generation_config, model.config
    if settings.decoder_start_token_id is not None or not config.is_encoder_decoder:
        return
    text = config.get_text_config(decoder=True)
    names = ("decoder_start_token_id", "bos_token_id", "pad_token_id")
    named = (getattr(part, name, None) for name in names for part in (config, text))
    settings.decoder_start_token_id = first_of(*named, 0)


_KEPT = (
    *("decoder_input_ids", "forced_decoder_ids", "is_multilingual", "lang_to_id", "task_to_id"),
    *("language", "task", "alignment_heads"),
    *("suppress_tokens", "begin_suppress_tokens", "bad_words_ids"),
)


def _tokens_until_end(row: list[int], ends: frozenset[int]) -> int:
    """Tokens that were generated: those after the end of a sequence only pad the batch."""
    return next((place + 1 for place, token in enumerate(row) if token in ends), len(row))
