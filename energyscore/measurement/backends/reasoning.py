"""Reasoning: chat models that think before they answer, as far as they are asked to."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from energyscore.measurement.backend import Batch, BatchOutput, EnterPhase
from energyscore.measurement.backends.chat import chat_of
from energyscore.measurement.backends.loading import Blueprint
from energyscore.measurement.backends.text_generation import Continuation
from energyscore.protocol.reasoning import DEFAULT
from energyscore.protocol.task import TaskSpec
from energyscore.protocol.workload import Query


class Reasoning(Continuation):
    """Text generation by chat, in the mode that `task.generation.reasoning` names.

    Answers end by themselves or at the limit, which is lowered where the model's context is too
    small for it.
    """

    def _load_processor(self, blueprint: Blueprint) -> None:
        super()._load_processor(blueprint)
        generation = blueprint.task.generation
        mode = (generation and generation.reasoning) or DEFAULT
        self._chat = chat_of(blueprint, self._tokenizer, mode)
        self._counter = self._chat.counter()

    def _set_up(self, task: TaskSpec) -> None:
        assert task.generation is not None
        generation = task.generation.within(self._max_tokens)
        super()._set_up(task.model_copy(update={"generation": generation}))

    def _special_tokens(self) -> tuple[int | None, Any]:
        """All ends of a turn count: those that the configuration and the tokenizer name."""
        named = self.model.generation_config.eos_token_id
        ends = [*(named if isinstance(named, list) else [named]), self._tokenizer.eos_token_id]
        known = [end for end in dict.fromkeys(ends) if end is not None]
        return self._tokenizer.pad_token_id, known or None

    def _lengths(self, query: Query) -> list[int]:
        if not self._chat.templated:
            return super()._lengths(query)
        return [self._chat.length(*self._texts([query]))]

    def _encode(self, queries: Sequence[Query]) -> Any:
        if not self._chat.templated:
            return super()._encode(queries)
        prompts = [self._chat.within(text, self._max_tokens) for text in self._texts(queries)]
        # The template has written all special tokens already.
        return self._tokenizer(
            prompts,
            padding=len(prompts) > 1,
            add_special_tokens=False,
            return_attention_mask=True,
            return_tensors="pt",
        )

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        output = super()._work(batch, enter)
        answers, counter = self._answers(output), self._counter
        return replace(
            output,
            values=answers,
            thinking_tokens=None if counter is None else sum(map(counter.count, answers)),
            answers_cut=sum(map(self._was_cut, answers)),
        )

    def _said(self, output: BatchOutput) -> list[Any]:
        """The answers without what was thought before them; nothing of one that was cut there."""
        tokenizer, marks = self._tokenizer, self._chat.family.marks
        texts = [tokenizer.decode(one) for one in self._answers(output)]
        said = [self._chat.after_thoughts(text) for text in texts] if marks else texts
        specials = sorted(tokenizer.all_special_tokens, key=len, reverse=True)
        for special in specials:
            said = [text.replace(special, "") for text in said]
        return [text.strip() for text in said]
