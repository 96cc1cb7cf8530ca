"""Text to text with encoder-decoder models: summaries, answers, labels, all generated."""

from collections.abc import Sequence
from typing import Any, ClassVar

from transformers import AutoModelForSeq2SeqLM

from energyscore.measurement.backends.loading import Blueprint
from energyscore.measurement.backends.written_text import WrittenText
from energyscore.protocol.workload import Query


class TextToText(WrittenText):
    """Models that encode a text and write another.

    Models of the T5 family do many tasks, and `prompt` says which; others do one, and get
    `plain_prompt`. The query's fields are put in.
    """

    auto_class = AutoModelForSeq2SeqLM
    leaves_room = False  # the answer takes none of the encoder's
    prompt: ClassVar[str] = "{text}"
    plain_prompt: ClassVar[str] = "{text}"

    def _load_processor(self, blueprint: Blueprint) -> None:
        super()._load_processor(blueprint)
        self._told = blueprint.config.model_type in _TOLD_BY_PROMPT

    def _special_tokens(self) -> tuple[int | None, Any]:
        return self._tokenizer.pad_token_id, self.model.config.eos_token_id

    def _texts(self, queries: Sequence[Query]) -> list[str]:
        prompt = self.prompt if self._told else self.plain_prompt
        return [prompt.format(**query) for query in queries]


_TOLD_BY_PROMPT = ("t5", "mt5", "umt5", "longt5", "switch_transformers")
"""Families that do many tasks: words before the text say which."""
