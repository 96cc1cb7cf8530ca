"""Final answers to questions that have one."""

import re
from collections.abc import Sequence
from typing import Any

from energyscore.measurement.quality.metric import (
    Judged,
    Metric,
    Names,
    Setting,
    ratio,
    text_of,
)
from energyscore.protocol.workload import Query

_NAMED = re.compile(r"answer\s*(?:is\b|:|=)\s*(.+)", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+")
_NO_WORD = re.compile(r"[\W_]+")


class ExactMatch(Metric):
    """The share of rows whose final answer is the right one."""

    def references(self, rows: Sequence[Query]) -> list[Any]:
        """The right answers."""
        return [text_of(row["answer"], "an answer") for row in rows]

    def judge(self, answers: Sequence[Any], right: Sequence[Any], names: Names) -> Judged:
        """Judge one text, without what was thought before it, for each row."""
        pairs = zip(answers, right, strict=True)
        items = [[float(is_right(said, one)), 1.0] for said, one in pairs]
        settings: dict[str, Setting] = {
            "final_answer": r"in \boxed{}, else after the last 'answer:' or 'answer is', else the "
            "last line; of numbers the last",
            "normalization": "numbers by value; else case, punctuation, white space",
        }
        return ratio(items, settings=settings)


def is_right(said: str, right: str) -> bool:
    """Whether the final answer of a text is the right one."""
    wanted = _value(right)
    final = final_answer(said)
    if wanted is not None:
        numbers = _NUMBER.findall(final)
        return bool(numbers) and _value(numbers[-1]) == wanted
    return _plain(final) == _plain(right)


def final_answer(said: str) -> str:
    r"""What a text gives as its answer: boxed, named as such, or at its end."""
    for pattern in (_BOXED, _NAMED):
        if found := pattern.findall(said):
            return str(found[-1]).strip()
    lines = said.strip().splitlines()
    return lines[-1].strip() if lines else ""


def _value(text: str) -> float | None:
    """The number that a text is; None where it is none."""
    text = text.strip().rstrip(".").replace(",", "")
    return float(text) if _NUMBER.fullmatch(text) else None


def _plain(text: str) -> str:
    return _NO_WORD.sub(" ", text.casefold()).strip()
