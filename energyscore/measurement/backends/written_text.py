"""What all text backends share whose models write: their inputs, and room for the answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from energyscore.base.errors import DatasetError
from energyscore.base.stamps import digest_of
from energyscore.measurement.backend import Batch, BatchOutput
from energyscore.measurement.backends.generation import GeneratingBackend
from energyscore.measurement.backends.processors import refuse_context
from energyscore.measurement.backends.text import TextBackend
from energyscore.protocol.task import Sampled, TaskSpec
from energyscore.protocol.workload import Query

_SEED_DIGITS = 15  # of a digest: as much as a generator of numbers takes


class WrittenText(GeneratingBackend, TextBackend):
    """Texts in, tokens out; a kind of models adds its Auto class."""

    _seed: int | None = None  # None: nothing is drawn
    leaves_room: ClassVar[bool] = True  # a prompt is cut to the context less the new tokens

    def _set_up(self, task: TaskSpec) -> None:
        assert task.generation is not None
        self._model_tokens = self._max_tokens
        if self.leaves_room:
            new_tokens = task.generation.max_new_tokens
            self._official_tokens = max(1, self._official_tokens - new_tokens)
            if self._max_tokens is not None:
                if self._max_tokens <= new_tokens:
                    refuse_context(self._label, self._max_tokens, new_tokens)
                self._max_tokens -= new_tokens
        made = task.generation
        self._seed = made.seed if isinstance(made, Sampled) else None
        super()._set_up(task)

    def _prepare(self, queries: Sequence[Query]) -> Batch:
        """Answers that are drawn are drawn by what is asked: every run writes the same."""
        batch = super()._prepare(queries)
        if self._seed is None:
            return batch
        asked = digest_of([self._seed, *self._texts(queries)])
        return replace(batch, seed=int(asked[:_SEED_DIGITS], 16))

    def answer_as(self, task: TaskSpec) -> None:
        """From now on, write as many tokens as that task says; prompts leave room for these."""
        self._max_tokens = self._model_tokens
        super().answer_as(task)

    def _said(self, output: BatchOutput) -> list[Any]:
        answers = self._answers(output)
        return [self._tokenizer.decode(one, skip_special_tokens=True).strip() for one in answers]

    def _for_model(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """As the official method has it, without the kinds of tokens, which tell texts of a pair.

        A GPT-2 takes them too, and would add an embedding that it was not trained with.
        """
        taken = super()._for_model(inputs)
        taken.pop("token_type_ids", None)
        return taken

    def _context_length(self) -> int | None:
        return self._model_tokens


LONGER = "Name a model with a longer context."


def shortened(
    tokenizer: Any, text: str, render: Callable[[str], str], limit: int, remedy: str = LONGER
) -> str:
    """A text cut at its end so that the prompt that is rendered of it has at most `limit` tokens.

    Cutting the prompt itself would cut off what asks for the answer. Where not even an empty text
    leaves room, that is a DatasetError with the `remedy`.
    """
    prompt = render(text)
    if len(prompt.encode()) < limit:
        return text  # no token is shorter than a byte
    kept = tokens_of(tokenizer, text)
    # Fewer each time: half a character that is left can be as many tokens as were cut off.
    while (over := len(tokens_of(tokenizer, prompt)) - limit) > 0:
        kept = kept[:-over]
        if not kept:
            raise DatasetError(
                f"A prompt of at most {limit} tokens has no room for a text.",
                remedy,
            )
        text = tokenizer.decode(kept)
        prompt = render(text)
    return text


def tokens_of(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a text alone, without special ones around it."""
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
