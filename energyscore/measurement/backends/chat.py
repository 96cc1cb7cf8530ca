"""Prompts for chat models in a mode of reasoning, and how much of an answer is thinking."""

import bisect
import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from energyscore.base.errors import EnergyScoreError, ModelError
from energyscore.measurement.backends.failures import loading_errors, translated_errors
from energyscore.measurement.backends.loading import Blueprint, read_blueprint
from energyscore.measurement.backends.processors import load_tokenizer
from energyscore.measurement.backends.written_text import LONGER, shortened, tokens_of
from energyscore.protocol.bundled import chat_template
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.reasoning import DEFAULT, PLAIN, Family, Switch, find_family, switch_for
from energyscore.protocol.task import Mode, TaskSpec

_PROBE = "Which of the two is it?"


class ThinkingCounter:
    """Counts tokens between marks.

    Marks need not be tokens of their own: they are looked for in the text, and the places found
    are counted back in tokens. A text of 1,000 tokens takes about a millisecond, so that counting
    does not weigh on the energy of generating it.
    """

    def __init__(
        self, decode: Callable[[int], str], marks: tuple[str, str], opened: bool = False
    ) -> None:
        """Count with `decode` (the text of one token) between the marks before and after thoughts.

        `opened` says whether the prompt ends within thoughts, so that an answer begins with them.
        """
        self._decode = functools.cache(decode)
        self._begin, self._end = marks
        self._opened = opened

    def count(self, tokens: Sequence[int]) -> int:
        """Tokens of an answer that are thinking, its marks not counted.

        Thoughts that do not end, because the answer was cut off, last until its end.
        """
        pieces = [self._decode(token) for token in tokens]
        text = "".join(pieces)
        ends = list(itertools.accumulate(map(len, pieces)))
        total, place, inside = 0, 0, self._opened
        while True:
            if not inside:
                begin = text.find(self._begin, place)
                if begin < 0:
                    return total
                place = begin + len(self._begin)
            end = text.find(self._end, place)
            stop = len(text) if end < 0 else end
            # Tokens that lie in the span with their last character.
            total += bisect.bisect_right(ends, stop) - bisect.bisect_right(ends, place)
            if end < 0:
                return total
            place, inside = end + len(self._end), False


def is_opened(prompt_end: str, marks: tuple[str, str]) -> bool:
    """Whether the end of a prompt, after the user's words, begins thoughts and leaves them open."""
    return prompt_end.rfind(marks[0]) > prompt_end.rfind(marks[1])


class Chat:
    """Makes prompts of texts in one mode; without a chat template a prompt is the bare text."""

    def __init__(self, tokenizer: Any, model_type: str, label: str, mode: Mode) -> None:
        """Find the family and the switch; a ModelError where the model does not know the mode."""
        self._tokenizer = tokenizer
        self._switch = Switch()
        self.family, self.templated = PLAIN, bool(tokenizer.chat_template)
        if self.templated:
            template, prompt = tokenizer.get_chat_template(), self.render(_PROBE)
            self.family = find_family(model_type, label, template, prompt)
        self._switch = switch_for(self.family, mode, label)
        if self.templated and mode != DEFAULT:
            self._check(mode, label)

    def render(self, text: str) -> str:
        """The whole prompt for a text."""
        return self._render(text, self._switch)

    def length(self, text: str) -> int:
        """Tokens of the whole prompt for a text."""
        return len(tokens_of(self._tokenizer, self.render(text)))

    def within(self, text: str, limit: int | None) -> str:
        """The prompt, its text cut at the end so that the whole has at most `limit` tokens, if any.

        Cutting the prompt itself would cut off what asks for the answer, or for the mode. Where
        not even an empty text leaves room, that is a DatasetError.
        """
        if limit is not None:
            remedy = f"{LONGER} A lower --max-new-tokens leaves more room, too."
            text = shortened(self._tokenizer, text, self.render, limit, remedy)
        return self.render(text)

    def counter(self) -> ThinkingCounter | None:
        """Counts thinking tokens of answers; None where the family's marks are not known."""
        marks = self.family.marks
        if marks is None:
            return None
        opened = is_opened(self.render(_PROBE).rpartition(_PROBE)[2], marks)
        return ThinkingCounter(lambda token: str(self._tokenizer.decode([token])), marks, opened)

    def after_thoughts(self, answer: str) -> str:
        """The text of an answer after its thoughts; nothing where these do not end."""
        marks = self.family.marks
        if marks is None:
            return answer
        begin, end = marks
        opened = is_opened(self.render(_PROBE).rpartition(_PROBE)[2], marks)
        _, found, after = answer.rpartition(end)
        if begin in (after if found else answer) or (opened and not found):
            return ""
        return after if found else answer

    def _render(self, text: str, switch: Switch) -> str:
        if not self.templated:
            return text
        system = [{"role": "system", "content": switch.system}] if switch.system else []
        user = f"{switch.user} {text}" if switch.user else text
        prompt: str = self._tokenizer.apply_chat_template(
            [*system, {"role": "user", "content": user}],
            add_generation_prompt=True,
            tokenize=False,
            **switch.arguments,
        )
        return _answered(prompt, switch.answer, self.family)

    def _check(self, mode: Mode, label: str) -> None:
        """A template that ignores its switch would have two modes measure the same."""
        for other, switch in self.family.modes.items():
            if other != mode and self._render(_PROBE, switch) == self.render(_PROBE):
                raise ModelError(
                    f"The chat template of {label} asks for the reasoning modes {mode!r} and "
                    f"{other!r} ({self.family.name}) with the same words.",
                    f"Measure it with --reasoning {DEFAULT}.",
                )


def _answered(prompt: str, answer: str, family: Family) -> str:
    """A prompt with the beginning of its answer, in place of a mark that the template opened."""
    if not answer:
        return prompt
    if family.marks and prompt.rstrip().endswith(family.marks[0]):
        prompt = prompt.rstrip().removesuffix(family.marks[0])
    return prompt + answer


def chat_of(blueprint: Blueprint, tokenizer: Any, mode: Mode) -> Chat:
    """How a model is asked in a mode; a ModelError when it cannot be."""
    if blueprint.architecture is not None:
        tokenizer.chat_template = chat_template()
    return Chat(tokenizer, blueprint.config.model_type, blueprint.spec.label, mode)


def why_no_modes(spec: ModelSpec, task: TaskSpec, modes: Iterable[Mode]) -> dict[Mode, str]:
    """Why a model cannot be asked for some of these modes; no weights are loaded.

    A model whose configuration or tokenizer cannot be read is not judged: loading it will say why.
    """
    try:
        with translated_errors(f"The model {spec.label}"), loading_errors(spec):
            blueprint = read_blueprint(spec, task, "cpu")
            tokenizer = load_tokenizer(blueprint, padding_side="left", framed=False)
    except EnergyScoreError:
        return {}
    problems: dict[Mode, str] = {}
    for mode in modes:
        try:
            with loading_errors(spec):
                chat_of(blueprint, tokenizer, mode)
        except EnergyScoreError as error:
            problems[mode] = str(error)
    return problems
