"""Question answering from a passage: the answer is marked in it, or written."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForQuestionAnswering

from energyscore.base.errors import DatasetError
from energyscore.measurement.backend import Batch, BatchOutput, EnterPhase
from energyscore.measurement.backends.base import ByModel, TransformersBackend
from energyscore.measurement.backends.text import TextBackend
from energyscore.measurement.backends.text_generation import PromptedContinuation
from energyscore.measurement.backends.text_to_text import TextToText
from energyscore.measurement.backends.ways import way_of
from energyscore.measurement.prompts import PROMPTS
from energyscore.protocol.model import By
from energyscore.protocol.workload import Query

_IN_CONTEXT = "in_context"
"""Which tokens of a batch are the context's: the answer is looked for among them only."""


class BySpan(TextBackend):
    """One forward pass scores each token of the context as the answer's first and its last."""

    auto_class = AutoModelForQuestionAnswering
    own_inputs = (_IN_CONTEXT,)
    pairs = True

    def _encode(self, queries: Sequence[Query]) -> Any:
        for query in queries:
            self._check_length(query["question"])
        encoded = self._tokenizer(
            [query["question"] for query in queries],
            [query["context"] for query in queries],
            padding=len(queries) > 1,
            truncation="only_second" if self._max_tokens is not None else False,
            max_length=self._max_tokens,
            return_attention_mask=True,
            return_tensors="pt",
        )
        parts = [encoded.sequence_ids(row) for row in range(len(queries))]
        encoded[_IN_CONTEXT] = torch.tensor([[part == 1 for part in row] for row in parts])
        return encoded

    def _lengths(self, query: Query) -> list[int]:
        pair = query["question"], query["context"]
        return [len(self._tokenizer(*pair, truncation=False, verbose=False)["input_ids"])]

    def _check_length(self, question: str) -> None:
        """Refuse a question that leaves no room for its context."""
        if self._max_tokens is None:
            return
        room = self._max_tokens - self._tokenizer.num_special_tokens_to_add(pair=True)
        if 2 * len(question.encode()) < room:
            return  # there are hardly more tokens than bytes: no need to count them
        if len(self._tokenizer(question, add_special_tokens=False)["input_ids"]) >= room:
            raise DatasetError(
                f"A question of the dataset leaves no room for its context in the "
                f"{self._max_tokens} tokens that the model reads: {question[:60]!r}...",
                "Remove it, or shorten it.",
            )

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        enter("forward")
        inputs = dict(batch.inputs)
        outside = ~inputs.pop(_IN_CONTEXT)
        output = self.model(**inputs)
        first = output.start_logits.masked_fill(outside, -torch.inf).argmax(dim=-1, keepdim=True)
        before = torch.arange(outside.shape[1], device=outside.device) < first
        last = output.end_logits.masked_fill(outside | before, -torch.inf).argmax(dim=-1)
        spans = zip(inputs["input_ids"], first[:, 0].tolist(), last.tolist(), strict=True)
        answers = [self._tokenizer.decode(ids[start : end + 1]) for ids, start, end in spans]
        return BatchOutput(0, answers)


class GeneratedAnswer(TextToText):
    """The answer is generated."""

    prompt = plain_prompt = "question: {question}  context: {context}"


class ContinuedAnswer(PromptedContinuation):
    """A decoder writes the answer."""

    prompt = PROMPTS["question_answering"]
    cut = "context"


class QuestionAnswering(ByModel):
    """Models that write also write the answer, unless they were saved with a head to mark it."""

    @staticmethod
    def choose(config: Any, by: By | None = None) -> type[TransformersBackend]:
        """By the configuration, unless a way is asked for."""
        if way_of(config, "ForQuestionAnswering", by) == "head":
            return BySpan
        return GeneratedAnswer if config.is_encoder_decoder else ContinuedAnswer
